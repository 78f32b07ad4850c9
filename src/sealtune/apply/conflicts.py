"""Which other configuration would win over ours at the next boot."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from sealtune.apply.boot_files import (
    Assignment,
    configuration_files,
    is_pattern,
    sysctl_assignments,
    tmpfiles_writes,
)

Reader = Literal["systemd-sysctl", "sysctl --system", "systemd-tmpfiles", "tuned"]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Another place that sets one of our parameters to another value.

    Attributes:
        parameter: Path of the parameter's file (``/proc/sys/vm/swappiness``); ``*`` for TuneD.
        file: The other file.
        line: Its line, from 1; 0 when the file as a whole is meant.
        value: What it sets; ``None`` when it excludes the parameter.
        reader: The program that reads both files.
        wins: Whether the other value is the one in force after `reader` has run.
    """

    parameter: str
    file: Path
    line: int
    value: str | None
    reader: Reader
    wins: bool

    def __str__(self) -> str:
        if self.reader == "tuned":
            return f"TuneD profile {self.value!r} is active ({self.file}) and may set it again"
        does = "excludes it" if self.value is None else f"sets it to {self.value!r}"
        outcome = "and wins over ours" if self.wins else "and loses to ours"
        return f"{self.parameter}: {self.file}:{self.line} {does} {outcome} ({self.reader})"


def find_conflicts(
    root: Path, sysctl_file: Path, tmpfiles_file: Path, values: Mapping[str, str]
) -> tuple[Conflict, ...]:
    """Return who else sets the parameters in `values` (path to text), winners first.

    Args:
        root: Directory that stands for ``/``.
        sysctl_file: Our file under sysctl.d, whether it exists yet or not.
        tmpfiles_file: Our file under tmpfiles.d, likewise.
        values: Absolute parameter path to the text that we set.
    """
    sysctls = {p.removeprefix("/proc/sys/"): v for p, v in values.items() if _is_sysctl(p)}
    others = {path: value for path, value in values.items() if not _is_sysctl(path)}
    found = [
        *_systemd_sysctl(root, sysctl_file, sysctls),
        *_procps(root, sysctl_file, sysctls),
        *_tmpfiles(root, tmpfiles_file, others),
        *_tuned(root),
    ]
    return tuple(sorted(found, key=lambda conflict: not conflict.wins))


def _is_sysctl(path: str) -> bool:
    return path.startswith("/proc/sys/")


def _systemd_sysctl(root: Path, ours: Path, values: Mapping[str, str]) -> Iterator[Conflict]:
    files = [path for path in configuration_files(root, "sysctl.d") if path.name[0] != "."]
    lines = [line for file in files for line in sysctl_assignments(file)]
    yield from _last_one_wins(lines, ours, values, "systemd-sysctl", frozenset())


def _procps(root: Path, ours: Path, values: Mapping[str, str]) -> Iterator[Conflict]:
    # /etc/sysctl.conf is read after every directory, so it wins whatever our file is called.
    last = root / "etc" / "sysctl.conf"
    files = [*configuration_files(root, "sysctl.d"), last]
    lines = [line for file in files for line in sysctl_assignments(file)]
    settings = [line for line in lines if line.value is not None]
    yield from _last_one_wins(settings, ours, values, "sysctl --system", frozenset({last}))


def _last_one_wins(
    lines: list[Assignment],
    ours: Path,
    values: Mapping[str, str],
    reader: Reader,
    after_all: frozenset[Path],
) -> Iterator[Conflict]:
    # Only the last other line matters for each parameter; one base name is one file.
    last = {line.target: line for line in lines if line.file.name != ours.name}
    for target, value in values.items():
        if (other := last.get(target)) and not _same(other.value, value):
            wins = other.file in after_all or other.file.name.encode() > ours.name.encode()
            path = f"/proc/sys/{target}"
            yield Conflict(path, other.file, other.line, other.value, reader, wins)


def _tmpfiles(root: Path, ours: Path, values: Mapping[str, str]) -> Iterator[Conflict]:
    files = [path for path in configuration_files(root, "tmpfiles.d") if path.name[0] != "."]
    lines = [line for file in files if file.name != ours.name for line in tmpfiles_writes(file)]
    for target, value in values.items():
        for other in lines:
            # Of two equal paths the first is obeyed; patterns run after all plain paths.
            pattern = is_pattern(other.target)
            hit = fnmatchcase(target, other.target) if pattern else other.target == target
            if hit and not _same(other.value, value):
                wins = pattern or other.file.name.encode() < ours.name.encode()
                reader: Reader = "systemd-tmpfiles"
                yield Conflict(target, other.file, other.line, other.value, reader, wins)


def _tuned(root: Path) -> Iterator[Conflict]:
    file = root / "etc" / "tuned" / "active_profile"
    try:
        profile = " ".join(file.read_text("utf-8", errors="replace").split())
    except OSError:
        return
    if profile:
        yield Conflict("*", file, 0, profile, "tuned", wins=True)


def _same(one: str | None, other: str) -> bool:
    return one is not None and one.split() == other.split()
