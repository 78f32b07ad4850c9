"""What is known about one kernel parameter, before any machine is looked at.

Vocabulary only: nothing here reads a file outside the package or touches the machine.
"""

from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["int", "choice"]
Scale = Literal["linear", "log"]
Effective = Literal[
    "now", "new_socket", "new_listener", "new_connection", "new_memory", "new_open"
]
Persist = Literal["sysctl.d", "tmpfiles.d"]
Bound = int | str
"""A number, or an expression resolved on the machine: ``"present"`` (raise-only limits) or a
share of memory such as ``"0.25*RAM"`` (bytes) or ``"0.04*RAM/1024"`` (kB); see
`sealtune.catalogue.bounds`."""

ABSENT = "absent"
"""Shown and recorded in place of a value, where a parameter does not exist for now."""


@dataclass(frozen=True, slots=True)
class Under:
    """The choices of another parameter under which one exists; elsewhere its file is not there.

    Attributes:
        param: Name of the other parameter, a choice that exists always.
        values: Its values under which this one exists.
    """

    param: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"under {self.param} {' or '.join(self.values)}"


@dataclass(frozen=True, slots=True)
class Knob:
    """One kernel parameter that may be set while the machine runs.

    Attributes:
        name: Dotted sysctl name (``vm.swappiness``), or a short path for sysfs
            (``haltpoll/guest_halt_poll_ns``, ``block/{dev}/read_ahead_kb``).
        path: Absolute file under /proc/sys or /sys; ``{dev}`` stands for the tuned block device.
        kind: ``int`` or ``choice``.
        low: Smallest value we will ever write, inclusive, in `unit` (kind ``int``).
        high: Largest value we will ever write, inclusive, in `unit` (kind ``int``).
        choices: Values we will ever write (kind ``choice``); on a file that lists its own choices
            in brackets only those that this kernel lists too.
        scale: ``log`` where a doubling matters as much anywhere in the range.
        step: Granularity of an ``int``; a value is rounded to ``low + k * step``.
        default: What an untouched kernel has, in words where it depends on the machine.
        unit: ``bytes``, ``us``, ``percent`` ... or ``""`` for a bare count.
        effective: When a new value bites: at once, or only for new sockets, listeners, ...
        persist: Where a kept value is written.
        order: Write order inside a batch, small first (block scheduler before nr_requests).
        saved_with: Files that the kernel changes as a side effect of writing this one, and which
            therefore are saved and restored with it (``vm.dirty_bytes`` with ``vm.dirty_ratio``).
        below: Name of a knob whose value this one must stay under.
        under: The choices of another knob under which this one exists; ``None`` if it always
            does. Switching that knob swaps the file for a new one at `default`.
        needs: What must exist for it to have any effect: ``swap``, ``numa``, ``haltpoll``,
            ``ratio_in_force`` (the files in `saved_with` read 0).
        risk: 0 harmless, 1 can slow things down, 2 can lose data or memory when extreme, 3 opt-in.
        why: One or two sentences: why it matters and for whom.
        trade_off: What it costs elsewhere; ``""`` if nothing is known.
        source: Kernel document or measurement that bounds and text come from.
        topics: ``database``, ``web``, ``cache``, ``latency``, ``disk``, ``network``, ``memory``,
            ``cpu``.
    """

    name: str
    path: str
    kind: Kind
    low: Bound = 0
    high: Bound = 0
    choices: tuple[str, ...] = ()
    scale: Scale = "linear"
    step: int = 1
    default: str = ""
    unit: str = ""
    effective: Effective = "now"
    persist: Persist = "sysctl.d"
    order: int = 0
    saved_with: tuple[str, ...] = ()
    below: str | None = None
    under: Under | None = None
    needs: tuple[str, ...] = ()
    risk: int = 1
    why: str = ""
    trade_off: str = ""
    source: str = ""
    topics: tuple[str, ...] = ()

    def on_device(self, device: str) -> "Knob":
        """Return this knob with ``{dev}`` replaced by `device`, unchanged if it has none.

        >>> Knob("block/{dev}/nr_requests", "/sys/block/{dev}/queue/nr_requests", "int").on_device(
        ...     "vda").path
        '/sys/block/vda/queue/nr_requests'
        """
        return replace(
            self,
            name=self.name.replace("{dev}", device),
            path=self.path.replace("{dev}", device),
            saved_with=tuple(path.replace("{dev}", device) for path in self.saved_with),
            below=self.below.replace("{dev}", device) if self.below else None,
            under=replace(self.under, param=self.under.param.replace("{dev}", device))
            if self.under
            else None,
        )
