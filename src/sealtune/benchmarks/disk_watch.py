"""How much of the disk a benchmark may take. Standard library only."""

import os
from collections.abc import Sequence


def reserve_of(place: str) -> "tuple[int, int]":
    """Return what must stay free where `place` lies [bytes, files].

    An eighth of what is free now, or 512 MiB. Ask before a benchmark has written anything: asked
    before each of its programs, it would shrink with all that they leave.
    """
    bytes_free, files_free = _free(place)
    return min(bytes_free // 8, 512 << 20), files_free // 8


class Disk:
    """The free space where a command works.

    Args:
        place: A directory.
        reserve: What it may not take, see `reserve_of`; found out now when empty.
    """

    def __init__(self, place: str, reserve: Sequence[int] = ()) -> None:
        self._place = place
        self._reserve, self._reserve_files = reserve or reserve_of(place)
        self.spare = max(0, _free(place)[0] - self._reserve)
        """What the command may use [bytes]."""
        self.has_been_eaten = False
        """Whether `eaten` has found it so."""

    def eaten(self) -> "str | None":
        """Return what has become scarce, ``None`` when there is enough."""
        try:
            bytes_free, files_free = _free(self._place)
        except OSError:
            return None
        # Some file systems know no number of files.
        scarce = bytes_free < self._reserve, files_free < self._reserve_files
        self.has_been_eaten = any(scarce)
        if not any(scarce):
            return None
        return f"{bytes_free >> 20} MiB" if scarce[0] else f"room for {files_free} files"


def _free(place: str) -> "tuple[int, int]":
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize, found.f_favail
