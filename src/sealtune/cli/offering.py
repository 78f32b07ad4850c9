"""Whether a confirmed gain is kept: asked at the terminal, answered there or on the page."""

import contextlib
import os
import select
import sys
import termios
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sealtune.errors import BusyError, SealtuneError

if TYPE_CHECKING:
    from sealtune.report.result import Result

_PATIENCE_SECONDS = 50.0
_QUESTION = "Apply permanently? [y/N] "


def offer(result: "Result", keep: bool | None) -> None:
    """Apply a confirmed gain if the person wants it; an interrupted session offers nothing."""
    if result.verdict != "improved" or result.simulated or not result.success or keep is False:
        return
    if keep is None:
        if sys.stdin.isatty():
            _ask(result.session)
        return
    from sealtune.cli.keep import apply_session

    apply_session(result.session)


def _ask(session: str) -> None:
    from sealtune import control
    from sealtune.cli.keep import apply_session
    from sealtune.store import default_store_path

    with contextlib.closing(Elsewhere()) as elsewhere:
        actions = {"apply": elsewhere.yes}
        with control.listening(default_store_path(), session, "asking", actions, real=True):
            if not answered(_QUESTION, elsewhere):
                elsewhere.done(BusyError("it was answered with no at the terminal"))
                print(f"Nothing was kept. Later: sealtune apply {session}")
                return
            try:
                apply_session(session)
            except SealtuneError as error:
                elsewhere.done(error)
                raise
            elsewhere.done(None)


def answered(question: str, elsewhere: "Elsewhere") -> bool:
    """Ask at the terminal and take the first answer, from there or from `elsewhere`."""
    with contextlib.suppress(termios.error, OSError, ValueError):
        termios.tcflush(sys.stdin, termios.TCIFLUSH)  # what was typed before it was asked
    print(question, end="", flush=True)
    ready, _, _ = select.select([sys.stdin, elsewhere], [], [])
    if elsewhere in ready:
        print("yes, from the dashboard")
        return True
    return sys.stdin.readline().strip().lower() in ("y", "yes")


class Elsewhere:
    """A yes that comes from another thread, which then waits for what became of it."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self._over = threading.Event()
        self._error: SealtuneError | None = BusyError(
            "the session ended before it was kept", fix="Look at the session's terminal."
        )

    def fileno(self) -> int:
        """Return what becomes readable with the yes."""
        return self._read

    def yes(self) -> Mapping[str, Any]:
        """Say yes and return what was done.

        Raises:
            SealtuneError: It was not.
        """
        with contextlib.suppress(OSError):  # answered meanwhile
            os.write(self._write, b"y")
        if not self._over.wait(_PATIENCE_SECONDS):
            raise BusyError("it takes longer than usual", fix="Look at the session's terminal.")
        if self._error is not None:
            raise self._error
        return {"says": "The gain is kept; the session's terminal shows what was written."}

    def done(self, error: SealtuneError | None) -> None:
        """Tell whoever waits what became of it."""
        self._error = error
        self._over.set()

    def close(self) -> None:
        """Release the pipe."""
        self._over.set()
        os.close(self._read)
        os.close(self._write)
