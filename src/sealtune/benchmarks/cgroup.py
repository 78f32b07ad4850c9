"""A control group for every program, so that whatever it starts can be found and ended.

Version 2, below the group we are in ourselves, and without any controller: CPU shares, page cache
and I/O are counted where they were counted before, so that nothing that is measured changes.
Standard library only.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

PREFIX = "sealtune-run-"
CLEAR_SECONDS = 10.0
_MEASURED = {"cpu", "cpuset", "io", "memory"}


def own_group(mountinfo: str | None = None, membership: str | None = None) -> Path | None:
    """Return the directory of the version 2 group this process is in; ``None`` without one.

    Args:
        mountinfo: Text of /proc/self/mountinfo; read when ``None``.
        membership: Text of /proc/self/cgroup; read when ``None``.
    """
    try:
        mountinfo = mountinfo or Path("/proc/self/mountinfo").read_text("utf-8", "replace")
        membership = membership or Path("/proc/self/cgroup").read_text("utf-8", "replace")
    except OSError:
        return None
    inside = next((li[3:] for li in membership.splitlines() if li.startswith("0::")), "")
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        words = fields.split()
        if rest.startswith("cgroup2 ") and len(words) > 4 and inside.startswith("/"):
            root, place = words[3], Path(words[4])
            # A container sees a part of the tree, or a group outside of what it sees.
            if Path(inside).is_relative_to(root) and ".." not in inside:
                return place / Path(inside).relative_to(root)
    return None


def obstacle(group: Path | None) -> str | None:
    """Return why no groups can be made below `group`, ``None`` when they can."""
    if group is None:
        return "no control groups of version 2 here"
    try:
        handed_down = set((group / "cgroup.subtree_control").read_text("utf-8").split())
    except OSError as error:
        return f"{group}: {error.strerror}"
    if changing := sorted(handed_down & _MEASURED):
        return f"{group} hands {', '.join(changing)} down, which would change what is measured"
    if not os.access(group, os.W_OK):
        return f"{group} is closed to us"
    return None


def choose(below: Path | None = None) -> Path | None:
    """Return the path for a new group, below `below` or ourselves; ``None`` when there is none.

    Its name tells who asked for it: see `sweep`.
    """
    parent = below or own_group()
    if parent is None or (below is None and obstacle(parent) is not None):
        return None
    return parent / f"{PREFIX}{os.getpid()}-{os.urandom(4).hex()}"


def make(group: Path) -> bool:
    """Make `group` and remove the leftovers of those who were killed beside it.

    Returns:
        Whether it stands; a system that is mounted read-only refuses it.
    """
    try:
        group.mkdir()
    except OSError:
        return False
    # Pressure would be counted once more at every task switch.
    with contextlib.suppress(OSError):
        (group / "cgroup.pressure").write_text("0", "utf-8")
    sweep(group.parent)
    return True


def clear(group: Path, seconds: float = CLEAR_SECONDS) -> bool:
    """Kill whatever is left in `group`, then remove it; return whether it is gone in time."""
    deadline = time.monotonic() + seconds
    while group.exists():
        _kill(group)
        with contextlib.suppress(OSError):
            group.rmdir()
            break
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def sweep(parent: Path) -> None:
    """Clear the groups below `parent` whose session is no more."""
    for group in parent.glob(f"{PREFIX}*-*"):
        owner = group.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not Path("/proc", owner).exists():
            clear(group, 0.1)  # what hangs in the kernel must not hold up everything after it


def _kill(group: Path) -> None:
    """Kill every process in `group`: at once since Linux 5.14, else one by one."""
    with contextlib.suppress(OSError):
        (group / "cgroup.kill").write_text("1", "utf-8")
        return
    with contextlib.suppress(OSError):
        for pid in (group / "cgroup.procs").read_text("utf-8").split():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(pid), signal.SIGKILL)
