"""The whole run, plan to verdict: wires the stages, resumes, and leaves the machine as found."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from sealtune.benchmarks.measurement import Measurement
from sealtune.errors import (
    KeepingError,
    SealtuneError,
    TooLittleTimeError,
)
from sealtune.learning import experiences_of
from sealtune.ledger import Ledger
from sealtune.plan import Plan
from sealtune.report.conclude import Found, conclude, differing
from sealtune.report.events import Finished, Notify
from sealtune.report.result import Result
from sealtune.searching import Runs
from sealtune.seeking import SearchStage
from sealtune.store import NewSession, Store
from sealtune.tactician import TrialRecord
from sealtune.verdict import (
    Clock,
    Pair,
    Sentinels,
    assess_noise,
    confirm,
    looks_within,
    minimise,
    plan_clock,
    rank_suspects,
    screen,
    weigh_knobs,
)
from sealtune.workbench import (
    Machine,
    SimulatedClock,
    real_machine,
    signals_interrupt,
    simulated_machine,
)

CANDIDATES = 3
FEWEST_TRIALS = 2


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
            history = _history(store, session, plan) if resume else {}
            for trial in (trial for trials in history.values() for trial in trials):
                ledger.recall(plan.existing(trial.setting), trial.measurement, trial.relative)
            _all_stages(plan, ledger, found, history)
    except KeyboardInterrupt:
        found.interrupted = True
    except BaseException as error:
        with contextlib.suppress(KeepingError):  # what went wrong first is what counts
            store.finish(session, "failed" if isinstance(error, SealtuneError) else "interrupted")
        raise
    _explain(plan, ledger, found)
    result = conclude(plan, ledger, found)
    # A confirmed gain is a result, even if its minimising was interrupted: nothing to resume.
    unfinished = found.interrupted and result.verdict == "interrupted"
    try:
        store.finish(session, "interrupted" if unfinished else "finished", result.as_dict())
        for experience in experiences_of(plan, found, result, store.trials(session)):
            store.add_experience(experience)
    except KeepingError as error:
        result = replace(result, notes=(*result.notes, f"not stored: {error}"))
    ledger.tell(Finished(result))
    return result


def _all_stages(
    plan: Plan, ledger: Ledger, found: Found, history: Mapping[int, list[TrialRecord]]
) -> None:
    """Fill `found` stage by stage, so that an interruption keeps what is known until then."""
    ledger.phase("prepare", "loading the tactician and preparing the benchmark")
    stage = SearchStage(plan, ledger, history)
    with _machine(plan, ledger, found) as machine:
        sentinels = Sentinels(plan.adapter.direction)
        runs = Runs(plan, ledger, machine, sentinels)
        phase = plan.clock.phase("A/A")
        ledger.phase("aa", "A/A: how noisy is this machine?", phase.seconds, phase.runs)
        found.noise = assess_noise(runs.of("aa"), phase.runs)
        for advice in found.noise.advice:
            ledger.note(advice)
        found.clock = _share_out(plan, ledger, runs.baselines)
        stage.search(found, runs)
        if _screen(found, runs):
            _confirm(found, runs)
        if found.confirmation is not None and found.confirmation.outcome == "improved":
            _minimise(found, runs)


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
        # A run costs a little more than planned: the search is cut. Much more: it says so.
        clock = replace(
            plan.clock, phases=tuple(replace(p, seconds=p.runs * cost) for p in plan.clock.phases)
        )
        least = clock.reserved_seconds + clock.phase("screening").seconds + FEWEST_TRIALS * cost
        if ledger.remaining < least:
            raise
        return clock


def _screen(found: Found, runs: Runs) -> bool:
    """Keep one candidate; return whether there is one."""
    most = max(CANDIDATES, len(found.compared))
    tried = [runs.plan.existing(one) for one in found.candidates(most + 1)]
    originals = runs.plan.originals
    # The present values may look best; there is nothing to confirm about them.
    candidates = [one for one in tried if differing(one, originals)][:most]
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
        looks=looks_within(clock.pairs),
        guard_margins=runs.plan.guard_margins,
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
        guard_margins=runs.plan.guard_margins,
        suspects=_suspects(found, runs),
        valid=runs.plan.may_be_set,
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


def _explain(plan: Plan, ledger: Ledger, found: Found) -> None:
    """Weigh the parameters by the search's trials; a second Ctrl-C skips this, nothing else."""
    # A good run without a baseline of its time cannot be compared; a failed one says something.
    trials = [
        trial
        for trial in (found.search.trials if found.search else ())
        if trial.relative is not None or trial.score is None
    ]
    if not trials:
        return
    with contextlib.suppress(KeyboardInterrupt), signals_interrupt():
        ledger.phase("explain", "which parameters mattered? no benchmark runs any more")
        found.importance = weigh_knobs(
            (found.plan or plan).built.space,
            [trial.setting for trial in trials],
            [trial.relative for trial in trials],
            seed=plan.seed,
        )


def _new_session(plan: Plan) -> NewSession:
    request = plan.request
    rivals = [rival.config.model_dump(mode="json", exclude_none=True) for rival in plan.rivals]
    return NewSession(
        workload=plan.config.workload_name,
        description=request.description,
        config=plan.config.model_dump(mode="json", exclude_none=True),
        facts=plan.facts.as_dict(),
        arguments={**request.as_dict(), "rivals": rivals},
        benchmark={"name": plan.spec.name, "options": dict(plan.spec.options)},
        seed=plan.seed,
        simulated=plan.simulated,
    )


def _history(store: Store, session: str, plan: Plan) -> dict[int, list[TrialRecord]]:
    """Return each strategy's finished search trials, against the baseline of their own time."""
    sentinels = Sentinels(plan.adapter.direction)
    for row in (*store.trials(session, "aa"), *store.trials(session, "sentinel")):
        sentinels.add(Measurement(**row.measurement_fields()), row.started)
    records: dict[int, list[TrialRecord]] = {}
    plans = dict(enumerate((plan, *plan.rivals), start=1))
    for row in store.trials(session, "search"):
        run = Measurement(**row.measurement_fields())
        good = run.value is not None and run.value > 0 and len(sentinels) > 0
        relative = sentinels.relative(run, row.started) if good else None
        # What did not exist was not recorded; the tactician's settings name every parameter.
        space = plans.get(row.strategy, plan).built.space
        setting = space.repair({**space.start, **row.setting})
        record = TrialRecord(row.index, setting, run, row.score, relative)
        records.setdefault(row.strategy, []).append(record)
    return records
