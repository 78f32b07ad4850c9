"""Guard rails: signs that the machine suffers so much that the originals must come back now."""

import os
import time

MIN_AVAILABLE_SHARE = 0.02
MAX_STALLED_SHARE = 0.5


class MemoryWatch:
    """Looks at memory pressure, free memory and OOM kills; three small reads each time."""

    def __init__(self, proc: str = "/proc") -> None:
        self._files = {}
        for name in ("pressure/memory", "meminfo", "vmstat"):
            try:
                path = os.path.join(proc, name)
                self._files[name] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue  # no pressure information on this kernel: the other two remain
        self.start()

    def start(self) -> None:
        """Count kills and stalls from now on."""
        self._kills = _number(self._text("vmstat"), "\noom_kill ")
        self._stalled, self._when = self._stall_seconds(), time.monotonic()

    def breach(self) -> str | None:
        """Return what is wrong since the last look, ``None`` if nothing is."""
        kills = _number(self._text("vmstat"), "\noom_kill ")
        stalled, now = self._stall_seconds(), time.monotonic()
        elapsed = max(now - self._when, 0.1)
        share, killed = (stalled - self._stalled) / elapsed, kills - self._kills
        self._kills, self._stalled, self._when = kills, stalled, now
        memory = self._text("meminfo")
        total, available = _number(memory, "MemTotal:"), _number(memory, "MemAvailable:")
        if killed > 0:
            return f"the kernel killed {killed:.0f} processes for want of memory"
        if available < MIN_AVAILABLE_SHARE * total:
            return f"only {available / 1024:.0f} MiB of memory available"
        if share > MAX_STALLED_SHARE:
            return f"all work stood still for memory {share:.0%} of the time"
        return None

    def due(self) -> bool:
        """Whether the last look is a second ago; more often would cost more than it tells."""
        return time.monotonic() - self._when >= 0.95

    def _stall_seconds(self) -> float:
        full = self._text("pressure/memory").partition("full")[2]
        return _number(full, "total=") / 1e6

    def _text(self, name: str) -> str:
        descriptor = self._files.get(name)
        return "" if descriptor is None else os.pread(descriptor, 65536, 0).decode()


def _number(text: str, key: str) -> float:
    words = text.partition(key)[2].split(maxsplit=1)
    return float(words[0]) if words else 0.0
