"""What is believed before the first trial: where to begin, and how firmly."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from sealtune.errors import ConfigError
from sealtune.space.knobs import ChoiceKnob, IntKnob, Setting
from sealtune.space.space import Space, Vector


@dataclass(frozen=True)
class Prior:
    """A belief about where the best setting lies; what the trials say wins over it.

    Attributes:
        start: First setting to try; knobs it does not name begin at their own start.
        focus: Knob name to the part of its range worth trying first, low and high, both included.
        proposals: Settings worth an early trial, best first; unnamed knobs stay at the start.
        stages: Knob names in stages (a curriculum): those of the first stage are searched alone
            first, then those of the second beside them, and so on. Knobs in no stage join last.
    """

    start: Setting = field(default_factory=dict)
    focus: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    proposals: tuple[Setting, ...] = ()
    stages: tuple[tuple[str, ...], ...] = ()

    def within(self, space: Space) -> "Prior":
        """Return the same belief about `space`: completed, repaired, clipped to its ranges.

        Raises:
            ConfigError: It names a knob that is not in `space`.
        """
        named = [self.start, self.focus, *self.proposals, *self.stages]
        unknown = sorted({name for part in named for name in part} - set(space.names))
        if unknown:
            raise ConfigError(f"prior: {', '.join(unknown)} not among {', '.join(space.names)}")
        start = space.repair({**space.start, **self.start})
        proposals = [space.decode(space.encode({**start, **one})) for one in self.proposals]
        fresh = [one for at, one in enumerate(proposals) if one not in (start, *proposals[:at])]
        return Prior(start, dict(_clipped(space, self.focus)), tuple(fresh), self.stages)


def _clipped(
    space: Space, focus: Mapping[str, tuple[int, int]]
) -> Iterable[tuple[str, tuple[int, int]]]:
    """Yield the part of each focus that lies within its knob's range."""
    for name, (low, high) in focus.items():
        knob = space.knob(name)
        if isinstance(knob, IntKnob) and max(low, knob.low) <= min(high, knob.high):
            yield name, (max(low, knob.low), min(high, knob.high))


def as_prior(prior: "Setting | Prior | None") -> Prior:
    """Return `prior` as a `Prior`; a plain setting is where to begin."""
    return prior if isinstance(prior, Prior) else Prior(start=dict(prior or {}))


class FocusBox:
    """The focus as a box in [0, 1]^n; a number without one spans its whole range.

    A choice has no range to cut: its focus is where it starts.

    Args:
        space: Where to search.
        focus: Knob name to the part of its range worth trying first; at least one.
        start: Where to begin.

    Attributes:
        low: Lower corner, ``(n,)``.
        high: Upper corner, ``(n,)``.

    >>> space = Space([IntKnob("a", 0, 100), IntKnob("b", 0, 10)])
    >>> box = FocusBox(space, {"a": (20, 30)}, space.start)
    >>> box.holds(np.array([[0.25, 1.0], [0.5, 1.0]])).tolist()
    [True, False]
    """

    def __init__(self, space: Space, focus: Mapping[str, tuple[int, int]], start: Setting) -> None:
        self.low: Vector = np.zeros(len(space))
        self.high: Vector = np.ones(len(space))
        for at, knob in enumerate(space.knobs):
            if isinstance(knob, ChoiceKnob):
                half = 0.5 / len(knob.choices)
                middle = knob.encode(start[knob.name])
                self.low[at], self.high[at] = middle - half, middle + half
            elif knob.name in focus:
                self.low[at], self.high[at] = (knob.encode(end) for end in focus[knob.name])

    def fill(self, positions: Vector) -> Vector:
        """Return `positions`, ``(m, n)`` in the unit cube, scaled into the box."""
        return self.low + positions * (self.high - self.low)

    def holds(self, positions: Vector) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """Return which of `positions`, ``(m, n)``, lie inside, borders included."""
        near = 1e-9
        inside = (positions >= self.low - near) & (positions <= self.high + near)
        return np.asarray(inside.all(axis=1))
