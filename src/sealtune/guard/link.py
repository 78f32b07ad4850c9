"""The line between a session and its guard: the pipes of a process, or a socket.

Over either the same is said; they differ in how a guard that was killed is undone.
"""

import json
import os
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sealtune import errors
from sealtune.errors import BusyError, GuardError, NotRootError, RestoreError, SealtuneError
from sealtune.guard import recovery
from sealtune.guard.kernel import Places
from sealtune.guard.report import Crash, RestoreReport

SERVICE_SOCKET = "/run/sealtune-guard/socket"
"""Not in /run/sealtune, which is root's alone: there the sessions of root take their orders."""
WAYS = (
    "Run it with sudo, or let this user tune without it: `sealtune doctor --privileges` prints "
    "how. `sealtune plan` and `--dry-run` need neither."
)
_PATIENCE_SECONDS = 5.0


class Link(ABC):
    """One line to one guard, from connecting until `end`."""

    @abstractmethod
    def fileno(self) -> int:
        """Return the descriptor that answers come from, to wait for."""

    @abstractmethod
    def send(self, line: bytes) -> None:
        """Send a whole line.

        Raises:
            OSError, EOFError: Nobody takes it any more.
        """

    @abstractmethod
    def receive(self, size: int) -> bytes:
        """Return at most `size` bytes as soon as there are some, none at the end."""

    @abstractmethod
    def break_off(self) -> None:
        """Make a guard that hangs let go of the machine, as far as this user may."""

    @abstractmethod
    def end(self) -> None:
        """Close the line; a living guard restores and ends."""

    @abstractmethod
    def complaint(self) -> GuardError:
        """Return why a guard that never answered did not."""

    @abstractmethod
    def recover(self) -> RestoreReport:
        """Put back what a guard that was killed had changed.

        Raises:
            SealtuneError: It is not back.
        """

    @property
    @abstractmethod
    def pid(self) -> int:
        """Process at the other end: the guard, its sudo, or the service."""


class Process(Link):
    """A guard process of ours, perhaps through sudo.

    Args:
        command: What to start; with ``restore`` after it in place of its last word, it restores.
        places: Where it works; only tests give another.
    """

    def __init__(self, command: Sequence[str], places: Places = recovery.PLACES) -> None:
        self._command, self._places = list(command), places
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            # Nothing of this process's: a key for a model has no business in the guard.
            env={"PATH": os.environ.get("PATH", os.defpath)},
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Process id of the guard, or of its sudo."""
        return self._process.pid

    def fileno(self) -> int:
        """Return the descriptor of its standard output."""
        assert self._process.stdout
        return self._process.stdout.fileno()

    def send(self, line: bytes) -> None:
        """Write to its standard input."""
        if self._process.stdin is None or self._process.stdin.closed:
            raise EOFError
        self._process.stdin.write(line)

    def receive(self, size: int) -> bytes:
        """Read from its standard output."""
        return (self._process.stdout and self._process.stdout.read(size)) or b""

    def break_off(self) -> None:
        """Kill it: it holds the lock, and its place must be taken. Root's sudo is out of reach."""
        with suppress(PermissionError):
            self._process.kill()

    def hang_up(self) -> None:
        """Close what it listens to, as the death of this process would."""
        if self._process.stdin:
            self._process.stdin.close()

    def end(self) -> None:
        """Close the pipes and wait for its end."""
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()
        try:
            self._process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.break_off()  # hangs in the kernel: the journal remembers what it holds

    def complaint(self) -> GuardError:
        """Return what it, or sudo, wrote to its standard error."""
        text = self._process.stderr.read() if self._process.stderr else b""
        reason = text.decode(errors="replace").strip()[-500:]
        if self._command[0] == "sudo":
            return NotRootError(f"not root, and sudo -n does not help: {reason}", fix=WAYS)
        return GuardError(f"the guard's process did not start: {reason}")

    def recover(self) -> RestoreReport:
        """Restore in its place: in this process, or through the same sudo."""
        if self._command[0] != "sudo":
            return recovery.restore(places=self._places, wait_seconds=1.0)
        # Its watcher may be restoring just now; whoever comes second finds nothing left to do.
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            command = [*self._command[:-1], "restore"]
            done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
            try:
                return report_of(_result(json.loads(done.stdout)))
            except BusyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            except ValueError as error:
                reason = done.stderr.decode(errors="replace").strip()[-500:]
                raise RestoreError(f"restoring through sudo failed: {reason}") from error


