"""The guard as a small service: who may connect gets a guard process of his own, one at a time.

It listens on a Unix socket that only root and one group may open, asks the kernel who is there all
the same, and forks a guard for each connection; the machine-wide lock lets one of them begin. The
service itself reads nothing that a session sends. When a guard of its own dies of anything but its
own will, it restores.
"""

import grp
import json
import os
import pwd
import select
import signal
import socket
import sys
import syslog
from collections.abc import Callable
from contextlib import suppress

from sealtune.errors import BusyError, GuardError, NotRootError, RestoreError, SealtuneError
from sealtune.guard.link import SERVICE_SOCKET, peer_of

GROUP = "sealtune"
"""Members may have kernel parameters changed, within their safe ranges, while they tune."""
MOST_GUARDS = 8
"""Connections at once; all but one of them only learn that the machine is being tuned."""
MOST_EACH = 3
"""Of one user: a session, another that waits or restores, and a command beside them."""
_FIRST_PASSED = 3
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_RETRY_SECONDS = 1.0

GuardMachine = Callable[[int], object]
"""Guards the machine for the session behind a descriptor; returns when everything is back."""


class Service:
    """Accepts connections until a signal, then ends its guards, which restore.

    Args:
        listener: Bound and listening.
        guard: What a forked process does for one connection.
        restore: Puts back what a guard that was killed had changed; raises when it cannot.
        group: Its members may connect, and root.
    """

    def __init__(
        self,
        listener: socket.socket,
        guard: GuardMachine,
        restore: Callable[[], object],
        *,
        group: str = GROUP,
    ) -> None:
        self._listener, self._guard, self._restore, self._group = listener, guard, restore, group
        self._guards: dict[int, int] = {}  # process of each guard, and the user that it serves
        self._owes, self._said = False, ""

    def run(self) -> None:
        """Serve until SIGTERM, SIGINT or SIGHUP; return when no guard is left."""
        receive, send = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(send)
        for number in (*_ENDING, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._listener.setblocking(False)
        poller = select.poll()
        poller.register(receive, select.POLLIN)
        poller.register(self._listener, select.POLLIN)
        while True:
            ready = {one for one, _ in poller.poll(_RETRY_SECONDS * 1000 if self._owes else None)}
            self._collect()
            if receive in ready and set(os.read(receive, 4096)) & set(_ENDING):
                break
            if self._listener.fileno() in ready:
                self._accept()
        self._listener.close()
        for guard in self._guards:
            os.kill(guard, signal.SIGTERM)
        self._collect(wait=True)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # gone again
            return
        with connection:
            _, user, _ = peer_of(connection)
            if not may_tune(user, self._group):
                _refuse(connection, NotRootError(f"only the group {self._group} may tune here"))
            elif len(self._guards) >= MOST_GUARDS:
                _refuse(connection, BusyError("too many sessions ask for a guard at once"))
            elif list(self._guards.values()).count(user) >= MOST_EACH:
                _refuse(connection, BusyError(f"{MOST_EACH} sessions of yours ask for a guard"))
            else:
                self._fork(connection, user)

    def _fork(self, connection: socket.socket, user: int) -> None:
        try:
            child = os.fork()
        except OSError as error:
            _refuse(connection, GuardError(f"no process is to be had: {error.strerror}"))
            return
        if child:
            self._guards[child] = user
            return
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (*_ENDING, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            self._listener.close()
            connection.setblocking(True)
            self._guard(connection.fileno())
            code = 0
        except BaseException as error:  # never back into the service's loop
            with suppress(BaseException):
                _log(f"a guard ended by {type(error).__name__}: {error}")
        finally:
            os._exit(code)

    def _collect(self, *, wait: bool = False) -> None:
        """Take note of the guards that have ended; restore for one that did not do so itself."""
        while self._guards:
            child, status = os.waitpid(-1, 0 if wait else os.WNOHANG)
            if child == 0:
                break
            if child in self._guards:  # else a watcher's child that outlived it
                del self._guards[child]
                self._owes |= status != 0
        if self._owes:
            try:
                self._restore()
                self._owes, self._said = False, ""
            except (SealtuneError, OSError, MemoryError) as error:
                # Busy: its watcher is at it, or the next guard. Said once, tried every second.
                if str(error) != self._said:
                    self._said = str(error)
                    _log(f"restoring for a guard that was killed: {error}")


def may_tune(uid: int, group: str = GROUP) -> bool:
    """Return whether user `uid` is root or a member of `group` now, by its name or by default."""
    if uid == 0:
        return True
    try:
        user, wanted = pwd.getpwuid(uid), grp.getgrnam(group).gr_gid
    except KeyError:
        return False
    return wanted in os.getgrouplist(user.pw_name, user.pw_gid)


def listen(path: str = SERVICE_SOCKET, group: str = GROUP) -> socket.socket:
    """Return the socket that systemd passes, or one of our own at `path`.

    Raises:
        GuardError: There is no such group, or the socket cannot be made; the message says which.
    """
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1":
        return socket.socket(fileno=_FIRST_PASSED)
    try:
        number = grp.getgrnam(group).gr_gid
    except KeyError as error:
        fix = f"Make it with: groupadd --system {group}"
        raise GuardError(f"there is no group {group}", fix=fix) from error
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        directory = os.path.dirname(path)
        with suppress(FileExistsError):
            os.mkdir(directory, 0o700)
        os.chown(directory, 0, number)
        os.chmod(directory, 0o750)
        with suppress(FileNotFoundError):
            os.unlink(path)
        before = os.umask(0o177)  # never open to others, not for a moment
        try:
            listener.bind(path)
        finally:
            os.umask(before)
        os.chown(path, 0, number)
        os.chmod(path, 0o660)
        listener.listen(MOST_GUARDS)
    except OSError as error:
        listener.close()
        raise GuardError(f"{path}: {error.strerror}", fix="Run the service as root.") from error
    return listener


def main() -> None:
    """Serve this machine's guard until a signal."""
    from sealtune.guard import recovery
    from sealtune.guard.server import guard_machine

    def restore(wait_seconds: float = 0.0) -> None:
        report = recovery.restore(wait_seconds=wait_seconds)
        if report.failed:
            raise RestoreError(f"not back: {report}")

    try:
        restore(wait_seconds=1.0)
    except SealtuneError as error:  # every session that starts is told, too
        _log(f"at the start: {error}")
    try:
        listener = listen()
    except SealtuneError as error:
        sys.exit(f"error: {error}\nfix:   {error.fix}")
    Service(
        listener,
        lambda session: guard_machine(session, session, may_keep=False),
        restore,
    ).run()


def _refuse(connection: socket.socket, error: SealtuneError) -> None:
    answer = {"error": type(error).__name__, "message": str(error), "fix": error.fix}
    line = json.dumps({**answer, "id": None, "breach": None}).encode() + b"\n"
    with suppress(OSError):  # who asked may be gone
        connection.send(line, socket.MSG_DONTWAIT)


def _log(text: str) -> None:
    syslog.syslog(f"sealtune-guard: {text}")
