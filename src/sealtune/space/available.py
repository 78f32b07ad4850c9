"""Which parameters of the catalogue can really be tuned on this machine, and between what."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sealtune.catalogue import load_catalogue
from sealtune.catalogue.bounds import resolve_bound
from sealtune.catalogue.forbidden import canonical
from sealtune.catalogue.knob import ABSENT, Knob, Under
from sealtune.machine.facts import Facts
from sealtune.machine.files import read_text, under
from sealtune.machine.knob_value import Reading, read_knob


@dataclass(frozen=True, slots=True)
class AvailableKnob:
    """A parameter that can be tuned here. The present value always lies within what is offered.

    One that exists only under a choice of another, and not under the present one, has its
    catalogue default for a present value, and `exists` is false.

    Attributes:
        knob: The catalogue's entry, its device filled in.
        present: Value as found, in the text that the kernel gives; the default if it is not there.
        low: Smallest value, inclusive (kind ``int``, else 0).
        high: Largest value, inclusive (kind ``int``, else 0).
        choices: Values on offer (kind ``choice``, else empty).
        notices: What was changed of the catalogue's range and why, one sentence each.
        exists: Whether its file is there now.
    """

    knob: Knob
    present: str
    low: int = 0
    high: int = 0
    choices: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    exists: bool = True

    @property
    def found(self) -> str:
        """What the machine has, for people and records: the present value, or ``absent``."""
        return self.present if self.exists else ABSENT


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A parameter that cannot be tuned here, and why, in one sentence."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Availability:
    """What this machine has of the parameters asked for, in their order."""

    offered: tuple[AvailableKnob, ...]
    left_out: tuple[LeftOut, ...]


def available_knobs(knobs: Iterable[Knob], facts: Facts, root: Path = Path("/")) -> Availability:
    """Return which of `knobs` can be tuned on this machine, between what, and why not the others.

    Reads every parameter once and writes nothing; needs no root, and answers for root.

    Args:
        knobs: Entries of the catalogue; ``{dev}`` becomes the disk in `facts`.
        facts: The machine.
        root: Root of the tree to read.
    """
    device = facts.disk.name if facts.disk else None
    expanded = [knob.on_device(device) if device else knob for knob in knobs]
    judged = [_judge(knob, facts, root) for knob in expanded]
    offered = tuple(item for item in judged if isinstance(item, AvailableKnob))
    left_out = tuple(item for item in judged if isinstance(item, LeftOut))
    return Availability(_within_tags(offered, facts), left_out)


def _judge(knob: Knob, facts: Facts, root: Path) -> AvailableKnob | LeftOut:
    if "{dev}" in knob.path:
        return LeftOut(knob.name, "No disk that can be tuned holds the benchmark's files.")
    device_folder = under(root, knob.path).parent.parent
    if knob.name.endswith("/nr_requests") and not (device_folder / "mq").is_dir():
        return LeftOut(knob.name, "This device passes requests on; it has no queue of its own.")
    reading = read_knob(knob, root)
    if reading.state == "missing" and knob.under is not None:
        return _elsewhere(knob, knob.under, facts, root)
    reason = _unusable(knob, reading) or _without_effect(knob, facts, root)
    if reason or reading.value is None:
        return LeftOut(knob.name, reason)
    if knob.kind == "choice":
        return _choice(knob, reading.value, reading.offered)
    return _integer(knob, reading.value, facts)


def _elsewhere(knob: Knob, needed: Under, facts: Facts, root: Path) -> AvailableKnob | LeftOut:
    """Offer a parameter that does not exist now if one of the choices that bring it is at hand."""
    reading = read_knob(load_catalogue().resolve(needed.param), root)
    if reading.value is None or reading.value in needed.values:
        return LeftOut(knob.name, f"This kernel has no {knob.path}.")
    if not set(needed.values) & set(reading.offered):
        return LeftOut(knob.name, f"It exists only {needed}, which this kernel does not offer.")
    notices = (f"It exists only {needed}, which is {reading.value} now.",)
    if knob.kind == "choice":
        return AvailableKnob(
            knob, knob.default, choices=knob.choices, notices=notices, exists=False
        )
    low = resolve_bound(knob.low, None, facts.memory_bytes)
    high = resolve_bound(knob.high, None, facts.memory_bytes)
    return AvailableKnob(knob, knob.default, low, high, notices=notices, exists=False)


def _unusable(knob: Knob, reading: Reading) -> str:
    return {
        "ok": "" if reading.value else "Its file is empty.",
        "missing": f"This kernel has no {knob.path}.",
        "unreadable": f"{knob.path} cannot be read: {reading.detail}.",
        "read_only": f"{knob.path} cannot be written on this machine.",
    }[reading.state]


def _without_effect(knob: Knob, facts: Facts, root: Path) -> str:
    if "swap" in knob.needs and not facts.swap_bytes:
        return "It has no effect without swap, and this machine has none."
    if "numa" in knob.needs and facts.numa_nodes < 2:
        return "It has no effect with a single memory node."
    if "haltpoll" in knob.needs and facts.cpuidle_governor != "haltpoll":
        return "It acts only under the haltpoll idle governor, which is not in force here."
    if "ratio_in_force" in knob.needs:
        for path in knob.saved_with:
            if (found := read_text(root, path)) not in ("0", None):
                # To write the share would switch the number of bytes off that somebody chose.
                return f"{canonical(path)} = {found} is in force in its place."
    return ""


def _integer(knob: Knob, text: str, facts: Facts) -> AvailableKnob | LeftOut:
    try:
        present = int(text)
    except ValueError:
        return LeftOut(knob.name, f"Its present value {text!r} is no number.")
    low = resolve_bound(knob.low, present, facts.memory_bytes)
    high = resolve_bound(knob.high, present, facts.memory_bytes)
    if present < 0 <= low:
        return LeftOut(knob.name, f"Its present value {present} is a special one, not a quantity.")
    notices: tuple[str, ...] = ()
    if not low <= present <= high:
        low, high, safe = min(low, present), max(high, present), f"{low}..{high}"
        notices = (f"The present value {present} lies outside {safe}; the range now includes it.",)
    if low == high:
        return LeftOut(knob.name, f"Nothing but its present value {present} is safe here.")
    return AvailableKnob(knob, text, low, high, notices=notices)


def _choice(knob: Knob, present: str, listed: tuple[str, ...]) -> AvailableKnob | LeftOut:
    choices = tuple(choice for choice in knob.choices if not listed or choice in listed)
    notices: tuple[str, ...] = ()
    if present not in choices:
        choices = (*choices, present)
        notices = (f"The present value {present!r} was added to the choices.",)
    if len(choices) < 2:
        return LeftOut(knob.name, f"This kernel offers nothing but {present!r}.")
    return AvailableKnob(knob, present, choices=choices, notices=notices)


def _within_tags(offered: tuple[AvailableKnob, ...], facts: Facts) -> tuple[AvailableKnob, ...]:
    """Return `offered` with nr_requests kept to what the disk takes when it has no scheduler."""
    disk = facts.disk
    if disk is None or disk.tags is None:
        return offered
    schedulers = {disk.scheduler}
    for item in offered:
        if item.knob.name == f"block/{disk.name}/scheduler":
            schedulers |= set(item.choices)
    if "none" not in schedulers:
        return offered
    return tuple(
        _cap(item, disk.tags) if item.knob.name == f"block/{disk.name}/nr_requests" else item
        for item in offered
    )


def _cap(item: AvailableKnob, tags: int) -> AvailableKnob:
    high = max(tags, int(item.present), item.low + 1)
    if high >= item.high:
        return item
    notice = f"Kept to {high}: without a scheduler the disk takes {tags} requests, refusing more."
    return AvailableKnob(item.knob, item.present, item.low, high, (), (*item.notices, notice))
