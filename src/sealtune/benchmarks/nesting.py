"""No user namespaces for a program: it gets into one itself, in which none can be made.

Whoever makes a user namespace has every capability over it, and with that a way into parts of the
kernel that are closed to users otherwise. Here the program's own process joins a namespace that
maps every user to itself and allows no other below it; nothing else changes for it. A filter of
system calls would do the same, but it costs each of them, and here some of them are measured.

Needs root. Standard library only: it runs in the warden.
"""

import contextlib
import ctypes
import os
import signal
from pathlib import Path

_NEW_USERS = 0x10000000
_EVERYBODY = "0 0 4294967295"
_MOST = Path("/proc/sys/user/max_user_namespaces")
_PR_SET_PDEATHSIG, _PR_SET_SECUREBITS = 1, 28
_KEEP_CAPABILITIES = 1 << 2
"""Becoming another user changes none of them."""


def forbid_user_namespaces(owner: int) -> bool:
    """Move this process to where it and what it starts can make no user namespace, for good.

    Call as root, with one thread. The process then has every capability over its new namespace
    and none over the machine, until it becomes another user.

    Args:
        owner: The user whose limits (signals, watches on files) what is used in there counts for.

    Returns:
        Whether none can be made now; nothing has changed when they can.
    """
    with contextlib.suppress(OSError):  # without user namespaces the kernel has no such file
        if not Path("/proc/self/ns/user").exists() or int(_MOST.read_text()) == 0:
            return True
    asking, answers = os.pipe2(os.O_CLOEXEC)
    orders, giving = os.pipe2(os.O_CLOEXEC)
    holder = os.fork()
    if holder == 0:
        try:
            os.close(giving)  # else we would not see it close when the other one dies
            _hold(answers, orders, owner)
        finally:
            os._exit(1)
    os.close(answers)
    os.close(orders)
    try:
        return _join(asking, giving)
    except OSError:
        return False
    finally:
        os.close(asking)
        os.close(giving)
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)


def _hold(answers: int, orders: int, owner: int) -> None:
    """Make the namespace, say who we are, close it when its users are known, wait for our end."""
    libc = ctypes.CDLL(None)
    # Some systems let only the privileged make one, whoever it then belongs to.
    libc.prctl(_PR_SET_SECUREBITS, _KEEP_CAPABILITIES, 0, 0, 0)
    os.seteuid(owner)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if libc.unshare(_NEW_USERS):
        return
    # As this /proc counts, which may be that of another process namespace.
    os.write(answers, os.readlink("/proc/self").encode())
    if not os.read(orders, 1):
        return
    _MOST.write_text("0")  # of the namespace that the writer is in
    os.write(answers, b"closed")
    os.read(orders, 1)


def _join(asking: int, giving: int) -> bool:
    """Map the namespace's users, which takes rights outside of it; enter it once it is shut."""
    holder = os.read(asking, 32)
    if not holder.isdigit():
        return False
    there = Path("/proc", holder.decode())
    for name in ("uid_map", "gid_map"):
        (there / name).write_text(_EVERYBODY)
    os.write(giving, b"m")
    if os.read(asking, 32) != b"closed":
        return False
    space = os.open(there / "ns/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return not ctypes.CDLL(None).setns(space, _NEW_USERS)
    finally:
        os.close(space)
