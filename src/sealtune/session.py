"""The whole run, plan to verdict: wires the stages, resumes, and leaves the machine as found."""

import contextlib
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sealtune.benchmarks.measurement import Measurement
from sealtune.errors import (
    MachineBusyError,
    NotRootError,
    SealtuneError,
    SessionNotFoundError,
    TooLittleTimeError,
)
from sealtune.ledger import Ledger
from sealtune.machine import busy_reasons
from sealtune.planning import Plan, Request, make_plan
from sealtune.report.conclude import Found, conclude, differing
from sealtune.report.events import Finished, Notify
from sealtune.report.result import Result
from sealtune.searching import Runs, SearchRuns
from sealtune.space.config import load_config
from sealtune.store import NewSession, SqliteStore, Store, default_store_path
from sealtune.tactician import Budget, Sampler, TrialRecord, prepare_tactician, search
from sealtune.verdict import (
    Clock,
    Pair,
    Sentinels,
    assess_noise,
    confirm,
    minimise,
    plan_clock,
    rank_suspects,
    screen,
)
from sealtune.workbench import (
    Machine,
    SimulatedClock,
    real_machine,
    signals_interrupt,
    simulated_machine,
)


def tune(plan: Plan, store: Store, notify: Notify, *, resume: str | None = None) -> Result:
    """Run one session; the machine is as it was found when this returns or raises.

    Args:
        plan: What to do, as the person saw it.
        store: Keeps every finished run.
        notify: Told of every event, in order.
        resume: Id of the interrupted session to go on with.

    Raises:
        SealtuneError: No verdict could be reached; parameters are back, finished trials are kept.
    """
    clock = SimulatedClock() if plan.simulated else time.monotonic
    session = store.resume(resume).id if resume else store.begin(_new_session(plan))
    deadline = clock() + plan.total_seconds
    ledger = Ledger(store, session, notify, clock, deadline, simulated=plan.simulated)
    ledger.take_up(Counter(row.phase for row in store.trials(session)))
    found = Found()
    try:
        with signals_interrupt():
            _all_stages(plan, ledger, found, _history(store, session) if resume else ())
    except KeyboardInterrupt:
        found.interrupted = True
    except SealtuneError:
        store.finish(session, "failed")
        raise
    except BaseException:
        store.finish(session, "interrupted")
        raise
    result = conclude(plan, ledger, found)
    store.finish(session, "interrupted" if found.interrupted else "finished", result.as_dict())
    notify(Finished(result))
    return result


def _all_stages(
    plan: Plan, ledger: Ledger, found: Found, history: tuple[TrialRecord, ...]
) -> None:
    """Fill `found` stage by stage, so that an interruption keeps what is known until then."""
    ledger.phase("prepare", "loading the tactician and preparing the benchmark")
    sampler = _tactician(plan, ledger)
    with _machine(plan, ledger, found) as machine:
        sentinels = Sentinels(plan.adapter.direction)
        runs = Runs(plan, ledger, machine, sentinels)
        phase = plan.clock.phase("A/A")
        ledger.phase("aa", "A/A: how noisy is this machine?", phase.seconds, phase.runs)
        found.noise = assess_noise(runs.of("aa"), phase.runs)
        for advice in found.noise.advice:
            ledger.note(advice)
        found.clock = _share_out(plan, ledger, runs.baselines)
        _search(found, runs, sampler, history)
        if _screen(found, runs):
            _confirm(found, runs)
        if found.confirmation is not None and found.confirmation.outcome == "improved":
            _minimise(found, runs)


def _tactician(plan: Plan, ledger: Ledger) -> Sampler:
    """Build it before anything is measured: loading torch takes seconds of CPU."""
    began = time.monotonic()
    sampler = prepare_tactician(
        plan.request.tactician,
        plan.built.space,
        plan.clock.search_trials,
        prior=plan.built.space.start,
        seed=plan.seed,
    )
    ledger.start_up_seconds += time.monotonic() - began
    return sampler


