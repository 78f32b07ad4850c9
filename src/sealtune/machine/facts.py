"""What this machine is: facts a plan depends on and a result is read against.

No host name, no address and no user name: facts are stored, shown and sent to a model.
"""

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sealtune.machine.disk import Disk, find_disk
from sealtune.machine.files import read_numbers, read_text, under

_VENDORS = {
    "qemu": "kvm",
    "kvm": "kvm",
    "vmware": "vmware",
    "virtualbox": "virtualbox",
    "innotek": "virtualbox",
    "microsoft corporation virtual": "hyper-v",
    "amazon ec2": "kvm (Amazon)",
    "google": "kvm (Google)",
    "xen": "xen",
    "bochs": "kvm",
    "parallels": "parallels",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """One machine, as found.

    Attributes:
        kernel: Kernel release.
        distribution: Its own name for itself, ``""`` if it has none.
        cpus: Processors that are online.
        cpu_model: Model name of the first one, ``""`` if the kernel gives none.
        memory_bytes: Memory of the machine.
        swap_bytes: Swap space, 0 without.
        virtualisation: Hypervisor, ``None`` when nothing speaks for one.
        disk: Disk that holds the place asked about, ``None`` if no disk does.
        filesystem: Filesystem there (``ext4``, ``overlay``), ``None`` if unknown.
        psi: Whether pressure stall information can be read.
        numa_nodes: Memory nodes.
        governors: CPU frequency governors on offer; empty without frequency scaling.
        congestion_controls: TCP congestion controls on offer.
        cpuidle_governor: Idle governor in force, ``""`` without one.
        boot_id: Changes with every boot, ``None`` if unknown.
        python: Version of the running interpreter.
        is_root: Whether this process is root.
        systemd: Whether systemd runs the machine.
    """

    kernel: str
    distribution: str = ""
    cpus: int = 1
    cpu_model: str = ""
    memory_bytes: int = 0
    swap_bytes: int = 0
    virtualisation: str | None = None
    disk: Disk | None = None
    filesystem: str | None = None
    psi: bool = False
    numa_nodes: int = 1
    governors: tuple[str, ...] = ()
    congestion_controls: tuple[str, ...] = ()
    cpuidle_governor: str = ""
    boot_id: str | None = None
    python: str = ""
    is_root: bool = False
    systemd: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as plain values that JSON can carry."""
        return asdict(self)


def gather_facts(place: Path = Path("/var/lib"), root: Path = Path("/")) -> Facts:
    """Return the facts of this machine; takes a few milliseconds.

    Args:
        place: Where the benchmark's files will lie; its disk is the one that is tuned. It need
            not exist yet.
        root: Root of the tree to read.
    """
    memory = read_numbers(root, "/proc/meminfo")
    disk, filesystem = find_disk(place, root)
    return Facts(
        kernel=read_text(root, "/proc/sys/kernel/osrelease") or platform.release(),
        distribution=_distribution(root),
        cpus=_cpus(root),
        cpu_model=_cpu_line(root, "model name"),
        memory_bytes=memory["MemTotal"] * 1024 if "MemTotal" in memory else memory_of_host(),
        swap_bytes=memory.get("SwapTotal", 0) * 1024,
        virtualisation=_virtualisation(root),
        disk=disk,
        filesystem=filesystem,
        psi=read_text(root, "/proc/pressure/cpu") is not None,
        numa_nodes=_count(root, "/sys/devices/system/node", "node[0-9]*") or 1,
        governors=_words(
            root, "/sys/devices/system/cpu/cpufreq/policy0/scaling_available_governors"
        ),
        congestion_controls=_words(root, "/proc/sys/net/ipv4/tcp_available_congestion_control"),
        cpuidle_governor=read_text(root, "/sys/devices/system/cpu/cpuidle/current_governor") or "",
        boot_id=read_text(root, "/proc/sys/kernel/random/boot_id"),
        python=platform.python_version(),
        is_root=hasattr(os, "geteuid") and os.geteuid() == 0,
        systemd=under(root, "/run/systemd/system").is_dir(),
    )


def memory_of_host() -> int:
    """Return the memory of this machine in bytes, on any operating system."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not every system has these
        import psutil

        return int(psutil.virtual_memory().total)


def _distribution(root: Path) -> str:
    for line in (read_text(root, "/etc/os-release") or "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip("\"'")
    return ""


def _cpus(root: Path) -> int:
    lines = (read_text(root, "/proc/stat") or "").splitlines()
    online = sum(line.startswith("cpu") and line[3:4].isdigit() for line in lines)
    return online or os.cpu_count() or 1


def _cpu_line(root: Path, wanted: str) -> str:
    for line in (read_text(root, "/proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == wanted:
            return value.strip()
    return ""


def _virtualisation(root: Path) -> str | None:
    if kind := read_text(root, "/sys/hypervisor/type"):
        return kind
    names = ("sys_vendor", "product_name", "bios_vendor")
    dmi = " ".join(read_text(root, f"/sys/class/dmi/id/{name}") or "" for name in names).lower()
    for vendor, hypervisor in _VENDORS.items():
        if vendor in dmi:
            return hypervisor
    flags = (_cpu_line(root, "flags") or _cpu_line(root, "Features")).split()
    return "unnamed hypervisor" if "hypervisor" in flags else None


def _count(root: Path, folder: str, pattern: str) -> int:
    return sum(1 for _ in under(root, folder).glob(pattern))


def _words(root: Path, path: str) -> tuple[str, ...]:
    return tuple((read_text(root, path) or "").split())
