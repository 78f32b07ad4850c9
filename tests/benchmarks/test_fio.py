"""fio: which commands are honoured, what its reports mean, and real runs on real files."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.adapter import AdapterContract, processes_in

from sealtune.benchmarks import BenchmarkSpec, create_adapter, parse_command
from sealtune.benchmarks.fio import FioAdapter, drop_from_cache, fio_reading, rate_of, require_done
from sealtune.benchmarks.fio_jobs import files_bytes, parse_jobs
from sealtune.benchmarks.fio_report import ReportStream, combined, interval_rates, last_report
from sealtune.benchmarks.memory_group import PREFIX, find_hierarchy, memory_group
from sealtune.benchmarks.process import Outcome
from sealtune.errors import BenchmarkFailedError, ConfigError, DiskSpaceError

DATA = Path(__file__).with_name("data")
SCENARIO = (
    "fio --fadvise_hint=0 --runtime=2 --time_based --name=r --filename=f --rw=randread --bs=4k "
    "--size=1g --ioengine=mmap --name=s --filename=f --rw=read --bs=16k --size=1g --ioengine=psync"
)


def text_of(name: str) -> str:
    return (DATA / name).read_text("utf-8")


def streamed(name: str) -> ReportStream:
    stream = ReportStream()
    for line in text_of(name).splitlines():
        stream.add(line)
    return stream


def adapter_of(command: str) -> FioAdapter:
    adapter = create_adapter(parse_command(command))
    assert isinstance(adapter, FioAdapter)
    return adapter


def bandwidth(totals: object) -> float:
    return totals.mebibytes_per_second  # type: ignore[attr-defined, no-any-return]


# Commands.


def test_jobs_inherit_what_stands_before_the_first_name() -> None:
    """Options before the first ``--name`` hold for every job; the run length is the session's."""
    spec = parse_command(SCENARIO)
    assert spec.approval is None
    assert [notice.split()[0] for notice in spec.notices] == ["--runtime=2", "--time_based"]
    random, sequential = parse_jobs(str(spec.options["jobs"]))
    assert (random.name, sequential.name) == ("r", "s")
    assert random.settings["fadvise_hint"] == sequential.settings["fadvise_hint"] == "0"
    assert (random.settings["ioengine"], sequential.settings["ioengine"]) == ("mmap", "psync")
    assert files_bytes([random, sequential]) == 1 << 30


@pytest.mark.parametrize(
    ("command", "mebibytes"),
    [
        ("fio", 256),
        ("fio --name=a --size=64m --numjobs=3", 192),
        ("fio --size=64m --name=a --name=b --size 1g", 1088),
        ("fio --name=a --size=64m --filename=x --numjobs=3 --name=b --size=32m --filename=x", 64),
    ],
)
def test_space_is_known_beforehand(command: str, mebibytes: int) -> None:
    """Every process has its own file unless it is named; twice that space must be free."""
    jobs = parse_jobs(str(parse_command(command).options["jobs"]))
    assert files_bytes(jobs) == mebibytes << 20
    assert adapter_of(command).needed_mebibytes > 2 * mebibytes


def test_more_than_the_disk_holds_is_refused(workdir: Path) -> None:
    """A file larger than the free space is an error before anything is written."""
    adapter = adapter_of("fio --name=a --size=900t")
    if not adapter.detect().installed:
        pytest.skip(f"fio is not installed: {adapter.detect().apt}")
    with pytest.raises(DiskSpaceError, match="MiB free"):
        adapter.prepare(workdir)
    assert list(workdir.iterdir()) == []


