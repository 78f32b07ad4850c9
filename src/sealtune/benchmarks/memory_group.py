"""A control group with little memory, so that a file larger than the page cache can be small."""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sealtune.benchmarks.process import LineHandler, Outcome, run_child
from sealtune.benchmarks.workplace import MEBIBYTE, Workplace
from sealtune.errors import BenchmarkFailedError

PREFIX = "sealtune-"
LEAST_BYTES = 16 * MEBIBYTE
STALE_SECONDS = 0.5
REMOVE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where memory groups are made on this machine.

    Attributes:
        root: Mount point of the memory controller.
        limit_file: Name of the file that holds a group's limit [bytes].
    """

    root: Path
    limit_file: str


def find_hierarchy(mountinfo: str | None = None) -> Hierarchy | None:
    """Return the memory controller's hierarchy, version 1 or 2; ``None`` without one.

    Args:
        mountinfo: Text of /proc/self/mountinfo; read when ``None``.
    """
    if mountinfo is None:
        try:
            mountinfo = Path("/proc/self/mountinfo").read_text("utf-8", "replace")
        except OSError:
            return None
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.partition(" ")
        if len(fields.split()) < 5:
            continue
        root = Path(fields.split()[4])
        if kind == "cgroup" and "memory" in options.split()[-1].split(","):
            return Hierarchy(root, "memory.limit_in_bytes")
        if kind == "cgroup2" and "memory" in _delegated(root):
            return Hierarchy(root, "memory.max")
    return None


def _delegated(root: Path) -> list[str]:
    try:
        return (root / "cgroup.subtree_control").read_text("utf-8").split()
    except OSError:
        return []


def require_hierarchy(limit: int) -> Hierarchy:
    """Return where groups of `limit` bytes can be made.

    Raises:
        BenchmarkFailedError: We are not root, the kernel offers no memory groups, or `limit` is
            too small to run anything in.
    """
    hierarchy = find_hierarchy()
    reason = None
    if os.geteuid() != 0:
        reason = "only root can make a memory group"
    elif hierarchy is None:
        reason = "this system has no memory control groups"
    elif not os.access(hierarchy.root, os.W_OK):
        reason = f"{hierarchy.root} is read-only"
    elif limit < LEAST_BYTES:
        reason = f"{limit} bytes are too few; give at least {LEAST_BYTES // MEBIBYTE}m"
    if hierarchy is None or reason is not None:
        raise BenchmarkFailedError(
            f"--sealtune-memory: {reason}",
            fix="Leave --sealtune-memory out and use files larger than the machine's memory.",
        )
    return hierarchy


@contextmanager
def memory_group(limit: int) -> Iterator[Path]:
    """Make a group that may use `limit` bytes of memory, page cache included; remove it after.

    It is a new one for every run: a group inherits settings such as ``vm.swappiness`` when it is
    made, and its page cache is empty.

    Raises:
        BenchmarkFailedError: See `require_hierarchy`.
        OSError: The system refuses the group.
    """
    hierarchy = require_hierarchy(limit)
    _remove_stale(hierarchy.root)
    path = hierarchy.root / f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    path.mkdir()
    try:
        (path / hierarchy.limit_file).write_text(str(limit))
        yield path
    finally:
        _remove(path)


def run_in_group(
    argv: Sequence[str],
    group: Path,
    place: Workplace,
    *,
    limit: float,
    on_line: LineHandler | None = None,
) -> Outcome:
    """Run `argv` as the workplace's user inside `group`; see `run_child`."""
    room = replace(place.room, memory_group=group)
    return run_child(
        argv, account=place.account, cwd=place.path, limit=limit, on_line=on_line, room=room
    )


def _remove(path: Path, seconds: float = REMOVE_SECONDS) -> None:
    """Remove a group, waiting until the kernel has seen the last of its processes go."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise BenchmarkFailedError(f"{path} cannot be removed: {error}") from error
            time.sleep(0.01)
        else:
            return


def _remove_stale(root: Path) -> None:
    """Remove the empty groups of those who were killed before they could."""
    for path in root.glob(f"{PREFIX}*-*"):
        owner = path.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not Path("/proc", owner).exists():
            # Whoever was killed a moment ago may still be on its way out of it.
            with contextlib.suppress(BenchmarkFailedError):
                _remove(path, STALE_SECONDS)