@contextlib.contextmanager
def _machine(plan: Plan, ledger: Ledger, found: Found) -> Iterator[Machine]:
    if isinstance(ledger.clock, SimulatedClock):
        with simulated_machine(plan, ledger.clock) as machine:
            yield machine
    else:
        with real_machine(plan, ledger, found.was_restored) as machine:
            yield machine


def _share_out(plan: Plan, ledger: Ledger, baselines: list[Measurement]) -> Clock:
    """Share out what is left, now that the cost of a run is known instead of guessed."""
    spent = sum(run.seconds + run.settle_seconds for run in baselines)
    cost = spent / len(baselines)
    if plan.simulated:
        return plan.clock
    if plan.minutes is None:
        clock = plan_clock(None, plan.trials, cost, 0.0, len(plan.built.plan))
        ledger.deadline = ledger.clock() + clock.total_seconds - spent
        return clock
    try:
        minutes = (ledger.remaining + spent) / 60
        return plan_clock(minutes, plan.trials, cost, 0.0, len(plan.built.plan))
    except TooLittleTimeError:
        return plan.clock  # six pairs are run all the same, past the planned end if need be


def _search(found: Found, runs: Runs, sampler: Sampler, history: tuple[TrialRecord, ...]) -> None:
    plan, ledger, clock = runs.plan, runs.ledger, found.the_clock
    phase = clock.phase("search")
    ledger.phase("search", "searching", phase.seconds, clock.search_trials)
    reserved = clock.reserved_seconds + clock.phase("screening").seconds
    searching = SearchRuns(runs, plan.reward_for(runs.baselines), ledger.deadline - reserved)
    result = search(
        plan.built.space,
        searching.measure,
        Budget(max(clock.search_trials, len(history) + 1)),
        tactician=sampler,
        prior=plan.built.space.start,
        seed=plan.seed,
        reward=searching,
        on_trial=searching.keep,
        history=history,
    )
    found.search = searching.rescored(result)
    if result.ended == "failures":
        ledger.note("More than 3 trials failed in a row: the search ended with what is known.")