@pytest.mark.parametrize(
    "option",
    [
        "--directory=/etc",
        "--exec_prerun=/bin/true",
        "--exec_postrun /bin/true",
        "--output=/tmp/x",
        "--write_bw_log=/tmp/x",
        "--read_iolog=/etc/passwd",
        "--opendir=/etc",
        "--client=10.0.0.1",
        "--server",
        "--mem=mmap:/tmp/x",
        "--filename=/dev/vda",
        "--filename=../x",
        "--filename=a:/etc/passwd",
        "--filename=-",
        "--name=a/b",
        "--ioengine=external:/tmp/evil.so",
        "--ioengine=net",
        "--ioengine=exec",
        "--rw=trim",
        "--size=50%",
        "--size=0",
        "--bs=4k,8k",
        "--numjobs=0",
        "--iodepth=100000",
        "--direct=yes",
        "--sealtune-memory=lots",
    ],
)
def test_whatever_leaves_the_private_directory_is_refused(option: str) -> None:
    """Paths, programs, logs, other engines and odd values are errors that name the option."""
    with pytest.raises(ConfigError, match=option.lstrip("-").partition("=")[0].split()[0]):
        parse_command(f"fio --name=x --rw=read {option}")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("fio --name=a --name=a", "different names"),
        ("fio --name=a --numjobs=60 --name=b --numjobs=60", "120 processes"),
        ("fio --name=a --bs=64m --iodepth=64", "4096 MiB"),
        ("fio --name", "needs a value"),
    ],
)
def test_jobs_that_do_not_fit_together_are_refused(command: str, said: str) -> None:
    """Same names, too many processes or too much memory for buffers are errors."""
    with pytest.raises(ConfigError, match=said):
        parse_command(command)


def test_a_job_file_asks_first() -> None:
    """A file of the person's could hold anything: it runs only as a command they approved."""
    spec = parse_command("fio mine.fio")
    assert spec.name == "custom"
    assert spec.approval is not None


def test_an_adapter_trusts_no_spec() -> None:
    """A spec made by hand is held to the same options as a command."""
    with pytest.raises(ConfigError, match="exec_prerun"):
        create_adapter(BenchmarkSpec("fio", {"jobs": "--name=a --exec_prerun=x"}, "fio"))


@given(st.lists(st.sampled_from(["--name=a", "--rw=read", "--bs", "4k", "--thread", "-x", "="])))
def test_any_words_become_jobs_or_an_error_of_ours(words: list[str]) -> None:
    """What is accepted reads back as the same jobs; nothing crashes."""
    try:
        spec = parse_command(" ".join(["fio", *words]))
    except ConfigError:
        return
    if spec.name == "fio":
        again = parse_command(f"fio {spec.options['jobs']}")
        assert again.options == spec.options


# Reports.


def test_several_jobs_count_by_their_geometric_mean() -> None:
    """Bandwidths of 1635 and 2348 MiB/s make 1959; latencies are those of the slower job."""
    stream = streamed("fio-3.33-two-jobs.json")
    final = last_report(text_of("fio-3.33-two-jobs.json"))
    assert bandwidth(final["r"]) == pytest.approx(1723052032 / (1 << 20) / 1.005)
    assert bandwidth(final["s"]) == pytest.approx(2464874496 / (1 << 20) / 1.001)
    reading = fio_reading(stream.reports, final, bandwidth)
    expected = (bandwidth(final["r"]) * bandwidth(final["s"])) ** 0.5
    assert reading.rate == pytest.approx(expected)
    assert reading.latency_ms["avg"] == pytest.approx(0.004859, abs=1e-6)
    assert reading.latency_ms["p99"] == pytest.approx(0.004048)
    assert set(reading.latency_ms) == {"avg", "p50", "p95", "p99", "max"}


def test_intervals_are_what_was_done_between_two_reports() -> None:
    """Each interval has the rate of its own time; the stub at the end is left out."""
    stream = streamed("fio-3.33-two-jobs.json")
    rates = interval_rates(stream.reports, bandwidth, 0.5)
    random = (1476395008 - 603979776) / (1 << 20) / (0.887 - 0.388)
    sequential = (2145714176 - 872415232) / (1 << 20) / 0.5
    assert len(stream.reports) == 3
    assert rates[1] == pytest.approx((random * sequential) ** 0.5)
    assert len(rates) == 2


