"""perf bench: which tests are known, what they print, and real runs."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.adapter import AdapterContract

from sealtune.benchmarks import BenchmarkSpec, create_adapter, parse_command
from sealtune.benchmarks.perf import parse_perf
from sealtune.benchmarks.perf_tests import TESTS
from sealtune.benchmarks.process import Outcome
from sealtune.errors import BenchmarkFailedError, ConfigError

DATA = Path(__file__).with_name("data")


def text_of(name: str) -> str:
    return (DATA / f"perf-6.1-{name}.txt").read_text("utf-8")


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("perf", {"test": "sched pipe"}),
        ("perf bench sched pipe -T", {"test": "sched pipe", "threaded": True}),
        (
            "perf bench sched messaging -p -t -g5",
            {"test": "sched messaging", "pipe": True, "threaded": True, "groups": 5},
        ),
        ("perf bench mem memcpy --size 4MB", {"test": "mem memcpy", "size": "4MB"}),
        (
            "perf bench futex hash -t 4 -f 64 -S -s",
            {"test": "futex hash", "threads": 4, "futexes": 64, "shared": True},
        ),
        (
            "perf bench epoll wait --threads=2 -B",
            {"test": "epoll wait", "threads": 2, "nonblocking": True},
        ),
    ],
)
def test_options_are_read_per_test(command: str, options: dict[str, object]) -> None:
    """The same letter means another thing to another test; no approval is needed."""
    spec = parse_command(command)
    assert (spec.name, spec.options, spec.approval) == ("perf", options, None)


@pytest.mark.parametrize("flag", ["sched pipe -l 30000", "futex hash -r 10", "mem memset -l 5"])
def test_rounds_and_seconds_are_the_sessions(flag: str) -> None:
    """How long a run takes is not the command's to say, and the person is told."""
    spec = parse_command(f"perf bench {flag}")
    assert "replaced by the run length" in spec.notices[0]
    assert set(spec.options) == {"test"}


@pytest.mark.parametrize(
    "command",
    [
        "perf stat ls",
        "perf bench numa mem",
        "perf bench futex wake",
        "perf bench sched",
        "perf bench sched pipe --evil",
        "perf record -o /etc/passwd ls",
    ],
)
def test_anything_else_of_perf_asks_first(command: str) -> None:
    """Other subcommands, tests without a readable result, unknown options become custom."""
    spec = parse_command(command)
    assert spec.name == "custom"
    assert spec.approval is not None


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("perf bench sched messaging -g 0", "1 to 100"),
        ("perf bench mem memcpy -s 1TB", "up to 256MB"),
        ("perf bench mem memcpy -s many", "up to 256MB"),
        ("perf bench mem memcpy -f all", "one function"),
        ("perf bench mem memcpy -f ../x", "one function"),
        ("perf bench futex hash -t 100000", "1 to 1000"),
    ],
)
def test_values_out_of_range_are_refused(command: str, said: str) -> None:
    """Sizes and numbers that would exhaust the machine are errors."""
    with pytest.raises(ConfigError, match=said):
        parse_command(command)


def test_an_unknown_test_in_a_spec_is_refused() -> None:
    """A spec made by hand is checked too."""
    with pytest.raises(ConfigError, match="known: sched pipe"):
        create_adapter(BenchmarkSpec("perf", {"test": "numa mem"}, "perf"))


@given(
    st.lists(st.sampled_from(["bench", "mem", "memcpy", "sched", "pipe", "-s", "-l", "4", "-T"]))
)
def test_any_words_become_a_spec_or_an_error_of_ours(words: list[str]) -> None:
    """No order of words crashes the parser."""
    try:
        spec = parse_command(" ".join(["perf", *words]))
    except ConfigError:
        return
    assert spec.name == "perf" or spec.approval


@pytest.mark.parametrize(
    ("test", "file", "operations", "rate", "latency"),
    [
        ("sched pipe", "sched-pipe", 5000, 1e6 / 3.68, {"avg": 0.00368}),
        ("sched messaging", "sched-messaging", 2 * 400 * 100, 80_000 / 0.052, {}),
        ("syscall basic", "syscall-basic", 50_000, 1e6 / 0.16698, {"avg": 0.00016698}),
        ("mem memcpy", "mem-memcpy", 16 * 16 * 1024, 12.281995 * 1024 * 1024, {}),
        ("futex hash", "futex-hash", 1, 2 * 3284992, {}),
        ("futex lock-pi", "futex-lock-pi", 1, 2 * 4560, {}),
        ("epoll wait", "epoll-wait", 1, 2 * 325360, {}),
    ],
)
def test_each_test_is_read(
    test: str, file: str, operations: int, rate: float, latency: dict[str, float]
) -> None:
    """Operations a second (KiB for copies), those of all threads, by the tool's own clock."""
    chunk = parse_perf(test, text_of(file), operations)
    assert chunk.rate == pytest.approx(rate, rel=1e-6)
    assert chunk.latency_ms == pytest.approx(latency)


@pytest.mark.parametrize("file", ["mem-too-short", "mem-unknown-function"])
def test_no_number_is_a_failure(file: str) -> None:
    """An infinite rate and a function that does not exist give no chunk."""
    with pytest.raises(BenchmarkFailedError, match="no result"):
        parse_perf("mem memset", text_of(file), 4)


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("text", ["", "Killed", "Total time: soon", "nan usecs/op"])
def test_garbage_is_a_failure(test: str, text: str) -> None:
    """Whatever is not the report of the test gives no chunk."""
    with pytest.raises(BenchmarkFailedError, match="no result"):
        parse_perf(test, text, 1)


def test_a_wrapper_without_perf_is_no_perf(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that only says that perf for this kernel is missing does not count as installed."""
    said = "WARNING: perf not found for kernel 6.8.0-45\n"
    monkeypatch.setattr(
        "sealtune.benchmarks.perf.find_program", lambda name: Path("/usr/bin/perf")
    )
    monkeypatch.setattr(
        "sealtune.benchmarks.perf.run_child", lambda *a, **k: Outcome(2, "", said, 0.0)
    )
    found = create_adapter(parse_command("perf")).detect()
    assert (found.installed, found.version) == (False, "")
    assert "linux-perf" in found.apt


@pytest.mark.server
class TestPerfPipe(AdapterContract):
    command = "perf bench sched pipe"
    seconds = 1.2


@pytest.mark.server
class TestPerfMessaging(AdapterContract):
    command = "perf bench sched messaging -p -g 2"
    seconds = 1.2


@pytest.mark.server
class TestPerfCopy(AdapterContract):
    command = "perf bench mem memcpy -s 1MB"
    seconds = 1.2


@pytest.mark.server
class TestPerfFutex(AdapterContract):
    command = "perf bench futex lock-pi -t 2"
    seconds = 1.2


@pytest.mark.server
@pytest.mark.parametrize("command", ["syscall basic", "epoll wait -t 2", "mem memset -s 4KB"])
def test_the_other_tests_run(command: str, workdir: Path) -> None:
    """Every test that is known gives a value on a real machine."""
    adapter = create_adapter(parse_command(f"perf bench {command}"))
    if not adapter.detect().installed:
        pytest.skip(f"perf is not installed: {adapter.detect().apt}")
    adapter.prepare(workdir)
    try:
        run = adapter.run(0.8)
    finally:
        adapter.teardown()
    assert run.ok, run.failure
