"""What a session measures on: this kernel and a real benchmark, or a simulation of both."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

from sealtune.benchmarks import lapses
from sealtune.benchmarks.confinement import shortcomings
from sealtune.benchmarks.measurement import Measurement
from sealtune.catalogue.knob import ABSENT
from sealtune.errors import MachineBusyError
from sealtune.guard import Guard, RestoreReport
from sealtune.ledger import Ledger
from sealtune.plan import Plan
from sealtune.space.knobs import Setting, Value
from sealtune.space.space import union
from sealtune.tactician import SimulatedMachine
from sealtune.trial import MachineTrial, Rails

ShouldStop = Callable[[Sequence[float]], bool]


class Measures(Protocol):
    """One fresh run of a setting; the empty one is the machine as found."""

    def __call__(self, setting: Setting, *, should_stop: ShouldStop | None = None) -> Measurement:
        """Apply, settle, run, read; a failure is a failed measurement."""
        ...


@dataclass(frozen=True)
class Machine:
    """What a session needs of a machine.

    Attributes:
        measure: One run of one setting.
        live: What each tuned parameter reads back now.
        set_rails: Takes the baseline's runs, and holds trials to guard rails relative to them from
            then on; returns what the person should know, whole sentences.
    """

    measure: Measures
    live: Callable[[], Mapping[str, Value]]
    set_rails: Callable[[Sequence[Measurement]], tuple[str, ...]] = lambda runs: ()


class SimulatedClock:
    """Seconds that pass only when a simulated run takes them."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def __call__(self) -> float:
        """Return the simulated time [s]."""
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self._seconds += seconds


@contextlib.contextmanager
def real_machine(
    plan: Plan, ledger: Ledger, restored: Callable[[RestoreReport], Any]
) -> Iterator[Machine]:
    """Start the guard, prepare the benchmark; on the way out parameters first, then the rest.

    Args:
        plan: What will be measured.
        ledger: Told what the person should know.
        restored: Given what the final restore did.
    """
    missing = shortcomings()
    lapses.taken()  # an earlier session's
    for lacking in missing:
        ledger.note(f"Benchmarks are less confined on this machine: {lacking}.")
    guard = Guard.start(knobs=plan.originals)
    ledger.written = lambda: guard.log
    try:
        _tell_recovered(guard.recovered, ledger)
        _require_unchanged(plan, guard.originals)
        with _timed(ledger):
            plan.adapter.prepare(plan.workdir)
        trial = MachineTrial(
            guard,
            plan.adapter,
            plan.run_seconds,
            fresh=plan.fresh,
            device=plan.facts.disk.name if plan.facts.disk else None,
            existing=plan.existing,
        )
        guard.rails({})  # preparing is over: what it has seen until now is no baseline

        def set_rails(baselines: Sequence[Measurement]) -> tuple[str, ...]:
            trial.rails = Rails.from_baselines(baselines, guard.rails({}))
            guard.rails(trial.rails.limits)
            return trial.rails.advice

        yield Machine(trial.measure, lambda: plan.in_force(trial.read_back), set_rails)
    finally:
        with interrupts_held(), contextlib.ExitStack() as last:
            last.callback(_tell_lapses, missing, ledger)  # the benchmark's servers have ended
            last.callback(plan.adapter.teardown)
            last.callback(guard.close)
            report = guard.restore()
            restored(report)
            back = "NOT every parameter is back" if report.failed else "every parameter is back"
            ledger.phase("restore", f"{back}; removing the benchmark's files")


def _tell_lapses(missing: Sequence[str], ledger: Ledger) -> None:
    """Note what confined a run less than was said at the start."""
    for lapse in lapses.taken():
        topic = lapse.partition(":")[0]
        if not any(lacking.startswith(topic) for lacking in missing):
            ledger.note(f"Some run was less confined than this machine can: {lapse}.")


def _require_unchanged(plan: Plan, originals: Mapping[str, str]) -> None:
    """Refuse a plan whose present values are no longer those of the machine."""
    for name, planned in plan.originals.items():
        # What exists only under one scheduler has no original under another.
        if (found := originals.get(name, ABSENT)) != planned:
            raise MachineBusyError(
                f"{name} was {planned!r} when the plan was made and is {found!r} now: somebody "
                "else changes it",
                fix="Run it again; the plan is then made from the present values.",
            )


def _tell_recovered(report: RestoreReport, ledger: Ledger) -> None:
    for name, found, original in report.restored:
        ledger.note(f"An earlier run left {name} at {found}; it was put back to {original}.")
    if report.crash is not None:
        setting = " ".join(f"{name}={value}" for name, value in report.crash.setting.items())
        ledger.note(f"This machine went down while a run had set {setting}; avoid it (--exclude).")


def tell_foreign(ledger: Ledger, report: RestoreReport) -> None:
    """Note each parameter that somebody else changed, with the value from before all."""
    for name, found, original in report.foreign:
        ledger.note(
            f"Somebody else set {name} to {found} meanwhile; it was {original}, and is left. A "
            "tool that found a trial's value there may bring that back when it stops."
        )


@contextlib.contextmanager
def simulated_machine(plan: Plan, clock: SimulatedClock) -> Iterator[Machine]:
    """Simulate machine and benchmark; time is simulated too."""
    plans = (plan, *plan.rivals)
    space = union([one.built.space for one in plans])
    present = {item.name: item.present for one in plans for item in one.built.plan}
    simulated = SimulatedMachine(
        space,
        seed=plan.seed,
        originals=space.settled(present),
        direction=plan.adapter.direction,
    )
    now: Setting = {}

    def measure(setting: Setting, *, should_stop: ShouldStop | None = None) -> Measurement:
        nonlocal now
        now = plan.existing(setting)
        # As on a real machine, what does not exist there makes no difference.
        run = simulated.measure(space.settled({**present, **setting}) if setting else {})
        clock.advance(plan.clock.run_seconds)
        return run

    yield Machine(measure, lambda: plan.in_force(now))


@contextlib.contextmanager
def signals_interrupt() -> Iterator[None]:
    """Make SIGTERM and SIGHUP end a session as Ctrl-C does: parameters back, trials kept.

    SIGINT too: a shell starts its background jobs with it ignored, and a session has to end. An
    ignored SIGHUP stays so: with ``nohup`` a session is meant to outlive its terminal. Ctrl-Z does
    nothing: the guard takes a session that stands still for a dead one and undoes it.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handling(interrupt), _handling(_pass_over, (signal.SIGTSTP,)):
        yield


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Keep an impatient Ctrl-C from breaking into a restore, which ends the session anyway."""
    with _handling(_pass_over):
        yield


def _pass_over(_number: int, _frame: FrameType | None) -> None:
    """Do nothing; unlike with SIG_IGN, programs that are started get their default back."""


@contextlib.contextmanager
def _handling(
    handler: Callable[[int, FrameType | None], None],
    numbers: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
) -> Iterator[None]:
    # Masking signals would not do: another thread takes them, and Python still runs the handler.
    kept = {}
    with contextlib.suppress(ValueError):  # not the main thread: whoever owns it decides
        for number in numbers:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                kept[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, before in kept.items():
            if before is not None:  # else set by other than Python, and not ours to set again
                signal.signal(number, before)


@contextlib.contextmanager
def _timed(ledger: Ledger) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        ledger.benchmark_seconds += time.monotonic() - began
