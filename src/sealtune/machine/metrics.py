"""System metrics of a stretch of time, from one sample before and one after.

Counters are read twice and subtracted, never polled: while the benchmark runs, the tuner uses no
CPU worth measuring. Read directly from /proc, for psutil has neither pressure nor the tree of a
test, and half a millisecond each time is all there is.
"""

import time
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from sealtune.errors import ConfigError
from sealtune.machine.files import read_numbers, read_text, under


@dataclass(frozen=True, slots=True)
class Metric:
    """One system metric: what it says, the file it comes from and its unit."""

    description: str
    source: str
    unit: str


METRICS: dict[str, Metric] = {
    "cpu_usage": Metric("Time the processors worked", "/proc/stat", "%"),
    "io_wait_percent": Metric("Time they idled with I/O outstanding", "/proc/stat", "%"),
    "steal_percent": Metric("Time the hypervisor kept them", "/proc/stat", "%"),
    "context_switches_per_second": Metric("Switches between tasks", "/proc/stat", "1/s"),
    "memory_used_percent": Metric("Memory not available, at the end", "/proc/meminfo", "%"),
    "dirty_kb": Metric("Memory waiting for writeback, at the end", "/proc/meminfo", "kB"),
    "psi_cpu_some": Metric("Some task waited for a processor", "/proc/pressure/cpu", "%"),
    "psi_memory_some": Metric("Some task waited for memory", "/proc/pressure/memory", "%"),
    "psi_memory_full": Metric("Every task waited for memory", "/proc/pressure/memory", "%"),
    "psi_io_some": Metric("Some task waited for I/O", "/proc/pressure/io", "%"),
    "psi_io_full": Metric("Every task waited for I/O", "/proc/pressure/io", "%"),
    "disk_read_mb_per_second": Metric("Read from disk", "/proc/diskstats", "MB/s"),
    "disk_write_mb_per_second": Metric("Written to disk", "/proc/diskstats", "MB/s"),
    "memory_pressure": Metric("Same as psi_memory_some", "/proc/pressure/memory", "%"),
    "oom_kills": Metric("Processes killed for want of memory", "/proc/vmstat", ""),
}
"""Every metric by name; percentages are of the window, over all processors."""

_ALIASES = {
    "cpu": "cpu_usage",
    "cpu_percent": "cpu_usage",
    "cpu_utilization": "cpu_usage",
    "cpu_utilisation": "cpu_usage",
    "cpu_usage_percent": "cpu_usage",
    "iowait": "io_wait_percent",
    "io_wait": "io_wait_percent",
    "iowait_percent": "io_wait_percent",
    "steal": "steal_percent",
    "context_switches": "context_switches_per_second",
    "ctxt": "context_switches_per_second",
    "memory": "memory_used_percent",
    "memory_usage": "memory_used_percent",
    "memory_used": "memory_used_percent",
    "memory_percent": "memory_used_percent",
    "memory_utilization": "memory_used_percent",
    "memory_utilisation": "memory_used_percent",
    "dirty": "dirty_kb",
    "dirty_pages": "dirty_kb",
    "cpu_pressure": "psi_cpu_some",
    "io_pressure": "psi_io_some",
    "disk_read": "disk_read_mb_per_second",
    "disk_write": "disk_write_mb_per_second",
    "oom": "oom_kills",
}


def resolve_metric(name: str) -> str:
    """Return the metric that `name` or one of its usual synonyms stands for.

    Raises:
        ConfigError: Unknown; the message lists what is allowed.

    >>> resolve_metric("cpu_utilization")
    'cpu_usage'
    """
    wanted = name.strip().lower().replace("-", "_").replace(" ", "_")
    found = _ALIASES.get(wanted, wanted)
    if found in METRICS:
        return found
    near = get_close_matches(wanted, [*METRICS, *_ALIASES], n=1)
    hint = f" (nearest: {_ALIASES.get(near[0], near[0])})" if near else ""
    raise ConfigError(f"unknown metric {name!r}{hint}; allowed: {', '.join(METRICS)}")


@dataclass(frozen=True, slots=True)
class Sample:
    """Counters at one moment; whatever could not be read is missing from its mapping.

    Attributes:
        seconds: Monotonic clock [s].
        cpu: Ticks by state: user, nice, system, idle, iowait, irq, softirq, steal.
        switches: Context switches since boot, ``None`` if unknown.
        memory: /proc/meminfo [kB].
        stalled: Pressure file and line (``memory_full``) to stalled time [us].
        disk: Sectors of 512 bytes read and written.
        oom_kills: Since boot, ``None`` if unknown.
    """

    seconds: float
    cpu: tuple[int, ...]
    switches: int | None
    memory: dict[str, int]
    stalled: dict[str, int]
    disk: tuple[int, int] | None
    oom_kills: int | None


