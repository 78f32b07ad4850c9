"""The kernel's present values: read here, written only through the guard."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

Value = int | str
ReadLive = Callable[[str], str | None]
"""Absolute parameter path to its present text, ``None`` when it cannot be read."""


class LiveWriter(Protocol):
    """What may set kernel values: the guard's client, or a stand-in for it in tests."""

    def apply(self, setting: Mapping[str, Value]) -> dict[str, str]:
        """Make the machine as it was found plus `setting`; return what each one reads back as."""

    def commit(self) -> None:
        """Keep what was applied: from here on it is not put back when the writer goes away."""


@contextmanager
def live_writer() -> Iterator[LiveWriter]:
    """Start the guard for one change; what was not committed is put back at the end.

    Raises:
        GuardError: No root, another sealtune is running, or an earlier run is not restored yet.
    """
    from sealtune.guard import Guard

    # Without names it would read every parameter it knows; `apply` reads those it is given.
    with Guard.start(knobs=()) as guard:
        yield guard


def read_live(path: str) -> str | None:
    """Return the present value of the parameter at `path`, ``None`` if it cannot be read."""
    try:
        return present_value(Path(path).read_text("utf-8", errors="replace"))
    except OSError:
        return None


def present_value(text: str) -> str:
    r"""Return the value in what the kernel shows: the choice in brackets, single spaces.

    >>> present_value("always [madvise] never\n"), present_value("4096\t131072\t6291456\n")
    ('madvise', '4096 131072 6291456')
    """
    words = text.split()
    chosen = [word[1:-1] for word in words if word[:1] == "[" and word[-1:] == "]"]
    return chosen[0] if len(chosen) == 1 else " ".join(words)


def same_value(one: str | None, other: str) -> bool:
    """Whether two texts are the same value, however the kernel spaces them."""
    return one is not None and present_value(one) == present_value(other)


def as_value(text: str) -> Value:
    """Return `text` as the guard takes it: an integer where it is one."""
    return int(text) if text.removeprefix("-").isdecimal() else text
