"""What the guard reports: plain values, quick to import."""

from typing import NamedTuple


class Crash(NamedTuple):
    """A setting in force when the machine went down; the reboot has rolled it back."""

    boot_id: str
    time: float
    setting: dict[str, str]


class Write(NamedTuple):
    """One value written to the kernel: when (seconds since 1970), what, from, to."""

    time: float
    name: str
    before: str
    after: str


class RestoreReport(NamedTuple):
    """What restoring did; each tuple is (parameter, value found, original value).

    Attributes:
        restored: Put back, and read back equal.
        foreign: Changed by somebody else since our last write, and left alone.
        failed: Could not be put back; the journal still remembers them.
        crash: Setting of an earlier boot that the machine went down with, if one was found.
    """

    restored: list[tuple[str, str, str]]
    foreign: list[tuple[str, str, str]]
    failed: list[tuple[str, str, str]]
    crash: Crash | None = None

    def __str__(self) -> str:
        return "; ".join(f"{name} is {found}, was {old}" for name, found, old in self.failed)
