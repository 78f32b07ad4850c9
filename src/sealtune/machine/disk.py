"""Which disk holds a path, and what its queue is like."""

import re
from dataclasses import dataclass
from pathlib import Path

from sealtune.machine.files import read_text, split_selection, under


@dataclass(frozen=True, slots=True)
class Disk:
    """A block device with a queue of its own.

    Attributes:
        name: Kernel name (``vda``), as under /sys/block.
        size_bytes: Its size.
        rotational: Whether it says that it rotates; many virtual disks say so wrongly.
        scheduler: I/O scheduler in force, ``""`` if it has none.
        schedulers: I/O schedulers that it offers.
        tags: Requests that the hardware takes at once, ``None`` if it has no such queue.
    """

    name: str
    size_bytes: int = 0
    rotational: bool = False
    scheduler: str = ""
    schedulers: tuple[str, ...] = ()
    tags: int | None = None


def find_disk(place: Path, root: Path = Path("/")) -> tuple[Disk | None, str | None]:
    """Return the disk and the name of the filesystem that hold `place`.

    A partition stands for its whole disk. The disk is ``None`` where there is none to tune:
    tmpfs, overlay, network filesystems.
    """
    mount = _mount_of(place, root)
    if mount is None:
        return None, None
    numbers, filesystem, source = mount
    device = _device(numbers, source, root)
    return (read_disk(device, root) if device else None), filesystem


def read_disk(name: str, root: Path = Path("/")) -> Disk:
    """Return what the kernel says about the block device `name`."""
    base = f"/sys/block/{name}"
    scheduler, offered = split_selection(read_text(root, f"{base}/queue/scheduler") or "")
    size, tags = read_text(root, f"{base}/size"), read_text(root, f"{base}/mq/0/nr_tags")
    return Disk(
        name=name,
        size_bytes=int(size) * 512 if size and size.isdigit() else 0,
        rotational=read_text(root, f"{base}/queue/rotational") == "1",
        scheduler=scheduler,
        schedulers=offered,
        tags=int(tags) if tags and tags.isdigit() else None,
    )


def _mount_of(place: Path, root: Path) -> tuple[str, str, str] | None:
    """Return (major:minor, filesystem, source) of the innermost mount above `place`."""
    wanted = place.resolve() if root == Path("/") else place
    best: tuple[int, tuple[str, str, str]] | None = None
    for line in (read_text(root, "/proc/self/mountinfo") or "").splitlines():
        left, _, right = line.partition(" - ")
        fields, kinds = left.split(), right.split()
        if len(fields) < 5 or len(kinds) < 2:
            continue
        point = Path(_unescape(fields[4]))
        deeper = best is None or len(point.parts) >= best[0]  # of two on one point the later hides
        if deeper and (point == wanted or point in wanted.parents):
            best = len(point.parts), (fields[2], kinds[0], _unescape(kinds[1]))
    return best[1] if best else None


def _device(numbers: str, source: str, root: Path) -> str | None:
    try:
        node = under(root, f"/sys/dev/block/{numbers}").resolve(strict=True)
    except OSError:
        # btrfs shows a number of its own; its source is a device all the same.
        if not source.startswith("/dev/"):
            return None
        named = under(root, source).resolve().name
        node = under(root, f"/sys/class/block/{named}").resolve()
    if (node / "partition").exists():
        node = node.parent
    return node.name if (under(root, "/sys/block") / node.name).exists() else None


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
