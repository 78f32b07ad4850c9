"""What one benchmark run yields: the currency between benchmark, trial, tactician and verdict."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of a benchmark, finished, cut short or failed.

    Attributes:
        value: Primary metric in `unit`; ``None`` when the run failed, never 0 or NaN.
        metric: Name of the primary metric, such as ``transactions_per_second``.
        unit: Its unit, such as ``1/s``.
        direction: Whether larger or smaller is better.
        intervals: Primary metric per interval of `interval_seconds`, in order; empty if the tool
            gives none.
        interval_seconds: Length of one interval [s].
        latency_ms: Percentile name (``p50``, ``p95``, ``p99``, ``max``) to milliseconds.
        tails_ms: The same where a run is measured in parts, of its bad part: only a tenth of the
            parts were worse. For the guard rail of latency alone, and not stored.
        errors: Failed operations inside an otherwise good run.
        seconds: Wall time spent in the benchmark, warm-up and server restart included [s].
        settle_seconds: Wall time spent settling and dropping caches [s].
        state: System metrics sampled around the run (``cpu_usage``, ``io_wait_percent``, ...).
        cut_short: The run was stopped early because it was hopeless; `value` is a lower estimate.
        failure: Why there is no value, one sentence; ``None`` when there is one.
        unsafe: A guard rail tripped (memory pressure, OOM, errors); a kind of failure.
    """

    value: float | None
    metric: str = "score"
    unit: str = ""
    direction: Direction = "maximize"
    intervals: tuple[float, ...] = ()
    interval_seconds: float = 1.0
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    tails_ms: Mapping[str, float] = field(default_factory=dict)
    errors: int = 0
    seconds: float = 0.0
    settle_seconds: float = 0.0
    state: Mapping[str, float] = field(default_factory=dict)
    cut_short: bool = False
    failure: str | None = None
    unsafe: bool = False

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"{self.metric}: {self.value} is no measurement; report a failure")
        if (self.value is None) != (self.failure is not None):
            raise ValueError("a measurement has a value or a failure, never both or neither")

    @property
    def ok(self) -> bool:
        """Whether the run finished in full with a value."""
        return self.value is not None and not self.cut_short


def failed(reason: str, *, seconds: float = 0.0, unsafe: bool = False) -> Measurement:
    """Return the measurement of a run that gave no value, for `reason`."""
    return Measurement(None, failure=reason, seconds=seconds, unsafe=unsafe)
