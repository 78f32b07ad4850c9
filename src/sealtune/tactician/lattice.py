"""The positions that settings really have: values between two integers do not exist."""

import numpy as np
from numpy.typing import NDArray

from sealtune.space.knobs import ChoiceKnob, IntKnob
from sealtune.space.space import Space

Matrix = NDArray[np.float64]

_FINE = 64
"""A knob with more values than this is taken as continuous."""


class Lattice:
    """Snaps positions to values, so that a model is asked about what would really be run.

    Couplings are left to `Space.decode`, which repairs the one setting that is chosen.

    Args:
        space: Where is searched.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._start = space.encode(space.start)
        names = list(space.names)
        self._steps = [
            (at, *_borders(knob)) for at, knob in enumerate(space.knobs) if _is_coarse(knob)
        ]
        self._under = [
            (at, names.index(knob.when[0]), _alternatives(space, *knob.when))
            for at, knob in enumerate(space.knobs)
            if knob.when is not None
        ]

    def snap(self, positions: Matrix) -> Matrix:
        """Return the nearest positions that exist, ``(m, n)``; an absent knob is at its start."""
        found = np.clip(positions, 0.0, 1.0)
        for at, borders, levels in self._steps:
            found[:, at] = levels[np.searchsorted(borders, found[:, at], side="right")]
        for at, parent, allowed in self._under:
            count = len(allowed)
            choice = np.minimum((found[:, parent] * count).astype(int), count - 1)
            found[:, at] = np.where(allowed[choice], found[:, at], self._start[at])
        return found


def _is_coarse(knob: object) -> bool:
    if isinstance(knob, ChoiceKnob):
        return True
    return isinstance(knob, IntKnob) and (knob.high - knob.low) // knob.step < _FINE


def _borders(knob: IntKnob | ChoiceKnob) -> tuple[Matrix, Matrix]:
    """Return where one value ends and the next begins, and the positions of the values."""
    if isinstance(knob, ChoiceKnob):
        count = len(knob.choices)
        return np.arange(1, count) / count, (np.arange(count) + 0.5) / count
    line = np.linspace(0.0, 1.0, 64 * _FINE + 1)
    values = np.array([knob.decode(float(place)) for place in line])
    changes = np.flatnonzero(np.diff(values))
    borders = 0.5 * (line[changes] + line[changes + 1])
    known = np.array([knob.encode(int(values[at])) for at in (*changes, len(line) - 1)])
    return borders, known


def _alternatives(space: Space, parent: str, choices: tuple[str, ...]) -> NDArray[np.bool_]:
    """Return for each choice of the knob `parent` whether it is one of `choices`."""
    knob = space.knob(parent)
    if not isinstance(knob, ChoiceKnob):
        raise TypeError(f"{parent} is no choice")
    return np.array([choice in choices for choice in knob.choices])
