"""Root's own guard as a transient unit of systemd: whatever ends the unit, its end restores.

`systemd-run` waits only until the guard has begun and is gone then, so the guard comes back to the
session over a socket. Passed pipes would stay open in systemd and hide the guard's death; and a
unit whose streams are the session's could not run its ExecStopPost once the session is dead.
"""

import os
import re
import select
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from sealtune.errors import GuardError
from sealtune.guard import recovery
from sealtune.guard.kernel import Places
from sealtune.guard.link import Wire
from sealtune.guard.report import RestoreReport

BOOTED = "/run/systemd/system"
"""Exists where systemd is the first process, and nowhere else (sd_booted)."""
NAMESPACES = ("mnt", "net", "pid", "ipc", "uts", "user")
RUN = "/run"
PLAIN = re.compile(r"[A-Za-z0-9_./+-]+")
"""What a path in a sudoers line or a unit may hold without being quoted."""
MEETING = re.compile(r"sealtune-guard-([0-9]+)-\w{8}")
"""A directory below `RUN` where the session of this process id waits for its guard."""
PROPERTIES = (
    "Type=exec",
    "Description=sealtune's guard: writes kernel parameters for one session, and puts them back",
    "KillMode=process",  # its watcher restores, too, and ends by itself
    "TimeoutStopSec=30",
    "OOMScoreAdjust=-1000",
    "OOMPolicy=continue",  # a watcher that is lost is replaced
    "LimitMEMLOCK=infinity",
)
_PATIENCE_SECONDS = 5.0
_START_SECONDS = 10.0


class Unit(Wire):
    """A guard that systemd started for this process; its process id is the guard's own.

    Args:
        command: What starts a guard; ``meet`` and a path after it make it come to a socket.
        places: Where it works; only tests give another.

    Raises:
        OSError, GuardError: systemd does not start it, or it does not come within 10 s.
    """

    def __init__(self, command: Sequence[str], places: Places = recovery.PLACES) -> None:
        self._places = places
        self.name = f"sealtune-guard-{os.getpid()}-{os.urandom(4).hex()}.service"
        self._process = -1
        super().__init__(_meet(self.name, command))
        try:
            self._process = os.pidfd_open(self.pid)
        except BaseException:
            self._socket.close()
            raise

    def break_off(self) -> None:
        """Kill it: it holds the lock, and its place must be taken."""
        with suppress(OSError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def end(self) -> None:
        """Close the socket, and wait for the guard's end."""
        super().end()
        if self._process < 0:
            return
        poller = select.poll()
        poller.register(self._process, select.POLLIN)
        if not poller.poll(_PATIENCE_SECONDS * 1000):
            self.break_off()  # hangs in the kernel: the journal remembers what it holds
        os.close(self._process)
        self._process = -1

    def complaint(self) -> GuardError:
        """Return where the guard said why it ended."""
        return GuardError(
            f"the guard's unit {self.name} ended before it had begun",
            fix=f"Look at `journalctl -u {self.name}`.",
        )

    def recover(self) -> RestoreReport:
        """Restore in its place; the unit's end and the watcher may have done so already."""
        return recovery.restore(places=self._places, wait_seconds=1.0)


def obstacle() -> str:
    """Return in a few words why root's guard cannot be a unit of systemd; nothing if it can."""
    if not os.path.isdir(BOOTED):
        return "systemd is not the first process"
    import shutil

    if shutil.which("systemd-run") is None:
        return "systemd-run is not installed"
    if not _can_hold():
        return "this Python or this kernel cannot hold a process (no pidfd_open)"
    if not _is_at_home():
        # systemd would start it in its own: another network, other files.
        return "this process has namespaces of its own"
    if not (PLAIN.fullmatch(sys.executable) and PLAIN.fullmatch(os.path.abspath(__file__))):
        return "sealtune's own path would have to be quoted in a unit"
    return ""


def attempt() -> str:
    """Start a unit that does nothing; return why that failed, and nothing when it did not.

    It has the interpreter and the properties of a session's guard, but restores nothing.
    """
    if reason := obstacle():
        return reason
    nothing = [sys.executable, "-I", "-S", "-c", "0"]
    try:
        _run(nothing, at_end=nothing)
    except (OSError, GuardError) as error:
        return str(error)
    return ""


def _can_hold() -> bool:
    """Whether there are pidfds: not in every build of Python, and not before Linux 5.3."""
    if not (hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal")):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


def _is_at_home() -> bool:
    """Whether this process has the first process's namespaces, and its root directory."""
    try:
        same = all(
            os.stat(f"/proc/self/ns/{name}").st_ino == os.stat(f"/proc/1/ns/{name}").st_ino
            for name in NAMESPACES
        )
        return same and os.path.samefile("/proc/1/root", "/")
    except OSError:
        return False


def _meet(name: str, command: Sequence[str]) -> socket.socket:
    """Start the unit `name`, and return the line to the guard that it is."""
    for path in command:
        if not PLAIN.fullmatch(path):
            raise GuardError(f"a unit cannot name {path}")
    from tempfile import mkdtemp

    _sweep()
    # Of root alone: nobody else comes.
    folder = mkdtemp(prefix=f"sealtune-guard-{os.getpid()}-", dir=RUN)
    path = os.path.join(folder, "socket")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as listener:
            listener.bind(path)
            listener.listen(1)
            listener.settimeout(_START_SECONDS)
            _run([*command, "meet", path], f"--unit={name}", at_end=[*command, "restore"])
            connection, _ = listener.accept()
            return connection
    finally:
        _remove(folder)


def _sweep() -> None:
    """Remove what sessions have left that were killed before their guard came."""
    with suppress(OSError):
        for name in os.listdir(RUN):
            folder = os.path.join(RUN, name)
            if (found := MEETING.fullmatch(name)) and not os.path.exists(f"/proc/{found[1]}"):
                status = os.lstat(folder)
                if status.st_mode == stat.S_IFDIR | 0o700 and status.st_uid == os.geteuid():
                    _remove(folder)


def _remove(folder: str) -> None:
    with suppress(OSError):  # else the guard has removed it
        os.unlink(os.path.join(folder, "socket"))
    with suppress(OSError):
        os.rmdir(folder)


def _run(command: Sequence[str], *options: str, at_end: Sequence[str]) -> None:
    """Start a unit of `command`, and of `at_end` once that has ended in whatever way."""
    properties = [*PROPERTIES, f"ExecStopPost={' '.join(at_end)}"]
    asked = [*options, *(f"--property={one}" for one in properties)]
    try:
        done = subprocess.run(
            ["systemd-run", "--quiet", "--collect", "--no-ask-password", *asked, "--", *command],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_START_SECONDS,
            env={"PATH": os.environ.get("PATH", os.defpath)},
        )
    except subprocess.TimeoutExpired as error:
        raise GuardError(f"systemd-run did not answer within {_START_SECONDS:.0f} s") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-300:]
        raise GuardError(f"systemd-run failed: {said}")
