"""Files in a directory that belongs to a benchmark's user, touched by root: no link is followed.

Whoever owns the directory may have laid links, pipes or devices there in place of a file.
"""

import os
import stat
from contextlib import suppress
from io import FileIO
from pathlib import Path

MOST_BYTES = 1 << 26
"""Longest file that is read [bytes]."""


def open_plainly(path: Path) -> FileIO:
    """Open an ordinary file for reading.

    Raises:
        OSError: It is a link, a pipe or a device, gone, or closed to us.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    opened = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError(f"{path} is no ordinary file")
    return FileIO(opened, "rb")


def read_plainly(path: Path) -> str:
    """Return the text of an ordinary file, at most its first `MOST_BYTES`; "" if there is none."""
    with suppress(OSError), open_plainly(path) as file:
        return file.read(MOST_BYTES).decode("utf-8", "replace")
    return ""


def create_plainly(path: Path, mode: int = 0o600) -> FileIO:
    """Make a new file in place of whatever has that name, for writing.

    Raises:
        OSError: It cannot be made.
    """
    with suppress(FileNotFoundError):
        path.unlink()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    opened = os.open(path, flags, mode)
    os.fchmod(opened, mode)
    return FileIO(opened, "wb")
