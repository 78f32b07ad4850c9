"""A program's own view of the machine: processes, /tmp, /dev/shm and System V memory are private.

The network is not: sysctls under ``net.`` belong to a network namespace, and a program in one of
its own would not see what is being tuned. Needs root. Standard library only.
"""

import contextlib
import ctypes
import os
import stat
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_NEW_MOUNTS, _NEW_IPC, _NEW_PIDS = 0x00020000, 0x08000000, 0x20000000
_READ_ONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT = 1, 2, 4, 8, 32
_BIND, _RECURSIVE, _SLAVE = 1 << 12, 1 << 14, 1 << 19
_OPEN_TREE, _MOVE_MOUNT, _OPENAT2, _MOUNT_SETATTR = 428, 429, 437, 442
_HERE, _NO_LINKS = -100, 4
_A_CLONE, _OF_ITSELF, _AND_BELOW = 1, 0x1000, 0x8000
_FROM_ITSELF, _TO_ITSELF = 4, 0x40
SERVICES = (
    "/run/user",
    "/run/dbus",
    "/run/containerd",
    "/run/crio",
    "/run/podman",
    "/run/incus",
    "/run/libvirt",
    "/run/screen",
    "/run/sealtune",
    "/run/sealtune-guard",
    "/var/lib/incus",
    "/var/lib/lxd",
    "/var/snap/lxd/common/lxd",
)
"""Where services listen that would start programs, or stop a session, for whoever may connect."""
SERVICE_SOCKETS = ("/run/docker.sock", "/run/snapd.socket", "/run/snapd-snap.socket")
TERMINALS = Path("/dev/pts")
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


def only_writable(places: Iterable[Path]) -> bool:
    """Let nothing be changed but in and below `places`, no mode, owner or date either.

    Landlock knows writing, making and removing; a file's mode is no business of its.

    Returns:
        Whether it worked (Linux 5.12); nothing has changed when not.

    Raises:
        OSError: All is closed now, `places` too.
    """
    with contextlib.ExitStack() as opened:
        copies = []
        try:
            root = opened.enter_context(_held(Path("/")))
            for place in places:
                if (real := Path(os.path.realpath(place))) == Path("/"):
                    return False  # the person allows everything
                there = _open_without_links(real)
                opened.callback(os.close, there)
                copy = _copied(there)
                opened.callback(os.close, copy)
                copies.append((copy, there))
        except OSError:
            return False
        if not _close(root, _READ_ONLY):
            return False
        if not all([_moved(copy, there) for copy, there in copies]):
            raise OSError("what it may write cannot be mounted")
    return True


def fresh_proc() -> bool:
    """Show only the processes of our namespace in /proc; return whether it worked."""
    return _mount("proc", Path("/proc"), "proc", _NOSUID | _NODEV | _NOEXEC)


def private_shared_memory() -> bool:
    """Put an empty /dev/shm over the machine's; return whether it worked."""
    if not SHARED_MEMORY.is_dir():
        return False
    flags = _NOSUID | _NODEV
    return _mount("tmpfs", SHARED_MEMORY, "tmpfs", flags, SHARED_MEMORY_SIZE)


def without_terminals(uid: int) -> None:
    """Hide the terminals: user `uid` could read what is typed at its own, from any process."""
    if TERMINALS.is_dir():
        _mount("tmpfs", TERMINALS, "tmpfs", _NOSUID | _NOEXEC | _READ_ONLY, "size=4k,mode=755")
    for console in (*Path("/dev").glob("tty[0-9A-Z]*"), *Path("/dev").glob("hvc*")):
        with contextlib.suppress(FileNotFoundError):
            if console.stat().st_uid == uid:
                _mount("/dev/null", console, None, _BIND)


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
        Whether it worked; nothing has changed when `visible` or `writable` need what this kernel
        lacks, see `reaches_without_links`.

    Raises:
        OSError: `directory` is gone, a link or somebody else's.
    """
    with contextlib.ExitStack() as opened:
        ours = opened.enter_context(_held(directory))
        found = os.fstat(ours)
        if found.st_uid != uid or not stat.S_ISDIR(found.st_mode):
            raise OSError(f"{directory} is not its own directory")
        kept = [
            (path, opened.enter_context(_held(path)), flags)
            for paths, flags in ((visible, _READ_ONLY), (writable, 0))
            for path in paths
            if path.exists() and any(path.is_relative_to(place) for place in TEMPORARY)
        ]
        # Under the cover they would be empty directories, without the program's own files.
        if kept and not reaches_without_links():
            return False
        covered = [place for place in TEMPORARY if place.is_dir()]
        if not all([_mount(f"/proc/self/fd/{ours}", place, None, _BIND) for place in covered]):
            return False
        return all([_keep(path, held, flags, uid, gid) for path, held, flags in kept])


def reaches_without_links() -> bool:
    """Return whether a path can be opened so that none of its parts is a link (Linux 5.6)."""
    with contextlib.suppress(OSError):
        os.close(_open_without_links(Path("/")))
        return True
    return False


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
        if not flags:
            return _mount(f"/proc/self/fd/{held}", there, None, _BIND | _RECURSIVE)
        if _closed_copy(held, target):
            return True
        # An older kernel closes one mount at a time: what is mounted below stays hidden instead.
        if not _mount(f"/proc/self/fd/{held}", there, None, _BIND):
            return False
    finally:
        os.close(target)
    return _mount(None, path, None, _REMOUNT | _BIND | _NOSUID | _NODEV | flags)


def _closed_copy(held: int, target: int) -> bool:
    """Mount `held` and all that is mounted below it on `target`, nothing of it writable.

    It is closed before it is there, and no name is looked up. Linux 5.12.
    """
    try:
        copy = _copied(held)
    except OSError:
        return False
    try:
        return _close(copy, _READ_ONLY | _NOSUID | _NODEV) and _moved(copy, target)
    finally:
        os.close(copy)


def _copied(held: int) -> int:
    """Return a descriptor of a copy of what `held` stands for, with all that is mounted below.

    Raises:
        OSError: The kernel is older than 5.2, or refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    clone = _A_CLONE | os.O_CLOEXEC | _OF_ITSELF | _AND_BELOW
    copy = int(libc.syscall(_OPEN_TREE, held, b"", clone))
    if copy < 0:
        raise OSError(ctypes.get_errno(), "a part of the file system cannot be mounted again")
    return copy


def _close(held: int, flags: int) -> bool:
    """Add `flags` to the mount that `held` stands for and all below; return whether it worked."""
    flagged = struct.pack("QQQQ", flags, 0, 0, 0)
    whole = _OF_ITSELF | _AND_BELOW
    return not ctypes.CDLL(None).syscall(_MOUNT_SETATTR, held, b"", whole, flagged, len(flagged))


def _moved(copy: int, target: int) -> bool:
    both = _FROM_ITSELF | _TO_ITSELF
    return not ctypes.CDLL(None).syscall(_MOVE_MOUNT, copy, b"", target, b"", both)


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
