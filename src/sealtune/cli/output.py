"""Where the commands write: the console for people, and the files that are asked for."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from sealtune.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

_WRITABLE = "Name a file in a directory that you may write to."


def console() -> "Console":
    """Return the console for people: what is stdout now, no highlighting of numbers."""
    from sealtune.report.screen import Harmless

    return Harmless(highlight=False)


def write_file(path: Path, text: str, *, replace: bool = True) -> None:
    """Write `text` to `path`; `replace` says whether a file that is there may be replaced.

    Raises:
        InputError: It cannot be written, or there is such a file.
    """
    if not replace:
        refuse_replacing(path)
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", fix=_WRITABLE) from error


def refuse_replacing(path: Path) -> None:
    """Return if nothing is lost by writing `path`: no file, an empty one, or our own output.

    Raises:
        InputError: There is such a file.
    """
    if os.path.isfile(path) and os.path.getsize(path) and not _is_our_output(path):
        raise InputError(f"{path} is there already", fix="Name another file, or add --force.")


def _is_our_output(path: Path) -> bool:
    """Whether `path` is what standard output goes to, as with ``-o /dev/stdout > FILE``."""
    with contextlib.suppress(OSError):
        return os.path.samestat(os.stat(path), os.fstat(1))
    return False


@dataclass(frozen=True, slots=True)
class Document:
    """The file that ``--json`` asks for.

    Attributes:
        target: Its name; ``-`` is stdout, ``None`` is none.
        replace: It may replace a file that is there.
    """

    target: str | None = None
    replace: bool = False

    @property
    def to_stdout(self) -> bool:
        """Whether stdout belongs to the document."""
        return self.target == "-"

    def check(self) -> None:
        """Refuse a file that cannot be written now, not after the whole run.

        Raises:
            InputError: It cannot, or it is there already.
        """
        if self.target is None or self.to_stdout:
            return
        path = Path(self.target)
        writable = os.access(path, os.W_OK) and not os.path.isdir(path)  # `Path.is_dir` may raise
        if not os.path.lexists(path):
            with contextlib.suppress(OSError):
                path.touch()
                path.unlink()
                writable = True
        if not writable:
            raise InputError(f"--json {path}: cannot be written", fix=_WRITABLE)
        if not self.replace:
            refuse_replacing(path)

    def write(self, text: str, stdout: TextIO) -> None:
        """Write `text` there; what was there at `check` has been agreed upon.

        Raises:
            InputError: It cannot be written.
        """
        if self.to_stdout:
            print(text, file=stdout)
        elif self.target is not None:
            write_file(Path(self.target), text + "\n")
