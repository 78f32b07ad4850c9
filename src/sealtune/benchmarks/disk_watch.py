"""How much of the disk a benchmark may take. Standard library only."""

import os


class Disk:
    """The free space where a command works; it may not take the last eighth, nor 512 MiB.

    Args:
        place: A directory.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        bytes_free, files_free = self._free()
        self._reserve = min(bytes_free // 8, 512 << 20)
        self._reserve_files = files_free // 8
        self.spare = max(0, bytes_free - self._reserve)
        """What the command may use [bytes]."""

    def _free(self) -> "tuple[int, int]":
        found = os.statvfs(self._place)
        return found.f_bavail * found.f_frsize, found.f_favail

    def eaten(self) -> "str | None":
        """Return what has become scarce, ``None`` when there is enough."""
        try:
            bytes_free, files_free = self._free()
        except OSError:
            return None
        if bytes_free < self._reserve:
            return f"{bytes_free >> 20} MiB"
        # Some file systems know no number of files.
        return f"room for {files_free} files" if files_free < self._reserve_files else None
