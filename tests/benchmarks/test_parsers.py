"""Parsers against what the tools really printed, see tests/benchmarks/data."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sealtune.benchmarks.ab import parse_ab, parse_percentiles
from sealtune.benchmarks.base import Metric
from sealtune.benchmarks.chunks import Chunk, measure_in_chunks
from sealtune.benchmarks.pgbench import (
    cut_reading,
    full_reading,
    parse_progress,
    sampled_latency,
)
from sealtune.benchmarks.redis import mset, parse_csv
from sealtune.benchmarks.sqlite import parse_result
from sealtune.benchmarks.sysbench import parse_interval, parse_report
from sealtune.benchmarks.tool import Watch
from sealtune.errors import BenchmarkFailedError

DATA = Path(__file__).with_name("data")
NEVER = Watch(None, Metric("requests_per_second"))


def text_of(name: str) -> str:
    return (DATA / name).read_text("utf-8")


def progress_of(name: str) -> list:
    return [p for p in map(parse_progress, text_of(name).splitlines()) if p]


def test_pgbench_leaves_the_first_second_out() -> None:
    """The rate is that of the time after the first interval; intervals and latency follow."""
    seen = progress_of("pgbench-15-tpcb.stderr")
    reading = full_reading(text_of("pgbench-15-tpcb.stdout"), seen, {})
    assert reading.rates == (4278.0, 4326.0, 4507.1, 4291.3)
    assert reading.waits == (0.932, 0.922, 0.885, 0.930)
    assert reading.rate == pytest.approx(4352, rel=0.01)
    assert reading.latency_ms == {"avg": 0.939}
    assert reading.errors == 0


def test_pgbench_counts_failed_transactions() -> None:
    """Serialisation failures are errors, and no part of the rate."""
    seen = progress_of("pgbench-15-failed-transactions.stderr")
    reading = full_reading(text_of("pgbench-15-failed-transactions.stdout"), seen, {})
    assert reading.errors == 16094
    assert reading.rate == pytest.approx(1967, rel=0.01)


def test_pgbench_with_a_latency_limit() -> None:
    """An extra line in the report changes nothing."""
    seen = progress_of("pgbench-15-select-limit.stderr")
    reading = full_reading(text_of("pgbench-15-select-limit.stdout"), seen, {})
    assert reading.rate == pytest.approx(83612, rel=0.01)


@pytest.mark.parametrize("name", ["pgbench-15-no-server", "pgbench-15-too-many-clients"])
def test_pgbench_without_a_report_is_a_failure(name: str) -> None:
    """A server that is not there, or refuses, gives no reading."""
    assert progress_of(f"{name}.stderr") == []
    with pytest.raises(BenchmarkFailedError, match="no transaction succeeded"):
        full_reading(text_of(f"{name}.stdout"), [], {})


def test_a_stopped_pgbench_gives_the_mean_of_its_intervals() -> None:
    """Without a final report, the intervals after the first are what is known."""
    reading = cut_reading(progress_of("pgbench-15-tpcb.stderr")[:3], {})
    assert reading.rate == (4278.0 + 4326.0) / 2
    assert reading.cut_short


def test_pgbench_log_gives_percentiles_of_what_came_after_the_first_second() -> None:
    """Latencies in microseconds become percentiles in milliseconds; torn lines are skipped."""
    lines = [f"0 {n} {n * 10} 0 {1000 + n // 100} 500000" for n in range(300)]
    latency = sampled_latency([*lines, "0 3 failed 0 1002 1", "0 4 9"])
    assert latency == {"p50": 1.99, "p95": 2.89, "p99": 2.97, "max": 2.99}
    assert set(sampled_latency(text_of("pgbench-15-sampled.log").splitlines())) == set(latency)
    assert sampled_latency([]) == {}


def test_redis_csv_gives_rate_and_latency() -> None:
    """Requests, the tool's own time and its percentiles."""
    chunk = parse_csv(text_of("redis-7.0-get.csv"), 20000)
    assert chunk.rate == pytest.approx(19305.02)
    assert chunk.latency_ms == {
        "avg": 0.049,
        "p50": 0.063,
        "p95": 0.087,
        "p99": 0.127,
        "max": 0.959,
    }


def test_redis_csv_with_two_tests_adds_their_times() -> None:
    """SET and GET in one run: all requests over all the time, the worse latency."""
    chunk = parse_csv(text_of("redis-7.0-get-set.csv"), 5000)
    assert chunk.operations == 10000
    assert chunk.rate == pytest.approx(2 / (1 / 14749.26 + 1 / 15337.42))
    assert chunk.latency_ms["max"] == 0.975


@pytest.mark.parametrize(
    "text", ["", '"GET","nan"', '"GET","0.00"', text_of("redis-7.0-no-server.txt")]
)
def test_redis_without_a_rate_is_a_failure(text: str) -> None:
    """No line, NaN, zero, only a header or an error message: no chunk."""
    with pytest.raises(BenchmarkFailedError):
        parse_csv(text, 1000)


def test_mset_is_the_redis_protocol() -> None:
    """Lengths are counted in bytes, keys and values alternate."""
    expected = b"*5\r\n$4\r\nMSET\r\n$1\r\na\r\n$2\r\nxx\r\n$1\r\nb\r\n$2\r\nxx\r\n"
    assert mset([b"a", b"b"], b"xx") == expected


