"""Guard rails: signs that the machine suffers so much that the originals must come back now."""

import math
import os
import stat
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress

from sealtune.errors import GuardError

LOOK_SECONDS = 0.95
LOOKS = {"memory_full": 3, "io_full": 5, "swap_mebibytes": 3, "memory_used": 1, "hung_tasks": 1}
"""Every rail that has a limit, and how many looks in a row it must be beyond it: one bad second is
no danger, and a burst of writeback, which the very parameters under test may cause, takes some."""

LOOSEST = {"memory_full": 0.5, "io_full": 0.9, "swap_mebibytes": 1024.0, "memory_used": 0.98,
           "hung_tasks": 0.0}  # fmt: skip
"""No session can ask for more: shares of time, MiB/s in and out, share of memory, tasks a look.

Two may be beyond theirs before anything is changed, and then are no danger of ours: a benchmark of
disks waits for them all the time, and a dead network mount is reported every two minutes. So they
may be told as much as this guard itself has seen of late, and the former `IO_MARGIN` more.
"""

IO_MARGIN = 0.1
_FIRST_TO_DIE = b"1000"
"""What a benchmark has in ``oom_score_adj``: where memory is short for it, it is what dies."""

_HUNG = "sys/kernel/hung_task_detect_count"
_FILES = ("pressure/memory", "pressure/io", "meminfo", "vmstat", _HUNG)
_TEXTS = {
    "memory_full": "all work stood still for memory {0:.0%} of the time (limit {1:.0%})",
    "io_full": "all work stood still for disks {0:.0%} of the time (limit {1:.0%})",
    "swap_mebibytes": "{0:.0f} MiB/s were swapped in and out (limit {1:.0f})",
    "memory_used": "only {2:.0f} MiB of memory available (limit {3:.0f})",
    "hung_tasks": "the kernel reported hung tasks: {0:.0f}",
}


