"""What a session measured, as frozen values of its snapshot: runs, baseline, pairs, importance.

Ratios, times and unknown values are as in `sealtune.web.snapshot`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Value = int | str


@dataclass(frozen=True, slots=True)
class Run:
    """One benchmark run, of whichever phase, in the order in which they ended.

    Attributes:
        number: Position among all runs, from 1.
        phase: ``aa``, ``search``, ``sentinel``, ``screening``, ``confirm`` or ``minimise``.
        index: Position within its phase, from 1.
        at: When it ended.
        setting: What was set beside the originals; empty for the baseline.
        baseline: Whether it measured the originals.
        value: Metric in the benchmark's unit; ``None`` when it failed.
        ratio: Against the baseline of its time, above 1 when better; ``None`` if not comparable.
        best: Best ratio of the search up to here, not yet confirmed; search trials only.
        record: Whether it set that best.
        cut_short: Stopped early as hopeless; `value` and `ratio` are lower estimates.
        failure: Why there is no value, in the benchmark's or the kernel's words.
        unsafe: A guard rail tripped.
        score: Reward that the tactician was given; search trials only.
        strategy: Which strategy it was for, from 1.
        seconds: In the benchmark [s].
        errors: Failed operations in a run that is otherwise good.
        latency_ms: Percentile name to milliseconds.
        metrics: System metrics of the run by the names in `Snapshot.metrics`.
    """

    number: int
    phase: str
    index: int
    at: float
    setting: Mapping[str, Value]
    baseline: bool
    value: float | None
    ratio: float | None
    best: float | None
    record: bool
    cut_short: bool
    failure: str | None
    unsafe: bool
    score: float | None
    strategy: int
    seconds: float
    errors: int
    latency_ms: Mapping[str, float]
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class BaselineRun:
    """The baseline at one of its runs.

    Attributes:
        number: `Run.number` of it.
        value: What it measured; ``None`` when it failed.
        level: The level that trials of that time are compared with, in the unit of the metric.
        low: Low edge of the band in which one more baseline run is expected (2 sigma).
        high: High edge of it.
    """

    number: int
    value: float | None
    level: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Baseline:
    """The baseline runs with their band.

    Attributes:
        runs: Each A/A and sentinel run, in order.
        spread: Standard deviation of one run, as a share of the level; ``None`` before two runs.
        changes: Times at which the machine itself became faster or slower: ``number`` (of the
            first run after it), ``before`` and ``after`` (levels).
    """

    runs: tuple[BaselineRun, ...] = ()
    spread: float | None = None
    changes: tuple[Mapping[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class PairRow:
    """One interleaved pair: `order` is AB (baseline first) or BA; no `ratio` if it failed."""

    index: int
    order: str
    baseline: float | None
    candidate: float | None
    ratio: float | None
    failure: str | None


@dataclass(frozen=True, slots=True)
class IntervalAt:
    """The interval after so many good pairs; it decides only where `decides` is true.

    Between two looks it shows what the next look would use; fewer than three pairs have none.
    """

    pairs: int
    estimate: float
    low: float
    high: float
    decides: bool


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The fresh pairs of the chosen candidate.

    Attributes:
        setting: The candidate: what differs from the originals.
        planned: Pairs planned at most.
        looks: Numbers of good pairs after which it may be decided.
        pairs: In order, failed ones included.
        course: The interval closing in, from the third good pair on.
        minimum: Ratio that the whole interval must exceed for a confirmed gain.
    """

    setting: Mapping[str, Value]
    planned: int
    looks: tuple[int, ...]
    pairs: tuple[PairRow, ...]
    course: tuple[IntervalAt, ...]
    minimum: float


@dataclass(frozen=True, slots=True)
class Importance:
    """How much each parameter mattered in the search; a guess from single runs.

    Attributes:
        rows: ``param, share, low, high, most_important_probability, told, best``, most important
            first; `told` false means: cannot be told from noise. Empty where nothing can be said.
        basis: ``method, confidence, trials, reason``.
    """

    rows: tuple[Mapping[str, Any], ...]
    basis: Mapping[str, Any]
