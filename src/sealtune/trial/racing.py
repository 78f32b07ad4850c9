"""Racing: a hopeless run is ended early, so that its time goes to better settings."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sealtune.benchmarks.measurement import Direction, Measurement

FEWEST_INTERVALS = 5
EARLIEST_SHARE = 0.25
SMALLEST_DEFICIT = 0.20
SIGMAS = 4.0


@dataclass(frozen=True, slots=True)
class Racing:
    """When a search run may be cut short, judged against baseline runs.

    Only the search races; pairs of the verdict always run in full.

    Attributes:
        mean: Baseline's mean interval value, in the metric's unit.
        noise: Standard deviation of one baseline interval, as a share of `mean`.
        intervals: Intervals of a full run; under five there is no racing.
        direction: Whether larger or smaller is better.
    """

    mean: float
    noise: float
    intervals: int
    direction: Direction

    @classmethod
    def against(cls, baselines: Sequence[Measurement]) -> "Racing | None":
        """Return the rule learnt from baseline runs, ``None`` if they have too few intervals."""
        series = [run.intervals for run in baselines if run.ok and run.intervals]
        values = [value for run in series for value in run]
        count = min((len(run) for run in series), default=0)
        if count < FEWEST_INTERVALS or statistics.fmean(values) <= 0:
            return None
        mean = statistics.fmean(values)
        return cls(mean, statistics.stdev(values) / mean, count, baselines[0].direction)

    def hopeless(self, seen: Sequence[float]) -> bool:
        """Whether the run whose first intervals are `seen` is clearly below the baseline."""
        if len(seen) < max(2, math.ceil(EARLIEST_SHARE * self.intervals)):
            return False
        if len(seen) >= self.intervals - 1:  # nothing left to save
            return False
        ratio = statistics.fmean(seen) / self.mean
        deficit = 1 - ratio if self.direction == "maximize" else ratio - 1
        return deficit > max(SMALLEST_DEFICIT, SIGMAS * self.noise / math.sqrt(len(seen)))

    @property
    def rule(self) -> Callable[[Sequence[float]], bool]:
        """The form that a benchmark adapter takes."""
        return self.hopeless