def test_clones_of_a_job_add_up() -> None:
    """Reads and writes of both processes are one bandwidth, and one rate of operations."""
    final = last_report(text_of("fio-3.33-clones.json"))
    moved = 56745984 + 56782848 + 56332288 + 57327616
    assert list(final) == ["mix"]
    assert bandwidth(final["mix"]) == pytest.approx(moved / (1 << 20) / 1.001)
    done = 13854 + 13863 + 13753 + 13996
    assert final["mix"].operations_per_second == pytest.approx(done / 1.001)
    assert final["mix"].latency_ms["p99"] == pytest.approx(1.761280)


def test_waiting_for_the_disk_is_part_of_the_latency() -> None:
    """With an fdatasync after every write, the latency is that of the sync: 2.7 ms, not 6 us."""
    final = last_report(text_of("fio-3.33-fdatasync.json"))
    assert final["journal"].latency_ms["avg"] == pytest.approx(2.747, abs=0.001)


def test_the_metric_decides_which_rate_counts() -> None:
    """Asked for operations per second, the reading is in operations per second."""
    final = last_report(text_of("fio-3.33-fdatasync.json"))
    adapter = create_adapter(parse_command("fio"), metric="operations_per_second")
    metric = next(m for m in FioAdapter.accepted if m.name == adapter.metric)
    assert combined(final, rate_of(metric)) == pytest.approx(363 / 1.001)
    assert adapter.unit == "1/s"


def test_a_job_that_did_nothing_is_a_failure() -> None:
    """One job without a single operation: no mean, but a failure that names it."""
    final = dict(last_report(text_of("fio-3.33-two-jobs.json")))
    final["s"] = replace(final["s"], operations=0, transferred=0)
    with pytest.raises(BenchmarkFailedError, match="job s finished not one"):
        fio_reading([], final, bandwidth)


@pytest.mark.parametrize("text", ["", "{", "{}", "[1]", '{"jobs": []}', '{"jobs": [{}]}', "NaN"])
def test_garbage_is_no_report(text: str) -> None:
    """Whatever is not fio's JSON gives no reading."""
    with pytest.raises(BenchmarkFailedError, match="report"):
        last_report(text)


def test_an_error_between_the_lines_costs_one_interval_only() -> None:
    """A line of the error stream inside a document spoils that document, not the next."""
    lines = text_of("fio-3.33-two-jobs.json").splitlines()
    stream = ReportStream()
    complete = [stream.add(line) for line in (*lines[:40], "fio: a warning", *lines[40:])]
    assert complete.count(True) == len(stream.reports) == 2


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("no-space", 1, "No space left on device"),
        ("bus-error", 139, "got signal=7"),
        ("killed", 0, "got signal=9"),
    ],
)
def test_the_reason_of_a_failure_is_found(name: str, code: int, said: str) -> None:
    """A full disk and a killed process are told in fio's own words."""
    err = text_of(f"fio-3.33-{name}.stderr")
    report = DATA / f"fio-3.33-{name}.stdout"
    out = report.read_text("utf-8") if report.exists() else text_of("fio-3.33-two-jobs.json")
    with pytest.raises(BenchmarkFailedError, match=said):
        require_done(Outcome(code, out, err, 1.0))


def test_a_failed_job_is_a_failure_whatever_the_exit_code() -> None:
    """The error number in the report is enough."""
    with pytest.raises(BenchmarkFailedError, match="job big ended with error 28"):
        last_report(text_of("fio-3.33-no-space.stdout"))


# Real runs.


@pytest.mark.server
class TestFio(AdapterContract):
    command = "fio --name=r --rw=randread --bs=4k --size=32m"
    seconds = 1.2


