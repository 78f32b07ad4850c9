"""What a running session tells whoever listens, as frozen values in the order they happen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sealtune.benchmarks.measurement import Measurement
from sealtune.report.result import Result
from sealtune.space.knobs import Setting


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """A phase of the clock begins.

    Attributes:
        name: ``prepare``, ``aa``, ``search``, ``screening``, ``confirm``, ``minimise`` or
            ``restore``.
        title: What it does, for a person.
        seconds: What the clock gives it [s].
        remaining_seconds: Until the latest planned end of the whole session [s].
    """

    name: str
    title: str
    seconds: float
    remaining_seconds: float


@dataclass(frozen=True, slots=True)
class RunFinished:
    """One benchmark run ended, well or badly.

    Attributes:
        phase: Name of the phase.
        index: Number of this run in its phase, from 1.
        total: Planned runs of the phase; 0 when open.
        setting: What was tried; empty is the baseline.
        measurement: What it gave.
        ratio: Better than the baseline by this factor; ``None`` for a failure or a first baseline.
        best: Best ratio of the search so far, not yet confirmed.
        best_setting: Its setting.
        live: What each parameter reads back on the machine now.
        remaining_seconds: Until the latest planned end of the whole session [s].
    """

    phase: str
    index: int
    total: int
    setting: Setting
    measurement: Measurement
    ratio: float | None
    best: float | None
    best_setting: Setting
    live: Mapping[str, int | str]
    remaining_seconds: float


@dataclass(frozen=True, slots=True)
class PairFinished:
    """One interleaved pair of the confirmation is complete; ratio is candidate / baseline."""

    index: int
    total: int
    ratio: float
    remaining_seconds: float


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence that a person should read."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The session is over and the machine is restored."""

    result: Result


Event = PhaseStarted | RunFinished | PairFinished | Note | Finished
Notify = Callable[[Event], None]
