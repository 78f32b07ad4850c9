"""Whether what was applied still holds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sealtune.apply.conflicts import Conflict, find_conflicts
from sealtune.apply.live import ReadLive, read_live, same_value
from sealtune.apply.plan import exists_with, sysctl_file, tmpfiles_file
from sealtune.apply.record import Entry, applied_names, digest, load_record

FileState = Literal["as written", "changed", "missing"]
ParameterState = Literal["as applied", "drifted", "not read"]


@dataclass(frozen=True, slots=True)
class FileStatus:
    """One file of ours and what has become of it."""

    path: Path
    state: FileState


@dataclass(frozen=True, slots=True)
class ParameterStatus:
    """One parameter: the applied text, the present one (``None`` when not read), the outcome."""

    name: str
    applied: str
    live: str | None
    state: ParameterState


@dataclass(frozen=True, slots=True)
class AppliedStatus:
    """One applied setting.

    Attributes:
        name: Name to give to `sealtune.apply.revert`.
        gain: The gain it was applied for, one line.
        files: Our files.
        parameters: Its parameters.
        conflicts: Other configuration that sets the same parameters, winners first.
    """

    name: str
    gain: str
    files: tuple[FileStatus, ...]
    parameters: tuple[ParameterStatus, ...]
    conflicts: tuple[Conflict, ...]

    @property
    def holds(self) -> bool:
        """Whether every file and value is as applied and stays so at the next boot."""
        return (
            all(file.state == "as written" for file in self.files)
            and all(parameter.state != "drifted" for parameter in self.parameters)
            and not any(conflict.wins for conflict in self.conflicts)
        )


def status(root: Path = Path("/"), read: ReadLive | None = None) -> tuple[AppliedStatus, ...]:
    """Return every applied setting under `root` and its drift, sorted by name.

    Args:
        root: Directory that stands for ``/``. Live values are read for ``/`` only.
        read: Reader of live values, asked whatever the root.

    Raises:
        KeepingError: A record cannot be read.
    """
    if read is None:
        read = read_live if root == Path("/") else lambda path: None
    found = []
    for name in applied_names(root):
        if (record := load_record(root, name)) is None:
            continue  # reverted by another process just now
        # An earlier value under another scheduler is kept only to be undone; no file sets it.
        kept = {n: one for n, one in record.entries.items() if exists_with(n, record.entries)}
        values = {entry.path: entry.value for entry in kept.values()}
        files = tuple(_file(root, inside, sums) for inside, sums in record.files.items())
        parameters = tuple(_parameter(*item, read) for item in kept.items())
        conflicts = find_conflicts(
            root, sysctl_file(root, name), tmpfiles_file(root, name), values
        )
        found.append(AppliedStatus(name, record.gain, files, parameters, conflicts))
    return tuple(found)


def _file(root: Path, inside: str, sums: tuple[str, ...]) -> FileStatus:
    path = root / inside.lstrip("/")
    try:
        return FileStatus(path, "as written" if digest(path.read_bytes()) in sums else "changed")
    except FileNotFoundError:
        return FileStatus(path, "missing")
    except OSError:
        return FileStatus(path, "changed")


def _parameter(name: str, entry: Entry, read: ReadLive) -> ParameterStatus:
    live = read(entry.path)
    if live is None:
        return ParameterStatus(name, entry.value, None, "not read")
    holds = same_value(live, entry.value) or (entry.live != "" and same_value(live, entry.live))
    return ParameterStatus(name, entry.value, live, "as applied" if holds else "drifted")
