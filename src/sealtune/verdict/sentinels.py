"""Baseline runs sprinkled over the search, so that drift does not pass for a gain."""

import bisect
import math
from itertools import pairwise

from sealtune.benchmarks.measurement import Direction, Measurement
from sealtune.verdict.clock import TRIALS_PER_SENTINEL
from sealtune.verdict.pairs import usable
from sealtune.verdict.regimes import Change, find_changes, levels, odd_runs, spread


class Sentinels:
    """The baseline over time, and how a trial compares with it.

    ``at`` is any number that grows with time: a clock [s] or a running index.

    Args:
        direction: Whether larger or smaller values are better.
        every: Trials after which the baseline is due again.
        robust: Weigh outlying runs down, smooth the others, and never compare across a change of
            the machine, see `sealtune.verdict.regimes`. Else the runs are taken as they are.
    """

    def __init__(
        self,
        direction: Direction = "maximize",
        every: int = TRIALS_PER_SENTINEL,
        *,
        robust: bool = True,
    ) -> None:
        self._direction, self._every, self._robust = direction, every, robust
        self._at: list[float] = []
        self._logs: list[float] = []
        self._found: tuple[Change, ...] | None = None
        self._levels: list[float] = []

    def __len__(self) -> int:
        return len(self._at)

    def add(self, measurement: Measurement, at: float) -> bool:
        """Remember a baseline run; return False, and forget it, if it gave no usable value."""
        if measurement.value is None or not usable(measurement):
            return False
        place = bisect.bisect(self._at, at)
        self._at.insert(place, at)
        self._logs.insert(place, math.log(measurement.value))
        self._found = None
        return True

    def due(self, trials_since: float, failed: bool) -> bool:
        """Return whether the baseline must be measured before the next trial.

        Args:
            trials_since: Trials since the last good baseline run; one that was cut short counts
                as the part of it that ran.
            failed: Whether the last trial failed, or runs are cut short one after another.
        """
        return not self._at or failed or trials_since >= self._every

    @property
    def start(self) -> float:
        """When the first baseline run was.

        Raises:
            ValueError: There is none yet.
        """
        if not self._at:
            raise ValueError("no baseline run yet; add one first")
        return self._at[0]

    @property
    def latest(self) -> float:
        """The baseline's level now.

        Raises:
            ValueError: There is none yet.
        """
        return self.baseline(math.inf)

    @property
    def changes(self) -> tuple[Change, ...]:
        """When the machine itself changed, in order; none where runs are taken as they are."""
        self._read()
        return self._found or ()

    @property
    def unsettled(self) -> bool:
        """Whether the last run or two are unlike those before: another run tells what it was.

        An outlier comes alone; after three in a row that agree nothing more is to be asked.
        """
        stretch = self._logs[self.changes[-1].index if self.changes else 0 :]
        return self._robust and odd_runs(stretch, spread(self._logs)) in (1, 2)

    def baseline(self, at: float) -> float:
        """Return the baseline at `at`, interpolated between its two neighbours.

        Before the first and after the last run it is the level there. Between the last run before
        a change and the first one after it nobody knows which level held: it is the one that
        flatters less.

        Raises:
            ValueError: There is no baseline run yet.
        """
        if not self._at:
            raise ValueError("no baseline run yet; add one first")
        self._read()
        after = bisect.bisect(self._at, at)
        if after in (0, len(self._at)):
            return math.exp(self._levels[max(0, after - 1)])
        before = after - 1
        old, new = self._levels[before], self._levels[after]
        share = (at - self._at[before]) / (self._at[after] - self._at[before])
        if share > 0 and any(change.index == after for change in self.changes):
            return math.exp(max(old, new) if self._direction == "maximize" else min(old, new))
        return math.exp((1 - share) * old + share * new)

    def relative(self, measurement: Measurement, at: float) -> float:
        """Return `measurement` over the baseline at `at`, above 1 when better.

        Raises:
            ValueError: The run has no value above 0, or there is no baseline run yet.
        """
        if measurement.value is None or measurement.value <= 0:
            raise ValueError(f"a failed run has no ratio: {measurement.failure}")
        ratio = measurement.value / self.baseline(at)
        return ratio if self._direction == "maximize" else 1 / ratio

    def _read(self) -> None:
        """Find changes and levels, once for each new run."""
        if self._found is not None:
            return
        if not self._robust:
            self._found, self._levels = (), list(self._logs)
            return
        self._found = find_changes(self._at, self._logs)
        scale = spread(self._logs)
        edges = [0, *(change.index for change in self._found), len(self._logs)]
        self._levels = [
            level for low, high in pairwise(edges) for level in levels(self._logs[low:high], scale)
        ]
