"""What a gain may not cost: tail latency, errors and pressure, judged on the same pairs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sealtune.benchmarks.measurement import Measurement
from sealtune.verdict.bounds import Interval, calibrated_interval
from sealtune.verdict.pairs import Pair

DEFAULT_MARGINS: Mapping[str, float] = {
    "p95": 0.10,
    "p99": 0.20,
    "errors": 0.0,
    "memory_pressure": 5.0,
}
"""How much worse each guard metric may be: a share for latency percentiles, else its own unit."""


@dataclass(frozen=True, slots=True)
class GuardFinding:
    """One guard metric over the confirmation's pairs.

    Attributes:
        metric: Latency percentile, ``errors`` or a state metric.
        unit: ``ratio`` (1.1 is 10 % worse) for latency, ``difference`` for all others.
        worsening: Hodges-Lehmann centre, candidate against baseline; more is worse.
        low: Low end of the interval, see `sealtune.verdict.bounds`.
        high: High end of it.
        margin: How much worse it was allowed to be.
        violated: It is worse for certain (`low`) and by more than the margin (`worsening`).
    """

    metric: str
    unit: str
    worsening: float
    low: float
    high: float
    margin: float
    violated: bool


def check_guards(
    pairs: Sequence[Pair], margins: Mapping[str, float], looks: tuple[int, ...]
) -> tuple[GuardFinding, ...]:
    """Return a finding for each metric that every run of `pairs` reports.

    A metric that is the benchmark's own primary one, or missing in a run, is left out.

    Args:
        pairs: Good pairs, as many as one of `looks`.
        margins: Metric to margin, see `DEFAULT_MARGINS`.
        looks: The confirmation's schedule; the guards use its interval.
    """
    findings = []
    for metric, margin in margins.items():
        before = [_reading(pair.reference, metric) for pair in pairs]
        after = [_reading(pair.candidate, metric) for pair in pairs]
        readings = [value for value in (*before, *after) if value is not None]
        if len(readings) < 2 * len(pairs):
            continue
        first, second = np.array(readings[: len(pairs)]), np.array(readings[len(pairs) :])
        relative = metric in pairs[0].reference.latency_ms
        if relative and (min(readings) <= 0 or metric == pairs[0].reference.metric):
            continue
        change = np.log(second / first) if relative else second - first
        findings.append(
            _judge(metric, calibrated_interval(change, looks), margin, relative=relative)
        )
    return tuple(findings)


def _judge(metric: str, interval: Interval, margin: float, *, relative: bool) -> GuardFinding:
    limit = math.log1p(margin) if relative else margin
    violated = interval.low > 0 and interval.centre > limit
    numbers = (interval.centre, interval.low, interval.high)
    centre, low, high = (math.exp(number) if relative else number for number in numbers)
    unit = "ratio" if relative else "difference"
    return GuardFinding(metric, unit, centre, low, high, margin, violated)


def _reading(measurement: Measurement, metric: str) -> float | None:
    if metric == "errors":
        return float(measurement.errors)
    value = measurement.latency_ms.get(metric, measurement.state.get(metric))
    return None if value is None or not math.isfinite(value) else float(value)
