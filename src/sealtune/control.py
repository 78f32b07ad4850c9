"""A running session's own socket: another process of the same person asks it to stop or to keep.

One JSON object per line, one answer, and the connection ends. The session listens in a thread that
sleeps in ``accept``: nothing is polled, nothing costs anything while a benchmark measures. The
file system lets only its owner in (mode 0600 in a directory of mode 0700), and the kernel's word
on who is at the other end is asked for all the same, on both ends.
"""

import contextlib
import fcntl
import json
import os
import signal
import socket
import stat
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from sealtune.errors import BusyError, InputError, SealtuneError

Doing = Literal["running", "asking"]
Action = Callable[[], Mapping[str, Any]]
"""What a command does; returns the answer, or raises an error of ours as the answer."""

MOST_BYTES = 4096
RUN_DIRECTORY = Path("/run/sealtune")
"""Beside the guard's lock; for sessions of root on the real kernel."""

_PATIENCE_SECONDS = 2.0
_APPLY_SECONDS = 60.0


def places(store: Path, session: str) -> tuple[Path, Path]:
    """Return where `session` may listen: on the real kernel as root, or else beside its store."""
    name = f"{session}.sock"
    return RUN_DIRECTORY / name, store.with_name(f"{store.name}.control") / name


@contextlib.contextmanager
def listening(
    store: Path, session: str, doing: Doing, actions: Mapping[str, Action], *, real: bool
) -> Iterator[bool]:
    """Take commands while the body runs; yields whether there is a socket.

    A session that cannot have one runs all the same: Ctrl-C is always there.

    Args:
        store: File that the session is kept in.
        session: Its id.
        doing: What it says it is doing when asked for its ``status``.
        actions: Command to what it does; called in the listening thread, one after the other.
        real: Whether the kernel is really written.
    """
    path = places(store, session)[0 if real and os.geteuid() == 0 else 1]
    try:
        listener = _listen(path)
    except OSError:
        yield False
        return
    answers: dict[str, Action] = {"status": lambda: {}, **actions}
    fixed = {"session": session, "doing": doing}
    thread = threading.Thread(
        target=_serve, args=(listener, answers, fixed), name="control", daemon=True
    )
    thread.start()
    try:
        yield True
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        with contextlib.suppress(OSError):  # others may listen beside it
            path.parent.rmdir()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread; closing alone would not
        thread.join(_PATIENCE_SECONDS)  # an answer under way is still given
        listener.close()


def interrupting() -> Action:
    """Return the action that ends the main thread's work exactly as Ctrl-C does."""
    main = threading.main_thread()

    sent = threading.Event()

    def stop() -> dict[str, Any]:
        # Once: a second one could fall into the very restoring that the first one began.
        if main.ident is not None and not sent.is_set():
            sent.set()
            signal.pthread_kill(main.ident, signal.SIGINT)
        return {
            "asked": True,
            "says": "The session stops: every parameter is put back, finished trials are kept.",
        }

    return stop


def status(store: Path, session: str) -> Doing | None:
    """Return what `session` says it is doing; ``None`` when nobody listens."""
    try:
        doing: Doing = ask(store, session, "status")["doing"]
    except SealtuneError:
        return None
    return doing


def is_there(store: Path, session: str) -> bool:
    """Return whether there is a socket of `session`, without asking it anything."""
    return any(path.is_socket() for path in places(store, session) if _may_look(path))


def ask(store: Path, session: str, command: str) -> dict[str, Any]:
    """Give `session` a command and return its answer.

    Args:
        store: File that the session is kept in.
        session: Its id.
        command: ``status``, ``stop``, or ``apply`` while it asks whether to keep its gain.

    Raises:
        InputError: Nobody listens, or the one who does is not the session's owner.
        BusyError: It does not answer, or cannot do that now; the message says why.
    """
    request = json.dumps({"do": command, "session": session}).encode() + b"\n"
    with _connected(store, session) as connection:
        connection.settimeout(_APPLY_SECONDS if command == "apply" else _PATIENCE_SECONDS)
        try:
            connection.sendall(request)
            answer = json.loads(_line(connection))
        except (OSError, ValueError) as error:
            raise BusyError(
                f"session {session} did not answer: {error}",
                fix="Look at its terminal; Ctrl-C there stops it and puts every parameter back.",
            ) from error
    if "error" in answer:
        raise BusyError(str(answer["error"]), fix=str(answer.get("fix", "")))
    return dict(answer)


