"""Which process a session belongs to, and whether that very process still lives."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Owner:
    """One process, told apart from a later one with the same number.

    Attributes:
        pid: Process number.
        boot_id: Kernel's random id of this boot; empty where there is none (not Linux).
        start_ticks: Start time of the process since boot, in clock ticks; 0 where unknown.
    """

    pid: int
    boot_id: str
    start_ticks: int

    @classmethod
    def current(cls) -> "Owner":
        """Return this process."""
        return cls(os.getpid(), _boot_id(), _start_ticks(os.getpid()))

    def alive(self) -> bool:
        """Whether exactly this process, in this boot, still runs (a zombie does not)."""
        if self.boot_id != _boot_id():
            return False
        if self.start_ticks:
            return _start_ticks(self.pid) == self.start_ticks
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _start_ticks(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
    except OSError:
        return 0
    # The command in brackets may hold spaces and brackets itself: count after the last one.
    after_command = stat.rpartition(")")[2].split()
    return 0 if after_command[0] in {"Z", "X"} else int(after_command[19])
