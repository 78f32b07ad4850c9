"""How noisy this machine is: the same setting measured again and again (A/A)."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sealtune.benchmarks.measurement import Measurement
from sealtune.errors import BenchmarkFailedError, TooManyFailuresError
from sealtune.verdict.bounds import DETECTS, MINIMUM_GAIN
from sealtune.verdict.clock import looks_within
from sealtune.verdict.pairs import MAX_FAILURES_IN_A_ROW, Measure, usable

NOISY = 0.10
DRIFTING = 0.10


@dataclass(frozen=True, slots=True)
class Noise:
    """What the A/A runs say.

    Attributes:
        values: Primary metric of each good run, in order.
        cv: Coefficient of variation: sd over mean, 0.05 is 5 %.
        drift: Fitted change from the first run to the last, as a share of the mean.
        run_sd: Standard deviation of one run's log value with slow drift taken out, which is
            what interleaved pairs see.
        longer_runs_help: Runs differ about as much as their own intervals predict, so a longer
            run would be steadier; ``None`` when the benchmark gives no intervals.
        advice: What the person should know, whole sentences; empty when all is well.
    """

    values: tuple[float, ...]
    cv: float
    drift: float
    run_sd: float
    longer_runs_help: bool | None
    advice: tuple[str, ...]

    def detectable_gain(self, pairs: int) -> float:
        """Return the true ratio that `pairs` pairs would confirm four times in five.

        Raises:
            ValueError: Fewer pairs than the first look needs.
        """
        looks = looks_within(pairs)
        if not looks:
            raise ValueError(f"{pairs} pairs, need at least 6")
        error = self.run_sd * math.sqrt(2 / looks[-1])
        return (1 + MINIMUM_GAIN) * math.exp(DETECTS[looks] * error)


def assess_noise(
    measure: Measure, runs: int = 6, *, on_run: Callable[[Measurement], None] | None = None
) -> Noise:
    """Measure the originals `runs` times and describe the noise.

    Args:
        measure: One fresh run of a setting; only the empty one is used here.
        runs: Good runs wanted, at least 6; a failed one is repeated.
        on_run: Called with every run, failed ones included.

    Raises:
        TooManyFailuresError: More than three runs failed in a row.
        BenchmarkFailedError: Half of the runs failed, though never that many in a row.
    """
    if runs < 6:
        raise ValueError(f"{runs} A/A runs, need at least 6")
    good: list[Measurement] = []
    in_a_row = attempts = 0
    while len(good) < runs:
        measurement = measure({})
        attempts += 1
        if on_run is not None:
            on_run(measurement)
        if usable(measurement):
            good.append(measurement)
            in_a_row = 0
            continue
        in_a_row += 1
        reason = measurement.failure or "it gave no value above 0"
        if in_a_row > MAX_FAILURES_IN_A_ROW:
            raise TooManyFailuresError(f"{in_a_row} baseline runs failed in a row: {reason}")
        if attempts - len(good) >= runs:
            raise BenchmarkFailedError(
                f"{attempts - len(good)} of {attempts} baseline runs failed; the last: {reason}"
            )
    return describe_noise(good)


def describe_noise(good: list[Measurement]) -> Noise:
    """Return what `good` runs of one setting, in order and two or more, say about the noise."""
    values = np.array([run.value for run in good], dtype=float)
    logs = np.log(values)
    position = np.linspace(-0.5, 0.5, len(values))
    slope = float(position @ values / (position @ position) / values.mean())
    cv = float(values.std(ddof=1) / values.mean())
    # Differences of neighbours do not see a slow trend; neither do interleaved pairs.
    run_sd = float(np.sqrt(np.mean(np.diff(logs) ** 2) / 2))
    helps = _longer_runs_help(good, cv)
    return Noise(tuple(values.tolist()), cv, slope, run_sd, helps, _advice(cv, slope, helps))


def _longer_runs_help(good: list[Measurement], cv: float) -> bool | None:
    within = [
        float(np.std(run.intervals, ddof=1) / np.mean(run.intervals) / len(run.intervals) ** 0.5)
        for run in good
        if len(run.intervals) >= 3 and np.mean(run.intervals) > 0
    ]
    return None if len(within) < len(good) / 2 else bool(cv < 2 * float(np.median(within)))


def _advice(cv: float, drift: float, longer_runs_help: bool | None) -> tuple[str, ...]:
    advice = []
    if cv > NOISY and longer_runs_help:
        advice.append(f"Single runs vary by {cv:.0%}; longer runs would be steadier.")
    elif cv > NOISY:
        advice.append(f"Single runs vary by {cv:.0%}; only a large gain can be confirmed.")
    if abs(drift) > max(DRIFTING, 2 * cv):
        advice.append(
            f"The machine moved by {drift:+.0%} during these runs: something else may be using it."
        )
    return tuple(advice)
