"""The contract of a benchmark, and the values that cross it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from sealtune.benchmarks.measurement import Direction, Measurement

Options = Mapping[str, str | int | bool]
ShouldStop = Callable[[Sequence[float]], bool]


@dataclass(frozen=True, slots=True)
class Detection:
    """Whether a tool is here, and how to get it.

    Attributes:
        installed: Everything the adapter starts was found.
        version: What the tool says of itself, ``""`` when it is missing.
        apt: The whole line that installs it on Debian and Ubuntu, ``""`` when nothing is needed.
        dnf: The same for Fedora and RHEL.
    """

    installed: bool
    version: str
    apt: str
    dnf: str


@dataclass(frozen=True, slots=True)
class BenchmarkSpec:
    """One benchmark with its options, as parsed from a command line.

    Attributes:
        name: Adapter name, one of `sealtune.benchmarks.adapter_names`.
        options: What the adapter was asked to do; never the person's own database or server.
        command: The text it was parsed from, unchanged.
        approval: Why a person must approve exactly `command` first; ``None`` for a command of the
            catalogue, and after `approved`.
        notices: What was dropped or replaced, one sentence each.
        target: The person's own database or server that `command` names; used only after
            `approved`, until then the adapter measures a private instance.
        yours: `approved` has put something of the person's own into `options`.
    """

    name: str
    options: Options
    command: str
    approval: str | None = None
    notices: tuple[str, ...] = ()
    target: Options = field(default_factory=dict)
    yours: bool = False

    def approved(self) -> "BenchmarkSpec":
        """Return this spec after the person allowed exactly `command`: `target` becomes real."""
        options = {**self.options, **self.target}
        return replace(self, options=options, target={}, approval=None, yours=bool(self.target))


@dataclass(frozen=True, slots=True)
class Metric:
    """One number a benchmark can be judged by.

    Attributes:
        name: Such as ``transactions_per_second``.
        unit: Such as ``1/s``.
        direction: Whether larger or smaller is better.
        of: Where a `Reading` holds it: ``rate``, or a key of `Reading.latency_ms`.
    """

    name: str
    unit: str = "1/s"
    direction: Direction = "maximize"
    of: str = "rate"


def latency_metrics(*percentiles: str) -> tuple[Metric, ...]:
    """Return the lower-is-better latency metrics for ``avg``, ``p50``, ``p99`` and the like.

    >>> latency_metrics("p99")[0].name
    'latency_p99_ms'
    """
    return tuple(Metric(f"latency_{p}_ms", "ms", "minimize", p) for p in percentiles)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one run of a tool said, before it is known which metric counts.

    Attributes:
        rate: Throughput over the measured time, in the primary metric's unit.
        rates: The same per interval of `interval_seconds`.
        waits: Mean latency per interval [ms]; empty if the tool gives none.
        interval_seconds: Length of one interval [s].
        latency_ms: ``avg``, percentiles and ``max`` over the measured time [ms].
        tails_ms: Percentiles of the bad part of a run that was measured in parts [ms]: only a
            tenth of the parts were worse. `latency_ms` is the ordinary part then.
        errors: Failed operations, not part of `rate`.
        cut_short: The run was stopped early.
    """

    rate: float
    rates: tuple[float, ...] = ()
    waits: tuple[float, ...] = ()
    interval_seconds: float = 1.0
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    tails_ms: Mapping[str, float] = field(default_factory=dict)
    errors: int = 0
    cut_short: bool = False


class Adapter(Protocol):
    """A tool that puts one kind of load on this machine and says how well it went.

    Not thread-safe. `prepare` first, then any number of `refresh` and `run`, `teardown` last.
    """

    name: str
    title: str
    default_seconds: float
    warmup_seconds: float

    @property
    def metric(self) -> str:
        """Name of the primary metric."""
        ...

    @property
    def unit(self) -> str:
        """Unit of the primary metric."""
        ...

    @property
    def direction(self) -> Direction:
        """Whether larger or smaller is better."""
        ...

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric name this adapter can be asked for."""
        ...

    def detect(self) -> Detection:
        """Return whether the tool is installed; starts nothing but ``--version``."""
        ...

    def prepare(self, workdir: Path) -> None:
        """Set up a private throwaway instance under `workdir`.

        Raises:
            BenchmarkMissingError: The tool is not installed.
            BenchmarkFailedError: It does not start, or `workdir` cannot be used.
            DiskSpaceError: Too little space under `workdir`.
        """
        ...

    def refresh(self, *, restart: bool = True) -> None:
        """Bring the instance to the same start as before every other run.

        Args:
            restart: Also restart servers and reopen files, so that settings which bite only new
                sockets, listeners, mappings or opened files take effect.

        Raises:
            BenchmarkFailedError: The instance did not come back.
        """
        ...

    def run(self, seconds: float, *, should_stop: ShouldStop | None = None) -> Measurement:
        """Load the machine for about `seconds` after warm-up and return what was measured.

        Args:
            seconds: Measured time [s].
            should_stop: Asked at most twice a second with the intervals so far; true ends the run
                early, `Measurement.cut_short`.

        Returns:
            A failed measurement when the tool failed, printed nothing usable or hung.
        """
        ...

    def teardown(self) -> None:
        """End every process and remove every file of this adapter. Safe to call twice."""
        ...
