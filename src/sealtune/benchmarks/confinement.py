"""What a benchmark's programs may reach, and what keeps them there on this machine."""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sealtune import landlock
from sealtune.benchmarks import cgroup, fence, namespaces, nesting
from sealtune.benchmarks.becoming import (
    NESTED,
    NO_FENCE,
    NO_LANDLOCK,
    NO_VIEW,
    OPEN_MODES,
    OPEN_TEMPORARY,
    Orders,
)
from sealtune.benchmarks.namespaces import kept_visible

if TYPE_CHECKING:
    from sealtune.benchmarks.workplace import Account


_NOBODY = 65534


@dataclass(frozen=True, slots=True)
class Room:
    """What one program may reach; without anything: read, and talk to this machine.

    Attributes:
        place: The directory it may write in, watched so that it does not fill the disk.
        reserve: What must stay free where `place` lies [bytes, files]; an eighth when empty.
        temporary: A directory below `place` that it sees as /tmp and /var/tmp.
        network: It may reach other machines.
        own_temporary: It has a /tmp of its own; not so for the person's own database, whose
            socket may lie there.
        writable: Where else it may write, as the person allowed.
        memory_group: A control group, made by us, whose memory limit holds for it.
    """

    place: Path | None = None
    temporary: Path | None = None
    reserve: tuple[int, ...] = ()
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
    notes: int = -1,
) -> Orders:
    """Return how the warden runs `argv`.

    Args:
        argv: Program and arguments.
        room: What it may reach.
        account: Who it runs as.
        cwd: Its working directory.
        stop: Signal that asks it to end, and how long it may take [s].
        path: Its ``PATH``.
        notes: Descriptor that takes what the session must know.
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
        reserve=room.reserve,
        temporary=str(room.temporary) if private else "",
        visible=[str(p) for p in _visible(argv, room, account, cwd, path)] if private else [],
        writable=[str(place) for place in room.writable],
        network=room.network,
        group=str(group or ""),
        join=f"{limits}/cgroup.procs" if limits is not None and not version_2 else "",
        notes=notes,
    )


def _visible(
    argv: Sequence[str], room: Room, account: "Account", cwd: Path, path: str
) -> list[Path]:
    """Return what of the machine's /tmp the program needs: what it is, names, or stands in."""
    program = shutil.which(argv[0], path=path)
    named = [cwd / word for word in argv if "/" in word]
    # ``--config=/tmp/x`` and ``-f/tmp/x`` too.
    named += [Path(path) for word in argv for path in re.findall(r"(?:/var)?/tmp/[^\s,:;]+", word)]
    named += [cwd, Path(account.home), *room.writable, *([Path(program)] if program else [])]
    return kept_visible(Path(os.path.normpath(path)) for path in named)


def as_text(given: Orders) -> str:
    """Return `given` as the warden reads it."""
    return json.dumps(given._asdict())


def describe() -> str:
    """Return in one line what confines benchmarks on this machine, and what is missing."""
    missing = shortcomings()
    found = ["own session", "no new privileges", "limits"]
    if not any(one.startswith(NO_LANDLOCK) for one in missing):
        found.append("writes only its own directory (Landlock)")
    if os.geteuid() == 0:
        found.append("own user")
        if not any(one.startswith(NO_VIEW) for one in missing):
            found.append("private /tmp, /dev/shm and processes (namespaces)")
        if not any(one.startswith((NO_VIEW, OPEN_MODES)) for one in missing):
            found.append("all else mounted read-only")
        if not any(one.startswith(NESTED) for one in missing):
            found.append("no user namespaces")
        if not any(one.startswith(NO_FENCE) for one in missing):
            found.append("control group, no network but the loopback (BPF)")
    return _joined(found, missing)


def shortcomings() -> list[str]:
    """Return what does not confine benchmarks on this machine; found out by trying each."""
    missing, offered = [], landlock.version()
    cuts = f"truncation: it may cut its user's files short (Landlock {landlock.CUTS_SINCE})"
    if not offered:
        missing.append(f"{NO_LANDLOCK}: it may write wherever its user may")
    elif offered < landlock.MOVES_SINCE:
        missing.append(
            f"moving: it cannot move files between directories (Landlock {landlock.MOVES_SINCE})"
        )
    cuttable = 0 < offered < landlock.CUTS_SINCE
    if os.geteuid() != 0:
        missing += [cuts] if cuttable else []
        return [*missing, "root: no control group, no private /tmp, the network is open"]
    if not _works(lambda: namespaces.new_processes() and namespaces.new_view()):
        missing.append(f"{NO_VIEW}: /tmp and /dev/shm are the machine's")
    elif not _works(lambda: namespaces.new_view() and namespaces.only_writable([])):
        missing.append(f"{OPEN_MODES}: it may change the modes of its user's files")
    if cuttable and any(one.startswith((NO_VIEW, OPEN_MODES)) for one in missing):
        missing.append(cuts)
    if not namespaces.reaches_without_links():
        missing.append(f"{OPEN_TEMPORARY}: not for a program that needs something below /tmp")
    if not _works(lambda: nesting.forbid_user_namespaces(_NOBODY)):
        missing.append(f"{NESTED} cannot be forbidden: it may make some")
    if why_not := cgroup.obstacle(cgroup.own_group()) or _fence_obstacle():
        missing.append(f"{NO_FENCE}: {why_not}; the network is open")
    return missing


def _works(step: Callable[[], bool]) -> bool:
    """Try a step that cannot be undone, in a process of its own."""
    child = os.fork()
    if child == 0:
        works = False
        with contextlib.suppress(BaseException):  # never back into the caller's code
            works = step()
        os._exit(0 if works else 1)
    return os.waitpid(child, 0)[1] == 0


def _fence_obstacle() -> str | None:
    group = cgroup.choose()
    if group is None or not cgroup.make(group):
        return "a control group cannot be made"
    try:
        return None if fence.only_loopback(group) else "the kernel refuses the BPF programs"
    finally:
        cgroup.clear(group)


def _joined(found: Sequence[str], missing: Sequence[str]) -> str:
    lacking = f"; MISSING {'; '.join(missing)}" if missing else ""
    return ", ".join(found) + lacking
