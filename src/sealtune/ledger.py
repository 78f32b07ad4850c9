"""The ledger of one session: every run is stored, shown and its time accounted for."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from sealtune.benchmarks.measurement import Measurement
from sealtune.errors import KeepingError
from sealtune.report.events import Event, Note, Notify, PairFinished, PhaseStarted, RunFinished
from sealtune.space.knobs import Setting, Value
from sealtune.store import Store, TrialRow
from sealtune.store.base import Phase
from sealtune.store.moments import Kind, Moment

Written = tuple[float, str, str, str]
"""One value written to the kernel: when (seconds since 1970), what, from, to."""


def _nobody(_event: Event) -> None:
    """Listen to nothing."""


def _stepped(seconds: float) -> float:
    return round(seconds * 1024) / 1024


def _nowhere(_moments: Sequence[Moment]) -> None:
    """Keep nothing."""


def _nothing() -> Sequence[Written]:
    """Return no writes: a simulation makes none."""
    return ()


@dataclass
class Ledger:
    """Records runs in the order they happen.

    Attributes:
        store: Keeps every finished run before anything else happens with it.
        session: Id of the session in the store.
        notify: Told of every event.
        clock: Seconds that the plan is measured by; simulated in a dry run [s].
        deadline: When the whole session must be over, by `clock` [s].
        keep: Keeps what is said beside the runs, for those who look on from another process.
        written: Returns every value that the guard wrote so far, in order.
    """

    store: Store
    session: str
    notify: Notify
    clock: Callable[[], float]
    deadline: float
    simulated: bool = False
    benchmark_seconds: float = 0.0
    settle_seconds: float = 0.0
    start_up_seconds: float = 0.0
    cut_short: int = 0
    failed: int = 0
    best: float | None = None
    best_setting: Setting = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    guards: list[str] = field(default_factory=list)
    keep: Callable[[Sequence[Moment]], None] = _nowhere
    written: Callable[[], Sequence[Written]] = _nothing
    _told_writes: int = 0
    _phase: str = "prepare"
    _total: int = 0
    _shown: int = 0
    _numbers: dict[str, int] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)
    _epoch: float | None = None
    _after: float = 0.0

    @property
    def remaining(self) -> float:
        """Seconds until the latest planned end [s], never below 0."""
        return max(0.0, self.deadline - self.clock())

    def moment(self) -> float:
        """Return the clock in steps of 1/1024 s, which the store gives back unrounded [s]."""
        return _stepped(self.clock())

    def _date(self, moment: float) -> float:
        """Return `moment` in seconds since the epoch: those of a session keep their distances."""
        if self._epoch is None:
            # Runs are compared by date: set back meanwhile, it must not put these before those
            # that an interrupted process has stored.
            self._epoch = max(_stepped(time.time()), self._after) - self.moment()
        return self._epoch + moment

    def phase(self, name: str, title: str, seconds: float = 0.0, runs: int = 0) -> None:
        """Begin a phase; `runs` is the planned number of its runs, 0 when open."""
        self._phase, self._total, self._shown = name, runs, 0
        self.say("phase", name=name, title=title, seconds=seconds, runs=runs)
        self.tell(PhaseStarted(name, title, seconds, self.remaining))

    def note(self, text: str) -> None:
        """Tell the person one sentence, and keep it for the report."""
        self.notes.append(text)
        self.say("note", text=text)
        self.tell(Note(text))

    def say(self, kind: Kind, **body: Any) -> None:  # noqa: ANN401 - whatever a face shows
        """Keep something for those who look on, between runs; that it fails costs no session."""
        writes = list(self.written()[self._told_writes :])
        self._told_writes += len(writes)
        body |= {"remaining": self.remaining} | ({"writes": writes} if writes else {})
        with suppress(KeepingError):
            self.keep([Moment(kind, body)])

    def take_up(self, rows: Mapping[str, int], *, last: float = 0.0) -> None:
        """Continue an interrupted session: phase name to the number of runs it already has.

        Args:
            rows: The numbers.
            last: Date of the last of these runs, seconds since the epoch [s].
        """
        self._numbers.update(rows)
        self._after = last + 1.0

    def record(
        self,
        phase: Phase,
        setting: Setting,
        run: Measurement,
        *,
        live: Mapping[str, Value],
        ratio: float | None = None,
        score: float | None = None,
        strategy: int = 1,
        at: float | None = None,
    ) -> None:
        """Make one finished run durable, account for its time, then show it.

        `at` is the moment at which it ended, as it was compared with the baseline; else it is now.
        """
        number = self._numbers.get(phase, 0)
        self._numbers[phase] = number + 1
        row = TrialRow.of(phase, number, setting, run, score=score, strategy=strategy)
        date = self._date(self.moment() if at is None else at)
        self.store.add_trial(self.session, replace(row, started=date))
        self.say("run", phase=phase, index=number, live=dict(live))
        self.benchmark_seconds += run.seconds
        self.settle_seconds += run.settle_seconds
        self._count(phase, setting, run, ratio)
        self._shown += phase != "sentinel"
        total = 0 if phase == "sentinel" else self._total
        index = number + 1 if phase in ("sentinel", "search") else self._shown
        self.tell(
            RunFinished(
                phase,
                index,
                total,
                setting,
                run,
                ratio,
                self.best,
                self.best_setting,
                dict(live),
                self.remaining,
            )
        )

    def recall(self, setting: Setting, run: Measurement, ratio: float | None) -> None:
        """Count a search trial of an interrupted process; its time was that one's."""
        self._count("search", setting, run, ratio)

    def _count(
        self, phase: Phase, setting: Setting, run: Measurement, ratio: float | None
    ) -> None:
        self.cut_short += run.cut_short
        self.failed += phase == "search" and run.value is None
        if run.unsafe and run.failure:
            self.guards.append(run.failure.removeprefix("unsafe: "))
        counts = phase == "search" and ratio is not None and not run.cut_short
        if counts and (self.best is None or (ratio or 0.0) > self.best):
            self.best, self.best_setting = ratio, setting

    def pair(self, index: int, total: int, ratio: float) -> None:
        """Show one complete pair of the confirmation."""
        self.tell(PairFinished(index, total, ratio, self.remaining))

    def tell(self, event: Event) -> None:
        """Pass an event on; a terminal that is gone must not keep the machine from its restore."""
        try:
            self.notify(event)
        except (OSError, UnicodeError):  # or one that cannot show such a text
            self.notify = _nobody

    def seconds(self) -> dict[str, float]:
        """Return the three buckets, start-up and the total, rounded to 0.1 s [s]."""
        total = time.monotonic() - self._began
        measured = self.benchmark_seconds + self.settle_seconds
        if self.simulated:  # its runs took no time of this machine
            total += measured
        return {
            "benchmark": round(self.benchmark_seconds, 1),
            "settling": round(self.settle_seconds, 1),
            "sealtune": round(max(0.0, total - measured - self.start_up_seconds), 1),
            "start_up": round(self.start_up_seconds, 1),
            "total": round(total, 1),
        }
