"""Baseline runs sprinkled over the search, so that drift does not pass for a gain."""

import bisect
import math

from sealtune.benchmarks.measurement import Direction, Measurement
from sealtune.verdict.clock import TRIALS_PER_SENTINEL
from sealtune.verdict.pairs import usable


class Sentinels:
    """The baseline over time, and how a trial compares with it.

    ``at`` is any number that grows with time: a clock [s] or a running index.

    Args:
        direction: Whether larger or smaller values are better.
        every: Trials after which the baseline is due again.
    """

    def __init__(
        self, direction: Direction = "maximize", every: int = TRIALS_PER_SENTINEL
    ) -> None:
        self._direction, self._every = direction, every
        self._at: list[float] = []
        self._logs: list[float] = []

    def __len__(self) -> int:
        return len(self._at)

    def add(self, measurement: Measurement, at: float) -> bool:
        """Remember a baseline run; return False, and forget it, if it gave no usable value."""
        if measurement.value is None or not usable(measurement):
            return False
        place = bisect.bisect(self._at, at)
        self._at.insert(place, at)
        self._logs.insert(place, math.log(measurement.value))
        return True

    def due(self, trials_since: int, failed: bool) -> bool:
        """Return whether the baseline must be measured before the next trial.

        Args:
            trials_since: Trials since the last good baseline run.
            failed: Whether the last trial failed or was cut short.
        """
        return not self._at or failed or trials_since >= self._every

    @property
    def latest(self) -> float:
        """The baseline's last value.

        Raises:
            ValueError: There is none yet.
        """
        return self.baseline(math.inf)

    def baseline(self, at: float) -> float:
        """Return the baseline at `at`, interpolated between its two neighbours.

        Before the first and after the last run it is that run's value.

        Raises:
            ValueError: There is no baseline run yet.
        """
        if not self._at:
            raise ValueError("no baseline run yet; add one first")
        after = bisect.bisect(self._at, at)
        if after in (0, len(self._at)):
            return math.exp(self._logs[max(0, after - 1)])
        before = after - 1
        share = (at - self._at[before]) / (self._at[after] - self._at[before])
        return math.exp((1 - share) * self._logs[before] + share * self._logs[after])

    def relative(self, measurement: Measurement, at: float) -> float:
        """Return `measurement` over the baseline at `at`, above 1 when better.

        Raises:
            ValueError: The run has no value above 0, or there is no baseline run yet.
        """
        if measurement.value is None or measurement.value <= 0:
            raise ValueError(f"a failed run has no ratio: {measurement.failure}")
        ratio = measurement.value / self.baseline(at)
        return ratio if self._direction == "maximize" else 1 / ratio
