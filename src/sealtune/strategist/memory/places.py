"""Where remembered values lie on this machine: positions in each parameter's safe range."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sealtune.space.available import AvailableKnob
from sealtune.space.knobs import ChoiceKnob, Dimension, IntKnob, Setting, Value
from sealtune.store.experience import Experience
from sealtune.strategist.memory.recall import Lesson, on_any_device

NARROWEST, WIDEST = 0.12, 0.3
"""Half of a focus, as a share of the safe range: much evidence, and next to none."""


@dataclass(frozen=True, slots=True)
class Place:
    """A remembered value, made one of this machine.

    Attributes:
        value: What to begin with.
        focus: Part of the range around it, both ends included; ``None`` for a choice.
    """

    value: Value
    focus: tuple[int, int] | None = None


def dimension(item: AvailableKnob) -> Dimension:
    """Return the whole safe range of a parameter as a dimension."""
    knob = item.knob
    if knob.kind == "choice":
        return ChoiceKnob(knob.name, item.choices)
    scale = knob.scale if item.low >= 0 else "linear"
    return IntKnob(knob.name, item.low, item.high, scale=scale, step=knob.step)


def value_in(setting: Mapping[str, int | str], name: str) -> int | str | None:
    """Return the value of a parameter, whatever its block device was called there."""
    wanted = on_any_device(name)
    return next((v for k, v in setting.items() if on_any_device(k) == wanted), None)


def place(lesson: Lesson, item: AvailableKnob) -> Place | None:
    """Return where `lesson` would begin on this machine, ``None`` if it has no such value.

    The value is the one with the most weight behind it, as it was measured; the focus covers
    the others too, and is the narrower the more speaks for it.
    """
    found = [value_in(memory.experience.setting, lesson.name) for memory in lesson.carried]
    net = max(0.0, lesson.support - lesson.doubt)
    half = NARROWEST + (WIDEST - NARROWEST) / (1.0 + 2.0 * net)
    return around([value for value in found if value is not None], item, half)


def around(values: Sequence[Value], item: AvailableKnob, half: float) -> Place | None:
    """Return a place at the first of `values`, its focus `half` of the range beyond all of them.

    ``None`` if this machine has no such value.
    """
    axis = dimension(item)
    if isinstance(axis, ChoiceKnob):
        offered = [str(value) for value in values if str(value) in axis.choices]
        return Place(offered[0]) if offered else None
    at = [axis.encode(number) for value in values if (number := fitting(axis, value)) is not None]
    if not at:
        return None
    low, high = axis.decode(min(at) - half), axis.decode(max(at) + half)
    return Place(axis.decode(at[0]), (low, high) if low < high else None)


def candidate_of(experience: Experience) -> Setting:
    """Return the whole setting that fresh pairs measured, of which `setting` is a part."""
    whole = {name: row["best"] for name, row in experience.effects.items() if "best" in row}
    return {name: _number(value) for name, value in {**whole, **experience.setting}.items()}


def _number(value: Value) -> Value:
    """Return a number as a number: a result holds values as text."""
    return int(value) if str(value).lstrip("-").isdigit() else value


def fitting(axis: Dimension, value: Value | None) -> Value | None:
    """Return `value` as `axis` would hold it, ``None`` if it is none of its kind.

    >>> fitting(IntKnob("a", 0, 10), 99), fitting(IntKnob("a", 0, 10), "x")
    (10, None)
    """
    if isinstance(axis, ChoiceKnob):
        return str(value) if str(value) in axis.choices else None
    return axis.decode(axis.encode(value)) if isinstance(value, int) else None


def near(axis: Dimension, one: Value | None, other: Value | None) -> bool:
    """Whether two values are the same choice, or within a tenth of the range."""
    left, right = fitting(axis, one), fitting(axis, other)
    if left is None or right is None:
        return False
    return left == right or (
        isinstance(axis, IntKnob) and abs(axis.encode(left) - axis.encode(right)) <= 0.1
    )


def repeats(
    setting: Setting, failed: Mapping[str, int | str], axes: Mapping[str, Dimension]
) -> bool:
    """Whether `setting` has about the value of `failed` in every parameter of it.

    A parameter that `setting` does not hold stands at its present value, so it repeats nothing.
    """
    held = {on_any_device(name): value for name, value in setting.items()}
    names = [on_any_device(name) for name in failed]
    return bool(names) and all(
        name in held and name in axes and near(axes[name], held[name], value_in(failed, name))
        for name in names
    )