class Wire(Link):
    """A line over a Unix socket.

    Args:
        connection: Connected; closed by `end`.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._socket.settimeout(_PATIENCE_SECONDS)
        self._pid = peer_of(connection)[0]

    @property
    def pid(self) -> int:
        """Process id of whoever was at the other end when it was connected."""
        return self._pid

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def send(self, line: bytes) -> None:
        """Send all of it; a guard that does not listen for seconds counts as dead."""
        self._socket.sendall(line)

    def receive(self, size: int) -> bytes:
        """Read from the socket."""
        return self._socket.recv(size)

    def end(self) -> None:
        """Close the socket, also while another thread waits for it."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Service(Wire):
    """A guard of the service, behind its socket.

    Its process id is that of who listens there: of the service, or of systemd in its place.

    Args:
        path: The socket.

    Raises:
        OSError: It is not there, nobody serves it, or this user may not connect.
    """

    def __init__(self, path: str = SERVICE_SOCKET) -> None:
        self._path = path
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            connection.settimeout(_PATIENCE_SECONDS)
            connection.connect(path)
            super().__init__(connection)
        except BaseException:
            connection.close()
            raise

    def break_off(self) -> None:
        """Hang up: the guard, or its watcher when it hangs, restores."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def complaint(self) -> GuardError:
        """Return that the service hung up without a word."""
        return GuardError(
            f"the service behind {self._path} hung up",
            fix="Look at `journalctl -u sealtune-guard`, or run it with sudo.",
        )

    def recover(self) -> RestoreReport:
        """Ask the service for another guard, which restores before it does anything else.

        The dead guard's watcher and the service restore, too: mostly nothing is left to do.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return self._undone()
            except (BusyError, OSError) as error:
                if time.monotonic() > deadline:
                    raise RestoreError(f"the service does not answer: {error}") from error
                time.sleep(0.2)

    def _undone(self) -> RestoreReport:
        other = Service(self._path)
        try:
            other.send(b'{"do": "start", "id": 1, "knobs": []}\n')
            text = b""
            while not text.endswith(b"\n"):
                part = other.receive(1 << 20)
                if not part:
                    raise ConnectionResetError("hung up")
                text += part
            return report_of(_result(json.loads(text)))
        finally:
            other.end()


def peer_of(connection: socket.socket) -> tuple[int, int, int]:
    """Return process, user and group at the other end, as the kernel knows them."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    number = [int.from_bytes(credentials[at : at + 4], sys.byteorder) for at in (0, 4, 8)]
    return number[0], number[1], number[2]


def report_of(fields: list[Any]) -> RestoreReport:
    """Return what a guard reports, from what JSON makes of it."""
    restored, foreign, failed = ([(a, b, c) for a, b, c in part] for part in fields[:3])
    return RestoreReport(restored, foreign, failed, Crash(*fields[3]) if fields[3] else None)


def raise_if_error(answer: dict[str, Any]) -> None:
    """Raise the error that a guard answered, as the class that it was there."""
    if "error" in answer:
        kind = getattr(errors, str(answer["error"]), GuardError)
        known = isinstance(kind, type) and issubclass(kind, SealtuneError)
        raise (kind if known else GuardError)(answer["message"], fix=answer.get("fix"))


def _result(answer: dict[str, Any]) -> list[Any]:
    raise_if_error(answer)
    result: list[Any] = answer["result"]
    return result
