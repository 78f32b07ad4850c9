"""fio: any mix of reads and writes on files of our own, on the disk that is being tuned."""

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

from sealtune.benchmarks.base import BenchmarkSpec, Metric, Reading, latency_metrics
from sealtune.benchmarks.fio_jobs import DEFAULT, FioJob, files_bytes, parse_jobs, size_of
from sealtune.benchmarks.fio_report import (
    Rate,
    Report,
    ReportStream,
    combined,
    interval_rates,
    last_report,
    worst_latency,
)
from sealtune.benchmarks.memory_group import memory_group, require_hierarchy, run_in_group
from sealtune.benchmarks.plainly import open_plainly
from sealtune.benchmarks.process import LineHandler, Outcome, last_line
from sealtune.benchmarks.programs import find_program, version_of
from sealtune.benchmarks.tool import ToolAdapter, Watch
from sealtune.benchmarks.workplace import MEBIBYTE
from sealtune.errors import BenchmarkFailedError

INTERVAL_SECONDS = 0.5
LAYOUT_SECONDS, LAYOUT_MEBIBYTES_PER_SECOND = 60.0, 20.0
"""How long writing the files may take: so long, and as long again as a slow disk needs."""
RESERVE_MEBIBYTES = 128
_BANDWIDTH = Metric("mebibytes_per_second", "MiB/s")
_OPERATIONS = Metric("operations_per_second")


class FioAdapter(ToolAdapter):
    """Bandwidth of one fio job, or the geometric mean of the bandwidths of several at once.

    The files are written in full when the instance is prepared, so that nobody reads holes, and
    every run starts from the same page cache: cold, all of them written back and dropped
    (``POSIX_FADV_DONTNEED``, which needs no root and spares other people's files), or, when every
    job says ``--invalidate=0``, warm, all of them read once. So there is no warm-up, and the first
    interval counts. Start and end are fio's own; latencies include waiting for ``fsync``.

    Metrics: ``mebibytes_per_second``, ``operations_per_second``, and completion latencies, of
    which those of the slowest job count. Intervals are half a second long.
    A run takes at least that.

    Options: ``jobs``, words of fio's as `fio_jobs.read_jobs` leaves them; ``memory``, such as
    ``128m``: fio runs in a memory group of that size, made by root for each run.
    """

    name = "fio"
    title = "fio"
    apt = "apt-get install -y fio"
    dnf = "dnf install -y fio"
    on_disk = True
    warmup_seconds = 0.0
    accepted = (
        _BANDWIDTH,
        _OPERATIONS,
        *latency_metrics("avg", "p50", "p95", "p99", "max"),
    )

    def __init__(self, spec: BenchmarkSpec, metric: str | None = None) -> None:
        super().__init__(spec, metric)
        self._jobs = parse_jobs(str(spec.options.get("jobs", DEFAULT)))
        self._memory = size_of(str(spec.options["memory"])) if "memory" in spec.options else 0
        # Pages that we read would not count against the memory group's limit.
        self._cold = bool(self._memory) or any(job.cold for job in self._jobs)
        self._mebibytes = math.ceil(files_bytes(self._jobs) / MEBIBYTE)
        # Whoever shares the disk keeps at least as much space as the files take.
        self.needed_mebibytes = 2 * self._mebibytes + RESERVE_MEBIBYTES

    def find_version(self) -> str | None:
        """Return fio's version."""
        program = find_program("fio")
        return version_of(program) if program else None

    def start(self) -> None:
        """Write every file in full."""
        if self._memory:
            require_hierarchy(self._memory)
        limit = LAYOUT_SECONDS + self._mebibytes / LAYOUT_MEBIBYTES_PER_SECOND
        # Without ``overwrite`` fio would leave files that are only written to empty.
        layout = [FioJob(j.name, {**j.settings, "overwrite": "1"}) for j in self._jobs]
        command = self._command(["--create_only=1"], layout)
        require_done(self.child(command, limit=limit))

    def settle(self, *, restart: bool) -> None:
        """Write back what a run has dirtied; files are opened anew by every run."""
        self._prepare_cache()

    def measure(self, seconds: float, watch: Watch) -> Reading:
        """Run every job at the same time for `seconds`."""
        stream = ReportStream()
        rate = rate_of(self._metric)

        def on_line(line: str) -> bool:
            if not stream.add(line):
                return False
            return watch.hopeless(interval_rates(stream.reports, rate, INTERVAL_SECONDS))

        self._prepare_cache()
        outcome = self._run(self._command(self._timing(seconds), self._jobs), seconds, on_line)
        if outcome.stopped:
            return fio_reading(stream.reports, stream.reports[-1], rate, cut_short=True)
        require_done(outcome)
        return fio_reading(stream.reports, last_report(outcome.stdout), rate)

    def _run(self, command: Sequence[str], seconds: float, on_line: LineHandler) -> Outcome:
        limit = self.limit(seconds)
        if not self._memory:
            return self.child(command, limit=limit, on_line=on_line)
        with memory_group(self._memory) as group:
            return run_in_group(command, group, self.workplace, limit=limit, on_line=on_line)

    def _timing(self, seconds: float) -> list[str]:
        milliseconds = max(500, round(seconds * 1000))
        interval = f"--status-interval={round(INTERVAL_SECONDS * 1000)}ms"
        return ["--time_based", f"--runtime={milliseconds}ms", interval]

    def _command(self, common: Sequence[str], jobs: Sequence[FioJob]) -> list[str]:
        report = ["--output-format=json", "--eta=never", "--directory=.", "--fallocate=none"]
        words = [word for job in jobs for word in job.words]
        return [str(find_program("fio")), *report, *common, *words]

    def _prepare_cache(self) -> None:
        """Bring the page cache to the state in which every run starts."""
        for path in self.workplace.path.iterdir():
            if path.is_dir():
                continue
            drop_from_cache(path)
            if not self._cold:
                read_into_cache(path)


