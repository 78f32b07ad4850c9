"""The last word on a single value before it leaves for the guard, which checks it once more."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sealtune.catalogue import load_catalogue
from sealtune.catalogue.bounds import resolve_bound
from sealtune.catalogue.knob import Knob
from sealtune.errors import KnobError
from sealtune.machine.facts import memory_of_host
from sealtune.machine.knob_value import read_knob
from sealtune.space.available import AvailableKnob

Range = tuple[int, int] | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a value may not be written.

    Attributes:
        name: The parameter, as it was asked for.
        value: The value, as it was asked for.
        reason: One sentence.
        allowed: What may be written instead, such as ``1..150``; ``""`` if nothing.
    """

    name: str
    value: object
    reason: str
    allowed: str = ""

    def __str__(self) -> str:
        allowed = f" (allowed: {self.allowed})" if self.allowed else ""
        return f"{self.name} = {self.value!r}: {self.reason}{allowed}"


class SafetyValidator:
    """Says whether a value may be written to a kernel parameter.

    Stricter than the kernel on purpose: that takes ``60 70`` and ``0x3c`` for a swappiness, and 0
    for the length of the accept queue. Unknown parameters are refused, and those on the never-tune
    list whatever the catalogue or a model says.

    Args:
        available: What this machine offers, see `sealtune.space.available_knobs`; then nothing
            else is allowed. Without it the whole catalogue is, in its safe ranges for the memory
            of this machine. Needs no root and works on any operating system.

    >>> validator = SafetyValidator()
    >>> validator.SAFE_RANGES["vm.swappiness"], validator.validate("vm.swappiness", 10)
    ((1, 150), True)
    >>> print(validator.explain("vm.swappiness", 201))
    vm.swappiness = 201: the value is outside the safe range (allowed: 1..150)
    """

    def __init__(self, available: Iterable[AvailableKnob] | None = None) -> None:
        ranges = _of_catalogue() if available is None else _of_machine(available)
        self._ranges: Mapping[str, Range] = MappingProxyType(ranges)

    @property
    def SAFE_RANGES(self) -> Mapping[str, Range]:
        """Name to ``(low, high)``, both inclusive, or to the choices; read only.

        Without `available`, block entries stand under their ``block/{dev}/`` name.
        """
        return self._ranges

    def validate(self, name: str, value: object) -> bool:
        """Return whether `value` may be written to the parameter `name`."""
        return self.explain(name, value) is None

    def explain(self, name: str, value: object) -> Refusal | None:
        """Return why `value` may not be written to `name`, ``None`` if it may.

        Args:
            name: Any spelling that the catalogue knows.
            value: A whole number (a decimal text will do) or a choice; never a bool or a float.
        """
        try:
            knob = load_catalogue().resolve(str(name))
        except KnobError as error:  # unknown, or on the never-tune list
            return Refusal(name, value, str(error))
        allowed = self._ranges.get(knob.name) or self._ranges.get(_template(knob.name))
        if allowed is None:
            return Refusal(name, value, "it cannot be tuned on this machine")
        return _check(name, value, knob, allowed)


def _check(name: str, value: object, knob: Knob, allowed: Range) -> Refusal | None:
    if knob.kind == "choice":
        text = str(value) if type(value) in (int, str) else None
        shown = ", ".join(map(str, allowed))
        return None if text in allowed else Refusal(name, value, "no such choice", shown)
    low, high = (int(bound) for bound in allowed)
    shown = f"{low}..{high}"
    number = _whole(value)
    if number is None:
        return Refusal(name, value, "a whole number in decimal digits is needed", shown)
    if not low <= number <= high:
        return Refusal(name, value, "the value is outside the safe range", shown)
    return None


def _whole(value: object) -> int | None:
    if type(value) is int:
        return value
    if type(value) is not str or len(value) > 20:
        return None
    # The kernel reads 060 as octal and 0x3c as hexadecimal: only the one plain spelling is taken.
    digits = value.removeprefix("-")
    plain = digits.isascii() and digits.isdigit() and str(int(value)) == value
    return int(value) if plain else None


def _of_catalogue() -> dict[str, Range]:
    memory = memory_of_host()
    ranges: dict[str, Range] = {}
    for knob in load_catalogue().knobs:
        if knob.kind == "choice":
            ranges[knob.name] = knob.choices
            continue
        present = _present(knob) if "present" in (knob.low, knob.high) else None
        try:
            low = resolve_bound(knob.low, present, memory)
            high = resolve_bound(knob.high, present, memory)
        except ValueError:  # raise-only, and no present value to start from: not tunable here
            continue
        ranges[knob.name] = (low, max(low, high))
    return ranges


def _of_machine(available: Iterable[AvailableKnob]) -> dict[str, Range]:
    return {
        item.knob.name: item.choices if item.knob.kind == "choice" else (item.low, item.high)
        for item in available
    }


def _present(knob: Knob) -> int | None:
    value = read_knob(knob, Path("/")).value
    return int(value) if value is not None and value.isdigit() else None


def _template(name: str) -> str:
    parts = name.split("/")
    return "/".join(["block", "{dev}", *parts[2:]]) if parts[0] == "block" else name
