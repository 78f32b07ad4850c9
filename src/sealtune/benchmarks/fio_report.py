"""What fio prints as JSON: one document per ``--status-interval``, the last one at the end."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import geometric_mean
from typing import Any

from sealtune.errors import BenchmarkFailedError

MEBIBYTE = 1 << 20
LEAST_BYTES = 4096
"""What a job that finished nothing in an interval counts there, so that a mean can be formed."""
_WAYS = ("read", "write")
_PERCENTILES = {"p50": "50.000000", "p95": "95.000000", "p99": "99.000000"}


@dataclass(frozen=True, slots=True)
class JobTotals:
    """What one job, all its clones together, has done since the run began.

    Attributes:
        transferred: Read and written [bytes].
        operations: Completed reads and writes.
        seconds: Time of its longest clone [s].
        latency_ms: ``avg``, ``p50``, ``p95``, ``p99`` and ``max`` of completion [ms]; of reads,
            writes and fsyncs, and of the clones, the worse.
    """

    transferred: int = 0
    operations: int = 0
    seconds: float = 0.0
    latency_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def mebibytes_per_second(self) -> float:
        """Its bandwidth [MiB/s]."""
        return self.transferred / MEBIBYTE / self.seconds if self.seconds else 0.0

    @property
    def operations_per_second(self) -> float:
        """Its rate [1/s]."""
        return self.operations / self.seconds if self.seconds else 0.0

    def since(self, earlier: "JobTotals") -> "JobTotals":
        """Return what it did after `earlier`, without latencies."""
        return JobTotals(
            max(LEAST_BYTES, self.transferred - earlier.transferred),
            max(1, self.operations - earlier.operations),
            self.seconds - earlier.seconds,
        )


Report = Mapping[str, JobTotals]
"""Job name to its totals."""
Rate = Callable[[JobTotals], float]


def read_report(document: Mapping[str, Any]) -> Report:
    """Return the totals in one JSON document of fio.

    Raises:
        BenchmarkFailedError: It is not one, or a job ended with an error.
    """
    found: dict[str, JobTotals] = {}
    try:
        for job in document["jobs"]:
            if job["error"]:
                raise BenchmarkFailedError(
                    f"fio job {job['jobname']} ended with error {job['error']}"
                )
            totals = _totals(job)
            name = str(job["jobname"])
            found[name] = _together(found[name], totals) if name in found else totals
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BenchmarkFailedError(f"fio's report lacks {error}") from error
    if not found:
        raise BenchmarkFailedError("fio's report names no job")
    return found


def _totals(job: Mapping[str, Any]) -> JobTotals:
    ways = [job[way] for way in _WAYS if job[way]["total_ios"]]
    waits = [way["clat_ns"] for way in ways]
    # A write is done at once, and it is the fsync after it that waits for the disk.
    waits += [job["sync"]["lat_ns"]] if job["sync"]["lat_ns"]["N"] else []
    return JobTotals(
        sum(int(way["io_bytes"]) for way in ways),
        sum(int(way["total_ios"]) for way in ways),
        max((int(way["runtime"]) for way in ways), default=0) / 1e3,
        _worse(map(_latency, waits)),
    )


def _latency(wait: Mapping[str, Any]) -> dict[str, float]:
    named = {"avg": float(wait["mean"]), "max": float(wait["max"])}
    listed = wait.get("percentile", {})
    named |= {name: float(listed[key]) for name, key in _PERCENTILES.items() if key in listed}
    return {name: nanoseconds / 1e6 for name, nanoseconds in named.items()}


def _worse(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    worst: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            worst[name] = max(value, worst.get(name, value))
    return worst


def _together(one: JobTotals, other: JobTotals) -> JobTotals:
    return JobTotals(
        one.transferred + other.transferred,
        one.operations + other.operations,
        max(one.seconds, other.seconds),
        _worse([one.latency_ms, other.latency_ms]),
    )


def worst_latency(report: Report) -> dict[str, float]:
    """Return of every latency figure that of the job where it is worst [ms]."""
    return _worse(totals.latency_ms for totals in report.values())


def combined(report: Report, rate: Rate) -> float:
    """Return one job's rate, or the geometric mean of several; 0 when one of them did nothing.

    The geometric mean counts a doubling of the slow job as much as one of the fast job.
    """
    rates = [rate(totals) for totals in report.values()]
    return geometric_mean(rates) if all(found > 0 for found in rates) else 0.0


def interval_rates(reports: Sequence[Report], rate: Rate, length: float) -> list[float]:
    """Return the combined rate between each report and the next, the first counted from zero.

    A last interval shorter than half of `length` [s], as the end of a run leaves it, is left out.
    """
    rates: list[float] = []
    start = JobTotals()
    earlier: Report = {}
    for report in reports:
        parts = {name: totals.since(earlier.get(name, start)) for name, totals in report.items()}
        if min(part.seconds for part in parts.values()) >= length / 2:
            rates.append(combined(parts, rate))
            earlier = report
    return rates


class ReportStream:
    """Finds the documents in fio's output while it comes, line by line.

    Attributes:
        reports: What has been found so far, in order.
    """

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self._lines: list[str] | None = None

    def add(self, line: str) -> bool:
        """Take one line; return whether it completed a report."""
        if line == "{":
            self._lines = []
        if self._lines is None:
            return False
        self._lines.append(line)
        if line != "}":
            return False
        text, self._lines = "\n".join(self._lines), None
        try:
            self.reports.append(read_report(json.loads(text)))
        except (ValueError, BenchmarkFailedError):
            # A line of the error stream came in between, or a job is about to end with an error.
            return False
        return True


def last_report(text: str) -> Report:
    """Return the last document in fio's standard output.

    Raises:
        BenchmarkFailedError: There is none, or it says that a job failed.
    """
    start = text.rfind("\n{\n") + 1
    try:
        document = json.JSONDecoder().raw_decode(text, start)[0]
    except ValueError as error:
        raise BenchmarkFailedError("fio printed no report") from error
    return read_report(document)