def _screen(found: Found, runs: Runs) -> bool:
    """Keep one candidate; return whether there is one."""
    candidates = found.search.candidates(3) if found.search else ()
    if not candidates:
        return False
    phase = found.the_clock.phase("screening")
    runs.ledger.phase("screening", "screening the candidates", phase.seconds, phase.runs)
    found.screening = screen(
        runs.of("screening"),
        candidates,
        max(1, phase.runs // (len(candidates) + 1)),
        np.random.default_rng(runs.plan.seed),
        direction=runs.direction,
        deadline=runs.ledger.deadline - found.the_clock.reserved_seconds,
        clock=runs.ledger.clock,
    )
    return found.screening.chosen is not None


def _confirm(found: Found, runs: Runs) -> None:
    ledger, clock = runs.ledger, found.the_clock
    phase = clock.phase("confirmation")
    ledger.phase("confirm", "confirming by fresh pairs", phase.seconds, 2 * clock.pairs)

    def show(pair: Pair) -> None:
        if pair.ratio is not None:
            ledger.pair(pair.index + 1, clock.pairs, pair.ratio)

    found.confirmation = confirm(
        runs.of("confirm"),
        found.chosen,
        direction=runs.direction,
        seed=runs.plan.seed,
        deadline=ledger.deadline - clock.phase("minimising").seconds,
        clock=ledger.clock,
        on_pair=show,
    )


def _minimise(found: Found, runs: Runs) -> None:
    ledger, phase = runs.ledger, found.the_clock.phase("minimising")
    ledger.phase("minimise", "minimising: which parameters carry the gain?", phase.seconds)
    if found.confirmation is None:
        return
    found.minimal = minimise(
        runs.of("minimise"),
        differing(found.chosen, runs.plan.originals),
        found.confirmation,
        direction=runs.direction,
        seed=runs.plan.seed,
        deadline=ledger.deadline,
        clock=ledger.clock,
        suspects=_suspects(found, runs),
    )


def _suspects(found: Found, runs: Runs) -> tuple[str, ...]:
    """Return the parameters that the search makes look responsible, for a faster halving."""
    trials = found.search.trials if found.search else ()
    good = [trial for trial in trials if trial.relative is not None]
    settings = [trial.setting for trial in good]
    ranked = rank_suspects(
        settings, [trial.relative or 1.0 for trial in good], runs.plan.built.space
    )
    return tuple(name for name in ranked if name in differing(found.chosen, runs.plan.originals))


def _new_session(plan: Plan) -> NewSession:
    request = plan.request
    return NewSession(
        workload=plan.config.workload_name,
        description=request.description,
        config=plan.config.model_dump(mode="json", exclude_none=True),
        facts=plan.facts.as_dict(),
        arguments=request.as_dict(),
        benchmark={"name": plan.spec.name, "options": dict(plan.spec.options)},
        seed=plan.seed,
        simulated=plan.simulated,
    )


def _history(store: Store, session: str) -> tuple[TrialRecord, ...]:
    """Return the finished search trials of an interrupted session."""
    rows = store.trials(session, "search")
    return tuple(
        TrialRecord(
            row.index,
            dict(row.setting),
            Measurement(**row.measurement_fields()),
            row.score,
        )
        for row in rows
    )


def open_store() -> SqliteStore:
    """Open the history of this user; sessions whose process died are marked as interrupted."""
    store = SqliteStore(default_store_path())
    store.mark_interrupted()
    return store


def check_ready(plan: Plan) -> tuple[str, ...]:
    """Return why a measurement now would be of something else; empty on a quiet machine.

    Raises:
        NotRootError: The kernel cannot be written, not even through ``sudo -n``.
    """
    if plan.simulated:
        return ()
    if os.geteuid() != 0 and not _sudo_works():
        raise NotRootError("tuning writes kernel parameters, which only root may do")
    return busy_reasons(plan.facts)


def _sudo_works() -> bool:
    try:
        return subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0
    except OSError:
        return False


def resumable_request(session: str | None = None) -> tuple[Request, str]:
    """Return what an interrupted session was asked for, and its id.

    Raises:
        SessionNotFoundError: No such session.
        KeepingError: It is not interrupted.
    """
    with open_store() as store:
        if session is None:
            rows = store.resumable()
            if not rows:
                raise SessionNotFoundError("no interrupted session to go on with")
            row = rows[0]
        else:
            row = store.session(session)
    request = Request.from_dict(row.arguments)
    return replace(request, config=load_config(dict(row.config)), seed=row.seed), row.id


def optimize_workload(
    config_json: str | Mapping[str, Any],
    *,
    request: Request | None = None,
    store: Store | None = None,
    notify: Notify = lambda event: None,
    although_busy: bool = False,
) -> dict[str, Any]:
    """Tune this machine by a config and return the result; nothing is kept (see `apply`).

    Args:
        config_json: A TuningConfig as JSON text or as a mapping.
        request: Further wishes (minutes, tactician, seed, dry run); its config is replaced.
        store: Where to keep the session; this user's history when ``None``.
        notify: Told of every event.
        although_busy: Measure even though something else uses this machine.

    Returns:
        `Result.as_dict()`: ``success``, ``verdict``, ``gain``, ``best_config`` and so on.

    Raises:
        SealtuneError: Bad config, no root, benchmark missing, ...; parameters are back.
    """
    plan = make_plan(replace(request or Request(), config=load_config(config_json)))
    busy = check_ready(plan)
    if busy and not although_busy:
        raise MachineBusyError(" ".join(busy), fix="Wait, or pass although_busy=True.")
    with contextlib.nullcontext(store) if store else open_store() as kept:
        return tune(plan, kept, notify).as_dict()


def run_rl_optimization(config_path: str | Path, **wishes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Tune this machine by a config file; see `optimize_workload` for `wishes` and the result."""
    return optimize_workload(load_config(Path(config_path)).to_json(), **wishes)