@pytest.mark.server
class TestFioSeveralJobs(AdapterContract):
    command = (
        "fio --size=16m --name=r --filename=f --rw=randread --ioengine=mmap --fadvise_hint=0 "
        "--name=s --filename=f --rw=read --bs=16k --name=w --rw=randwrite --numjobs=2 --thread"
    )
    seconds = 1.2


def prepared(command: str, workdir: Path) -> FioAdapter:
    adapter = adapter_of(command)
    if not adapter.detect().installed:
        pytest.skip(f"fio is not installed: {adapter.detect().apt}")
    adapter.prepare(workdir)
    return adapter


def resident_pages(path: Path) -> int:
    """Return how many pages of `path` are in the page cache."""
    asked = ["fincore", "--bytes", "--noheadings", "--output", "PAGES", str(path)]
    return int(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)


@pytest.mark.server
@pytest.mark.parametrize(("invalidate", "share"), [(1, 0.0), (0, 1.0)])
def test_every_run_starts_from_the_same_page_cache(
    invalidate: int, share: float, workdir: Path
) -> None:
    """Cold unless told otherwise: after refresh no page is cached; else every one."""
    adapter = prepared(f"fio --rw=randrw --size=16m --invalidate={invalidate}", workdir)
    try:
        run = adapter.run(0.5)
        adapter.refresh(restart=False)
        pages = resident_pages(next(workdir.glob("*fio-*/load.*")))
    finally:
        adapter.teardown()
    assert run.ok, run.failure
    assert pages == share * (16 << 20) / os.sysconf("SC_PAGESIZE")


def test_a_link_in_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    """The files belong to the benchmark's user; what they may have put there is not opened."""
    (tmp_path / "secret").write_text("x")
    (tmp_path / "load.0.0").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic links"):
        drop_from_cache(tmp_path / "load.0.0")


@pytest.mark.server
def test_a_killed_process_is_a_failed_run(workdir: Path) -> None:
    """When one of fio's processes is killed in the middle, there is no value; the next run has."""
    adapter = prepared("fio --rw=randread --size=16m --numjobs=2", workdir)
    try:
        killer = threading.Timer(1.0, kill_newest, ["fio", workdir])
        killer.start()
        run = adapter.run(2.0)
        killer.join()
        again = adapter.run(0.5)
    finally:
        adapter.teardown()
    assert run.value is None
    assert "signal" in str(run.failure)
    assert again.ok, again.failure


def kill_newest(name: str, workdir: Path) -> None:
    """Kill the last-started process called `name` among those of this test."""
    named = [pid for pid in processes_in(workdir) if name in Path(f"/proc/{pid}/comm").read_text()]
    os.kill(max(named), signal.SIGKILL)


@pytest.mark.server
def test_a_run_that_hangs_is_ended(workdir: Path) -> None:
    """Past its limit fio is killed, and the run is a failure that says so."""
    adapter = prepared("fio --rw=randread --size=16m", workdir)
    adapter.limit = lambda seconds: 0.7  # type: ignore[method-assign]
    try:
        run = adapter.run(3.0)
    finally:
        adapter.teardown()
    assert run.value is None
    assert "hung" in str(run.failure)
    assert processes_in(workdir) == {}


# Memory groups.

V1 = "30 24 0:27 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
V1_CPU = "31 24 0:28 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"


def test_the_memory_controller_is_found_where_it_is_mounted(tmp_path: Path) -> None:
    """Version 1 by its mount options, version 2 by what the root hands to its children."""
    found = find_hierarchy(V1_CPU + V1)
    assert found is not None
    assert (str(found.root), found.limit_file) == (
        "/sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
    )
    unified = f"32 24 0:29 / {tmp_path} rw - cgroup2 cgroup2 rw,nsdelegate\n"
    assert find_hierarchy(V1_CPU + unified) is None
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory pids\n")
    found = find_hierarchy(V1_CPU + unified)
    assert found is not None
    assert (found.root, found.limit_file) == (tmp_path, "memory.max")


