"""How the peers see a knob: a position in [0, 1], one of few whole numbers, or a category.

A peer that is shown a switch as a position in [0, 1] takes 0.4 and 0.1 for two settings: it pays
for both, and fits a smooth curve through what is a step. So a knob of few values is shown as what
it is, and every peer can use what its authors built for whole numbers and categories.
"""

from dataclasses import dataclass
from typing import Literal

from sealtune.space.knobs import ChoiceKnob, Dimension, IntKnob, Value
from sealtune.space.space import Space

FEW = 32
"""Most values that are shown as whole numbers: with more of them, noise hides a single step."""

Place = float | int | str
"""Where a value lies on its axis: a position, an index or the category itself."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One knob as a peer sees it.

    Attributes:
        knob: What it is of.
        kind: ``position`` in [0, 1], on the knob's own scale; ``index`` of a number from 0 to
            ``count - 1``; or ``category``, of a choice.

    >>> switch = Axis(IntKnob("a", 0, 1), "index")
    >>> switch.count, switch.place(1), switch.value(0)
    (2, 1, 0)
    """

    knob: Dimension
    kind: Literal["position", "index", "category"]

    @property
    def count(self) -> int | None:
        """How many values there are; ``None`` for a position."""
        return None if self.kind == "position" else _count(self.knob)

    @property
    def choices(self) -> tuple[str, ...]:
        """The categories, in order; none for a number."""
        return self.knob.choices if isinstance(self.knob, ChoiceKnob) else ()

    def place(self, value: Value) -> Place:
        """Return where `value` lies; one between two steps is at the nearer."""
        if self.kind == "position":
            return self.knob.encode(value)
        if isinstance(self.knob, ChoiceKnob):
            return str(value) if str(value) in self.knob.choices else self.knob.choices[0]
        index = round((int(value) - self.knob.low) / self.knob.step)
        return min(max(0, index), _count(self.knob) - 1)

    def value(self, place: Place) -> Value:
        """Return the value at `place`."""
        if self.kind == "position":
            return self.knob.decode(float(place))
        if isinstance(self.knob, ChoiceKnob):
            return str(place)
        return self.knob.low + int(place) * self.knob.step


def axes(space: Space, *, whole: bool = True) -> tuple[Axis, ...]:
    """Return the axis of each knob of `space`, in order.

    Args:
        space: What is searched.
        whole: Whether the peer makes use of whole numbers and categories; if not, all are
            positions, and a choice has an equal part of its axis.
    """
    return tuple(_axis(knob) if whole else Axis(knob, "position") for knob in space.knobs)


def _axis(knob: Dimension) -> Axis:
    if isinstance(knob, ChoiceKnob):
        return Axis(knob, "category")
    # On a log scale whole numbers are not equally far apart; their positions say how far.
    few = knob.scale == "linear" and _count(knob) <= FEW
    return Axis(knob, "index" if few else "position")


def _count(knob: Dimension) -> int:
    if isinstance(knob, IntKnob):
        return (knob.high - knob.low) // knob.step + 1
    return len(knob.choices)
