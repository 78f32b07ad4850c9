"""A program's own view of the machine: processes, /tmp, /dev/shm and System V memory are private.

The network is not: sysctls under ``net.`` belong to a network namespace, and a program in one of
its own would not see what is being tuned. Needs root. Standard library only.
"""

import contextlib
import ctypes
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_NEW_MOUNTS, _NEW_IPC, _NEW_PIDS = 0x00020000, 0x08000000, 0x20000000
_READ_ONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT = 1, 2, 4, 8, 32
_BIND, _RECURSIVE, _SLAVE = 1 << 12, 1 << 14, 1 << 19
_OPENAT2, _HERE, _NO_LINKS = 437, -100, 4
SERVICES = ("/run/user", "/run/dbus", "/run/containerd", "/run/sealtune", "/run/sealtune-guard")
"""Where services listen that would start programs, or stop a session, for whoever may connect."""
SERVICE_SOCKETS = ("/run/docker.sock", "/run/podman/podman.sock")
TEMPORARY = (Path("/tmp"), Path("/var/tmp"))
SHARED_MEMORY = Path("/dev/shm")
SHARED_MEMORY_SIZE = "size=50%,mode=1777"


def new_processes() -> bool:
    """Let the next child be the first process of a new namespace; return whether it will.

    Everything in there dies with that child, by the kernel's hand.
    """
    return _unshare(_NEW_PIDS)


def new_view() -> bool:
    """Give this process mounts and System V objects of its own; return whether it got them.

    What is mounted or unmounted outside later is seen here too, never the other way round.
    """
    return _unshare(_NEW_MOUNTS | _NEW_IPC) and _mount(None, Path("/"), None, _RECURSIVE | _SLAVE)


def fresh_proc() -> bool:
    """Show only the processes of our namespace in /proc; return whether it worked."""
    return _mount("proc", Path("/proc"), "proc", _NOSUID | _NODEV | _NOEXEC)


def private_shared_memory() -> bool:
    """Put an empty /dev/shm over the machine's; return whether it worked."""
    if not SHARED_MEMORY.is_dir():
        return False
    flags = _NOSUID | _NODEV
    return _mount("tmpfs", SHARED_MEMORY, "tmpfs", flags, SHARED_MEMORY_SIZE)


def without_services() -> None:
    """Hide the sockets of services that act for their caller, outside of all that confines it."""
    for place in map(Path, SERVICES):
        if place.is_dir():
            flags = _NOSUID | _NODEV | _NOEXEC | _READ_ONLY
            _mount("tmpfs", place, "tmpfs", flags, "size=4k,mode=755")
    for place in map(Path, SERVICE_SOCKETS):
        if place.exists():
            _mount("/dev/null", place, None, _BIND)


def private_temporary(
    directory: Path, uid: int, gid: int, visible: Iterable[Path], writable: Iterable[Path]
) -> bool:
    """Put `directory` over /tmp and /var/tmp.

    Args:
        directory: Belongs to `uid`; on the disk being tuned, so that files in it are real files.
        uid: The user the program runs as.
        gid: Its group.
        visible: Paths that stay where they are although they lie below /tmp or /var/tmp. They
            can only be read: what covers /tmp may be written, and for Landlock they lie in it.
        writable: The same for paths that can be written.

    Returns:
        Whether it worked; not when `directory` is a link or somebody else's.
    """
    with contextlib.ExitStack() as opened:
        try:
            ours = opened.enter_context(_held(directory))
        except OSError:
            return False
        found = os.fstat(ours)
        if found.st_uid != uid or not stat.S_ISDIR(found.st_mode):
            return False
        kept = [
            (path, opened.enter_context(_held(path)), flags)
            for paths, flags in ((visible, _READ_ONLY), (writable, 0))
            for path in paths
            if path.exists() and any(path.is_relative_to(place) for place in TEMPORARY)
        ]
        covered = [place for place in TEMPORARY if place.is_dir()]
        if not all([_mount(f"/proc/self/fd/{ours}", place, None, _BIND) for place in covered]):
            return False
        return all([_keep(path, held, flags, uid, gid) for path, held, flags in kept])


def kept_visible(paths: Iterable[Path]) -> list[Path]:
    """Return what must stay visible so that `paths` do: the entry of /tmp that each lies in.

    >>> kept_visible([Path("/tmp/mine/run.sh"), Path("/usr/bin/fio"), Path("/tmp")])
    [PosixPath('/tmp/mine')]
    """
    found = dict[Path, None]()
    for path in paths:
        for place in TEMPORARY:
            if path.is_absolute() and path.is_relative_to(place) and path != place:
                found[place / path.relative_to(place).parts[0]] = None
    return list(found)


def _keep(path: Path, held: int, flags: int, uid: int, gid: int) -> bool:
    """Mount what `held` stands for at `path` again, with `flags`."""
    # The directory belongs to the user, who may have laid links there: what we make we make as
    # that user, and what we mount on is reached through no link at all.
    os.setegid(gid)
    os.seteuid(uid)
    try:
        if stat.S_ISDIR(os.fstat(held).st_mode):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    except OSError:
        return False
    finally:
        os.seteuid(0)
        os.setegid(0)
    try:
        target = _open_without_links(path)
    except OSError:
        return False
    try:
        there = Path(f"/proc/self/fd/{target}")
        if not _mount(f"/proc/self/fd/{held}", there, None, _BIND | _RECURSIVE):
            return False
    finally:
        os.close(target)
    return not flags or _mount(None, path, None, _REMOUNT | _BIND | _NOSUID | _NODEV | flags)


def _open_without_links(path: Path) -> int:
    """Return a descriptor that stands for `path`, no part of which is a link (Linux 5.6).

    Raises:
        OSError: One is, or the kernel is older.
    """
    how = (ctypes.c_uint64 * 3)(os.O_PATH | os.O_CLOEXEC, 0, _NO_LINKS)
    libc = ctypes.CDLL(None, use_errno=True)
    found = libc.syscall(_OPENAT2, _HERE, os.fsencode(path), how, ctypes.sizeof(how))
    if found < 0:
        raise OSError(ctypes.get_errno(), f"{path} cannot be reached without links")
    return int(found)


@contextmanager
def _held(path: Path) -> Iterator[int]:
    opened = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield opened
    finally:
        os.close(opened)


def _unshare(flags: int) -> bool:
    return not ctypes.CDLL(None).unshare(flags)


def _mount(
    source: str | None, target: Path, kind: str | None, flags: int, data: str | None = None
) -> bool:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind)]
    options = None if data is None else data.encode()
    return not ctypes.CDLL(None).mount(*words, ctypes.c_ulong(flags), options)
