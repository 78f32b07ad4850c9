"""A benchmark that means harm: run once, and look for what it has left."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.contracts.adapter import heirs_of

from sealtune.benchmarks import Measurement, cgroup, create_adapter
from sealtune.benchmarks.base import BenchmarkSpec

Attack = Callable[..., Measurement]
PYTHON = Path("/usr/bin/python3")
MARK = "sealtune-was-here"
TRACES = [Path(place, MARK) for place in ("/tmp", "/var/tmp", "/dev/shm", "/etc", "/run", "/")]
BOUND_SECONDS = 12.0


@pytest.fixture
def attack(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Attack]:
    """Run a Python script as a custom benchmark once; afterwards nothing of it may be left."""
    monkeypatch.delenv("PWD", raising=False)
    monkeypatch.delenv("SUDO_USER", raising=False)
    if not PYTHON.exists():
        pytest.skip("no /usr/bin/python3, which every user may start")

    def run(text: str, limit_seconds: float = 5.0, seconds: float = 0.01) -> Measurement:
        script = workdir / "attack.py"
        script.write_text(f"import os, signal, socket, sys, time\nMARK = {MARK!r}\n{text}")
        script.chmod(0o644)
        options = {"limit_seconds": limit_seconds}
        command = f"{PYTHON} -I {script}"
        adapter = create_adapter(BenchmarkSpec("custom", options, command))
        adapter.prepare(workdir)
        began = time.monotonic()
        try:
            measured = adapter.run(seconds)
        finally:
            adapter.teardown()
        assert time.monotonic() - began < BOUND_SECONDS + limit_seconds
        assert left_of(workdir) == []
        return measured

    yield run
    assert [str(trace) for trace in TRACES if trace.exists()] == []


def left_of(workdir: Path) -> list[str]:
    """Return processes, files, groups and mounts that a benchmark in `workdir` has left."""
    ours = {"attack.py", "bait", "id"}
    found = [str(path) for path in workdir.iterdir() if path.name not in ours]
    # Whatever a process calls itself, TMPDIR lies in the work directory.
    found += [f"process {process}" for process in heirs_of(workdir)]
    group = cgroup.own_group()
    if group is not None:
        found += [str(path) for path in group.glob(f"{cgroup.PREFIX}{os.getpid()}-*")]
    mounts = Path("/proc/self/mountinfo").read_text()
    ours_too = f"{workdir}/bait "
    found += [li for li in mounts.splitlines() if f"{workdir}/" in li and ours_too not in li]
    return found