def test_no_memory_group_is_said_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no group can be made, preparation fails and says what to leave out."""
    monkeypatch.setattr("sealtune.benchmarks.memory_group.find_hierarchy", lambda: None)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with (
        pytest.raises(BenchmarkFailedError, match="no memory control groups") as caught,
        memory_group(128 << 20),
    ):
        pass
    assert "--sealtune-memory" in caught.value.fix
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(BenchmarkFailedError, match="only root"), memory_group(128 << 20):
        pass


def require_groups() -> Path:
    hierarchy = find_hierarchy()
    if os.geteuid() != 0 or hierarchy is None or not os.access(hierarchy.root, os.W_OK):
        pytest.skip("memory groups need root and a writable memory controller")
    return hierarchy.root


@pytest.mark.server
def test_a_memory_group_holds_the_load_and_is_removed(workdir: Path) -> None:
    """The load runs unprivileged in a limited group of its own; afterwards there is none."""
    root = require_groups()
    adapter = prepared("fio --rw=randread --size=64m --sealtune-memory=32m", workdir)
    seen: dict[int, int] = {}

    def look() -> None:
        time.sleep(0.7)
        for group in root.glob(f"{PREFIX}{os.getpid()}-*"):
            members = (group / "cgroup.procs").read_text().split()
            seen.update({int(pid): Path("/proc", pid).stat().st_uid for pid in members})

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        run = adapter.run(1.2)
    finally:
        watcher.join()
        adapter.teardown()
    assert run.ok, run.failure
    assert seen
    assert 0 not in seen.values()
    assert list(root.glob(f"{PREFIX}{os.getpid()}-*")) == []


@pytest.mark.server
def test_the_group_of_a_killed_run_is_removed_by_the_next(workdir: Path) -> None:
    """Killed without a chance to clear up, sealtune leaves no process, and no group for long."""
    root = require_groups()
    adapter = prepared("fio --rw=randread --size=16m --sealtune-memory=32m", workdir)
    script = (
        "import sys; from pathlib import Path; from sealtune.benchmarks import *;"
        "a = create_adapter(parse_command('fio --rw=randread --size=16m --sealtune-memory=32m'));"
        "a.prepare(Path(sys.argv[1])); print('ready', flush=True); a.run(30.0)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(workdir)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        await_true(lambda: any(root.glob(f"{PREFIX}{other.pid}-*")))
        time.sleep(0.5)
        other.kill()
        other.wait()
        await_true(lambda: processes_in(workdir) == {})
        run = adapter.run(0.5)
    finally:
        other.kill()
        other.wait()
        adapter.teardown()
    assert run.ok, run.failure
    assert list(root.glob(f"{PREFIX}{other.pid}-*")) == []


def await_true(condition: object, seconds: float = 10.0) -> None:
    """Wait until `condition()` holds."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)


@pytest.mark.server
def test_read_ahead_shows_in_a_cold_run(workdir: Path) -> None:
    """Random reads of a file larger than memory suffer from read-ahead: 2x at the very least."""
    require_groups()
    random = "fio --rw=randread --ioengine=mmap --size=128m --sealtune-memory=32m --fadvise_hint="
    if int(Path(read_ahead_of(workdir)).read_text()) < 1024:
        pytest.skip("the disk here reads little ahead")
    rates = []
    for hint in ("random", "0"):
        adapter = prepared(random + hint, workdir)
        try:
            run = adapter.run(1.0)
        finally:
            adapter.teardown()
        assert run.value is not None, run.failure
        rates.append(run.value)
    assert rates[0] > 2 * rates[1], json.dumps(rates)


def read_ahead_of(path: Path) -> str:
    """Return the file that tells how far the disk of `path` is read ahead [KiB]."""
    device = path.stat().st_dev
    block = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    for place in (block / "queue", block.resolve().parent / "queue"):
        if (place / "read_ahead_kb").exists():
            return str(place / "read_ahead_kb")
    pytest.skip("the disk here is no block device")
