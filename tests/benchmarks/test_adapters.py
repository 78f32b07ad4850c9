"""The contract, over every adapter whose tool is installed here."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from tests.contracts.adapter import AdapterContract, processes_in

from sealtune.benchmarks import (
    adapter_names,
    create_adapter,
    detect_all,
    parse_command,
)
from sealtune.benchmarks.base import BenchmarkSpec
from sealtune.benchmarks.process import Outcome, telling_line
from sealtune.benchmarks.programs import version_of
from sealtune.benchmarks.workplace import Workplace, choose_account
from sealtune.errors import (
    BenchmarkFailedError,
    BenchmarkMissingError,
    ConfigError,
    DiskSpaceError,
)


class TestSqlite(AdapterContract):
    command = "sealtune-sqlite"
    seconds = 1.2

    def test_latency_can_be_what_counts(self, workdir: Path) -> None:
        """With a latency metric the value is that percentile, lower is better."""
        adapter = self.create("latency_p99_ms")
        adapter.prepare(workdir)
        run = adapter.run(0.5)
        adapter.teardown()
        assert run.value == run.latency_ms["p99"]
        assert (run.unit, run.direction) == ("ms", "minimize")
        assert run.latency_ms["p50"] <= run.latency_ms["p95"] <= run.latency_ms["max"]

    def test_settling_keeps_the_file_from_growing(self, workdir: Path) -> None:
        """What a run inserted is gone after refresh: no run inherits the one before."""
        adapter = self.create()
        adapter.prepare(workdir)
        adapter.run(0.5)
        inserted = history_rows(workdir)
        adapter.refresh(restart=False)
        left = history_rows(workdir)
        adapter.teardown()
        assert inserted > 0
        assert left == 0


def history_rows(workdir: Path) -> int:
    """Count what runs have inserted, without touching the file."""
    file = next(workdir.glob("sealtune-work-sqlite-*/load.db"))
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM history").fetchone()[0])


@pytest.mark.server
class TestPgbench(AdapterContract):
    command = "pgbench -c 4 -j 2 -s 1"


@pytest.mark.server
class TestPgbenchSelectOnly(AdapterContract):
    command = "pgbench -S -c 2 -j 2 -s 1"


@pytest.mark.server
class TestRedis(AdapterContract):
    command = "redis-benchmark -t get -c 1 -d 100 -r 10000"


@pytest.mark.server
class TestAb(AdapterContract):
    command = "ab -c 10"


@pytest.mark.server
class TestSysbenchThreads(AdapterContract):
    command = "sysbench threads --threads=2 run"


@pytest.mark.server
class TestSysbenchMemory(AdapterContract):
    command = "sysbench memory --threads=1 run"


@pytest.mark.server
class TestSysbenchFileio(AdapterContract):
    command = "sysbench fileio --file-test-mode=rndrw --file-total-size=32M --file-num=2 run"


def test_detect_names_the_line_that_installs() -> None:
    """Every adapter that needs a package says how to get it; SQLite needs none."""
    found = detect_all()
    assert set(found) == set(adapter_names()) - {"custom"}
    for name, detection in found.items():
        assert detection.installed == bool(detection.version)
        needs_nothing = name == "sqlite"
        assert detection.apt.startswith("apt-get install -y ") != needs_nothing
        assert ("dnf install -y " in detection.dnf) != needs_nothing


def test_a_tool_is_asked_for_its_version_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each plan looks for all tools; starting them costs more than all the rest of a plan."""
    program, started = tmp_path / "tool", []

    def run(argv: list[str], **_options: object) -> Outcome:
        started.append(argv[0])
        return Outcome(0, Path(argv[0]).read_text(), "", 0.1)

    monkeypatch.setattr("sealtune.benchmarks.programs.run_child", run)
    program.write_text("tool 1.2")
    assert [version_of(program), version_of(program)] == ["1.2", "1.2"]
    assert len(started) == 1
    program.write_text("tool 1.2.3")

    assert version_of(program) == "1.2.3"


def test_unknown_adapter_is_refused_with_the_known_ones() -> None:
    """A benchmark nobody wrote an adapter for is an error that lists the others."""
    with pytest.raises(
        ConfigError, match="pgbench, sysbench, redis, ab, sqlite, fio, perf, custom"
    ):
        create_adapter(BenchmarkSpec("quake", {}, "quake"))


