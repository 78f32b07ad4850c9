"""What every adapter of a command-line tool shares: life cycle, metric choice, failures."""

import math
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from sealtune.benchmarks.base import BenchmarkSpec, Detection, Metric, Reading, ShouldStop
from sealtune.benchmarks.confinement import Room
from sealtune.benchmarks.measurement import Direction, Measurement, failed
from sealtune.benchmarks.process import LineHandler, Outcome, run_child
from sealtune.benchmarks.workplace import MEBIBYTE, Account, Workplace, choose_account
from sealtune.errors import (
    BenchmarkFailedError,
    BenchmarkMissingError,
    ConfigError,
    MeasurementError,
)

ASK_SECONDS = 0.5
LIMIT_FACTOR, LIMIT_SECONDS = 2.0, 15.0
"""A run may take this many times its length, plus this many seconds, before it counts as hung."""


class Watch:
    """Asks the racing rule at most twice a second whether the run is hopeless.

    Args:
        should_stop: The rule; ``None`` never stops.
        metric: Which of the two interval series the rule wants to see.
    """

    def __init__(self, should_stop: ShouldStop | None, metric: Metric) -> None:
        self._should_stop, self._metric = should_stop, metric
        self._asked = time.monotonic()

    def hopeless(self, rates: Sequence[float], waits: Sequence[float] = ()) -> bool:
        """Return whether the run should end now, given its intervals so far."""
        now = time.monotonic()
        seen = rates if self._metric.of == "rate" else waits if self._metric.of == "avg" else ()
        if self._should_stop is None or not seen or now - self._asked < ASK_SECONDS * 0.9:
            return False
        self._asked = now
        return self._should_stop(seen)


