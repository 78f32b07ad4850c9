"""What was applied and what was there before: the only thing `revert` believes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sealtune.errors import KeepingError

_FORMAT = 1
_DIRECTORY = Path("var/lib/sealtune/applied")


@dataclass(frozen=True, slots=True)
class Entry:
    """One parameter that was made permanent.

    Attributes:
        path: Its file under /proc/sys or /sys.
        value: Text that was applied.
        previous: Text that it had before sealtune first changed it; ``absent`` if there was none.
        tmpfiles: Kept in tmpfiles.d rather than sysctl.d.
        order: Write order, small first.
        reason: Why, one line.
        gain: What the session measured, one line.
        live: What the kernel made of `value`; ``""`` while unknown.
        side_effects: Files that the kernel changes with it, and their text before.
    """

    path: str
    value: str
    previous: str
    tmpfiles: bool
    order: int
    reason: str
    gain: str
    live: str = ""
    side_effects: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """One applied setting.

    Attributes:
        name: Sanitised name of the workload.
        gain: What the latest session measured, one line.
        entries: Knob name to what was done to it.
        files: Absolute path (as seen from inside the root) to the SHA-256 sums of every content
            that we may have left there; two while a change is being made.
    """

    name: str
    gain: str
    entries: Mapping[str, Entry]
    files: Mapping[str, tuple[str, ...]]

    def as_json(self) -> str:
        """Return the record as it is stored."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, indent=2, sort_keys=True) + "\n"


def digest(content: bytes) -> str:
    """Return the SHA-256 sum by which a file of ours is recognised."""
    return hashlib.sha256(content).hexdigest()


def record_path(root: Path, name: str) -> Path:
    """Return where the record of `name` lies under `root`."""
    return root / _DIRECTORY / f"{name}.json"


def load_record(root: Path, name: str) -> Record | None:
    """Return the record of `name`, ``None`` if nothing of that name is applied.

    Raises:
        KeepingError: The record cannot be read or understood; it is left as it is.
    """
    path = record_path(root, name)
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["format"] != _FORMAT:
            raise KeepingError(f"{path}: format {found['format']}, this sealtune knows {_FORMAT}")
        entries = {knob: Entry(**entry) for knob, entry in found["entries"].items()}
        files = {file: tuple(sums) for file, sums in found["files"].items()}
        return Record(found["name"], found["gain"], entries, files)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeepingError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeepingError(
            f"{path}: no record of sealtune ({error!r})",
            fix="Repair it, or remove it and the files that it names by hand.",
        ) from error


def applied_names(root: Path) -> tuple[str, ...]:
    """Return the names of everything applied under `root`, sorted."""
    return tuple(sorted(path.stem for path in (root / _DIRECTORY).glob("*.json")))
