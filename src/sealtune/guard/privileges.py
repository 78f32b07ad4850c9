"""What the guard's process gives up, and what it asks for, before it touches anything."""

import ctypes
import os
import resource
from collections.abc import Iterable
from contextlib import suppress

_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
_MCL_CURRENT, _MCL_FUTURE = 1, 2
_CAPABILITY_VERSION_3 = 0x20080522
_OUR_LIMITS = (
    resource.RLIMIT_CPU,
    resource.RLIMIT_RTTIME,
    resource.RLIMIT_AS,
    resource.RLIMIT_DATA,
    resource.RLIMIT_FSIZE,
)
_HIERARCHIES = [f"/sys/fs/cgroup/{name}" for name in ("unified", "systemd", "freezer")]
NEEDED = {"kernel.numa_balancing": 21, "net.core.default_qdisc": 12}
"""Parameters that ask for more than uid 0: CAP_SYS_ADMIN, CAP_NET_ADMIN."""


def stay_responsive(*, before_others: bool = True) -> None:
    """Be run first, killed last and never swapped out, as far as this process may.

    Args:
        before_others: Run before everything else. Not so while it does what an ordinary user asks,
            who could keep the processors from everybody by asking without end.
    """
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("-1000")
    for name in _OUR_LIMITS:  # those of whoever called sudo could end a restore half-way
        with suppress(OSError, ValueError):
            resource.setrlimit(name, (resource.RLIM_INFINITY,) * 2)
    # A restore must not wait its turn behind whatever has overloaded the machine.
    with suppress(OSError):
        if before_others:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    pages = _MCL_CURRENT
    # Future pages too, and those of a watcher that is forked without capabilities; under a limit,
    # every allocation would fail once CAP_IPC_LOCK is dropped.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY,) * 2)
        pages |= _MCL_FUTURE
    ctypes.CDLL(None).mlockall(pages)


def leave_groups() -> None:
    """Move to the root control group, as far as that goes.

    Started through sudo, this process is in the group of its caller, who may freeze and kill it.
    """
    folder = "/sys/fs/cgroup"
    own = [folder] if os.path.exists(f"{folder}/cgroup.procs") else _HIERARCHIES
    for place in own:
        with suppress(OSError), open(f"{place}/cgroup.procs", "w") as file:
            file.write("0")


def drop_capabilities(names: Iterable[str]) -> None:
    """Give up, for good, every capability that writing the parameters `names` does not need.

    Uid 0 with none at all writes nearly everything.
    """
    keep = {NEEDED[name] for name in names if name in NEEDED}
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for capability in set(range(64)) - keep:
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    mask = sum(1 << capability for capability in keep)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    if os.geteuid() == 0:
        libc.capset(header, data)
