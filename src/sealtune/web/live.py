"""What the kernel says now of the parameters of a session; only ever read."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from sealtune.catalogue import load_catalogue
from sealtune.catalogue.knob import ABSENT, Knob
from sealtune.errors import KnobError
from sealtune.machine.files import read_text
from sealtune.machine.knob_value import read_knob
from sealtune.store import SessionRow

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Kernel:
    """Reads the parameters of a session, in microseconds each.

    Nothing is read for a simulated session, nor for one of another boot or machine: what this
    kernel says is not theirs.

    Args:
        row: The session.
        names: Its parameters.
        root: Where /proc and /sys are; only tests give another.
    """

    def __init__(self, row: SessionRow, names: tuple[str, ...], root: Path = Path("/")) -> None:
        self._root = root
        self._knobs: dict[str, Knob] = {}
        boot = (read_text(root, _BOOT_ID) or "").strip()
        if row.simulated or not boot or str(row.facts.get("boot_id")).strip() != boot:
            return
        disk = row.facts.get("disk") or {}
        for name in names:
            with suppress(KnobError):  # of another version's catalogue
                self._knobs[name] = load_catalogue().resolve(name, device=disk.get("name"))

    def read(self) -> Mapping[str, str]:
        """Return name to present value; ``absent`` where the file is not there for now."""
        values = {}
        for name, knob in self._knobs.items():
            found = read_knob(knob, self._root)
            if found.value is not None:
                values[name] = found.value
            elif found.state == "missing":
                values[name] = ABSENT
        return values
