"""Which programs are installed here, and of which version."""

import os
import re
from functools import cache
from glob import glob
from pathlib import Path

from sealtune.benchmarks.process import PROGRAM_PATH, last_line, run_child
from sealtune.benchmarks.workplace import choose_account


def find_program(name: str, *patterns: str) -> Path | None:
    """Return the newest match of the directory globs `patterns`, then the standard places."""
    places = [p for pattern in patterns for p in sorted(glob(pattern), key=_release, reverse=True)]
    for directory in (*places, *PROGRAM_PATH.split(":")):
        path = Path(directory) / name
        if path.is_file() and os.access(path, os.X_OK):
            return path
    return None


def _release(path: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path)]


def version_of(program: Path, *arguments: str) -> str:
    """Return the first dotted number that ``program --version`` prints, ``?`` if none.

    A process asks each program once, and again when it was installed anew.
    """
    there = program.stat()
    return _version(program, arguments, (there.st_ino, there.st_size, there.st_mtime_ns))


@cache
def _version(program: Path, arguments: tuple[str, ...], _identity: tuple[int, ...]) -> str:
    account = choose_account()
    asked = [str(program), *(arguments or ("--version",))]
    outcome = run_child(asked, account=account, cwd=Path("/"), limit=10.0)
    text = outcome.stdout + outcome.stderr
    found = re.search(r"\d+(\.\d+)+", text)
    return found.group() if found else last_line(text) or "?"
