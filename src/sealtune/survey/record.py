"""Measures a design on the machine, run by run into a file; leaves the machine as found."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import cast

from sealtune.benchmarks.measurement import Measurement
from sealtune.errors import ConfigError, TooManyFailuresError
from sealtune.ledger import Ledger
from sealtune.plan import Plan
from sealtune.report.events import Notify
from sealtune.space.knobs import ChoiceKnob, Dimension, Setting
from sealtune.store import Store
from sealtune.survey.design import Design
from sealtune.survey.lines import Header, RecordedChoice, RecordedDesign, RecordedRange
from sealtune.survey.recording import RecordingFile
from sealtune.verdict import Sentinels
from sealtune.workbench import (
    Machine,
    SimulatedClock,
    real_machine,
    signals_interrupt,
    simulated_machine,
    tell_foreign,
)

FIRST_BASELINES = 6
MOST_FAILED_BASELINES = 3
OVERHEAD_SECONDS = 0.5
"""Settling, writing the setting and reading the metrics, for each run [s]."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """How far a survey has come.

    Attributes:
        done: Runs of the design that are in the file.
        total: Runs of the design.
        interrupted: Ended by a signal.
        simulated: Nothing real was touched.
    """

    done: int
    total: int
    interrupted: bool
    simulated: bool

    @property
    def exit_code(self) -> int:
        """130 when interrupted, as for any session."""
        return 130 if self.interrupted else 0


def record(
    plan: Plan,
    design: Design,
    path: Path,
    notify: Notify,
    *,
    minutes: float | None = None,
    note: str = "",
) -> Recorded:
    """Measure `design`, or go on with it where `path` stops; each finished run is in the file.

    Args:
        plan: The space and the benchmark, as the person saw them.
        design: What is measured of the space.
        path: The recording; begun when it is not there.
        notify: Told of every event, in order.
        minutes: No run starts later than this; the next call goes on.
        note: Kept in the header of a new recording.

    Raises:
        ConfigError: `path` holds something else.
        TooManyFailuresError: More than three baseline runs failed in a row; the file can be
            gone on with.
        SealtuneError: The machine or the benchmark cannot be used; parameters are back.
    """
    visits = design.visits(plan.built.space)
    with RecordingFile(path, header_of(plan, design, note)) as file:
        done = _done(path, file, visits)
        if done == len(visits):
            return Recorded(done, done, False, plan.simulated)
        clock = SimulatedClock() if plan.simulated else time.monotonic
        until = clock() + estimate(plan, len(visits) - done)
        # Of a store, a ledger needs only the one method that the file has.
        ledger = Ledger(cast("Store", file), "", notify, clock, until, simulated=plan.simulated)
        for notice in file.notices:
            ledger.note(notice)
        interrupted = False
        try:
            with signals_interrupt(), _machine(plan, ledger, len(file.runs)) as machine:
                _Sitting(plan, ledger, machine, file).measure(visits, done, minutes)
        except KeyboardInterrupt:
            interrupted = True
        return Recorded(_done(path, file, visits), len(visits), interrupted, plan.simulated)


def estimate(plan: Plan, visits: int) -> float:
    """Return about how long `visits` runs take with the baselines between them [s]."""
    cost = plan.run_seconds + plan.adapter.warmup_seconds + OVERHEAD_SECONDS
    return cost * (visits + visits / 6 + FIRST_BASELINES)


def header_of(plan: Plan, design: Design, note: str = "") -> Header:
    """Return the first line of a recording of `plan` that begins now."""
    now = datetime.now(UTC)
    # Fit to publish: no host name is among the facts, and no boot either.
    facts = {name: fact for name, fact in plan.facts.as_dict().items() if name != "boot_id"}
    return Header(
        simulated=plan.simulated,
        workload=plan.config.workload_name,
        benchmark=plan.spec.command,
        metric=plan.adapter.metric,
        unit=plan.adapter.unit,
        direction=plan.adapter.direction,
        run_seconds=plan.run_seconds,
        knobs=tuple(_recorded(knob) for knob in plan.built.space.knobs),
        couplings=tuple((pair.lower, pair.upper) for pair in plan.built.space.couplings),
        originals=plan.originals,
        design=RecordedDesign(**asdict(design)),
        facts=facts,
        date=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        began=round(now.timestamp(), 1),
        note=note,
    )


def _recorded(knob: Dimension) -> RecordedRange | RecordedChoice:
    if isinstance(knob, ChoiceKnob):
        return RecordedChoice(
            name=knob.name, choices=knob.choices, start=knob.first, when=knob.when
        )
    return RecordedRange(
        name=knob.name,
        low=knob.low,
        high=knob.high,
        start=knob.first,
        scale=knob.scale,
        step=knob.step,
        when=knob.when,
    )


def _done(path: Path, file: RecordingFile, visits: Sequence[Setting]) -> int:
    """Return how many runs of the design the file holds.

    Raises:
        ConfigError: They are other ones: another version has drawn them.
    """
    settings = [run.setting for run in file.runs if run.setting]
    if settings != list(visits[: len(settings)]):
        raise ConfigError(
            f"{path} holds other settings than this design gives: another version drew them",
            fix="Give another -o; what is in the file can be read as it is.",
        )
    return len(settings)


@contextlib.contextmanager
def _machine(plan: Plan, ledger: Ledger, measured: int) -> Iterator[Machine]:
    if not isinstance(ledger.clock, SimulatedClock):
        with real_machine(plan, ledger, partial(tell_foreign, ledger)) as machine:
            yield machine
        return
    with simulated_machine(plan, ledger.clock) as machine:
        # The noise goes on where the last sitting stopped, in place of coming again.
        for _ in range(measured):
            machine.measure({})
        yield machine


class _Sitting:
    """The runs of one process: points in their order, baselines between them."""

    def __init__(self, plan: Plan, ledger: Ledger, machine: Machine, file: RecordingFile) -> None:
        self._ledger, self._machine, self._file = ledger, machine, file
        self._sentinels = Sentinels(plan.adapter.direction)
        self._since = self._failed = 0

    def measure(self, visits: Sequence[Setting], done: int, minutes: float | None) -> None:
        """Measure `visits` from number `done` on, until all are or `minutes` are over."""
        ledger = self._ledger
        began = ledger.clock()
        baselines = sum(not run.setting for run in self._file.runs)
        ledger.take_up({"search": done, "sentinel": baselines})
        opening = max(1, FIRST_BASELINES - baselines)
        ledger.phase("aa", "A/A: how noisy is this machine?", runs=opening)
        for _ in range(opening):
            self._baseline()
        # Now the cost of a run is known in place of guessed.
        left = len(visits) - done
        seconds = (ledger.clock() - began) / opening * (left + left / 6)
        stop_at = began + minutes * 60 if minutes is not None else float("inf")
        ledger.deadline = min(ledger.clock() + seconds, stop_at)
        ledger.phase("search", "recording", seconds, len(visits))
        for setting in visits[done:]:
            if self._sentinels.due(self._since, failed=False):
                self._baseline()
            if ledger.clock() >= stop_at:
                break
            self._point(setting)
        if self._since:
            self._baseline()

    def _point(self, setting: Setting) -> None:
        run = self._machine.measure(setting)
        self._since += 1
        ratio = None
        if run.value is not None and run.value > 0 and len(self._sentinels):
            ratio = self._sentinels.relative(run, self._ledger.clock())
        live = self._machine.live()
        self._ledger.record("search", setting, run, live=live, ratio=ratio)

    def _baseline(self) -> None:
        run = self._machine.measure({})
        self._ledger.record("sentinel", {}, run, live=self._machine.live())
        if self._sentinels.add(run, self._ledger.clock()):
            self._since = self._failed = 0
        else:
            self._count_failure(run)

    def _count_failure(self, run: Measurement) -> None:
        self._failed += 1
        if self._failed > MOST_FAILED_BASELINES:
            reason = run.failure or "it gave no value above 0"
            raise TooManyFailuresError(f"{self._failed} baseline runs failed in a row: {reason}")
