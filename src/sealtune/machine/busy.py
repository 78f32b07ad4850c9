"""Who else is using this machine now: a measurement beside them would be of them."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sealtune.machine.facts import Facts
from sealtune.machine.files import read_text
from sealtune.machine.metrics import between, take_sample

CPU_LIMIT = 15.0
"""Share of all processors that others may use [%]."""

STEAL_LIMIT = 5.0
PRESSURE_LIMITS = {"psi_io_some": 15.0, "psi_memory_some": 5.0}

_UPDATERS = frozenset(
    {"apt", "apt-get", "aptitude", "dpkg", "dnf", "yum", "rpm", "zypper", "pacman", "snap-update"}
)
_TOP = 3


class _Process(NamedTuple):
    name: str
    parent: int
    ticks: int


def busy_reasons(
    facts: Facts,
    *,
    seconds: float = 1.0,
    root: Path = Path("/"),
    pause: Callable[[float], None] = time.sleep,
) -> tuple[str, ...]:
    """Return one sentence for each sign that others use this machine, none if it is quiet.

    This process, its children and the processes above it do not count.

    Args:
        facts: The machine; its processors give the scale.
        seconds: How long to look [s].
        root: Root of the tree to read.
        pause: Waits that long.
    """
    start, before = take_sample(root=root), _processes(root)
    pause(seconds)
    end, after = take_sample(root=root), _processes(root)
    state, elapsed = between(start, end), max(end.seconds - start.seconds, 1e-9)
    hertz = os.sysconf("SC_CLK_TCK")
    shares = {
        pid: 100 * (after[pid].ticks - before[pid].ticks) / hertz / elapsed / facts.cpus
        for pid in after
        if pid in before and after[pid].name == before[pid].name
    }
    family = _family(after)
    others = {pid: share for pid, share in shares.items() if pid not in family}
    own = sum(share for pid, share in shares.items() if pid in family)
    reasons = _cpu_reasons(max(0.0, state.get("cpu_usage", 0.0) - own), others, after)
    reasons += _pressure_reasons(state)
    running = sorted({after[pid].name for pid in after} & _UPDATERS)
    if running:
        reasons.append(f"A package manager is at work: {', '.join(running)}.")
    return tuple(reasons)


def _cpu_reasons(
    usage: float, shares: dict[int, float], processes: dict[int, _Process]
) -> list[str]:
    if usage <= CPU_LIMIT:
        return []
    top = sorted((pid for pid in shares if shares[pid] >= 1), key=lambda pid: -shares[pid])[:_TOP]
    names = ", ".join(f"{processes[pid].name} ({shares[pid]:.0f} %)" for pid in top)
    who = names or "by processes too short-lived to name"
    return [f"Others use {usage:.0f} % of the processors: {who}."]


def _pressure_reasons(state: dict[str, float]) -> list[str]:
    reasons = []
    if state.get("steal_percent", 0.0) > STEAL_LIMIT:
        reasons.append(f"The hypervisor keeps {state['steal_percent']:.0f} % of the processors.")
    for name, limit in PRESSURE_LIMITS.items():
        if state.get(name, 0.0) > limit:
            what = "I/O" if "io" in name.split("_") else "memory"
            reasons.append(f"Tasks wait for {what} {state[name]:.0f} % of the time.")
    return reasons


def _processes(root: Path) -> dict[int, _Process]:
    processes: dict[int, _Process] = {}
    for folder in (root / "proc").glob("[0-9]*"):
        text = read_text(root, f"/proc/{folder.name}/stat")
        # The name stands in parentheses and may hold blanks and parentheses itself.
        before, _, rest = (text or "").rpartition(")")
        fields = rest.split()
        if len(fields) > 12:
            name = before.partition("(")[2]
            ticks = int(fields[11]) + int(fields[12])
            processes[int(folder.name)] = _Process(name, int(fields[1]), ticks)
    return processes


def _family(processes: dict[int, _Process]) -> set[int]:
    """Return this process, everything above it (sudo, the shell) and everything below it."""
    above, pid = {os.getpid()}, os.getpid()
    while pid in processes and processes[pid].parent not in above | {0, 1}:
        pid = processes[pid].parent
        above.add(pid)
    below = {os.getpid()}
    while new := {p for p in processes if processes[p].parent in below} - below:
        below |= new
    return above | below
