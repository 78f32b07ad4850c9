"""The machine that a session ran on, as label and text."""

from collections.abc import Mapping
from typing import Any

from sealtune.report.format import memory


def facts_lines(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return label and text of what is known of the machine; unknown facts are left out.

    Args:
        facts: `sealtune.machine.Facts.as_dict()`, as a session stored it.
    """
    lines = [
        ("Kernel", f"Linux {facts['kernel']}" if facts.get("kernel") else ""),
        ("System", str(facts.get("distribution") or "")),
        ("Processors", _processors(facts)),
        ("Memory", _memory(facts)),
        ("Virtual", str(facts.get("virtualisation") or "no") if facts.get("kernel") else ""),
        ("Disk", _disk(facts)),
        ("Idle", str(facts.get("cpuidle_governor") or "")),
        ("TCP", ", ".join(map(str, facts.get("congestion_controls") or ()))),
    ]
    return [(label, text) for label, text in lines if text]


def _processors(facts: Mapping[str, Any]) -> str:
    if not facts.get("cpus"):
        return ""
    nodes = int(facts.get("numa_nodes") or 1)
    beside = f", {nodes} memory nodes" if nodes > 1 else ""
    return f"{facts['cpus']} x {facts.get('cpu_model') or 'unnamed'}{beside}"


def _memory(facts: Mapping[str, Any]) -> str:
    if not facts.get("memory_bytes"):
        return ""
    swap = facts.get("swap_bytes")
    return f"{memory(facts['memory_bytes'])}, {f'swap {memory(swap)}' if swap else 'no swap'}"


def _disk(facts: Mapping[str, Any]) -> str:
    disk = facts.get("disk")
    if not disk:
        return ""
    size = f", {memory(disk['size_bytes'])}" if disk.get("size_bytes") else ""
    system = facts.get("filesystem")
    beside = f", {system}" if system else ""
    return f"{disk.get('name', '')}{size}{beside}, scheduler {disk.get('scheduler') or 'unknown'}"
