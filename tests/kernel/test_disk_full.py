"""Disks that are full, read-only or closed: nothing is written without a record, nothing is lost.

Each disk is a small ext4 image behind a loop device.
"""

import functools
import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.guard.conftest import FakeMachine
from tests.kernel.power_cut.machine import stands_in

from sealtune.benchmarks import BenchmarkSpec
from sealtune.benchmarks.sqlite import SqliteAdapter, reachable_python
from sealtune.benchmarks.workplace import choose_account
from sealtune.errors import DiskSpaceError, GuardError, JournalError
from sealtune.guard import recovery
from sealtune.guard.kernel import take_lock
from sealtune.store import SqliteStore

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system image: needs root"),
]
MEBIBYTE = 1 << 20
ROOT = Path(__file__).parents[2]
KEEPING = 40


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class Disk:
    """A mounted image; its directory can be filled up, emptied and made read-only."""

    def __init__(self, place):
        self.place = place

    def fill(self):
        """Leave no byte, nor room for another file's first block."""
        for size in (MEBIBYTE, 4096, 1):
            with (self.place / "filler").open("ab", buffering=0) as file:
                try:
                    while file.write(b"x" * size) == size:
                        pass
                except OSError:
                    pass

    def empty(self):
        (self.place / "filler").unlink()

    def remount(self, how):
        run("mount", "-o", f"remount,{how}", str(self.place))


@pytest.fixture
def disk(request):
    size = getattr(request, "param", 4 * MEBIBYTE)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)  # other users work there, too
        with mounted(Path(folder), size) as place:
            yield Disk(place)


@contextmanager
def mounted(folder, size):
    image, place = folder / "disk.img", folder / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(size)
    run("mkfs.ext4", "-q", "-b", "4096", "-m", "0", "-O", "^has_journal", str(image))
    run("mount", "-o", "loop", str(image), str(place))
    try:
        yield place
    finally:
        run("umount", str(place))


@contextmanager
def machine_on(disk, tmp_path):
    """A machine made of files, its journal on `disk`; a sync of the journal is a real one."""
    machine = FakeMachine(tmp_path)
    machine.places = machine.places._replace(journal=str(disk.place / "lib/journal"))
    machine.fsync = os.fsync
    with stands_in(machine):
        try:
            yield machine
        finally:
            machine.live_again()


SETTING = {"vm.swappiness": 10, "vm.dirty_ratio": 30}


def test_a_full_disk_lets_nothing_reach_the_kernel(disk, tmp_path):
    """
    A batch whose record does not fit is refused as a whole; the one before is undone all the
    same, and with room again the guard goes on.
    """
    with machine_on(disk, tmp_path) as machine:
        before, keeper = machine.values(), machine.keeper()
        keeper.apply(SETTING)
        disk.fill()
        for number in range(2000):  # what is left of the journal's last block is used up
            written, held = len(machine.writes), machine.values()
            try:
                keeper.apply({"vm.swappiness": 11 + number % 100})
            except JournalError:
                break
        else:
            pytest.fail("the disk is not full")
        assert (written, held) == (len(machine.writes), machine.values())
        assert [] == keeper.restore().failed
        assert before == machine.values()
        disk.empty()
        keeper.apply(SETTING)
        keeper.restore()
        assert before == machine.values()


def test_a_full_disk_keeps_a_guard_from_starting(disk, tmp_path):
    """
    Without room for the first record nothing is written; the message says where it is needed.
    """
    with machine_on(disk, tmp_path) as machine:
        disk.fill()
        with pytest.raises(JournalError, match="No space left") as caught:
            machine.keeper().apply(SETTING)
        assert "Free space" in caught.value.fix
        assert [] == machine.writes


def test_a_read_only_disk_lets_nothing_reach_the_kernel(disk, tmp_path):
    """
    Read-only from the start, or made so by an error in the middle: nothing more is written, and
    what was is undone.
    """
    with machine_on(disk, tmp_path) as machine:
        before = machine.values()
        disk.remount("ro")
        with pytest.raises(JournalError, match="Read-only"):
            machine.keeper()
        with pytest.raises(GuardError, match="Read-only"):
            take_lock(machine.places._replace(lock=str(disk.place / "sealtune.lock")))
        disk.remount("rw")
        machine.keeper().apply(SETTING)
        machine.live_again()
        disk.remount("ro")
        with pytest.raises(JournalError, match="Read-only"):
            recovery.restore(places=machine.places)
        disk.remount("rw")
        assert [] == recovery.restore(places=machine.places).failed
        assert before == machine.values()


IN_A_MOUNT_NAMESPACE = """
import sys
from pathlib import Path
import subprocess
from sealtune.errors import GuardError, JournalError
from tests.kernel.guards import start_guard

SWAPPINESS = Path("/proc/sys/vm/swappiness")
before = SWAPPINESS.read_text()
value = 30 if before.strip() != "30" else 40
with start_guard(knobs=["vm.swappiness"]) as guard:
    guard.apply({"vm.swappiness": value})
    try:
        with open("/var/lib/sealtune/filler", "wb", buffering=0) as file:
            while file.write(b"x" * 512):
                pass
    except OSError:
        pass
    for number in range(500):
        held = SWAPPINESS.read_text()
        try:
            guard.apply({"vm.swappiness": value + 1 + number % 50})
        except JournalError as error:
            print("refused:", error, "|", error.fix)
            break
    print("untouched:", SWAPPINESS.read_text() == held)
    print("restored:", not guard.restore().failed, SWAPPINESS.read_text() == before)
subprocess.run(["mount", "--bind", "/run", "/run"], check=True)
subprocess.run(["mount", "-o", "remount,bind,ro", "/run"], check=True)
try:
    start_guard(knobs=["vm.swappiness"]).close()
except GuardError as error:
    print("no lock:", error)
print("as before:", SWAPPINESS.read_text() == before)
"""