def take_sample(device: str | None = None, root: Path = Path("/")) -> Sample:
    """Return the counters now; disk traffic of `device`, or of all disks."""
    cpu: tuple[int, ...] = ()
    switches = None
    for line in (read_text(root, "/proc/stat") or "").splitlines():
        words = line.split()
        if words[:1] == ["cpu"]:
            cpu = tuple(int(word) for word in words[1:9])
        elif words[:1] == ["ctxt"]:
            switches = int(words[1])
    return Sample(
        seconds=time.monotonic(),
        cpu=cpu,
        switches=switches,
        memory=read_numbers(root, "/proc/meminfo"),
        stalled=_stalled(root),
        disk=_sectors(device, root),
        oom_kills=read_numbers(root, "/proc/vmstat").get("oom_kill"),
    )


class MetricsWindow:
    """Metrics between `open` and `close`. A metric that this kernel does not give is left out.

    Costs about a millisecond at either end and nothing in between.
    """

    def __init__(self, start: Sample, device: str | None, root: Path) -> None:
        self._start = start
        self._device = device
        self._root = root

    @classmethod
    def open(cls, device: str | None = None, root: Path = Path("/")) -> "MetricsWindow":
        """Begin a window.

        Args:
            device: Block device whose traffic counts; all disks together by default.
            root: Root of the tree to read.
        """
        return cls(take_sample(device, root), device, root)

    def close(self) -> dict[str, float]:
        """Return the metrics since `open`, by their names in `METRICS`; may be called again."""
        return between(self._start, take_sample(self._device, self._root))


def between(start: Sample, end: Sample) -> dict[str, float]:
    """Return the metrics from `start` to `end`; counters that went backwards count as 0."""
    seconds = max(end.seconds - start.seconds, 1e-9)
    state = _cpu_shares(start.cpu, end.cpu)
    if start.switches is not None and end.switches is not None:
        state["context_switches_per_second"] = max(0, end.switches - start.switches) / seconds
    if end.memory.get("MemTotal") and "MemAvailable" in end.memory:
        available = end.memory["MemAvailable"] / end.memory["MemTotal"]
        state["memory_used_percent"] = 100 * (1 - available)
    if "Dirty" in end.memory:
        state["dirty_kb"] = float(end.memory["Dirty"])
    for name, total in end.stalled.items():
        stalled = max(0, total - start.stalled.get(name, total))
        state[f"psi_{name}"] = min(100.0, stalled / seconds / 1e4)
    if "psi_memory_some" in state:
        state["memory_pressure"] = state["psi_memory_some"]
    if start.disk is not None and end.disk is not None:
        read, written = (
            max(0, b - a) * 512 / 1e6 for a, b in zip(start.disk, end.disk, strict=True)
        )
        state["disk_read_mb_per_second"] = read / seconds
        state["disk_write_mb_per_second"] = written / seconds
    if start.oom_kills is not None and end.oom_kills is not None:
        state["oom_kills"] = float(max(0, end.oom_kills - start.oom_kills))
    return {name: state[name] for name in METRICS if name in state}


def _cpu_shares(start: tuple[int, ...], end: tuple[int, ...]) -> dict[str, float]:
    if len(start) < 8 or len(end) < 8:
        return {}
    # Guest time, the fields after these, is part of user time already.
    spent = [max(0, b - a) for a, b in zip(start, end, strict=True)]
    total = sum(spent) or 1
    idle, waiting, stolen = spent[3], spent[4], spent[7]
    return {
        "cpu_usage": 100 * (sum(spent) - idle - waiting - stolen) / total,
        "io_wait_percent": 100 * waiting / total,
        "steal_percent": 100 * stolen / total,
    }


def _stalled(root: Path) -> dict[str, int]:
    stalled: dict[str, int] = {}
    for resource in ("cpu", "memory", "io"):
        for line in (read_text(root, f"/proc/pressure/{resource}") or "").splitlines():
            kind, _, rest = line.partition(" ")
            total = rest.rpartition("total=")[2]
            if f"psi_{resource}_{kind}" in METRICS and total.isdigit():
                stalled[f"{resource}_{kind}"] = int(total)
    return stalled


def _sectors(device: str | None, root: Path) -> tuple[int, int] | None:
    text = read_text(root, "/proc/diskstats")
    if text is None:
        return None
    read = written = 0
    for line in text.splitlines():
        words = line.split()
        if len(words) < 10 or not _counts(words[2], device, root):
            continue
        read, written = read + int(words[5]), written + int(words[9])
    return read, written


def _counts(name: str, device: str | None, root: Path) -> bool:
    if device is not None:
        return name == device
    # What is stacked on other disks would be counted twice; a partition is part of its disk.
    stacked = name.startswith(("loop", "ram", "zram", "dm-", "md"))
    return not stacked and under(root, f"/sys/block/{name}").exists()