def test_missing_tool_is_named_with_its_install_line(
    workdir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without PostgreSQL, prepare says so and how to install it, and makes nothing."""
    monkeypatch.setattr("sealtune.benchmarks.pgbench.postgres_program", lambda name: None)
    adapter = create_adapter(parse_command("pgbench -c 4"))
    with pytest.raises(BenchmarkMissingError, match="apt-get install -y postgresql"):
        adapter.prepare(workdir)
    assert list(workdir.iterdir()) == []


def test_too_little_space_is_said_with_both_figures(workdir: Path) -> None:
    """More space needed than there is: an error with the needed and the found amount."""
    adapter = create_adapter(parse_command("sealtune-sqlite"))
    adapter.needed_mebibytes = 1 << 30  # type: ignore[attr-defined]
    with pytest.raises(DiskSpaceError, match=r"needs 1073741824 MiB free, found \d+ MiB"):
        adapter.prepare(workdir)
    assert list(workdir.iterdir()) == []


def test_a_file_system_in_memory_is_refused() -> None:
    """A disk benchmark on tmpfs would measure something else."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        pytest.skip("no writable /dev/shm here")
    with pytest.raises(BenchmarkFailedError, match="lies in memory"):
        Workplace.create(shared, "x", choose_account(), needed=1, on_disk=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root works for somebody else")
@pytest.mark.parametrize("inside", ["", "further"])
def test_a_directory_that_cannot_be_worked_in_says_what_to_name(
    tmp_path: Path, inside: str
) -> None:
    """A file in its place: the fix names --workdir, not a command that nobody has run."""
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(BenchmarkFailedError, match=f"cannot work in {file}") as caught:
        Workplace.create(file / inside, "x", choose_account(), needed=1, on_disk=False)
    assert "--workdir" in caught.value.fix
    assert "command above" not in caught.value.fix


def test_a_closed_parent_directory_is_named(tmp_path: Path) -> None:
    """The benchmark's user cannot pass a 0700 directory of root; the error names it."""
    tmp_path.chmod(0o700)
    with pytest.raises(BenchmarkFailedError, match="closed to the user nobody"):
        create_adapter(parse_command("sealtune-sqlite")).prepare(tmp_path / "work")


def test_failed_preparation_leaves_nothing(
    workdir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When setting up fails half way, the files made so far are removed."""
    broken = workdir / "broken.py"
    broken.write_text("raise SystemExit('no space in the universe')")
    monkeypatch.setattr("sealtune.benchmarks.sqlite.LOAD", broken)
    with pytest.raises(BenchmarkFailedError, match="no space in the universe"):
        create_adapter(parse_command("sealtune-sqlite")).prepare(workdir)
    assert list(workdir.iterdir()) == [broken]


def test_parsing_and_creating_load_nothing_heavy() -> None:
    """The command line may look at benchmarks without paying for numpy, pydantic or torch."""
    code = (
        "import sys; from sealtune.benchmarks import create_adapter, parse_command;"
        "[create_adapter(parse_command(c)) for c in ('pgbench', 'redis', 'ab', 'sqlite')];"
        "print({'numpy', 'pydantic', 'torch', 'psutil', 'scipy'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.server
@pytest.mark.parametrize(
    ("command", "server"),
    [
        ("redis-benchmark -t get -c 1 -r 1000", "redis-server"),
        ("ab -c 2", "nginx"),
        ("pgbench -c 2 -s 1", "postgres"),
    ],
)
def test_a_server_that_dies_is_a_failed_run_and_comes_back(
    command: str, server: str, workdir: Path
) -> None:
    """A server killed in the middle gives a failure, and the next restart makes it whole."""
    adapter = create_adapter(parse_command(command))
    if not adapter.detect().installed:
        pytest.skip(f"{adapter.name} is not installed: {adapter.detect().apt}")
    adapter.prepare(workdir)
    try:
        killer = threading.Timer(1.5, kill_oldest, [server, workdir])
        killer.start()
        run = adapter.run(4.0)
        killer.join()
        adapter.refresh(restart=True)
        again = adapter.run(1.0)
    finally:
        adapter.teardown()
    assert run.value is None
    assert run.failure
    assert again.ok, again.failure
    assert list(workdir.iterdir()) == []


def kill_oldest(name: str, workdir: Path) -> None:
    """Kill the first-started process called `name` among those of this test."""
    named = []
    for pid in processes_in(workdir):
        with contextlib.suppress(OSError):  # the load's processes come and go
            if name in Path(f"/proc/{pid}/comm").read_text():
                named.append(pid)
    os.kill(min(named), signal.SIGKILL)


def test_an_error_line_tells_more_than_the_last_one() -> None:
    """The reason of a failure is the first line that speaks of an error."""
    text = "starting\npgbench: error: connection to server failed\nsee the manual\n"
    assert telling_line(text) == "pgbench: error: connection to server failed"
    assert telling_line("one\ntwo\n\n") == "two"


def test_the_line_shown_steers_no_terminal():
    """What a program prints may be told, but not obeyed by the screen."""
    assert telling_line("fatal\x1b[2J: \u202eno\x07 disk") == "fatal[2J: no disk"
    assert telling_line("one\n\x1b]0;title\x07two") == "]0;titletwo"