def test_the_real_guard_with_a_full_disk_and_with_a_run_directory_it_cannot_write(disk):
    """
    With no room for its record the guard leaves the kernel's own parameter untouched, and restores
    it without room; where it can take no lock it does not start.
    """
    disk.place.chmod(0o755)
    mount = f'mount --bind {disk.place} /var/lib/sealtune && exec "$@"'
    inside = ["unshare", "--mount", "sh", "-c", mount, "sh"]
    done = subprocess.run(
        [*inside, sys.executable, "-c", IN_A_MOUNT_NAMESPACE],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": f"{Path(recovery.__file__).parents[2]}:{ROOT}"},
    )  # fmt: skip
    assert "" == done.stderr
    assert "refused: /var/lib/sealtune/journal" in done.stdout
    assert "Free space under /var/lib/sealtune" in done.stdout
    assert "untouched: True" in done.stdout
    assert "restored: True True" in done.stdout
    assert "no lock: /run/sealtune.lock: Read-only file system" in done.stdout
    assert "as before: True" in done.stdout


def optimize(*words, store):
    return subprocess.run(
        [sys.executable, "-m", "sealtune", *words],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "SEALTUNE_STORE": str(store)},
        check=False,
    )


DRY = (
    "optimize", "a write-heavy database on this disk", "--dry-run", "--trials", "12", "--yes",
    "--tactician", "random", "--benchmark", "sqlite", "--no-memory",
)  # fmt: skip


def resume(store, name, monkeypatch):
    """Do what ``sealtune run --resume`` does, with a short explanation at the end."""
    from sealtune import session
    from sealtune.entry import resumable_request
    from sealtune.planning import make_plan

    quick = functools.partial(session.weigh_knobs, resamples=4, shadow_fits=2)
    monkeypatch.setattr(session, "weigh_knobs", quick)
    monkeypatch.setenv("SEALTUNE_STORE", str(store))
    request, found = resumable_request()
    assert name == found
    with SqliteStore(store) as kept:
        session.tune(make_plan(request), kept, lambda event: None, resume=found)


def test_a_store_whose_disk_is_full_loses_no_finished_run(disk, monkeypatch):
    """
    The session ends with a clear error; every run that it told is there, and with room again it
    goes on from them to a verdict.
    """
    store = disk.place / "sessions.db"
    SqliteStore(store).close()
    disk.fill()
    with (disk.place / "filler").open("r+b") as file:
        file.truncate((disk.place / "filler").stat().st_size - 160 * 1024)
    ended = optimize(*DRY, store=store)
    told = len(re.findall(r"^SIMULATED \[\w+\] \S+ +\d+", ended.stdout, re.MULTILINE))
    disk.empty()
    assert KEEPING == ended.returncode, ended.stdout + ended.stderr
    assert "full" in ended.stderr
    assert "Free space" in ended.stderr
    assert "Traceback" not in ended.stderr
    with SqliteStore(store) as kept:
        kept.mark_interrupted()
        interrupted = kept.session("last")
    assert 0 < told <= interrupted.trials
    resume(store, interrupted.id, monkeypatch)
    with SqliteStore(store) as kept:
        assert "finished" == kept.session(interrupted.id).status
        assert kept.session(interrupted.id).trials > told


@pytest.mark.parametrize("how", ["directory", "file", "file system"])
def test_a_store_that_cannot_be_written_is_told_before_anything_begins(disk, how):
    """
    A closed directory, a read-only file or file system: a clear error, no traceback, no session.
    """
    store = disk.place / "state" / "sessions.db"
    SqliteStore(store).close()
    wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if how == "directory":
        store.chmod(0o666)
        store.parent.chmod(0o555)
    elif how == "file":
        store.parent.chmod(0o777)
    else:
        disk.remount("ro")
        wrapper = []
    before = store.read_bytes()
    python = str(reachable_python(choose_account()))
    program = (
        "import sys\nfrom pathlib import Path\nfrom sealtune.errors import KeepingError\n"
        "from sealtune.store import NewSession, SqliteStore\n"
        "try:\n  SqliteStore(Path(sys.argv[1])).begin(NewSession('x'))\n"
        "except KeepingError as error:\n  print(error, '|', error.fix)\n"
    )
    done = subprocess.run(
        [*wrapper, python, "-c", program, str(store)],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(recovery.__file__).parents[2])},
    )  # fmt: skip
    assert "" == done.stderr
    assert "writable" in done.stdout or "Read-only" in done.stdout, done.stdout
    assert before == store.read_bytes()


@pytest.mark.parametrize("disk", [48 * MEBIBYTE], indirect=True)
def test_a_benchmark_whose_disk_fills_up_costs_one_run(disk, monkeypatch):
    """
    The run fails with the reason, the next one succeeds once there is room, nothing is left
    behind; without room at the start it is refused with the number.
    """
    monkeypatch.setattr(SqliteAdapter, "needed_mebibytes", 32)
    adapter = SqliteAdapter(BenchmarkSpec("sqlite", {}, ()))
    work = disk.place / "work"
    adapter.prepare(work)
    try:
        adapter.refresh()
        disk.fill()
        full = adapter.run(1.0)
        disk.empty()
        adapter.refresh()
        again = adapter.run(0.5)
    finally:
        adapter.teardown()
    assert full.value is None
    assert "the disk of" in (full.failure or "")
    assert again.value is not None
    assert [] == list(work.iterdir())
    disk.fill()
    with pytest.raises(DiskSpaceError, match="needs 32 MiB free"):
        adapter.prepare(work)
    assert [] == list(work.iterdir())
