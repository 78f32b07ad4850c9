"""Giving up rights for good, with the kernel's Landlock. Standard library only.

What a process gives up stays given up, in every process that it starts, also for root.
"""

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
_REFER, _TRUNCATE, _CONTROL = 1 << 13, 1 << 14, 1 << 15
"""Moving between directories, cutting files short, and ``ioctl`` on devices."""
_OF_A_FILE = 1 << 1 | _TRUNCATE | _CONTROL
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2
DEVICES_SINCE = 5
"""Version of Landlock from which the control of devices can be given up."""
SCOPES_SINCE = 6
"""Version of Landlock from which signals can be confined."""
MOVES_SINCE, CUTS_SINCE = 2, 3
"""From which on moving between directories can be left free, and cutting short given up."""


def version() -> int:
    """Return the version of Landlock that this kernel offers, 0 without it."""
    found = ctypes.CDLL(None).syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    return max(0, int(found))


def confine_writes(places: Iterable[Path], *, alone: bool = False) -> bool:
    """Give up writing anywhere but in or below `places`, for good; reading stays as it was.

    Call before other threads start: those that run already are not confined.

    Args:
        places: Directories and files that must exist.
        alone: Give up sending signals to processes outside too, and their abstract sockets,
            where the kernel has it (`SCOPES_SINCE`); and the control of other devices.

    Returns:
        Whether the kernel does it; older ones, and some containers, cannot.

    Raises:
        OSError: A place does not exist.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    offered = version()
    if offered < 1:
        return False
    handled = _WRITING | (_REFER if offered >= MOVES_SINCE else 0)
    handled |= _TRUNCATE if offered >= CUTS_SINCE else 0
    handled |= _CONTROL if alone and offered >= DEVICES_SINCE else 0
    attributes = struct.pack("Q", handled)
    if alone and offered >= SCOPES_SINCE:
        attributes = struct.pack("QQQ", handled, 0, _ABSTRACT_SOCKETS | _SIGNALS)
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
