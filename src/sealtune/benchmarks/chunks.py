"""Measuring for a given time with tools that only know a number of requests.

The tool runs in chunks of about half a second, each sized by the rate of the one before, so that
a fast setting is measured exactly as long as a slow one. The time between chunks (a process that
starts) is not part of any rate.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from sealtune.benchmarks.base import Reading
from sealtune.benchmarks.tool import Watch
from sealtune.errors import BenchmarkFailedError

CHUNK_SECONDS = 0.5
PROBE_REQUESTS, PROBE_SECONDS = 200, 0.15
BAD_SHARE = 0.1
"""Share of the chunks that are worse than the bad one of `bad_latencies`: one bad half second in a
long run is no catastrophe, and happens on every machine."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What the tool said about one chunk.

    Attributes:
        operations: Requests that succeeded.
        seconds: How long they took, by the tool's own clock [s].
        latency_ms: ``avg``, percentiles and ``max`` [ms].
        errors: Requests that failed.
    """

    operations: int
    seconds: float
    latency_ms: dict[str, float] = field(default_factory=dict)
    errors: int = 0

    @property
    def rate(self) -> float:
        """Successful requests per second."""
        return self.operations / self.seconds


def measure_in_chunks(
    run_chunk: Callable[[int, float], Chunk], seconds: float, *, limit: float, watch: Watch
) -> Reading:
    """Probe the rate, then run chunks until `seconds` have been measured.

    Args:
        run_chunk: Runs N requests with a time limit [s]; raises when that fails.
        seconds: Time to measure, by the tool's clock [s].
        limit: Wall time after which the run counts as hung [s].
        watch: Says when the run is hopeless.

    Raises:
        BenchmarkFailedError: A chunk failed, took no time, or `limit` passed.
    """
    deadline = time.monotonic() + limit
    total = _probe(run_chunk, deadline)
    chunks: list[Chunk] = []
    measured, cut_short = 0.0, False
    while measured < seconds * 0.95 and not cut_short:
        wanted = max(1, round(total * min(CHUNK_SECONDS, seconds)))
        chunk = _timed(run_chunk, wanted, deadline)
        chunks.append(chunk)
        measured += chunk.seconds
        total = (chunk.operations + chunk.errors) / chunk.seconds
        cut_short = measured < seconds * 0.95 and watch.hopeless(
            [c.rate for c in chunks], [c.latency_ms.get("avg", 0.0) for c in chunks]
        )
    return _combine(chunks, cut_short=cut_short)


def _probe(run_chunk: Callable[[int, float], Chunk], deadline: float) -> float:
    """Warm up with growing chunks; return all requests per second, failed ones included."""
    requests = PROBE_REQUESTS
    while True:
        chunk = _timed(run_chunk, requests, deadline)
        total = (chunk.operations + chunk.errors) / chunk.seconds
        if chunk.seconds >= PROBE_SECONDS:
            return total
        requests = max(2 * requests, min(20 * requests, round(total * 2 * PROBE_SECONDS)))


def _timed(run_chunk: Callable[[int, float], Chunk], requests: int, deadline: float) -> Chunk:
    left = deadline - time.monotonic()
    if left <= 0:
        raise BenchmarkFailedError("the load did not finish in time")
    chunk = run_chunk(requests, left)
    if not chunk.seconds > 0:
        raise BenchmarkFailedError(f"{requests} requests took no time at all")
    if chunk.operations <= 0:
        raise BenchmarkFailedError(f"all {requests} requests failed")
    return chunk


def _combine(chunks: Sequence[Chunk], *, cut_short: bool) -> Reading:
    seconds = sum(chunk.seconds for chunk in chunks)
    return Reading(
        rate=sum(chunk.operations for chunk in chunks) / seconds,
        rates=tuple(chunk.rate for chunk in chunks),
        waits=tuple(chunk.latency_ms.get("avg", 0.0) for chunk in chunks),
        interval_seconds=seconds / len(chunks),
        latency_ms=combine_latencies([chunk.latency_ms for chunk in chunks]),
        tails_ms=bad_latencies([chunk.latency_ms for chunk in chunks]),
        errors=sum(chunk.errors for chunk in chunks),
        cut_short=cut_short,
    )


def combine_latencies(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the worst ``max`` and the median of every other figure that all `parts` have.

    Percentiles of a whole cannot be had from percentiles of its parts; the median of the parts
    is what one ordinary chunk looked like, and steadier than their mean.
    """
    return {
        name: (max if name == "max" else median)(part[name] for part in parts)
        for name in _common(parts)
    }


def bad_latencies(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return of each percentile what all but a tenth of the parts stay below.

    Of fewer than ten parts that is the worst: a tail that is long in some of the parts only does
    not show in the median, and users see it all the same.
    """
    place = -1 - int(BAD_SHARE * len(parts))
    return {
        name: sorted(part[name] for part in parts)[place]
        for name in _common(parts)
        if name.startswith("p")
    }


def _common(parts: Sequence[dict[str, float]]) -> list[str]:
    """Return the names of the figures that all `parts` have."""
    return sorted(set.intersection(*(set(part) for part in parts))) if parts else []
