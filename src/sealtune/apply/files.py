"""Changing files so that a crash leaves the old or the new one, and so that it can be undone."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from sealtune.errors import ApplyError


class FileChanges:
    """Files changed so far, and what it takes to undo them.

    Promises that each file is, at any instant, wholly old or wholly new, and that what `write`
    returned from is durable. Does not promise that several files change together: the caller
    orders them, and calls `undo` when a later one fails.
    """

    def __init__(self) -> None:
        self._before: list[tuple[Path, bytes | None]] = []
        self._directories: list[Path] = []

    def write(self, path: Path, content: str) -> None:
        """Replace `path` by `content`, durable on return; missing directories are made.

        Raises:
            ApplyError: The disk refused. `path` may hold either content until `undo`.
        """
        try:
            before = path.read_bytes() if path.exists() else None
            self._make_directory(path.parent)
            # Noted first: an fsync that fails after the renaming must find the old content here.
            self._before.append((path, before))
            replace_file(path, content.encode())
        except OSError as error:
            raise ApplyError(f"{path} cannot be written: {error.strerror}") from error

    def undo(self) -> tuple[Path, ...]:
        """Put every file back, newest change first.

        The first file written tells what to do with the others (it is the record), so it stays
        as it is while one of them could not be put back.

        Returns:
            The files that are not as they were; empty when all are.
        """
        failed: list[Path] = []
        while self._before and not (failed and len(self._before) == 1):
            path, content = self._before.pop()
            try:
                _put_back(path, content)
            except OSError:
                failed.append(path)
        if failed:
            return tuple(dict.fromkeys([*failed, *(path for path, _ in self._before)]))
        for directory in reversed(self._directories):
            with suppress(OSError):  # somebody else may have put a file there meanwhile
                directory.rmdir()
        return ()

    def _make_directory(self, directory: Path) -> None:
        missing = [directory, *directory.parents]
        for parent in reversed([path for path in missing if not path.exists()]):
            parent.mkdir(mode=0o755)
            self._directories.append(parent)
            sync_directory(parent.parent)


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` beside `path`, sync it, rename it over `path` and sync the directory.

    The name of the temporary file does not end in ``.conf``: procps reads hidden ones too.
    """
    descriptor, temporary = tempfile.mkstemp(".tmp", ".sealtune-", path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    sync_directory(path.parent)


def remove_file(path: Path) -> None:
    """Remove `path` if it is there, durable on return."""
    path.unlink(missing_ok=True)
    if path.parent.exists():
        sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make names created in or removed from `path` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put_back(path: Path, content: bytes | None) -> None:
    # A write that was refused left nothing to undo, and undoing would be refused as well.
    if (path.read_bytes() if path.exists() else None) == content:
        return
    if content is None:
        remove_file(path)
    else:
        replace_file(path, content)
