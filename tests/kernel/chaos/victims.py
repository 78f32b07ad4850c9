"""Who is who below a session, and how they are hit."""

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

from tests.kernel.chaos import machine

GROUPS = {
    "session+guard": ("session", "guard"),
    "all": ("session", "guard", "watcher"),
}
"""Victims that are several processes; ``tree`` is every process of the run, ``group`` the
session's process group, and ``terminal`` nobody: its other end is closed. ``agent`` is the session
under a tactician that learns: it has no process of its own."""

SURVIVABLE = ("watcher", "client", "server", "warden", "dashboard")
"""Victims whose end a session has to outlive, or to end of with a clear error."""

_SERVERS = ("redis-server", "postgres")
_OURS = (b"warden.py",)


def name_of(pid: int) -> str:
    """Return the short name of process `pid`; empty when it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _words(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def find(session: int, victim: str) -> list[int]:
    """Return the live processes of `session` that `victim` names, now; often there is none.

    Args:
        session: Process of the session.
        victim: ``session``, ``agent``, ``guard``, ``watcher``, ``dashboard``, ``warden`` (runs a
            program of a benchmark and clears up after it), ``client`` and ``server`` (those
            programs), one of `GROUPS`, or ``tree``.
    """
    if victim in GROUPS:
        return [pid for one in GROUPS[victim] for pid in find(session, one)]
    if victim in ("session", "agent", "group", "terminal"):
        return [session]
    if victim == "tree":
        return [session, *machine.descendants(session)]
    if victim in ("client", "server"):
        programs = {
            pid for warden in find(session, "warden") for pid in machine.descendants(warden)
        }
        return [pid for pid in sorted(programs) if _role(pid) == victim]
    return [pid for pid in machine.descendants(session) if _role(pid) == victim]


def _role(pid: int) -> str:
    """Return what a process below a session is, as far as its name and command line tell."""
    name, words = name_of(pid), _words(pid)
    if name == "sealtune-watch":
        return "watcher"
    if b"sealtune/guard" in words:
        return "guard"
    if b"--with-session" in words:
        return "dashboard"
    if any(script in words for script in _OURS):
        return "warden"
    return "server" if name.startswith(_SERVERS) else "client"


def strike(session: int, victim: str, number: signal.Signals, choose: random.Random) -> list[int]:
    """Send signal `number` to `victim`, several processes at once; return whom it hit.

    Of the processes of a benchmark one is hit, whichever.
    """
    if victim == "group":
        os.killpg(session, number)
        return [session]
    found = find(session, victim)
    if victim in SURVIVABLE and found:
        found = [choose.choice(found)]
    choose.shuffle(found)
    if len(found) > 1 and number == signal.SIGKILL and choose.random() < 0.85:
        # At one moment, nearly: none of them can do anything about the others' end.
        for pid in found:
            _send(pid, signal.SIGSTOP)
        found += [pid for pid in find(session, victim) if pid not in found]
    return [pid for pid in found if _send(pid, number)]


def _send(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def at_work(session: int, victim: str) -> bool:
    """Whether there is such a process, and it is not frozen."""
    return any(machine.state_of(pid) not in ("T", "t") for pid in find(session, victim))


def thaw(pid: int) -> None:
    """Let a process go on that may be frozen."""
    _send(pid, signal.SIGCONT)


def end(pid: int) -> None:
    """End one process of a run for good, whatever state it is in."""
    _send(pid, signal.SIGKILL)


def spin(seconds: float) -> None:
    """Wait exactly, without sleeping: for moments of less than a millisecond."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
