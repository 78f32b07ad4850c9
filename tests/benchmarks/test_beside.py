"""A load beside CPU hogs: an option of every tool, and nothing of the hogs outlives a run."""

import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.contracts.adapter import AdapterContract, processes_in

from sealtune.benchmarks import Measurement, create_adapter, parse_command
from sealtune.benchmarks.beside import BesideCpuHogs
from sealtune.errors import BenchmarkFailedError, BenchmarkMissingError, ConfigError


def test_company_is_an_option_of_every_tool() -> None:
    """The load keeps its own options, name and metric; the title says who is beside it."""
    spec = parse_command("pgbench -S -c 2 --beside-cpu-hogs 4")
    assert (spec.name, spec.approval) == ("pgbench", None)
    assert spec.options == {"mode": "select", "clients": 2, "beside-cpu-hogs": 4}
    adapter = create_adapter(spec)
    assert (adapter.name, adapter.metric) == ("pgbench", "transactions_per_second")
    assert adapter.title == "PostgreSQL (pgbench) beside 4 CPU hogs"
    assert parse_command("perf bench sched pipe --beside-cpu-hogs=1").name == "perf"


def test_a_target_still_waits_for_approval() -> None:
    """Company does not make somebody's own database ours."""
    spec = parse_command("pgbench --beside-cpu-hogs 2 shop")
    assert spec.target == {"database": "shop"}
    assert spec.approval is not None
    assert spec.approved().options == {"beside-cpu-hogs": 2, "database": "shop"}


@pytest.mark.parametrize("value", ["", " 0", " 65", " many", "=", "=-1"])
def test_a_number_of_hogs_out_of_range_is_refused(value: str) -> None:
    """One to 64 hogs, nothing else."""
    with pytest.raises(ConfigError, match="--beside-cpu-hogs"):
        parse_command(f"pgbench --beside-cpu-hogs{value}")


def test_what_no_adapter_knows_gets_no_company() -> None:
    """In a command that runs as it stands, the option stays where it is."""
    spec = parse_command("./mine.sh --beside-cpu-hogs 4")
    assert spec.options["argv"] == "./mine.sh --beside-cpu-hogs 4"


def test_without_stress_ng_it_says_how_to_install_both(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The load alone is not enough: detect and prepare name both packages."""
    monkeypatch.setattr("sealtune.benchmarks.beside.find_program", lambda name: None)
    adapter = create_adapter(parse_command("sqlite --beside-cpu-hogs 1"))
    found = adapter.detect()
    assert (found.installed, found.apt) == (False, "apt-get install -y stress-ng")
    with pytest.raises(BenchmarkMissingError, match="dnf install -y stress-ng"):
        adapter.prepare(workdir)
    assert list(workdir.iterdir()) == []


@dataclass
class ShortHogs:
    """Hogs that are gone when the load has finished."""

    alive: bool = False
    log: str = "stress-ng: error: no memory left\n"
    stopped: bool = False

    def stop(self) -> None:
        self.stopped = True


def test_hogs_that_end_early_spoil_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load that ran partly alone is a failure that says why, not a value."""

    class Load:
        name, title, default_seconds, warmup_seconds = "load", "load", 5.0, 0.0

        def run(self, seconds: float, *, should_stop: object = None) -> Measurement:
            return Measurement(7.0)

    hogs = ShortHogs()
    adapter = BesideCpuHogs(Load(), 2)  # type: ignore[arg-type]
    monkeypatch.setattr(adapter, "_start", lambda seconds: hogs)
    run = adapter.run(1.0)
    assert run.value is None
    assert "no memory left" in str(run.failure)
    assert hogs.stopped


def test_a_load_that_cannot_be_prepared_leaves_nothing(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the load's preparation fails, there is no directory of the hogs either."""
    monkeypatch.setattr("sealtune.benchmarks.beside.find_program", lambda name: Path("/bin/true"))
    broken = workdir / "broken.py"
    broken.write_text("raise SystemExit('no space in the universe')")
    monkeypatch.setattr("sealtune.benchmarks.sqlite.LOAD", broken)
    adapter = create_adapter(parse_command("sqlite --beside-cpu-hogs 1"))
    with pytest.raises(BenchmarkFailedError, match="no space in the universe"):
        adapter.prepare(workdir)
    assert list(workdir.iterdir()) == [broken]


@pytest.mark.server
class TestSqliteBesideHogs(AdapterContract):
    command = "sealtune-sqlite --beside-cpu-hogs 2"
    seconds = 1.2

    def test_hogs_live_in_another_session_and_end_with_the_run(self, workdir: Path) -> None:
        """While the load runs, the hogs compute in a session without any of its processes."""
        adapter = self.create()
        if not adapter.detect().installed:
            pytest.skip(f"stress-ng is not installed: {adapter.detect().apt}")
        adapter.prepare(workdir)
        sessions: dict[str, set[int]] = {}

        def look() -> None:
            for pid in processes_in(workdir):
                name = Path(f"/proc/{pid}/comm").read_text()
                kind = "hogs" if name.startswith("stress-ng") else "load"
                sessions.setdefault(kind, set()).add(os.getsid(pid))

        looker = threading.Timer(0.8, look)
        looker.start()
        try:
            run = adapter.run(1.2)
            looker.join()
            left = processes_in(workdir)
        finally:
            adapter.teardown()
        assert run.ok, run.failure
        assert len(sessions["hogs"]) == 1
        assert not sessions["hogs"] & sessions["load"]
        assert left == {}

    def test_killed_hogs_are_a_failed_run(self, workdir: Path) -> None:
        """When the hogs are killed under the load, its value does not count."""
        adapter = self.create()
        if not adapter.detect().installed:
            pytest.skip(f"stress-ng is not installed: {adapter.detect().apt}")
        adapter.prepare(workdir)

        def kill() -> None:
            for pid in processes_in(workdir):
                if Path(f"/proc/{pid}/comm").read_text().startswith("stress-ng"):
                    os.kill(pid, signal.SIGKILL)

        killer = threading.Timer(0.8, kill)
        killer.start()
        try:
            run = adapter.run(1.2)
            killer.join()
        finally:
            adapter.teardown()
        assert run.value is None
        assert "the hogs ended before the load" in str(run.failure)


@pytest.mark.server
class TestPgbenchBesideHogs(AdapterContract):
    command = "pgbench -S -c 2 -s 1 --beside-cpu-hogs 4"
    seconds = 1.2
