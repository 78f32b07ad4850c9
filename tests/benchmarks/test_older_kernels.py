"""What confines a benchmark where something is missing, and that it is said."""

import os
import resource
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sealtune import landlock, workbench
from sealtune.benchmarks import cgroup, fence, lapses, namespaces
from sealtune.benchmarks.confinement import describe, shortcomings
from sealtune.benchmarks.disk_watch import reserve_of
from sealtune.benchmarks.process import NOTHING, run_child
from sealtune.benchmarks.workplace import Account, Workplace, choose_account
from sealtune.errors import BenchmarkFailedError, DiskSpaceError

MEBIBYTE = 1 << 20


@pytest.fixture
def account() -> Account:
    """Ourselves."""
    return replace(choose_account(), uid=os.geteuid(), gid=os.getegid())


@pytest.mark.parametrize(
    ("offered", "moves", "cuts"), [(1, True, True), (2, False, True), (3, False, False)]
)
def test_what_an_older_landlock_lacks_is_said(
    monkeypatch: pytest.MonkeyPatch, offered: int, moves: bool, cuts: bool
) -> None:
    """Moving between directories needs version 2, keeping files from being cut short 3."""
    monkeypatch.setattr(landlock, "version", lambda: offered)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    told = "; ".join(shortcomings())
    assert ("it cannot move files between directories" in told) == moves
    assert ("it may cut its user's files short" in told) == cuts
    assert "writes only its own directory (Landlock)" in describe()


def test_the_fence_may_lock_memory_and_only_the_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Linux 5.11 its programs count as locked memory: the limit is lifted, then back."""
    seen = list[int]()

    def syscall(*_: object) -> int:
        seen.append(resource.getrlimit(resource.RLIMIT_MEMLOCK)[0])
        return -1

    before = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if 0 <= before[1] <= 4096:
        pytest.skip("the hard limit leaves nothing to lift")
    monkeypatch.setattr(fence.os, "uname", lambda: SimpleNamespace(machine="x86_64"))
    monkeypatch.setattr(fence.ctypes, "CDLL", lambda *_, **__: SimpleNamespace(syscall=syscall))
    low = (4096, before[1])
    resource.setrlimit(resource.RLIMIT_MEMLOCK, low)
    try:
        assert fence.notebook() is None
        assert not fence.only_loopback(Path("/"))
        assert resource.getrlimit(resource.RLIMIT_MEMLOCK) == low
    finally:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, before)
    assert len(seen) > 2
    assert all(limit < 0 or limit > 4096 for limit in seen)


def test_a_program_in_tmp_keeps_its_files_where_tmp_cannot_be_covered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Linux 5.6 what stays visible cannot be mounted again: then nothing is covered."""
    mounted = list[Any]()
    place, needed = tmp_path / "tmp", tmp_path / "tmp" / "mine"
    needed.mkdir(parents=True)
    monkeypatch.setattr(namespaces, "TEMPORARY", (place,))
    monkeypatch.setattr(namespaces, "_OPENAT2", -1)
    monkeypatch.setattr(namespaces, "_mount", lambda *given: not mounted.append(given))
    cover = (tmp_path, os.geteuid(), os.getegid())
    assert not namespaces.private_temporary(*cover, [needed], [])
    assert mounted == []
    assert namespaces.private_temporary(*cover, [], [])
    assert len(mounted) == 1


def test_space_is_asked_for_beside_the_reserve(tmp_path: Path, account: Account) -> None:
    """What must stay free is no space for the benchmark: it would be ended in every run."""
    free, reserve = shutil.disk_usage(tmp_path).free, reserve_of(str(tmp_path))[0]
    with pytest.raises(DiskSpaceError, match=f"of which {reserve // MEBIBYTE} MiB must stay free"):
        Workplace.create(tmp_path, "a", account, needed=free - reserve // 2, on_disk=False)
    assert list(tmp_path.iterdir()) == []
    Workplace.create(tmp_path, "a", account, needed=free - 2 * reserve, on_disk=False).remove()


def test_a_file_system_without_owners_is_named(
    tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where root's new directory is not root's, as over NFS, that is said and nothing stays."""
    look = os.fstat

    def squashed(opened: int) -> os.stat_result:
        found = look(opened)
        return os.stat_result((*found[:4], 65534, *found[5:10]))

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("sealtune.benchmarks.workplace.os.fstat", squashed)
    with pytest.raises(BenchmarkFailedError, match="keeps no owner and mode"):
        Workplace.create(tmp_path, "a", account, needed=0, on_disk=False)
    assert list(tmp_path.iterdir()) == []


def test_what_was_not_held_is_noted_once_and_only_news() -> None:
    """A lapse reaches the person as a note, unless it was said at the start of the session."""
    lapses.taken()
    for _ in range(2):
        notes = lapses.Notes()
        with notes.given() as end:
            os.write(end, b"Landlock: it could\nnamespaces: /tmp was\n")
        notes.close()
        notes.close()
    told = list[str]()
    ledger: Any = SimpleNamespace(note=told.append)
    workbench._tell_lapses(["Landlock: it may"], ledger)
    assert told == ["Some run was less confined than this machine can: namespaces: /tmp was."]
    assert lapses.taken() == ()


def test_a_run_that_was_held_leaves_no_lapse(tmp_path: Path) -> None:
    """What this machine has, every run has: nothing is noted beyond the shortcomings."""
    lapses.taken()
    run_child(["true"], account=choose_account(), cwd=Path("/"), limit=10)
    missing = shortcomings()
    found = [one for one in lapses.taken() if one.partition(":")[0] not in "; ".join(missing)]
    assert found == []


@pytest.mark.kernel
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a fence")
def test_a_fence_that_fails_in_the_warden_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group that cannot be made at the time of the run leaves the network open: a lapse."""
    parent = cgroup.own_group()
    if parent is None or cgroup.obstacle(parent):
        pytest.skip(f"no groups here: {cgroup.obstacle(parent)}")
    lapses.taken()
    monkeypatch.setattr(cgroup, "choose", lambda _=None: parent / "nobody" / "nothing")
    ended = run_child(["true"], account=choose_account(), cwd=Path("/"), limit=10, room=NOTHING)
    assert (ended.code, ended.stderr) == (0, "")
    assert "fence around the network: the network was open" in lapses.taken()
