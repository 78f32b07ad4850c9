"""Racing: a hopeless run is ended early, so that its time goes to better settings.

A run is judged by the mean of its intervals so far, against the same first part of the baseline's
runs: whatever those differ by (from run to run, from interval to interval, at their beginning) is
in the limit. The limits are checked by simulation, see ``python -m bench.racing``.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sealtune.benchmarks.measurement import Direction, Measurement

FEWEST_INTERVALS = 4
"""Tools that report once a second leave out the last interval: four of a run of 5 s."""

EARLIEST_SHARE = 0.2
"""Of the intervals; with the warm-up before them a quarter to a third of a run's time."""

MARGIN = 0.20
"""How far below the best known, as a share, a run must be to be worth no more time."""

SINGLE_MARGIN = 0.50
"""The same while there is one interval only, which may be a stall."""

SMALLEST_DEFICIT = 0.05
"""How far below the baseline, as a share, it must be at least."""

_SIGMAS, _EARLY = 3.9, 3.5
"""Limit in standard deviations with many baseline runs, and how much wider it is with few."""

_OUTLYING = 3.5
"""Typical deviations beyond which a baseline run is an outlier."""


@dataclass(frozen=True, slots=True)
class Racing:
    """When a search run may be cut short, judged against baseline runs.

    Only the search races; pairs of the verdict always run in full.

    Attributes:
        level: The baseline now, in the metric's unit.
        usual: Logarithm of the baseline's mean over its first 1, 2, ... intervals against its
            level: how its runs usually go.
        spread: Standard deviation of that from run to run.
        runs: Baseline runs that it was learnt from.
        direction: Whether larger or smaller is better.
        best: The best setting known against the baseline, at least 1.
    """

    level: float
    usual: tuple[float, ...]
    spread: tuple[float, ...]
    runs: int
    direction: Direction
    best: float = 1.0

    @classmethod
    def against(
        cls, baselines: Sequence[Measurement], levels: Sequence[float] | None = None
    ) -> "Racing | None":
        """Return the rule learnt from baseline runs, ``None`` if they have too few intervals.

        Args:
            baselines: Runs of the originals, in order.
            levels: The baseline's level at the time of each, in the metric's unit, so that drift
                counts as none of their noise; their common mean when ``None``.
        """
        usable = [run.ok and len(run.intervals) >= FEWEST_INTERVALS for run in baselines]
        series = [run.intervals for run, good in zip(baselines, usable, strict=True) if good]
        if len(series) < max(2, len(baselines) / 2):
            return None
        if any(statistics.fmean(run) <= 0 for run in series):
            return None
        if levels is None:
            common = math.exp(statistics.fmean(math.log(statistics.fmean(run)) for run in series))
            levels = [common] * len(baselines)
        level_of = [level for level, good in zip(levels, usable, strict=True) if good]
        count = min(len(run) for run in series)
        courses = [_course(run[:count], at) for run, at in zip(series, level_of, strict=True)]
        parts = [_clipped(part) for part in zip(*courses, strict=True)]
        usual = tuple(statistics.fmean(part) for part in parts)
        spread = _spread(series, parts)
        return cls(level_of[-1], usual, spread, len(series), baselines[0].direction)

    @property
    def intervals(self) -> int:
        """Intervals of a full run."""
        return len(self.usual)

    @property
    def earliest(self) -> int:
        """Intervals after which a run may be cut."""
        return math.ceil(EARLIEST_SHARE * self.intervals)

    def beside(self, best: float) -> "Racing":
        """Return the same rule when a setting `best` times as good as the baseline is known."""
        return replace(self, best=max(1.0, best))

    def hopeless(self, seen: Sequence[float]) -> bool:
        """Whether a run that began with the intervals `seen` is worth no more time.

        It is clearly worse than the baseline, and well below the best known.
        """
        count = len(seen)
        if not self.earliest <= count < self.intervals - 1:  # too early, or nothing left to save
            return False
        # One stall must not end a run: its middle interval has to be as bad as its mean.
        mean, middle = statistics.fmean(seen), self._middle(seen)
        deficit = min(self._deficit(mean, count), self._deficit(middle, count))
        margin = SINGLE_MARGIN if count == 1 else MARGIN
        worthless = deficit > -math.log((1 - margin) * self.best)
        sigmas = _SIGMAS * (1 + _EARLY / self.runs)
        doubt = sigmas * self.spread[count - 1] * math.sqrt(1 + 1 / self.runs)
        return worthless and deficit > max(-math.log(1 - SMALLEST_DEFICIT), doubt)

    def _middle(self, seen: Sequence[float]) -> float:
        """Return the median interval; of an even number the better one of the two."""
        if self.direction == "maximize":
            return statistics.median_high(seen)
        return statistics.median_low(seen)

    def _deficit(self, value: float, count: int) -> float:
        """Return how much worse `value` is than a baseline run after `count` intervals, as log."""
        ahead = _log(value / self.level) - self.usual[count - 1]
        return -ahead if self.direction == "maximize" else ahead


def _course(intervals: Sequence[float], level: float) -> list[float]:
    """Return the logarithm of the mean of the first 1, 2, ... intervals over `level`."""
    total, course = 0.0, []
    for count, value in enumerate(intervals, start=1):
        total += value
        course.append(_log(total / count / level))
    return course


def _clipped(values: Sequence[float]) -> list[float]:
    """Return `values` without outliers: at most so many typical deviations from their median.

    One stalled baseline run would else end racing for the whole search.
    """
    middle = statistics.median(values)
    usual = 1.4826 * statistics.median(abs(value - middle) for value in values)
    if usual <= 0:
        return list(values)
    low, high = middle - _OUTLYING * usual, middle + _OUTLYING * usual
    return [min(max(value, low), high) for value in values]


def _spread(
    series: Sequence[Sequence[float]], parts: Sequence[Sequence[float]]
) -> tuple[float, ...]:
    """Return the standard deviation between runs over their first 1, 2, ... intervals.

    With few runs it may be small by luck: it is at least what the runs' totals and their single
    intervals let expect.
    """
    between = statistics.variance(parts[-1])
    within = statistics.median(
        statistics.variance(run) / statistics.fmean(run) ** 2 for run in series
    )
    return tuple(
        math.sqrt(max(statistics.variance(part), between + within / count))
        for count, part in enumerate(parts, start=1)
    )


def _log(ratio: float) -> float:
    """Return the logarithm; that of a stalled interval, 0, is very low but finite."""
    return math.log(max(ratio, 1e-9))
