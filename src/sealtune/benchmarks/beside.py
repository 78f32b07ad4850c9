"""A load with company: any adapter's load while processes of another session want the CPU too."""

import time
from dataclasses import replace
from pathlib import Path

from sealtune.benchmarks.base import Adapter, BenchmarkSpec, Detection, ShouldStop
from sealtune.benchmarks.grammar import COMPANY
from sealtune.benchmarks.measurement import Direction, Measurement, failed
from sealtune.benchmarks.process import Server, last_line
from sealtune.benchmarks.programs import find_program
from sealtune.benchmarks.tool import LIMIT_FACTOR, LIMIT_SECONDS
from sealtune.benchmarks.workplace import MEBIBYTE, Workplace, choose_account
from sealtune.errors import BenchmarkFailedError, BenchmarkMissingError, MeasurementError

READY = "dispatching hogs"
START_SECONDS = 10.0
NEEDED_MEBIBYTES = 16


class BesideCpuHogs:
    """Another adapter, measured beside CPU hogs; implements `Adapter`.

    The hogs are ``stress-ng --cpu N``, unprivileged, in a session of their own (the scheduler's
    autogroup counts sessions). They start with every run and end with it, and end by themselves
    when a run outlives its limit. What the adapter measures is the load alone, never the hogs.

    Args:
        adapter: The load, not yet prepared.
        hogs: How many processes compute beside it.
    """

    def __init__(self, adapter: Adapter, hogs: int) -> None:
        self._adapter, self._hogs = adapter, hogs
        self._workplace: Workplace | None = None
        self.name = adapter.name
        self.title = f"{adapter.title} beside {hogs} CPU hogs"
        self.default_seconds = adapter.default_seconds
        self.warmup_seconds = adapter.warmup_seconds

    @property
    def metric(self) -> str:
        """Name of the load's primary metric."""
        return self._adapter.metric

    @property
    def unit(self) -> str:
        """Its unit."""
        return self._adapter.unit

    @property
    def direction(self) -> Direction:
        """Whether larger or smaller is better."""
        return self._adapter.direction

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric name the load can be asked for."""
        return self._adapter.metrics

    def detect(self) -> Detection:
        """Return whether the load's tool and stress-ng are both installed."""
        found = self._adapter.detect()
        here = found.installed and find_program("stress-ng") is not None
        return Detection(
            here,
            found.version if here else "",
            with_stress(found.apt, "apt-get install -y"),
            with_stress(found.dnf, "dnf install -y"),
        )

    def prepare(self, workdir: Path) -> None:
        """Set up the load, and a directory for the hogs; see `Adapter.prepare`."""
        self.teardown()
        if find_program("stress-ng") is None:
            line = self.detect()
            raise BenchmarkMissingError(
                f"stress-ng is not installed. Install it with: {line.apt}  (or: {line.dnf})"
            )
        self._adapter.prepare(workdir)
        try:
            self._workplace = Workplace.create(
                workdir,
                "hogs",
                choose_account(),
                needed=NEEDED_MEBIBYTES * MEBIBYTE,
                on_disk=False,
            )
        except BaseException:
            self.teardown()
            raise

    def refresh(self, *, restart: bool = True) -> None:
        """Bring the load's instance to its start, with no hog beside it."""
        self._adapter.refresh(restart=restart)

    def run(self, seconds: float, *, should_stop: ShouldStop | None = None) -> Measurement:
        """Start the hogs, measure the load, end the hogs; see `Adapter.run`."""
        began = time.monotonic()
        try:
            hogs = self._start(seconds)
        except (MeasurementError, OSError) as error:
            return failed(f"{self.title}: {error}", seconds=time.monotonic() - began)
        try:
            measured = self._adapter.run(seconds, should_stop=should_stop)
            alive = hogs.alive
        finally:
            hogs.stop()
        spent = time.monotonic() - began
        if measured.value is not None and not alive:
            said = last_line(hogs.log) or "they printed nothing"
            return failed(f"{self.title}: the hogs ended before the load: {said}", seconds=spent)
        return replace(measured, seconds=spent)

    def teardown(self) -> None:
        """End every process and remove every file. Safe to call twice."""
        try:
            self._adapter.teardown()
        finally:
            if self._workplace is not None:
                self._workplace.remove()
                self._workplace = None

    def _start(self, seconds: float) -> Server:
        place = self._workplace
        if place is None:
            raise BenchmarkFailedError("not prepared, or already torn down")
        limit = LIMIT_FACTOR * (seconds + self.warmup_seconds) + LIMIT_SECONDS
        load = ["--cpu", str(self._hogs), "--temp-path", str(place.path)]
        bounds = ["--timeout", f"{limit + START_SECONDS:.0f}s", "--oomable"]
        hogs = Server(
            [str(find_program("stress-ng")), *load, *bounds],
            account=place.account,
            cwd=place.path,
            log=place.path / "hogs.log",
            room=place.room,
        )
        try:
            hogs.wait_until(lambda: READY in hogs.log, START_SECONDS)
        except BaseException:
            hogs.stop()
            raise
        return hogs


def with_stress(line: str, install: str) -> str:
    """Return the `line` that installs the load, with stress-ng added.

    >>> with_stress("apt-get install -y postgresql", "apt-get install -y")
    'apt-get install -y postgresql && apt-get install -y stress-ng'
    """
    return f"{line} && {install} stress-ng" if line else f"{install} stress-ng"


def split_company(spec: BenchmarkSpec) -> tuple[BenchmarkSpec, int]:
    """Return `spec` without its company, and how many hogs it asked for."""
    alone = {key: value for key, value in spec.options.items() if key != COMPANY.name}
    return replace(spec, options=alone), int(spec.options.get(COMPANY.name, 0))
