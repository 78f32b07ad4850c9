"""How a forked child turns into the command it is to run, with every right given up on the way.

Standard library only: it runs in the warden, see `sealtune.benchmarks.warden`.
"""

import contextlib
import ctypes
import os
import resource
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sealtune.benchmarks.disk_watch import Disk
from sealtune.benchmarks.namespaces import SHARED_MEMORY, TEMPORARY
from sealtune.benchmarks.nesting import forbid_user_namespaces
from sealtune.landlock import confine_writes

PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 24, 38
HIGHEST_CAPABILITY = 63
OPEN_FILES, PROCESSES = 1 << 20, 16_384
MEMORY_SHARE = 0.8
"""Of the machine's memory, what one process may hold; files in the page cache do not count."""
REFUSED_NETWORK = "sealtune: what lies beyond the loopback was refused"
"""The last line among a program's errors when the fence has refused it something."""
NO_LANDLOCK, NO_VIEW, NO_FENCE = "Landlock", "namespaces", "fence around the network"
NESTED, OPEN_MODES, OPEN_TEMPORARY = "user namespaces", "read-only mounts", "private /tmp"
"""What may be missing; a line about it begins so."""
ATE_DISK = "ended, it ate the disk"
"""What the warden notes when it ends a program for that."""
_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "ppc64le": 271, "s390x": 280}
_JOIN_SESSION_KEYRING = 1
DEVICES = ("/dev/null", "/dev/zero", "/dev/full")


class Orders(NamedTuple):
    """How the command runs.

    Attributes:
        stop_signal: How it is asked to end.
        grace: How long it may take to do so before it is killed [s].
        uid: User it becomes, when we are root.
        gid: Its group.
        groups: Every group it is in.
        directory: Its working directory.
        place: The only directory it may write in; ``""`` for none.
        reserve: What must stay free there [bytes, files]; found out when empty.
        temporary: What it sees as /tmp; ``""`` for the machine's.
        visible: What it sees of the machine's /tmp all the same.
        writable: Where else it may write, as somebody allowed.
        network: It may reach other machines.
        group: Its control group, made by us; ``""`` for none.
        join: The file ``cgroup.procs`` of a group that it joins too; ``""`` for none.
        notes: Descriptor that takes what the session must know, a line each; -1 for none.
    """

    stop_signal: int
    grace: float
    uid: int
    gid: int
    groups: Sequence[int]
    directory: str
    place: str = ""
    reserve: Sequence[int] = ()
    temporary: str = ""
    visible: Sequence[str] = ()
    writable: Sequence[str] = ()
    network: bool = False
    group: str = ""
    join: str = ""
    notes: int = -1


def become(orders: Orders, command: list[str], covered: bool, groups: Sequence[int] = ()) -> None:
    """Turn this forked child into `command`; never returns.

    Args:
        orders: How it runs.
        command: Program and arguments.
        covered: Its /tmp and /var/tmp are its own.
        groups: Open ``cgroup.procs`` of the control groups that it joins.
    """
    libc = ctypes.CDLL(None)
    try:
        os.setsid()
        for group in groups:
            os.write(group, b"0")
        bound(orders)
        if os.geteuid() == 0:
            # Before its rights are dropped: a new namespace comes with all of them.
            if not forbid_user_namespaces(orders.uid):
                note(orders, f"{NESTED}: it could make some")
            for capability in range(HIGHEST_CAPABILITY + 1):
                libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
            os.setgroups(orders.groups)
            os.setresgid(orders.gid, orders.gid, orders.gid)
            os.setresuid(orders.uid, orders.uid, orders.uid)
        forget_keys(libc)
        # The kernel forgets this signal when the user changes.
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        os.chdir(orders.directory)
        os.umask(0o077)
        if not confine(orders, covered):
            note(orders, f"{NO_LANDLOCK}: it could write wherever its user may")
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.closerange(3, 4096)
        signal.set_wakeup_fd(-1)
        # Python ignores some of these at its start, and a program inherits that.
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        execute(command)
    except OSError as error:
        say(f"{command[0]}: cannot start: {error}")
    finally:
        os._exit(127)


def bound(orders: Orders) -> None:
    """Set the limits that every process of the command inherits, and can never raise."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_NPROC, PROCESSES),
        (resource.RLIMIT_DATA, int(MEMORY_SHARE * total)),
    ]
    if orders.place:
        # One large ``fallocate`` fills a disk faster than anybody can look.
        limits.append((resource.RLIMIT_FSIZE, Disk(orders.place, orders.reserve).spare))
    for kind, most in limits:
        soft, hard = (
            most if now == resource.RLIM_INFINITY else min(now, most)
            for now in resource.getrlimit(kind)
        )
        resource.setrlimit(kind, (soft, hard))
    # As root, so that the user cannot lower it: whoever runs out of memory, this dies first.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def forget_keys(libc: ctypes.CDLL) -> None:
    """Leave the session's keyring for an empty one: whoever inherits it may read its keys."""
    if number := _KEYCTL.get(os.uname().machine):
        libc.syscall(number, _JOIN_SESSION_KEYRING, None)


def confine(orders: Orders, covered: bool) -> bool:
    """Leave the command its own directories to write in; return whether the kernel does it."""
    named = [Path(path) for path in (orders.place, *orders.writable, *DEVICES) if path]
    places = [*named, SHARED_MEMORY, *(TEMPORARY if covered else ())]
    return confine_writes([place for place in places if place.exists()], alone=True)


def execute(command: list[str]) -> None:
    """Replace this process by `command`, searching ``PATH`` as a shell would.

    `os.execvp` imports a module first, and the user we are by now may not be able to read it.
    """
    if "/" in command[0]:
        os.execv(command[0], command)
    for directory in os.environ.get("PATH", os.defpath).split(":"):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            os.execv(f"{directory or '.'}/{command[0]}", command)
    raise FileNotFoundError(2, "no such program in PATH")


def note(orders: Orders, text: str) -> None:
    """Tell the session `text`, where no program can."""
    if orders.notes >= 0:
        with contextlib.suppress(OSError):
            os.write(orders.notes, f"{text}\n".encode())


def say(text: str) -> None:
    """Print `text` where the command's own errors go."""
    with contextlib.suppress(OSError):
        os.write(2, f"{text}\n".encode())
