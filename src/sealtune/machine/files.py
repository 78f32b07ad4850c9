"""Small files of /proc and /sys, under any root."""

import re
from pathlib import Path

_SELECTED = re.compile(r"\[([^\][\s]+)\]")


def under(root: Path, path: str | Path) -> Path:
    """Return the absolute `path` as it lies below `root`."""
    return root / str(path).lstrip("/")


def read_text(root: Path, path: str | Path) -> str | None:
    """Return the stripped text of a small file, ``None`` if it is missing or unreadable."""
    try:
        return under(root, path).read_text("utf-8", errors="replace").strip()
    except OSError:
        return None


def read_numbers(root: Path, path: str) -> dict[str, int]:
    """Return the ``name number`` or ``name: number kB`` lines of a file; empty if unreadable."""
    numbers: dict[str, int] = {}
    for line in (read_text(root, path) or "").splitlines():
        words = line.replace(":", " ", 1).split()
        if len(words) > 1 and words[1].isdigit():
            numbers[words[0]] = int(words[1])
    return numbers


def split_selection(text: str) -> tuple[str, tuple[str, ...]]:
    r"""Return the value in force and all offered ones of a ``one [two] three`` file.

    A text without brackets is the value itself, and offers nothing.

    >>> split_selection("none [mq-deadline] bfq")
    ('mq-deadline', ('none', 'mq-deadline', 'bfq'))
    >>> split_selection("4096\t131072\t6291456 ")
    ('4096 131072 6291456', ())
    """
    selected = _SELECTED.findall(text)
    if len(selected) != 1:
        return " ".join(text.split()), ()
    return selected[0], tuple(word.strip("[]") for word in text.split())