def test_ab_gives_rate_and_latency() -> None:
    """Requests per second, mean and percentiles in milliseconds."""
    chunk = parse_ab(text_of("ab-2.3-short.txt"))
    assert chunk.rate == pytest.approx(35172.87)
    assert chunk.latency_ms == {"p50": 0, "p95": 0, "p99": 1, "max": 3, "avg": 0.284}
    assert chunk.errors == 0


def test_ab_percentiles_have_microseconds() -> None:
    """The file of -e is finer than the report."""
    latency = parse_percentiles(text_of("ab-2.3-percentiles.csv"))
    assert set(latency) == {"p50", "p95", "p99"}
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"]
    assert latency["p50"] % 1 > 0


def test_ab_counts_other_answers_as_errors() -> None:
    """Non-2xx answers are errors; when there is nothing else, nothing succeeded."""
    chunk = parse_ab(text_of("ab-2.3-non-2xx.txt"))
    assert (chunk.operations, chunk.errors) == (0, 100)
    with pytest.raises(BenchmarkFailedError, match="all 200 requests failed"):
        measure_in_chunks(lambda n, left: chunk, 1.0, limit=5.0, watch=NEVER)


def test_ab_that_was_refused_is_a_failure() -> None:
    """Connection refused: no report, no chunk."""
    with pytest.raises(BenchmarkFailedError, match="no result"):
        parse_ab(text_of("ab-2.3-refused.txt"))


@pytest.mark.parametrize(
    ("test", "file", "rate", "intervals", "latency"),
    [
        ("cpu", "cpu", 18243 / 3.0005, [6010.57, 6149.83], {"p95": 0.35, "max": 2.69}),
        ("threads", "threads", 25403 / 3.0016, [8289.19, 8790.33, 8311.79], {"p99": 0.36}),
        ("memory", "memory", 4339.76, [4320.90, 4300.66], {"max": 7.72}),
        ("fileio", "fileio-rndrw", 839.63 + 559.75, [1307.19, 1413.85], {"max": 10.09}),
    ],
)
def test_sysbench_reports(
    test: str, file: str, rate: float, intervals: list[float], latency: dict[str, float]
) -> None:
    """Each test's rate, intervals and latency are found."""
    text = text_of(f"sysbench-1.0-{file}.txt")
    found, waits = parse_report(test, text)
    seen = [r for r in (parse_interval(test, line) for line in text.splitlines()) if r is not None]
    assert found == pytest.approx(rate)
    assert seen == pytest.approx(intervals)
    assert latency.items() <= waits.items()
    assert "avg" in waits


def test_sysbench_without_its_files_is_a_failure() -> None:
    """Unprepared fileio prints no report."""
    with pytest.raises(BenchmarkFailedError, match="prepare step"):
        parse_report("fileio", text_of("sysbench-1.0-fileio-unprepared.txt"))


@pytest.mark.parametrize("text", ["", "Segmentation fault", '{"rate": 3}', "[1]", "NaN"])
def test_sqlite_load_without_a_result_is_a_failure(text: str) -> None:
    """Whatever is not the final line of the load gives no reading."""
    with pytest.raises(BenchmarkFailedError, match="no result"):
        parse_result(text)


def fake_tool(rate_of: Callable[[int], float], asked: list[int]) -> Callable[[int, float], Chunk]:
    """Return a tool that serves ``rate_of(i)`` requests a second in its i-th chunk."""

    def run(requests: int, left: float) -> Chunk:
        asked.append(requests)
        return Chunk(requests, requests / rate_of(len(asked)), {"p99": float(len(asked))})

    return run


@pytest.mark.parametrize("rate", [300.0, 6_000.0, 900_000.0])
def test_chunks_measure_fast_and_slow_alike(rate: float) -> None:
    """Whatever the rate, the same time is measured, in chunks of half a second."""
    asked: list[int] = []
    reading = measure_in_chunks(fake_tool(lambda i: rate, asked), 5.0, limit=60, watch=NEVER)
    assert len(reading.rates) == 10
    assert reading.rate == pytest.approx(rate)
    assert reading.interval_seconds == pytest.approx(0.5)


def test_chunks_follow_a_changing_rate() -> None:
    """After a jump of the rate the next chunks are half a second long again."""
    asked: list[int] = []
    tool = fake_tool(lambda i: 1000.0 if len(asked) < 6 else 10_000.0, asked)
    reading = measure_in_chunks(tool, 5.0, limit=60, watch=NEVER)
    assert asked[-1] == 5000
    seconds = len(reading.rates) * reading.interval_seconds
    assert seconds == pytest.approx(5.0, rel=0.12)


@pytest.mark.parametrize(("seconds", "bad"), [(2.0, 4), (5.0, 9), (10.0, 18)])
def test_chunks_tell_of_their_bad_tenth(seconds: float, bad: int) -> None:
    """Of few chunks the worst, of many the one that a tenth is worse than; the middle as ever."""
    asked: list[int] = []
    reading = measure_in_chunks(fake_tool(lambda i: 1e4, asked), seconds, limit=60, watch=NEVER)
    chunks = len(reading.rates)
    probes = len(asked) - chunks
    assert reading.tails_ms == {"p99": bad + probes}
    assert reading.latency_ms == {"p99": probes + (chunks + 1) / 2}


def test_chunks_give_up_at_their_limit() -> None:
    """A load that never adds up to its time ends as a failure."""

    def stuck(requests: int, left: float) -> Chunk:
        time.sleep(0.02)
        return Chunk(requests, 1e-3)

    with pytest.raises(BenchmarkFailedError, match="in time"):
        measure_in_chunks(stuck, 5.0, limit=0.05, watch=NEVER)
