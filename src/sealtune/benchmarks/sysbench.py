"""sysbench: cpu, memory, threads and fileio; no server."""

import math
import os
import re

from sealtune.benchmarks.base import BenchmarkSpec, Metric, Reading, latency_metrics
from sealtune.benchmarks.process import last_line
from sealtune.benchmarks.programs import find_program, version_of
from sealtune.benchmarks.tool import ToolAdapter, Watch
from sealtune.errors import BenchmarkFailedError

FILE_MEBIBYTES, FILES = 256, 8
PERCENTILE = 99
_EVENTS = Metric("events_per_second")
_BYTES = Metric("mebibytes_per_second", "MiB/s")
_PRIMARY = {"cpu": _EVENTS, "threads": _EVENTS, "memory": _BYTES, "fileio": _BYTES}
_ENDLESS = ["--memory-total-size=1000T"]
_INTERVAL = {
    "cpu": r"^\[ \d+s \].* eps: ([\d.]+)",
    "threads": r"^\[ \d+s \].* eps: ([\d.]+)",
    "memory": r"^\[ \d+s \] ([\d.]+) MiB/sec",
    "fileio": r"^\[ \d+s \] reads: ([\d.]+) MiB/s writes: ([\d.]+) MiB/s",
}


class SysbenchAdapter(ToolAdapter):
    """One of sysbench's four local tests.

    Options: ``test``, and sysbench's own long options without their dashes (``threads``,
    ``file-test-mode``, ``cpu-max-prime``, ...).
    """

    name = "sysbench"
    title = "sysbench"
    users = ()
    apt = "apt-get install -y sysbench"
    dnf = "dnf install -y epel-release && dnf install -y sysbench"
    on_disk = True

    def __init__(self, spec: BenchmarkSpec, metric: str | None = None) -> None:
        self._test = str(spec.options.get("test", "cpu"))
        super().__init__(spec, metric)
        self.title = f"sysbench {self._test}"
        if self._test == "fileio":
            size = mebibytes(str(spec.options.get("file-total-size", f"{FILE_MEBIBYTES}M")))
            self.needed_mebibytes = math.ceil(1.1 * size) + 16
        else:
            self.warmup_seconds = 0.0

    @property
    def accepted(self) -> tuple[Metric, ...]:
        """Throughput of this test, or its latency."""
        return (_PRIMARY[self._test], *latency_metrics("avg", "p99", "max"))

    def find_version(self) -> str | None:
        """Return sysbench's version."""
        program = find_program("sysbench")
        return version_of(program) if program else None

    def start(self) -> None:
        """Write the test files of ``fileio``."""
        if self._test == "fileio":
            self.child(self._command("prepare"), limit=300.0).require("sysbench prepare")

    def measure(self, seconds: float, watch: Watch) -> Reading:
        """Run sysbench once; the first second of ``fileio`` is warm-up."""
        seen: list[float] = []

        def on_line(line: str) -> bool:
            rate = parse_interval(self._test, line)
            if rate is None:
                return False
            seen.append(rate)
            return watch.hopeless(seen[warmup:])

        warmup = int(self.warmup_seconds)
        length = max(1, math.ceil(seconds)) + warmup
        timing = [f"--time={length}", "--report-interval=1", f"--percentile={PERCENTILE}"]
        command = [*self._command("run")[:-1], *timing, "--events=0", "run"]
        outcome = self.child(command, limit=self.limit(seconds), on_line=on_line)
        outcome.require("sysbench")
        counted = tuple(seen[warmup:])
        if outcome.stopped:
            return Reading(sum(counted) / len(counted), counted, cut_short=True)
        rate, latency = parse_report(self._test, outcome.stdout)
        if warmup and counted:
            rate = sum(counted) / len(counted)
        return Reading(rate, counted, latency_ms=latency)

    def _command(self, step: str) -> list[str]:
        given = {key: value for key, value in self._options.items() if key != "test"}
        defaults: dict[str, str | int | bool] = {"threads": os.cpu_count() or 1}
        if self._test == "fileio":
            size = f"{FILE_MEBIBYTES}M"
            defaults["file-total-size"], defaults["file-num"] = size, FILES
            defaults["file-test-mode"] = "rndrw"
        options = [f"--{key}={value}" for key, value in {**defaults, **given}.items()]
        options += _ENDLESS if self._test == "memory" else []
        return [str(find_program("sysbench")), self._test, *options, step]


def parse_interval(test: str, line: str) -> float | None:
    """Read one line of ``--report-interval``; ``None`` for any other line."""
    found = re.match(_INTERVAL[test], line)
    return sum(float(text) for text in found.groups()) if found else None


def parse_report(test: str, text: str) -> tuple[float, dict[str, float]]:
    """Return rate and latency [ms] from sysbench's final report.

    Raises:
        BenchmarkFailedError: The report is missing.
    """
    seconds = _number(r"total time:\s+([\d.]+)s", text)
    events = _number(r"total number of events:\s+(\d+)", text)
    if not seconds or events is None:
        raise BenchmarkFailedError(f"sysbench printed no result: {last_line(text) or 'nothing'}")
    latency = {
        name: float(value)
        for name, value in re.findall(r"^\s+(avg|max):\s+([\d.]+)$", text, re.MULTILINE)
    }
    percentile = re.search(r"(\d+)th percentile:\s+([\d.]+)", text)
    if percentile:
        latency[f"p{percentile.group(1)}"] = float(percentile.group(2))
    return _rate(test, text, events / seconds), latency


def _rate(test: str, text: str, events_per_second: float) -> float:
    if test == "memory":
        return _number(r"MiB transferred \(([\d.]+) MiB/sec\)", text) or 0.0
    if test == "fileio":
        read = _number(r"read, MiB/s:\s+([\d.]+)", text) or 0.0
        return read + (_number(r"written, MiB/s:\s+([\d.]+)", text) or 0.0)
    return events_per_second


def mebibytes(size: str) -> float:
    """Return a sysbench size such as ``256M`` or ``1G`` in MiB.

    Raises:
        BenchmarkFailedError: It is no size.

    >>> mebibytes("1G")
    1024.0
    """
    found = re.fullmatch(r"(\d+)([KMGT]?)B?", size.strip().upper())
    if not found:
        raise BenchmarkFailedError(f"file-total-size: {size!r} is no size; write 256M or 1G")
    return int(found.group(1)) * 1024.0 ** ("KMGT".find(found.group(2) or "?") - 1)


def _number(pattern: str, text: str) -> float | None:
    found = re.search(pattern, text)
    return float(found.group(1)) if found else None