class Watch:
    """Looks once a second at pressure, memory, swapping, OOM kills and hung tasks: five reads.

    What this kernel does not tell is not watched: pressure before 4.20 or switched off, hung tasks
    before 6.13. An OOM kill has no limit to move: one is a breach, unless the kernel's log says
    that somebody else's control group was full. Without the log every one is.
    """

    def __init__(self, proc: str = "/proc", log: str = "/dev/kmsg") -> None:
        self._log: int | None = None
        with suppress(OSError):
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
            self._log = os.open(log, flags)
        self._files = {}
        for name in _FILES:
            try:
                path = os.path.join(proc, name)
                self._files[name] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue
        # How busy disks may be depends on the workload alone: until a session tells, the limit is
        # the most that it may ask for, after what this guard has seen before the first write.
        self._limits = {name: most for name, most in LOOSEST.items() if name != "io_full"}
        self._worst = self._seen = dict.fromkeys(LOOKS, 0.0)
        self._learns = True
        self.start()

    def allow(self, limits: Mapping[str, float]) -> dict[str, float]:
        """Take the limits of a session, no looser than `LOOSEST`; the others stay as they are.

        Returns:
            For each name in `LOOKS` the most that lasted for so many looks, since the last call.

        Raises:
            GuardError: A name is unknown, or a limit is no number; all limits stay as they were.
        """
        for name, limit in limits.items():
            if name not in LOOKS:
                raise GuardError(f"guard rail {name!r} is unknown; allowed: {', '.join(LOOKS)}")
            if type(limit) not in (int, float) or not 0 <= limit < math.inf:
                raise GuardError(f"guard rail {name}: {limit!r} is not a number of 0 or more")
        for name, limit in limits.items():
            self._limits[name] = min(limit, self._most(name))
        self._seen, self._worst = self._worst, dict.fromkeys(LOOKS, 0.0)
        return self._seen

    def _most(self, name: str) -> float:
        """Return the limit that no session can go beyond."""
        seen = max(self._worst[name], self._seen[name])
        own = {"io_full": seen + IO_MARGIN, "hung_tasks": seen}
        return max(LOOSEST[name], own.get(name, 0.0))

    def start(self) -> None:
        """Count from now on: what came before is not the doing of what is written next."""
        self._log, self._excused = _at_its_end(self._log), 0.0
        self._lasting = {name: deque[float](maxlen=looks) for name, looks in LOOKS.items()}
        self._before, self._when = self._counters(), time.monotonic()

    def due(self) -> bool:
        """Whether the last look is a second ago; more often would cost more than it tells."""
        return time.monotonic() - self._when >= LOOK_SECONDS

    def breach(self, *, held: bool = False) -> str | None:
        """Return what is wrong since the last look, ``None`` if nothing is.

        Args:
            held: A setting is in force: what is seen now is no measure of what is usual.
        """
        self._learns = not held
        elapsed, counters = time.monotonic() - self._when, self._counters()
        grown = {name: count - self._before[name] for name, count in counters.items()}
        meminfo = self._text("meminfo")
        total, free = _number(meminfo, "MemTotal:"), _number(meminfo, "MemAvailable:")
        total -= _number(meminfo, "Hugetlb:")  # set aside by the administrator: not ours to miss
        found = {"memory_used": 1 - free / total if total > 0 else 0.0}
        found["hung_tasks"] = grown["hung_tasks"]
        if elapsed >= LOOK_SECONDS:  # a share of a shorter time says little
            for name in ("memory_full", "io_full", "swap_mebibytes"):
                found[name] = grown[name] / elapsed
            self._before, self._when = counters, time.monotonic()
        else:
            self._before["killed"] = counters["killed"]
            self._before["hung_tasks"] = counters["hung_tasks"]
        said = [self._judged(name, value, total / 1024) for name, value in found.items()]
        if killed := self._not_excused(grown["killed"]):
            said.append(f"the kernel killed {killed:.0f} processes for want of memory")
        return "; ".join(filter(None, said)) or None

    def _judged(self, name: str, value: float, mebibytes: float) -> str | None:
        """Take in what one look found; return what to say if it has lasted beyond its limit."""
        values = self._lasting[name]
        values.append(value)
        lasts = min(values) if len(values) == values.maxlen else 0.0
        if self._learns:
            self._worst[name] = max(self._worst[name], lasts)
        limit = self._limits.get(name, self._most(name))
        if lasts <= limit:
            return None
        return _TEXTS[name].format(lasts, limit, (1 - lasts) * mebibytes, (1 - limit) * mebibytes)

    def _counters(self) -> dict[str, float]:
        """Return what only grows: seconds stalled, MiB swapped, hung and killed tasks."""
        vmstat = self._text("vmstat")
        swapped = _number(vmstat, "\npswpin ") + _number(vmstat, "\npswpout ")
        return {
            "memory_full": self._stall_seconds("pressure/memory"),
            "io_full": self._stall_seconds("pressure/io"),
            "swap_mebibytes": swapped * os.sysconf("SC_PAGE_SIZE") / 2**20,
            "hung_tasks": _number(self._text(_HUNG), ""),
            "killed": _number(vmstat, "\noom_kill "),
        }

    def _not_excused(self, grown: float) -> float:
        """Return how many of the kills that were counted since the last look are not excused."""
        excused, self._excused = self._excused, 0.0
        if grown <= 0:
            return 0.0
        excused += self._elsewhere()
        # The log is read after the counters: what it tells of too many, the next look counts.
        self._excused = max(0.0, excused - grown)
        return max(0.0, grown - excused)

    def _elsewhere(self) -> int:
        """Return how many kills the log tells of that were for a limit of somebody else's."""
        found, record = 0, b" "
        while record and self._log is not None:
            try:
                record = os.read(self._log, 8192)
            except BrokenPipeError:  # overwritten before we came: those kills count
                continue
            except OSError:  # no more
                break
            found += sum(map(_is_others, record.split(b"\n")))
        return found

    def _stall_seconds(self, name: str) -> float:
        return _number(self._text(name).partition("full")[2], "total=") / 1e6

    def _text(self, name: str) -> str:
        descriptor = self._files.get(name)
        return "" if descriptor is None else os.pread(descriptor, 65536, 0).decode()


def _at_its_end(log: int | None) -> int | None:
    """Return `log` with nothing left to read; ``None``, and closed, if it is no log at all.

    In containers it may be a link to a terminal, or a FIFO.
    """
    if log is None:
        return None
    with suppress(OSError):
        mode = os.fstat(log).st_mode
        if stat.S_ISCHR(mode) or stat.S_ISREG(mode):
            os.lseek(log, 0, os.SEEK_END)
            return log
    os.close(log)
    return None


def _number(text: str, key: str) -> float:
    words = (text.partition(key)[2] if key else text).split(maxsplit=1)
    return float(words[0]) if words else 0.0


def _is_others(line: bytes) -> bool:
    """Whether a line of the log tells of a kill for a control group's limit, not a benchmark's.

    What the kernel itself says has a priority of 0 to 7, what programs write has 8 or more. What
    cannot be read is not excused.
    """
    text = line.partition(b";")[2]
    marked = text.rpartition(b" oom_score_adj:")[1:]
    in_group = text.startswith(b"Memory cgroup out of memory: Killed process ")
    value = marked[1].split()[:1] if marked[0] else []
    from_kernel = b"0" <= line[:1] <= b"7" and line[1:2] == b","
    return from_kernel and in_group and value not in ([], [_FIRST_TO_DIE])
