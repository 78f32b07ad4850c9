"""The parameters of a machine that is not there: what a dry run tunes away from Linux."""

from collections.abc import Iterable

from sealtune.catalogue.bounds import resolve_bound
from sealtune.catalogue.knob import Knob
from sealtune.machine.facts import Facts
from sealtune.space.available import Availability, AvailableKnob

_DEVICE = "sda"


def imagined_knobs(knobs: Iterable[Knob], facts: Facts) -> Availability:
    """Return every knob as an untouched Linux of this much memory would have it.

    Args:
        knobs: Entries of the catalogue.
        facts: Gives the memory that ranges depend on.
    """
    found = [_imagine(knob.on_device(_DEVICE), facts.memory_bytes) for knob in knobs]
    return Availability(tuple(found), ())


def _imagine(knob: Knob, memory_bytes: int) -> AvailableKnob:
    exists = knob.under is None  # its scheduler is the first of the list: none
    if knob.kind == "choice":
        present = knob.default if knob.default in knob.choices else knob.choices[0]
        return AvailableKnob(knob, present, choices=knob.choices, exists=exists)
    default = int(knob.default) if knob.default.isdigit() else None
    usual = resolve_bound(knob.high, default or 1, memory_bytes) if default is None else default
    low = resolve_bound(knob.low, usual, memory_bytes)
    high = max(resolve_bound(knob.high, usual, memory_bytes), low + knob.step)
    return AvailableKnob(knob, str(min(max(usual, low), high)), low, high, exists=exists)
