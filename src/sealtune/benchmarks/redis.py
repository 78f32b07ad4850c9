"""redis-benchmark on a private Redis server, over TCP on the loopback as most clients use it."""

import csv
import re
import socket
from collections.abc import Sequence

from sealtune.benchmarks.base import Metric, Reading, latency_metrics
from sealtune.benchmarks.chunks import Chunk, measure_in_chunks
from sealtune.benchmarks.loopback import free_port, listening
from sealtune.benchmarks.process import Server, last_line
from sealtune.benchmarks.programs import find_program, version_of
from sealtune.benchmarks.tool import ToolAdapter, Watch
from sealtune.errors import BenchmarkFailedError

KEYS, VALUE_BYTES, CLIENTS = 100_000, 100, 10
BATCH = 1000
_COLUMNS = {
    "avg": "avg_latency_ms",
    "p50": "p50_latency_ms",
    "p95": "p95_latency_ms",
    "p99": "p99_latency_ms",
    "max": "max_latency_ms",
}


class RedisAdapter(ToolAdapter):
    """Requests per second of an in-memory store; no persistence, the same keys before every run.

    Options: ``test`` (``get``, ``set``, ... or several with commas), ``clients``, ``bytes``,
    ``pipeline``, ``keys``; ``host``, ``port``, ``socket`` of an approved server of the person's.
    """

    name = "redis"
    title = "Redis (redis-benchmark)"
    users = ("redis",)
    apt = "apt-get install -y redis-server redis-tools"
    dnf = "dnf install -y redis"
    needed_mebibytes = 16
    accepted = (
        Metric("requests_per_second"),
        *latency_metrics("avg", "p50", "p95", "p99", "max"),
    )
    _server: Server | None = None
    _port = 0

    def find_version(self) -> str | None:
        """Return the server's version when server and load generator are both here."""
        server = find_program("redis-server")
        tool = find_program("redis-benchmark")
        return version_of(server) if server and tool else None

    @property
    def _own(self) -> bool:
        return bool({"host", "port", "socket"} & self._options.keys())

    def start(self) -> None:
        """Start the server and load every key once."""
        if not self._own:
            self._serve()

    def settle(self, *, restart: bool) -> None:
        """Restart the server when asked to; its keys are written again."""
        if self._own:
            return
        if restart or self._server is None or not listening(self._port):
            self.stop()
            self._serve()
        else:
            self._load()

    def stop(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def measure(self, seconds: float, watch: Watch) -> Reading:
        """Run redis-benchmark in chunks of about half a second."""
        return measure_in_chunks(self._chunk, seconds, limit=self.limit(seconds), watch=watch)

    def _serve(self) -> None:
        place = self.workplace
        self._port = free_port()
        quiet = ["--save", "", "--appendonly", "no", "--loglevel", "warning", "--daemonize", "no"]
        where = ["--bind", "127.0.0.1", "--port", str(self._port), "--dir", str(place.path)]
        self._server = Server(
            [str(find_program("redis-server")), *where, *quiet, "--databases", "1"],
            account=place.account,
            cwd=place.path,
            log=place.path / "redis.log",
            room=place.room,
        )
        self._server.wait_until(lambda: listening(self._port))
        self._load()

    def _load(self) -> None:
        """Write every key that ``redis-benchmark -r`` will ask for, in batches."""
        value = b"x" * self.option("bytes", VALUE_BYTES)
        keys = [b"key:%012d" % number for number in range(self.option("keys", KEYS))]
        keys.append(b"key:__rand_int__")
        with socket.create_connection(("127.0.0.1", self._port), timeout=30) as connection:
            for start in range(0, len(keys), BATCH):
                batch = keys[start : start + BATCH]
                connection.sendall(mset(batch, value))
                answer = connection.recv(1024)
                if not answer.startswith(b"+OK"):
                    said = last_line(answer[:200].decode("utf-8", "replace"))
                    raise BenchmarkFailedError(f"redis refused the test data: {said}")

    def _chunk(self, requests: int, limit: float) -> Chunk:
        outcome = self.child([*self._command(), "-n", str(requests)], limit=limit)
        outcome.require("redis-benchmark")
        if "error" in outcome.stderr.lower():
            raise BenchmarkFailedError(f"redis-benchmark: {last_line(outcome.stderr)}")
        return parse_csv(outcome.stdout, requests)

    def _command(self) -> list[str]:
        options = self._options
        where = ["-h", str(options.get("host", "127.0.0.1"))]
        where += ["-p", str(options.get("port", self._port or 6379))]
        if "socket" in options:
            where = ["-s", str(options["socket"])]
        load = ["-t", str(options.get("test", "get")), "-c", str(self.option("clients", CLIENTS))]
        load += [
            "-d",
            str(self.option("bytes", VALUE_BYTES)),
            "-r",
            str(self.option("keys", KEYS)),
        ]
        load += ["-P", str(self.option("pipeline", 1))]
        return [str(find_program("redis-benchmark")), *where, *load, "--csv"]


def mset(keys: Sequence[bytes], value: bytes) -> bytes:
    """Return one MSET request of the Redis protocol that gives every key `value`."""
    tail = b"$%d\r\n%b\r\n" % (len(value), value)
    pairs = b"".join(b"$%d\r\n%b\r\n%b" % (len(key), key, tail) for key in keys)
    return b"*%d\r\n$4\r\nMSET\r\n%b" % (1 + 2 * len(keys), pairs)


def parse_csv(text: str, requests: int) -> Chunk:
    """Read ``redis-benchmark --csv``: one line per test, each of `requests` requests.

    Versions before 6.2 print no header and no latencies, only name and rate.

    Raises:
        BenchmarkFailedError: No line with a rate above zero.
    """
    rows = [row for row in csv.reader(text.splitlines()) if len(row) >= 2]
    header = rows.pop(0) if rows and rows[0][0] == "test" else []
    seconds, latencies = 0.0, []
    for row in rows:
        if not re.fullmatch(r"\d+(\.\d+)?", row[1]) or float(row[1]) <= 0:
            raise BenchmarkFailedError(f"redis-benchmark reported {row[1]!r} for {row[0]}")
        seconds += requests / float(row[1])
        named = dict(zip(header, row, strict=False))
        latencies.append({key: float(named[c]) for key, c in _COLUMNS.items() if c in named})
    if not rows:
        raise BenchmarkFailedError(
            f"redis-benchmark printed no result: {last_line(text) or 'nothing'}"
        )
    worst = {key: max(part[key] for part in latencies) for key in latencies[0]}
    return Chunk(requests * len(rows), seconds, worst)