def drop_from_cache(path: Path) -> None:
    """Write back the file at `path` and drop its pages.

    Pages that are dirty, or mapped by a process that lives, stay; hence the write-back, and no
    call while the load runs.
    """
    with open_plainly(path) as file:
        os.fsync(file)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_into_cache(path: Path) -> None:
    """Read the file at `path` from its start to its end."""
    buffer = bytearray(MEBIBYTE)
    with open_plainly(path) as file:
        while file.readinto(buffer):
            pass


def rate_of(metric: Metric) -> Rate:
    """Return what a job's rate is when `metric` counts."""
    if metric == _OPERATIONS:
        return lambda totals: totals.operations_per_second
    return lambda totals: totals.mebibytes_per_second


def fio_reading(
    reports: Sequence[Report], final: Report, rate: Rate, *, cut_short: bool = False
) -> Reading:
    """Return the reading of a run.

    Args:
        reports: What fio said at every interval.
        final: What it said last.
        rate: Which rate of a job counts.
        cut_short: It was stopped early.

    Raises:
        BenchmarkFailedError: A job moved no data.
    """
    idle = [name for name, totals in final.items() if not totals.operations]
    if idle:
        raise BenchmarkFailedError(f"fio job {idle[0]} finished not one operation")
    return Reading(
        combined(final, rate),
        rates=tuple(interval_rates(reports, rate, INTERVAL_SECONDS)),
        interval_seconds=INTERVAL_SECONDS,
        latency_ms=worst_latency(final),
        cut_short=cut_short,
    )


def require_done(outcome: Outcome) -> None:
    """Check that fio did its work; it speaks of errors on either stream, between its JSON.

    Raises:
        BenchmarkFailedError: It hung, ended with an error, or lost a process, which its exit code
            does not tell; carries the line that does.
    """
    text = f"{outcome.stderr}\n{outcome.stdout}"
    said = re.findall(r"^(?:fio: |error: ).*$", text, re.MULTILINE)
    telling = [last_line(line) for line in said if re.search(r"err|got signal", line)] or said
    if telling and not outcome.timed_out:
        lost = "got signal" in telling[0]
        if outcome.code != 0 or lost:
            raise BenchmarkFailedError(f"it ended with exit code {outcome.code}: {telling[0]}")
    outcome.require("fio")
