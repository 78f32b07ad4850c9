"""The whole run, plan to verdict: wires the stages, resumes, and leaves the machine as found."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from sealtune import control
from sealtune.benchmarks.measurement import Measurement
from sealtune.errors import (
    KeepingError,
    SealtuneError,
    TooLittleTimeError,
)
from sealtune.guard import RestoreReport
from sealtune.learning import experiences_of
from sealtune.ledger import Ledger
from sealtune.plan import Plan
from sealtune.report.card import plan_card
from sealtune.report.conclude import conclude
from sealtune.report.events import Finished, Notify
from sealtune.report.found import Found, differing
from sealtune.report.result import Result
from sealtune.scoring import Past, pasts
from sealtune.searching import Runs
from sealtune.seeking import SearchStage
from sealtune.store import NewSession, Store
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
    interrupts_held,
    real_machine,
    signals_interrupt,
    simulated_machine,
    tell_foreign,
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
    ledger.keep = partial(store.add_moments, session)
    ledger.say("plan", **plan_card(plan))
    done = store.trials(session)
    last = max((row.started for row in done), default=0.0)
    ledger.take_up(Counter(row.phase for row in done), last=last)
    found = Found()
    try:
        with signals_interrupt(), _taking_commands(plan, store, session):
            history = pasts(plan, store.trials(session)) if resume else {}
            for trial in (trial for past in history.values() for trial in past.trials):
                ledger.recall(plan.existing(trial.setting), trial.measurement, trial.relative)
            _all_stages(plan, ledger, found, history)
    except KeyboardInterrupt:
        found.interrupted = True
    except BaseException as error:
        # One that could not be stored goes on once it can be, as an interrupted one does.
        failed = isinstance(error, SealtuneError) and not isinstance(error, KeepingError)
        with contextlib.suppress(KeepingError):  # what went wrong first is what counts
            store.finish(session, "failed" if failed else "interrupted")
            ledger.say("error", text=str(error), fix=getattr(error, "fix", ""))
        raise
    _explain(plan, ledger, found)
    with interrupts_held():  # a late or second Ctrl-C must not cost what was found
        return _concluded(plan, store, ledger, found)


def _concluded(plan: Plan, store: Store, ledger: Ledger, found: Found) -> Result:
    """Store and tell the result, and remember what was learnt."""
    session, result = ledger.session, conclude(plan, ledger, found)
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


def _taking_commands(
    plan: Plan, store: Store, session: str
) -> contextlib.AbstractContextManager[object]:
    """Listen for "stop" while the session runs; elsewhere than in the main thread nobody can."""
    if threading.current_thread() is not threading.main_thread():
        return contextlib.nullcontext()
    actions = {"stop": control.interrupting()}
    return control.listening(store.path, session, "running", actions, real=not plan.simulated)


def _all_stages(plan: Plan, ledger: Ledger, found: Found, history: Mapping[int, Past]) -> None:
    """Fill `found` stage by stage, so that an interruption keeps what is known until then."""
    ledger.phase("prepare", "loading the tactician and preparing the benchmark")
    stage = SearchStage(plan, ledger, history)
    with _machine(plan, ledger, found) as machine:
        sentinels = Sentinels(plan.adapter.direction)
        runs = Runs(plan, ledger, machine, sentinels)
        phase = plan.clock.phase("A/A")
        ledger.phase("aa", "A/A: how noisy is this machine?", phase.seconds, phase.runs)
        found.noise = assess_noise(runs.of("aa"), phase.runs)
        for advice in (*found.noise.advice, *machine.set_rails(runs.baselines)):
            ledger.note(advice)
        found.clock = _share_out(plan, ledger, runs.baselines)
        stage.search(found, runs)
        if _screen(found, runs):
            _confirm(found, runs)
        if found.confirmation is not None and found.confirmation.outcome == "improved":
            _minimise(found, runs)


@contextlib.contextmanager
def _machine(plan: Plan, ledger: Ledger, found: Found) -> Iterator[Machine]:
    def restored(report: RestoreReport) -> None:
        found.was_restored(report)
        tell_foreign(ledger, report)

    if isinstance(ledger.clock, SimulatedClock):
        with simulated_machine(plan, ledger.clock) as machine:
            yield machine
    else:
        with real_machine(plan, ledger, restored) as machine:
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
