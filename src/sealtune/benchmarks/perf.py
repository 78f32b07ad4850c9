"""perf bench: the scheduler, system calls, futexes, epoll and memory, without a server."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sealtune.benchmarks.base import BenchmarkSpec, Metric, Reading, latency_metrics
from sealtune.benchmarks.chunks import Chunk, measure_in_chunks
from sealtune.benchmarks.perf_tests import COPY_BYTES, DEFAULT_TEST, TESTS, copy_bytes
from sealtune.benchmarks.process import last_line, run_child
from sealtune.benchmarks.programs import find_program
from sealtune.benchmarks.tool import ToolAdapter, Watch
from sealtune.benchmarks.workplace import choose_account
from sealtune.errors import BenchmarkFailedError, ConfigError

GROUPS, MESSAGES_PER_GROUP = 10, 20 * 20
"""perf's default; 20 senders of a group each write to its 20 receivers once a round."""
KIBIBYTE, MEBIBYTE = 1 << 10, 1 << 20
_UNITS = {"": 1, "K": KIBIBYTE, "M": MEBIBYTE, "G": 1 << 30}
_OPERATIONS = Metric("operations_per_second")
_BYTES = Metric("mebibytes_per_second", "MiB/s")


class PerfAdapter(ToolAdapter):
    """Operations per second of one test of ``perf bench``; needs no right to perf's own events.

    The tests that count rounds (``sched pipe``, ``sched messaging``, ``syscall basic``, ``mem
    memcpy``, ``mem memset``) run in chunks of about half a second, those that take a time
    (``futex hash``, ``futex lock-pi``, ``epoll wait``) in chunks of one second, the first of
    which is warm-up. A pipe operation is one message there and back, a messaging operation one
    message from a sender to a receiver; futex and epoll operations are those of all threads. The
    tests that time a single wake-up of some microseconds (``futex wake``, ``requeue``) are left
    out: a process starts for each, and that would be what is measured.

    Options: ``test``, and of the test ``groups``, ``pipe``, ``threaded``, ``size``, ``function``,
    ``threads``, ``futexes``, ``shared``, ``multi``, ``descriptors``, ``nonblocking``, ``edge``,
    ``oneshot``, ``random``.
    """

    name = "perf"
    title = "perf bench"
    apt = "apt-get install -y linux-perf || apt-get install -y linux-tools-generic"
    dnf = "dnf install -y perf"
    warmup_seconds = 0.5

    def __init__(self, spec: BenchmarkSpec, metric: str | None = None) -> None:
        self._name = str(spec.options.get("test", DEFAULT_TEST))
        if self._name not in TESTS:
            raise ConfigError(f"benchmark: perf bench {self._name!r}; known: {', '.join(TESTS)}")
        self._test = TESTS[self._name]
        super().__init__(spec, metric)
        self.title = f"perf bench {self._name}"
        self.warmup_seconds = 1.0 if self._test.sized == "seconds" else 0.5

    @property
    def accepted(self) -> tuple[Metric, ...]:
        """Throughput of this test, and the time of one operation where perf tells it."""
        if self._copies:
            return (_BYTES,)
        timed = "usecs/op" in self._test.result
        return (_OPERATIONS, *(latency_metrics("avg") if timed else ()))

    @property
    def _copies(self) -> bool:
        return self._name.startswith("mem ")

    def find_version(self) -> str | None:
        """Return perf's version; Ubuntu's wrapper alone, without perf for this kernel, is none."""
        program = find_program("perf")
        if program is None:
            return None
        asked = [str(program), "--version"]
        outcome = run_child(asked, account=choose_account(), cwd=Path("/"), limit=10.0)
        found = re.match(r"perf version (\d+(?:\.\d+)*)", outcome.stdout)
        return found.group(1) if found and outcome.code == 0 else None

    def measure(self, seconds: float, watch: Watch) -> Reading:
        """Run the test in chunks until `seconds` have been measured."""
        reading = measure_in_chunks(self._chunk, seconds, limit=self.limit(seconds), watch=watch)
        if not self._copies:
            return reading
        scaled = tuple(rate * KIBIBYTE / MEBIBYTE for rate in reading.rates)
        return replace(reading, rate=reading.rate * KIBIBYTE / MEBIBYTE, rates=scaled)

    def _chunk(self, operations: int, limit: float) -> Chunk:
        size = ["-r", "1"]
        rounds, each = 1, self._operations_per_round
        if self._test.sized == "loops":
            least = math.ceil(MEBIBYTE / self._copied) if self._copies else self._test.least
            rounds = max(least, round(operations / each))
            size = ["-l", str(rounds)]
        options = {**({"function": "default"} if self._copies else {}), **self._options}
        if self._copies:
            options.setdefault("size", f"{COPY_BYTES // MEBIBYTE}MB")
        command = [*self._name.split(), *self._test.arguments(options), *size]
        outcome = self.child([str(find_program("perf")), "bench", *command], limit=limit)
        outcome.require(self.title)
        return parse_perf(self._name, outcome.stdout, max(1, round(rounds * each)))

    @property
    def _copied(self) -> int:
        return copy_bytes(str(self._options.get("size", COPY_BYTES)))

    @property
    def _operations_per_round(self) -> float:
        """Pipe operations, system calls, messages, or KiB copied in one round."""
        if self._copies:
            return self._copied / KIBIBYTE
        if self._name == "sched messaging":
            return self.option("groups", GROUPS) * MESSAGES_PER_GROUP
        return 1.0


def parse_perf(test: str, text: str, operations: int) -> Chunk:
    """Read what one run of ``perf bench`` printed.

    Args:
        test: A key of `TESTS`.
        text: Its standard output.
        operations: How many it did, for the tests that do not say so themselves; KiB for copies.

    Raises:
        BenchmarkFailedError: No result, or a time too short for its clock.
    """
    found = re.search(TESTS[test].result, text, re.MULTILINE)
    if found is None:
        raise BenchmarkFailedError(f"perf printed no result: {last_line(text) or 'nothing'}")
    fields: Mapping[str, str] = found.groupdict()
    if "micros" in fields:
        micros = float(fields["micros"])
        return Chunk(operations, operations * micros / 1e6, {"avg": micros / 1e3})
    if "threads" in fields:
        seconds = int(fields["seconds"])
        return Chunk(int(fields["rate"]) * int(fields["threads"]) * seconds, seconds)
    if "unit" in fields:
        rate = float(fields["rate"]) * _UNITS[fields["unit"]] / KIBIBYTE
        return Chunk(operations, operations / rate if rate else 0.0)
    return Chunk(operations, float(fields["seconds"]))
