"""Whether the guard's program is root's alone, and what lets ordinary users start it as root.

A program that sudo runs as root for somebody who can overwrite it is root for the asking. So its
lines are given out only for one that nobody else can change: interpreter, library and ours.
"""

import os
import stat
import sys
from collections.abc import Iterable, Iterator

from sealtune.guard.access import PROGRAM
from sealtune.guard.service import GROUP
from sealtune.guard.transient import PLAIN

_MOST_TOLD = 5


def weak_spots(paths: Iterable[str] = ()) -> list[str]:
    """Return, one sentence each, where somebody else than root can change what runs as root.

    Follows every link on the way, and looks at every directory above. Access lists (ACLs) are not
    looked at.

    Args:
        paths: Files and directories; those that the guard runs from when none are given.
    """
    seen: set[str] = set()
    found = []
    for path in list(paths) or _program_files():
        for step in _steps(path):
            if step not in seen:
                seen.add(step)
                if told := _weakness(step):
                    found.append(told)
    return found


def sudoers() -> str:
    """Return the file for /etc/sudoers.d that lets the group start the guard, and nothing else.

    Raises:
        ValueError: The program lies at a path that such a file cannot name safely.
    """
    python, program = _named()
    start = f"{python} -I -S {program}"
    return (
        f"Cmnd_Alias SEALTUNE = {start} lend, {start} restore\n"
        "Defaults!SEALTUNE env_reset, !setenv, !requiretty\n"
        f"%{GROUP} ALL=(root) NOPASSWD: SEALTUNE\n"
    )


def units() -> dict[str, str]:
    """Return the systemd units of the service by file name, for this installation.

    Raises:
        ValueError: The program lies at a path that a unit cannot name safely.
    """
    python, program = _named()
    folder = os.path.join(os.path.dirname(PROGRAM), "units")
    found = {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            found[name] = file.read().replace("@PYTHON@", python).replace("@PROGRAM@", program)
    return found


def told(found: list[str]) -> str:
    """Return the first of `found` as text, and how many more there are."""
    more = f"\n  and {len(found) - _MOST_TOLD} more" if len(found) > _MOST_TOLD else ""
    return "\n".join(f"  {one}" for one in found[:_MOST_TOLD]) + more


def _named() -> tuple[str, str]:
    for path in (sys.executable, PROGRAM):
        if not PLAIN.fullmatch(path):
            raise ValueError(f"{path}: install it under a path of plain letters, such as /opt")
    return sys.executable, PROGRAM


_READ_TOO = ("catalogue", "__pycache__")


def _program_files() -> list[str]:
    """Return everything that ``python -I -S PROGRAM`` reads code or settings from."""
    package = os.path.dirname(os.path.dirname(PROGRAM))
    settings = os.path.join(os.path.dirname(os.path.dirname(sys.executable)), "pyvenv.cfg")
    files = [sys.executable, os.path.dirname(sys.executable), package]
    files += [settings] if os.path.exists(settings) else []
    files += [os.path.join(package, name) for name in os.listdir(package)]
    parts = (os.path.dirname(PROGRAM), *(os.path.join(package, n) for n in _READ_TOO))
    for folder in parts:
        files += _below(folder)
    return files + _below(os.path.dirname(os.__file__))


def _below(folder: str) -> list[str]:
    files = [folder]
    for place, folders, names in os.walk(folder):
        if "site-packages" in folders:
            folders.remove("site-packages")  # -S: never read
        files += [os.path.join(place, name) for name in (*folders, *names)]
    return files


def _steps(path: str) -> Iterator[str]:
    """Yield `path`, every directory above it, and the same for what each link on the way names."""
    todo, seen = [os.path.abspath(path)], set()
    while todo:
        step = todo.pop()
        if step in seen:
            continue
        seen.add(step)
        yield step
        if step != "/":
            todo.append(os.path.dirname(step))
        if os.path.islink(step):
            todo.append(os.path.abspath(os.path.join(os.path.dirname(step), os.readlink(step))))


def _weakness(path: str) -> str | None:
    try:
        found = os.lstat(path)
    except OSError as error:
        return f"{path}: {error.strerror}"
    if found.st_uid != 0:
        return f"{path} belongs to user {found.st_uid}"
    if stat.S_ISLNK(found.st_mode):
        return None  # whoever may change a link is whoever may write its directory
    if found.st_mode & 0o002 or (found.st_mode & 0o020 and found.st_gid != 0):
        return f"{path} can be written by others than root"
    return None
