"""What a measurement is worth to the learner, on a scale where the baseline is 100.

The reward teaches; candidates are selected, and the verdict is reached, on the metric alone.
"""

import statistics
from dataclasses import dataclass, field, replace
from typing import Literal

from sealtune.benchmarks.measurement import Measurement
from sealtune.errors import ConfigError

Stability = Literal["repeatability", "pressure", "none"]
RewardScale = Literal["baseline", "raw"]

MIN_INTERVALS = 10
"""Fewer intervals than this say too little about how steady a run was."""


@dataclass(frozen=True, slots=True)
class RewardWeights:
    """How much speed and steadiness count.

    Attributes:
        performance: Weight of the metric, 0 or more.
        stability: Weight of the steadiness, 0 or more; not both 0.

    Raises:
        ConfigError: A weight is negative, or both are 0.
    """

    performance: float = 0.5
    stability: float = 0.5

    def __post_init__(self) -> None:
        if min(self.performance, self.stability) < 0 or self.performance + self.stability == 0:
            raise ConfigError(
                f"reward weights: {self.performance} and {self.stability}, need 0 or more each "
                "and not both 0"
            )


@dataclass(frozen=True, slots=True)
class Reward:
    """``w_p * performance + w_s * stability`` against a baseline.

    performance = 100 * metric / baseline, inverted where lower is better. stability =
    100 * min(1, value / the baseline's value): it can only cost, so that doing nothing earns
    nothing. The baseline itself therefore gets ``100 * (w_p + w_s)``.

    Attributes:
        reference: The baseline's measurement; after a sentinel take a new reward with `against`.
        weights: How much each part counts.
        stability: ``repeatability`` = 1 - sd/mean over the intervals, with `MIN_INTERVALS` or
            more; ``pressure`` = 100 - (I/O wait % + memory pressure %); or ``none``. What cannot
            be computed for either run counts as unchanged.
        scale: ``raw`` puts the bare metric (negated where lower is better) in place of
            performance.

    Raises:
        ConfigError: The reference has no value, or one that nothing can be compared with.

    >>> reward = Reward(Measurement(200.0))
    >>> reward(Measurement(220.0))
    105.0
    """

    reference: Measurement
    weights: RewardWeights = field(default_factory=RewardWeights)
    stability: Stability = "repeatability"
    scale: RewardScale = "baseline"

    def __post_init__(self) -> None:
        value = self.reference.value
        if value is None or value <= 0:
            raise ConfigError(f"baseline: {value}, need a value above 0 to compare with")

    def against(self, reference: Measurement) -> "Reward":
        """Return the same reward with another baseline.

        Raises:
            ConfigError: It has no positive value.
        """
        return replace(self, reference=reference)

    def relative(self, measurement: Measurement) -> float | None:
        """Return the metric against the baseline, above 1 is better; ``None`` for a failure."""
        baseline = self.reference.value
        if measurement.value is None or baseline is None:
            return None
        if measurement.direction == "minimize":
            # A time of 0 is faster than the clock can tell, not infinitely fast.
            return baseline / max(measurement.value, baseline * 1e-6)
        return measurement.value / baseline

    def __call__(self, measurement: Measurement) -> float | None:
        """Return the reward of `measurement`; ``None`` for a failure, which is never a score."""
        relative = self.relative(measurement)
        if relative is None or measurement.value is None:
            return None
        performance = 100.0 * relative
        if self.scale == "raw":
            sign = -1.0 if measurement.direction == "minimize" else 1.0
            performance = sign * measurement.value
        return self.weights.performance * performance + self.weights.stability * self._steadiness(
            measurement
        )

    def _steadiness(self, measurement: Measurement) -> float:
        """Return 100 for as steady as the baseline or steadier, less for less steady."""
        now, before = _steady(measurement, self.stability), _steady(self.reference, self.stability)
        if now is None or before is None or before <= 0:
            return 100.0
        return 100.0 * min(1.0, max(0.0, now / before))


def _steady(measurement: Measurement, kind: Stability) -> float | None:
    """Return the steadiness of one run in the unit of `kind`, ``None`` if it is not known."""
    if kind == "repeatability":
        intervals = measurement.intervals
        if len(intervals) < MIN_INTERVALS or statistics.fmean(intervals) <= 0:
            return None
        return 1.0 - statistics.stdev(intervals) / statistics.fmean(intervals)
    names = ("io_wait_percent", "memory_pressure")
    if kind == "pressure" and any(name in measurement.state for name in names):
        return 100.0 - sum(measurement.state.get(name, 0.0) for name in names)
    return None
