"""How much of what a model foretells goes through each knob: total effects and partial curves."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sealtune.space.knobs import ChoiceKnob, Dimension, Setting, Value
from sealtune.space.space import Space

Matrix = NDArray[np.float64]

LEVELS = 7
"""Values of an integer knob that are asked for, both ends included; a choice knob has its own."""

_WHOLE = 512
"""Points for the variance over the whole space: its chance error is about 5 %."""

_AT_ONCE = 512
"""Points per question: a model may need memory for every pair of point and trial and knob."""


class Foretells(Protocol):
    """A model of the merit over positions in [0, 1]^n."""

    def predict_at(self, positions: Matrix) -> tuple[Matrix, Matrix]:
        """Return mean and standard deviation at `positions`, shape ``(m, n)`` -> ``(m,)``."""
        ...


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What one model says about every knob, in its order.

    Attributes:
        effects: ``(n,)`` total effects: the variance of the foretold merit when this knob alone is
            drawn anew, averaged over everything else; its interactions included.
        variance: Variance of the foretold merit over the whole space.
        curves: Per knob the foretold merit at each of its levels, averaged over everything else.
    """

    effects: Matrix
    variance: float
    curves: tuple[Matrix, ...]

    @property
    def shares(self) -> Matrix:
        """Total effects as shares of the variance, 0 to 1; their sum exceeds 1 by interactions."""
        if self.variance <= 0:
            return np.zeros_like(self.effects)
        return np.clip(self.effects / self.variance, 0.0, 1.0)


class Probe:
    """The points at which a model is asked: spread evenly over the space, each knob at each level.

    Where the search happened to go does not matter here, so a corner that was tried often does not
    weigh more. Every setting is repaired first: no point is asked for that could not be tried, and
    a knob has no effect where it does not exist. The space is taken as the grid of all levels,
    each as likely as the other.

    Args:
        space: Where to ask.
        rows: Points over which a knob's levels are averaged; best a multiple of `LEVELS`.
        generator: Draws them.

    Attributes:
        levels: Per knob the values it is asked at.
    """

    def __init__(self, space: Space, rows: int, generator: np.random.Generator) -> None:
        self.levels = tuple(levels(knob) for knob in space.knobs)
        self._rows = rows
        drawn = _hypercube(space, self.levels, rows, generator)
        settings = [space.repair(setting) for setting in drawn]
        base = np.array([space.encode(setting) for setting in settings])
        whole = _hypercube(space, self.levels, _WHOLE, generator)
        tied = _tied(space)
        blocks = [np.array([space.encode(space.repair(setting)) for setting in whole])]
        for place, (knob, values) in enumerate(zip(space.knobs, self.levels, strict=True)):
            if knob.name in tied:
                asked = [{**setting, knob.name: value} for setting in drawn for value in values]
                blocks.append(np.array([space.encode(space.repair(one)) for one in asked]))
                continue
            block = np.repeat(base, len(values), axis=0)
            block[:, place] = np.tile([knob.encode(value) for value in values], rows)
            blocks.append(block)
        self._positions = np.concatenate(blocks)

    def ask(self, model: Foretells) -> Sensitivity:
        """Return what `model`, fitted over the probe's space, says about each knob."""
        parts = range(0, len(self._positions), _AT_ONCE)
        foretold = np.concatenate(
            [model.predict_at(self._positions[at : at + _AT_ONCE])[0] for at in parts]
        )
        effects, curves, at = [], [], _WHOLE
        for values in self.levels:
            count = self._rows * len(values)
            block = foretold[at : at + count].reshape(self._rows, len(values))
            effects.append(block.var(axis=1).mean())
            curves.append(block.mean(axis=0))
            at += count
        return Sensitivity(np.array(effects), float(foretold[:_WHOLE].var()), tuple(curves))


def _tied(space: Space) -> set[str]:
    """Return the knobs whose value may change another one's, or be changed by it."""
    tied = {name for pair in space.couplings for name in (pair.lower, pair.upper)}
    for knob in space.knobs:
        if knob.when is not None:
            tied |= {knob.name, knob.when[0]}
    return tied


def _hypercube(
    space: Space,
    asked: tuple[tuple[Value, ...], ...],
    rows: int,
    generator: np.random.Generator,
) -> list[Setting]:
    """Return a Latin hypercube of the levels: each knob's are drawn equally often."""
    cells = generator.permuted(np.tile(np.arange(rows), (len(space), 1)), axis=1)
    return [
        {
            name: values[place * len(values) // rows]
            for name, values, place in zip(space.names, asked, row, strict=True)
        }
        for row in cells.T
    ]


def levels(knob: Dimension) -> tuple[Value, ...]:
    """Return the values that `knob` is asked at, in order.

    >>> from sealtune.space.knobs import IntKnob
    >>> levels(IntKnob("a", 0, 60)), levels(IntKnob("b", 0, 1))
    ((0, 10, 20, 30, 40, 50, 60), (0, 1))
    """
    if isinstance(knob, ChoiceKnob):
        return knob.choices
    return tuple(dict.fromkeys(knob.decode(at) for at in np.linspace(0.0, 1.0, LEVELS)))
