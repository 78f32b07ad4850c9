"""A process that looks on beside a running benchmark: last in the queue, and unable to write.

Landlock makes it a matter of the kernel, not of good intentions, that the web process cannot write
a parameter, even as root: afterwards it writes below the given directories and nowhere else.
"""

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_NO_NEW_PRIVILEGES = 38
_BENEATH = 1
_VERSION_FLAG = 1
_WRITING = sum(1 << bit for bit in (1, 4, 5, 6, 7, 8, 9, 10, 11, 12))
"""Write, remove and make anything; reading and running stay free."""
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_OF_A_FILE = 1 << 1 | _TRUNCATE


def run_last() -> None:
    """Let everything else on this machine run before this process."""
    with contextlib.suppress(OSError):
        os.nice(19)
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def confine_writes(places: Iterable[Path]) -> bool:
    """Give up writing anywhere but in or below `places`, for good; reading stays as it was.

    Call before other threads start: those that run already are not confined.

    Returns:
        Whether the kernel does it; older ones, and some containers, cannot.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    if version < 1:
        return False
    handled = _WRITING | (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    attributes = struct.pack("Q", handled)
    rules = libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if rules < 0:
        return False
    try:
        for place in places:
            allowed = handled if place.is_dir() else handled & _OF_A_FILE
            opened = os.open(place, os.O_PATH | os.O_CLOEXEC)
            rule = struct.pack("=Qi", allowed, opened)
            refused = libc.syscall(_ADD_RULE, rules, _BENEATH, rule, 0)
            os.close(opened)
            if refused:
                return False
        if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            return False
        return not libc.syscall(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)
