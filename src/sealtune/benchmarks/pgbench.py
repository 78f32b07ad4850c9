"""pgbench on a private PostgreSQL cluster: TPC-B-like, or reading only."""

import math
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sealtune.benchmarks.base import BenchmarkSpec, Metric, Reading, latency_metrics
from sealtune.benchmarks.cluster import Cluster, postgres_program
from sealtune.benchmarks.plainly import read_plainly
from sealtune.benchmarks.process import last_line
from sealtune.benchmarks.programs import version_of
from sealtune.benchmarks.tool import ToolAdapter, Watch
from sealtune.errors import BenchmarkFailedError

SCALE = 10
MEBIBYTES_PER_SCALE = 16
WAL_MEBIBYTES = 2048
SAMPLING = {"tpcb": 0.25, "simple": 0.25, "select": 0.02}
"""Share of transactions whose latency is logged: some thousand a run, a few kB a second."""
_MODES = {"tpcb": [], "simple": ["-N"], "select": ["-S"]}


class PgbenchAdapter(ToolAdapter):
    """Transactions per second of PostgreSQL, through a Unix socket.

    Options: ``mode`` (``tpcb``, ``simple``, ``select``), ``clients``, ``jobs``, ``scale``,
    ``protocol``, ``connect``; ``database``, ``host``, ``port``, ``user`` of an approved database
    of the person's, which is used as it is: nothing is created, vacuumed or truncated there.
    """

    name = "pgbench"
    title = "PostgreSQL (pgbench)"
    users = ("postgres",)
    apt = "apt-get install -y postgresql postgresql-contrib"
    dnf = "dnf install -y postgresql-server postgresql-contrib"
    on_disk = True
    accepted = (
        Metric("transactions_per_second"),
        *latency_metrics("avg", "p50", "p95", "p99", "max"),
    )
    _cluster: Cluster | None = None

    def __init__(self, spec: BenchmarkSpec, metric: str | None = None) -> None:
        super().__init__(spec, metric)
        # Twice the tables (updates write new rows) and the write-ahead log.
        tables = 2 * MEBIBYTES_PER_SCALE * self.option("scale", SCALE)
        self.needed_mebibytes = 16 if self._own else tables + WAL_MEBIBYTES + 128

    @property
    def _own(self) -> bool:
        return bool({"database", "host", "port", "user"} & self._options.keys())

    @property
    def _clients(self) -> int:
        return self.option("clients", 2 * (os.cpu_count() or 1))

    def find_version(self) -> str | None:
        """Return pgbench's version when server and clients are all here."""
        needed = ["pgbench"] if self._own else ["pgbench", "psql", "initdb", "postgres"]
        programs = [postgres_program(name) for name in needed]
        return version_of(programs[0]) if programs[0] and all(programs) else None

    def start(self) -> None:
        """Create, fill and start the cluster."""
        if self._own:
            return
        self._cluster = Cluster(self.workplace, connections=self._clients)
        self._cluster.create(self.option("scale", SCALE))
        self._cluster.settle()

    def settle(self, *, restart: bool) -> None:
        """Restart the server when asked to; vacuum, checkpoint, warm the cache."""
        cluster = self._cluster
        if cluster is None:
            return
        if restart or not cluster.alive:
            cluster.stop()
            cluster.start()
        cluster.settle()

    def stop(self) -> None:
        """End the server."""
        if self._cluster is not None:
            self._cluster.stop()
            self._cluster = None

    def measure(self, seconds: float, watch: Watch) -> Reading:
        """Run pgbench once; its first second is the warm-up and does not count."""
        seen: list[Progress] = []

        def on_line(line: str) -> bool:
            progress = parse_progress(line)
            if progress is None:
                return False
            seen.append(progress)
            counted = seen[1:]
            return watch.hopeless([p.rate for p in counted], [p.wait_ms for p in counted])

        length = max(1, math.ceil(seconds)) + 1
        self._drop_samples()
        outcome = self.child(self._command(length), limit=self.limit(seconds), on_line=on_line)
        outcome.require("pgbench")
        latency = sampled_latency(self._samples())
        if outcome.stopped:
            return cut_reading(seen, latency)
        return full_reading(outcome.stdout, seen, latency)

    def _command(self, length: int) -> list[str]:
        options = self._options
        mode = str(options.get("mode", "tpcb"))
        clients = self._clients
        jobs = min(clients, self.option("jobs", min(clients, os.cpu_count() or 1)))
        load = ["-n", "-c", str(clients), "-j", str(jobs), "-T", str(length), "-P", "1"]
        load += _MODES[mode] + ["-M", str(options.get("protocol", "simple"))]
        load += ["-C"] if options.get("connect") else []
        load += ["-l", "--log-prefix", str(self.workplace.path / "latency")]
        load += ["--sampling-rate", str(SAMPLING[mode])]
        return [str(postgres_program("pgbench")), *load, *self._login()]

    def _login(self) -> list[str]:
        if self._cluster is not None:
            return [*self._cluster.login, "postgres"]
        options = self._options
        flags = {"host": "-h", "port": "-p", "user": "-U"}
        where = [w for key, f in flags.items() if key in options for w in (f, str(options[key]))]
        return [*where, str(options["database"])] if "database" in options else where

    def _samples(self) -> list[str]:
        logs = sorted(self.workplace.path.glob("latency.*"))
        return [line for log in logs for line in read_plainly(log).splitlines()]

    def _drop_samples(self) -> None:
        for log in self.workplace.path.glob("latency.*"):
            log.unlink()


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of ``pgbench -P``.

    Attributes:
        at: Time since the start [s].
        rate: Transactions per second in this interval, failed ones left out.
        wait_ms: Their mean latency [ms].
    """

    at: float
    rate: float
    wait_ms: float


def parse_progress(line: str) -> Progress | None:
    """Read one line of ``pgbench -P``; ``None`` for any other line."""
    found = re.match(r"progress: ([\d.]+) s, ([\d.]+) tps, lat ([\d.]+|NaN) ms", line)
    return Progress(*(float(text) for text in found.groups())) if found else None


def full_reading(text: str, seen: Sequence[Progress], latency: dict[str, float]) -> Reading:
    """Read pgbench's final report, without what the first interval contributed.

    Args:
        text: Its standard output.
        seen: Its progress lines.
        latency: Percentiles from its log [ms].

    Raises:
        BenchmarkFailedError: No report, or no transaction succeeded.
    """
    rate = _number(r"^tps = ([\d.]+)(?! \(including)", text)
    done = _number(r"^number of transactions actually processed: (\d+)", text)
    if rate is None or not done:
        raise BenchmarkFailedError(f"no transaction succeeded: {last_line(text) or 'no report'}")
    elapsed = done / rate
    counted = seen[1:]
    if counted and elapsed > seen[0].at:
        rate = (done - seen[0].rate * seen[0].at) / (elapsed - seen[0].at)
    average = _number(r"^latency average = ([\d.]+) ms", text)
    return Reading(
        rate,
        rates=tuple(p.rate for p in counted),
        waits=tuple(p.wait_ms for p in counted),
        latency_ms={**latency, **({"avg": average} if average is not None else {})},
        errors=int(_number(r"^number of failed transactions: (\d+)", text) or 0),
    )


def cut_reading(seen: Sequence[Progress], latency: dict[str, float]) -> Reading:
    """Return what is known of a run that was stopped: the mean of its intervals."""
    counted = seen[1:] or seen
    waits = tuple(p.wait_ms for p in counted)
    rates = tuple(p.rate for p in counted)
    average = sum(waits) / len(waits)
    mean = sum(rates) / len(rates)
    return Reading(mean, rates, waits, latency_ms={**latency, "avg": average}, cut_short=True)


def sampled_latency(lines: Iterable[str]) -> dict[str, float]:
    """Return percentiles [ms] from ``pgbench -l`` lines, those of the first second left out.

    A line is client, transaction, latency [us] or ``failed``, script, seconds, microseconds.
    """
    samples: list[tuple[float, float]] = []
    for line in lines:
        words = line.split()
        # A killed pgbench leaves a torn last line.
        if len(words) >= 6 and all(word.isdigit() for word in (words[2], words[4], words[5])):
            samples.append((int(words[4]) + int(words[5]) / 1e6, int(words[2]) / 1e3))
    first = min((at for at, _ in samples), default=0.0)
    waits = sorted(wait for at, wait in samples if at >= first + 1.0)
    return percentiles(waits)


def percentiles(waits: Sequence[float]) -> dict[str, float]:
    """Return p50, p95, p99 and max of ascending `waits`; empty without any."""
    if not waits:
        return {}
    named = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {
        name: waits[max(0, math.ceil(share * len(waits)) - 1)] for name, share in named.items()
    }


def _number(pattern: str, text: str) -> float | None:
    found = re.search(pattern, text, re.MULTILINE)
    return float(found.group(1)) if found else None
