"""A file of lines that grows: one process at a time, and each line durable when it is written."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from sealtune.errors import BusyError, KeepingError


class GrowingFile:
    """A file that no other process may extend until `close`; made when it is not there.

    Args:
        path: The file.

    Raises:
        BusyError: Another process extends it.
        KeepingError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise KeepingError(f"{path} cannot be written: {error}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise BusyError(f"another process is recording into {path}") from None

    def beginning(self, most: int) -> bytes:
        """Return up to `most` bytes from its beginning."""
        return os.pread(self._file, most, 0)

    def cut(self, size: int) -> None:
        """Forget what lies behind the first `size` bytes."""
        os.ftruncate(self._file, size)

    def append_line(self, text: str) -> None:
        """Make `text` the last line, on the disk before this returns.

        Raises:
            KeepingError: The disk does not take it.
        """
        left = f"{text}\n".encode()
        try:
            while left:
                left = left[os.write(self._file, left) :]
            os.fsync(self._file)
        except OSError as error:
            raise KeepingError(f"{self._path} cannot be written: {error}") from error

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()