class ToolAdapter(ABC):
    """Base of the adapters; a subclass says how to start, restart, measure and stop its tool.

    Args:
        spec: What to run.
        metric: Name of the metric that counts; the first of `accepted` when ``None``.

    Raises:
        ConfigError: The benchmark does not report `metric`.
    """

    name: str
    title: str
    default_seconds: float = 5.0
    warmup_seconds: float = 1.0
    users: ClassVar[tuple[str, ...]] = ()
    apt: ClassVar[str] = ""
    dnf: ClassVar[str] = ""
    needed_mebibytes: int = 16
    on_disk: ClassVar[bool] = False

    def __init__(self, spec: BenchmarkSpec, metric: str | None = None) -> None:
        self._spec, self._options = spec, dict(spec.options)
        self._metric = self._choose(metric)
        self._workplace: Workplace | None = None

    # What a subclass fills in.

    @property
    @abstractmethod
    def accepted(self) -> tuple[Metric, ...]:
        """Metrics this tool reports, the primary one first."""

    @abstractmethod
    def find_version(self) -> str | None:
        """Return the tool's version, ``None`` when something it needs is missing."""

    def start(self) -> None:  # noqa: B027 - a hook
        """Set up the private instance in `workplace`."""

    def settle(self, *, restart: bool) -> None:  # noqa: B027 - a hook
        """Bring the instance back to the state in which every run starts."""

    @abstractmethod
    def measure(self, seconds: float, watch: Watch) -> Reading:
        """Run the load once; raises `BenchmarkFailedError` when it gives no usable result."""

    def stop(self) -> None:  # noqa: B027 - a hook
        """End the private instance."""

    # The contract.

    @property
    def metric(self) -> str:
        """Name of the metric that counts."""
        return self._metric.name

    @property
    def unit(self) -> str:
        """Its unit."""
        return self._metric.unit

    @property
    def direction(self) -> Direction:
        """Whether larger or smaller is better."""
        return self._metric.direction

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric name that may be asked for; ``throughput`` means the first."""
        return (*(metric.name for metric in self.accepted), "throughput")

    def detect(self) -> Detection:
        """Return whether the tool is installed, and the lines that install it."""
        version = self.find_version()
        return Detection(version is not None, version or "", self.apt, self.dnf)

    def prepare(self, workdir: Path) -> None:
        """Set up a private instance under `workdir`; see `Adapter.prepare`."""
        self.teardown()
        if self.find_version() is None:
            raise BenchmarkMissingError(
                f"{self.title} is not installed. Install it with: {self.apt}  (or: {self.dnf})"
            )
        self._workplace = Workplace.create(
            workdir,
            self.name,
            self.choose_account(),
            needed=self.needed_mebibytes * MEBIBYTE,
            on_disk=self.on_disk,
        )
        try:
            with self._blamed():
                self.start()
        except BaseException:
            self.teardown()
            raise

    def refresh(self, *, restart: bool = True) -> None:
        """Bring the instance to the same start as before every other run."""
        with self._blamed():
            self.settle(restart=restart)

    def run(self, seconds: float, *, should_stop: ShouldStop | None = None) -> Measurement:
        """Measure once for about `seconds`; see `Adapter.run`."""
        began = time.monotonic()
        try:
            with self._blamed():
                reading = self.measure(seconds, Watch(should_stop, self._metric))
        except MeasurementError as error:
            told = f"{self.title}: {error}{self._if_full()}"
            return failed(told, seconds=time.monotonic() - began)
        return self._judge(reading, time.monotonic() - began)

    def teardown(self) -> None:
        """End every process and remove every file. Safe to call twice."""
        try:
            self.stop()
        finally:
            if self._workplace is not None:
                self._workplace.remove()
                self._workplace = None

    # What subclasses use.

    @property
    def workplace(self) -> Workplace:
        """The private directory; exists between `prepare` and `teardown`."""
        if self._workplace is None:
            raise BenchmarkFailedError(f"{self.title}: not prepared, or already torn down")
        return self._workplace

    def choose_account(self) -> Account:
        """Return the unprivileged user the tool runs as."""
        return choose_account(self.users)

    def limit(self, seconds: float) -> float:
        """Return the time after which a run of `seconds` counts as hung [s]."""
        return LIMIT_FACTOR * (seconds + self.warmup_seconds) + LIMIT_SECONDS

    def child(
        self, argv: Sequence[str], *, limit: float = 60.0, on_line: LineHandler | None = None
    ) -> Outcome:
        """Run `argv` in the workplace; see `run_child`."""
        place = self.workplace
        return run_child(
            argv,
            account=place.account,
            cwd=place.path,
            limit=limit,
            on_line=on_line,
            room=self.room,
        )

    @property
    def room(self) -> Room:
        """What the tool may reach: its workplace, or the person's own server wherever it is."""
        yours = self._spec.yours
        return replace(self.workplace.room, network=yours, own_temporary=not yours)

    def option(self, name: str, default: int) -> int:
        """Return an integer option."""
        return int(self._options.get(name, default))

    def _if_full(self) -> str:
        """Return that the disk is full, if it is: few tools say so."""
        if self._workplace is None:
            return ""
        place = self._workplace.path
        full = shutil.disk_usage(place).free < MEBIBYTE
        return f"; the disk of {place.parent} is full" if full else ""

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """Turn an error of the system (a closed socket, a full disk) into the benchmark's."""
        try:
            yield
        except OSError as error:
            raise BenchmarkFailedError(f"{error}") from error

    def _choose(self, name: str | None) -> Metric:
        if name is None or name == "throughput":
            return self.accepted[0]
        for metric in self.accepted:
            if metric.name == name:
                return metric
        raise ConfigError(
            f"reward_metric: {self.name} does not report {name!r}; "
            f"allowed are {', '.join(self.metrics)}"
        )

    def _judge(self, reading: Reading, seconds: float) -> Measurement:
        by_rate = self._metric.of == "rate"
        value = reading.rate if by_rate else reading.latency_ms.get(self._metric.of)
        if value is None or not math.isfinite(value) or value <= 0 or not reading.rate > 0:
            found = "nothing" if value is None else f"{value:g}"
            reason = f"{self.title} reported {found} for {self.metric}"
            if reading.errors:
                reason += f", with {reading.errors} failed operations"
            return failed(reason, seconds=seconds)
        waits = reading.waits if self._metric.of == "avg" else ()
        return Measurement(
            value,
            metric=self.metric,
            unit=self.unit,
            direction=self.direction,
            intervals=reading.rates if by_rate else waits,
            interval_seconds=reading.interval_seconds,
            latency_ms=dict(reading.latency_ms),
            tails_ms=dict(reading.tails_ms),
            errors=reading.errors,
            seconds=seconds,
            cut_short=reading.cut_short,
        )
