"""What the machine looks like: every file that the guard may change, and what a run may leave."""

import ctypes
import os
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sealtune.catalogue.limits import LIMITS
from sealtune.control import RUN_DIRECTORY
from sealtune.errors import JournalError
from sealtune.guard.journal import replay
from sealtune.guard.kernel import Places
from sealtune.machine.facts import gather_facts
from sealtune.machine.services import WORKPLACE

Snapshot = dict[str, bytes]
JOURNAL = Path(Places().journal)
WORK = Path("/var/lib", WORKPLACE)
_ADOPT_ORPHANS = 36
_LOOKS = 20


def files() -> list[str]:
    """Return every file of this machine that the guard may change, side effects included."""
    disk = gather_facts(Path("/var/lib")).disk
    device = disk.name if disk else "none"
    paths = {path for limit in LIMITS.values() for path in (limit.path, *limit.saved_with)}
    named = (path.replace("{dev}", device) for path in paths)
    return sorted(path for path in named if os.path.exists(path))


def look(paths: Iterable[str]) -> Snapshot:
    """Return what each file reads now, byte by byte."""
    return {path: _bytes(path) for path in paths}


def _bytes(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(descriptor, 65536)
        finally:
            os.close(descriptor)
    except OSError as error:
        return b"[%d]" % (error.errno or 0)


def differing(before: Snapshot) -> dict[str, tuple[bytes, bytes]]:
    """Return each file that does not read as before: what it read then, and what it reads now."""
    return {path: (old, now) for path, old in before.items() if (now := _bytes(path)) != old}


def wait_until(condition: Callable[[], object], seconds: float, pause: float = 0.002) -> bool:
    """Return whether `condition` came true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def seconds_until_back(before: Snapshot, began: float, limit: float) -> float:
    """Return how long after the moment `began` every file read as before; infinity if late [s]."""
    back = wait_until(lambda: not differing(before), began + limit - time.monotonic())
    return time.monotonic() - began if back else float("inf")


def unheld(before: Snapshot) -> list[str]:
    """Return the files that differ without the journal holding their true original.

    While a session lives its values may differ, but only so that any crash can undo them. The
    files and the journal cannot be read at one moment: a doubt has to last.
    """
    doubts: list[str] = []
    for _ in range(_LOOKS):
        changed = set(differing(before))
        held = _held()
        doubts = sorted(path for path in changed if held.get(path) != _value(before[path]))
        if not doubts:
            return []
        time.sleep(0.01)
    return doubts


def _held() -> dict[str, str]:
    """Return the originals that the journal holds; none while it is being written."""
    with suppress(OSError, JournalError):
        state, _ = replay(JOURNAL.read_bytes(), str(JOURNAL))
        return {path: entry.old for path, entry in state.held.items()}
    return {}


def is_journal_open() -> bool:
    """Whether the journal holds anything: nobody has undone it, or there was nothing to undo."""
    return JOURNAL.exists() and JOURNAL.stat().st_size > 0


def _value(text: bytes) -> str:
    """Return `text` as the guard keeps it: single spaces, and of a list the chosen one."""
    words = " ".join(text.decode().split())
    return words.partition("[")[2].partition("]")[0] if "[" in words else words


def adopt_orphans() -> None:
    """Become the parent of whatever a run leaves behind, so that nothing can hide."""
    ctypes.CDLL(None).prctl(_ADOPT_ORPHANS, 1, 0, 0, 0)


def descendants(parent: int) -> list[int]:
    """Return every live process below `parent`, the nearest first."""
    found, below = [], _children(parent)
    while below:
        pid = below.pop(0)
        below += _children(pid)
        found += [] if is_over(pid) else [pid]
    return found


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def is_over(pid: int) -> bool:
    """Whether process `pid` has ended, reaped or not."""
    return state_of(pid) in ("Z", "X", "")


def state_of(pid: int) -> str:
    """Return the kernel's letter for what a process does: T when frozen, empty when gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0].decode()
    except OSError:
        return ""


def reap_others(session: int) -> None:
    """Collect every ended process that came to us as an orphan; not `session`, a child of ours."""
    for pid in _children(os.getpid()):
        if pid != session and is_over(pid):
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def command_of(pid: int) -> str:
    """Return name and command line of a process, cut for people; empty when it is gone."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return f"{name}: {b' '.join(words).decode(errors='replace').strip()}"[:200]


def leftovers() -> list[str]:
    """Return every process of this machine that a run of the usual place has left behind."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        command = command_of(int(folder.name))
        if "sealtune/guard" in command or f"{WORK}/" in command:
            found.append(command)
    return found


def control_groups() -> set[str]:
    """Return every control group that a run of ours, or of one who is dead, has left."""
    found = set()
    ours = {os.getpid(), *descendants(os.getpid())}
    for root, folders, _ in os.walk("/sys/fs/cgroup"):
        for name in folders:
            owner = re.fullmatch(r"sealtune-(?:run-)?(\d+)-\w+", name)
            pid = int(owner.group(1)) if owner else 0
            if owner and (pid in ours or is_over(pid)):
                found.add(os.path.join(root, name))
    return found


def is_occupied(group: str) -> bool:
    """Whether a process lives in control group `group`, or below it."""
    try:
        return "populated 1" in Path(group, "cgroup.events").read_text()
    except OSError:
        return False


def mounts() -> set[str]:
    """Return every mount of this machine that has to do with sealtune."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return {line.split()[4] for line in lines if "sealtune" in line}


def run_files(work: Path) -> set[str]:
    """Return what lies in the benchmarks' directory `work`, and every control socket."""
    found = {str(path) for path in work.iterdir()} if work.exists() else set()
    with suppress(OSError):
        found |= {str(path) for path in RUN_DIRECTORY.iterdir()}
    return found


@dataclass(frozen=True)
class Before:
    """The machine before a session: values of files, and what earlier sessions have left."""

    values: Snapshot
    groups: set[str]
    mounts: set[str]
    files: set[str]

    @classmethod
    def now(cls, paths: Iterable[str], work: Path) -> Self:
        """Look at the files in `paths`, and at what lies in `work`."""
        return cls(look(paths), control_groups(), mounts(), run_files(work))
