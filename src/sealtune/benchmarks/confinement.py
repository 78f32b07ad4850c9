"""What a benchmark's programs may reach, and what keeps them there on this machine."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sealtune import landlock
from sealtune.benchmarks import cgroup
from sealtune.benchmarks.becoming import Orders
from sealtune.benchmarks.namespaces import kept_visible

if TYPE_CHECKING:
    from sealtune.benchmarks.workplace import Account


@dataclass(frozen=True, slots=True)
class Room:
    """What one program may reach; without anything: read, and talk to this machine.

    Attributes:
        place: The directory it may write in, watched so that it does not fill the disk.
        temporary: A directory below `place` that it sees as /tmp and /var/tmp.
        network: It may reach other machines.
        own_temporary: It has a /tmp of its own; not so for the person's own database, whose
            socket may lie there.
        writable: Where else it may write, as the person allowed.
        memory_group: A control group, made by us, whose memory limit holds for it.
    """

    place: Path | None = None
    temporary: Path | None = None
    network: bool = False
    own_temporary: bool = True
    writable: tuple[Path, ...] = ()
    memory_group: Path | None = None


def orders(
    argv: Sequence[str],
    room: Room,
    account: "Account",
    cwd: Path,
    *,
    stop: tuple[int, float],
    path: str,
) -> Orders:
    """Return how the warden runs `argv`.

    Args:
        argv: Program and arguments.
        room: What it may reach.
        account: Who it runs as.
        cwd: Its working directory.
        stop: Signal that asks it to end, and how long it may take [s].
        path: Its ``PATH``.
    """
    limits, version_2 = room.memory_group, False
    if limits is not None:
        version_2 = (limits / "cgroup.controllers").exists()
    group = cgroup.choose(limits if version_2 else None)
    private = room.own_temporary and room.temporary is not None
    return Orders(
        stop_signal=int(stop[0]),
        grace=stop[1],
        uid=account.uid,
        gid=account.gid,
        groups=account.groups,
        directory=str(cwd),
        place=str(room.place or ""),
        temporary=str(room.temporary) if private else "",
        visible=[str(p) for p in _visible(argv, room, account, cwd, path)] if private else [],
        writable=[str(place) for place in room.writable],
        network=room.network,
        group=str(group or ""),
        join=f"{limits}/cgroup.procs" if limits is not None and not version_2 else "",
    )


def _visible(
    argv: Sequence[str], room: Room, account: "Account", cwd: Path, path: str
) -> list[Path]:
    """Return what of the machine's /tmp the program needs: what it is, names, or stands in."""
    program = shutil.which(argv[0], path=path)
    named = [cwd / word for word in argv if "/" in word]
    named += [cwd, Path(account.home), *room.writable, *([Path(program)] if program else [])]
    return kept_visible(Path(os.path.normpath(path)) for path in named)


def as_text(given: Orders) -> str:
    """Return `given` as the warden reads it."""
    return json.dumps(given._asdict())


def describe() -> str:
    """Return in one line what confines benchmarks on this machine, and what is missing."""
    root = os.geteuid() == 0
    found, missing = ["own session", "no new privileges", "limits"], []
    offered = landlock.version()
    if offered:
        found.append("writes only its own directory (Landlock)")
    else:
        missing.append("Landlock: it may write wherever its user may")
    if not root:
        missing.append("root: no control group, no private /tmp, the network is open")
        return _joined(found, missing)
    found += ["own user", "private /tmp, /dev/shm and processes (namespaces)"]
    why_not = cgroup.obstacle(cgroup.own_group())
    if why_not is None:
        found.append("control group, no network but the loopback (BPF)")
    else:
        missing.append(f"control group and fence around the network: {why_not}")
    return _joined(found, missing)


def _joined(found: Sequence[str], missing: Sequence[str]) -> str:
    lacking = f"; MISSING {'; '.join(missing)}" if missing else ""
    return ", ".join(found) + lacking