@contextlib.contextmanager
def _connected(store: Path, session: str) -> Iterator[socket.socket]:
    refused = ""
    for path in places(store, session):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_PATIENCE_SECONDS)
        try:
            with _short(path) as name:
                connection.connect(name)
        except OSError as error:
            connection.close()
            refused = "" if isinstance(error, FileNotFoundError) else f" ({error.strerror})"
            continue
        with connection:
            # Root may ask anybody's session, which then knows root by the kernel's word.
            if not _is_root() and not trusted(peer_of(connection)):
                raise InputError(
                    f"{path} belongs to another user",
                    fix="Run this as the user who started the session, or as root.",
                )
            yield connection
            return
    raise InputError(
        f"session {session} listens nowhere{refused}",
        fix="It is over, or belongs to another user; `sealtune sessions` tells.",
    )


def trusted(uid: int) -> bool:
    """Return whether a process of user `uid` may talk to this one: the same user, or root."""
    return uid in (0, os.geteuid())


def _is_root() -> bool:
    return os.geteuid() == 0


def peer_of(connection: socket.socket) -> int:
    """Return the user id at the other end, as the kernel knows it."""
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return int(struct.unpack("3i", credentials)[1])


def _listen(path: Path) -> socket.socket:
    directory = path.parent
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(0, f"{directory} is not for this user alone")
    with _only_one_in(directory):
        _remove_dead(directory)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()  # of this very session, which ended just now
        return _bound(path)


def _bound(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(listener.fileno(), 0o600)  # before it has a name: never open to others
        with _short(path) as name:
            listener.bind(name)
        listener.listen(4)
    except BaseException:
        listener.close()
        raise
    return listener


@contextlib.contextmanager
def _only_one_in(directory: Path) -> Iterator[None]:
    """Let no other session bind there meanwhile: until it listens, its socket looks dead."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_dead(directory: Path) -> None:
    """Remove the sockets of sessions that were killed: nobody listens there any more."""
    for path in directory.glob("*.sock"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_PATIENCE_SECONDS)
            with contextlib.suppress(OSError), _short(path) as name:
                try:
                    probe.connect(name)
                except ConnectionRefusedError:
                    path.unlink()


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """Yield a name of `path` that is short enough for a socket, wherever it lies."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def _may_look(path: Path) -> bool:
    return os.access(path.parent, os.X_OK)


def _serve(
    listener: socket.socket, answers: Mapping[str, Action], fixed: Mapping[str, str]
) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # the session is over
            return
        with connection, contextlib.suppress(OSError):  # who asked may be gone
            connection.settimeout(_PATIENCE_SECONDS)
            connection.sendall(json.dumps(_answer(connection, answers, fixed)).encode() + b"\n")


def _answer(
    connection: socket.socket, answers: Mapping[str, Action], fixed: Mapping[str, str]
) -> dict[str, Any]:
    if not trusted(peer_of(connection)):
        return {"error": "only the session's user and root may do that", "fix": "Ask them."}
    try:
        request = json.loads(_line(connection))
        command, session = request["do"], request["session"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {"error": "that was no command", "fix": 'Send {"do": ..., "session": ...}.'}
    if session != fixed["session"]:
        return {"error": f"this is session {fixed['session']}", "fix": "Name that one."}
    if not isinstance(command, str) or command not in answers:
        known = ", ".join(answers)
        return {
            "error": f"the session is {fixed['doing']} and cannot {command}",
            "fix": f"Allowed now: {known}.",
        }
    try:
        return {**fixed, **answers[command]()}
    except SealtuneError as error:
        return {"error": str(error), "fix": error.fix}
    except Exception as error:  # the thread has to be there for the next one
        return {"error": f"a fault ({type(error).__name__})", "fix": "Look at its terminal."}


def _line(connection: socket.socket) -> bytes:
    """Read one line.

    Raises:
        ValueError: It is too long, or the other end closed before its end.
    """
    data = b""
    while not data.endswith(b"\n"):
        part = connection.recv(MOST_BYTES)
        data += part
        if not part or len(data) > MOST_BYTES:
            raise ValueError("no whole line")
    return data
