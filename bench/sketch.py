"""Surfaces put together from parts that share no knob, so that their best is known exactly.

The whole is a monotone combination of its parts: its best is the best of each part, and that is
found by grids that grow finer around the top.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.ground import Benchmark, Ground
from bench.synthetic import one_noise
from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.space.knobs import ChoiceKnob, Dimension, IntKnob, Setting, Value
from sealtune.space.space import Below, Space

Vector = NDArray[np.float64]
Generator = np.random.Generator

_GRID = {1: 2000, 2: 300, 3: 70}
"""Values of each knob on a grid, by the number of knobs on it."""
_ZOOMS = 4


@dataclass(frozen=True)
class Part:
    """What a few knobs do together.

    Attributes:
        names: Its knobs, one to three.
        effect: From an array of values for each (a choice by its number) to the logarithm of
            this part's speed; minus infinity where a run fails.
    """

    names: tuple[str, ...]
    effect: Callable[..., Vector]


@dataclass(frozen=True)
class Sketch:
    """A surface before its start is chosen and its size set.

    Attributes:
        knobs: The space.
        parts: No knob is in two of them; a knob that is in none does nothing.
        noise: Standard deviation of the logarithm of one run.
        gain: Logarithm of the best over the start.
        shares: Share of the time that goes to each part, for stages that follow each other;
            without, the speeds of the parts multiply.
        couplings: Of the space.
    """

    knobs: tuple[Dimension, ...]
    parts: tuple[Part, ...]
    noise: float
    gain: float
    shares: Vector | None = None
    couplings: tuple[Below, ...] = ()

    def merit(self, setting: Setting) -> float:
        """Return the logarithm of the speed of `setting`, from an arbitrary level."""
        known = {knob.name: _number(knob, setting[knob.name]) for knob in self.knobs}
        effects = [part.effect(*(np.array([known[n]]) for n in part.names)) for part in self.parts]
        column = np.array([effect[0] for effect in effects])
        if self.shares is None:
            return float(column.sum())
        return -math.log(float(self.shares @ np.exp(-column)))


def drawn(name: str, seed: int, sketch: Sketch, draw: Generator) -> Ground:
    """Return the surface of `sketch`; `draw` chooses its start, a mediocre setting that works."""
    start = _mediocre(sketch, draw)
    knobs = [_begun(knob, start[knob.name]) for knob in sketch.knobs]
    space = Space(knobs, sketch.couplings)
    optimum = dict(start)
    for part in sketch.parts:
        optimum |= _summit(space, part)
    low, high = sketch.merit(start), sketch.merit(optimum)
    size = sketch.gain / (high - low)

    def gain(setting: Setting) -> float:
        return (sketch.merit(setting) - low) * size

    def benchmark() -> Benchmark:
        return _noisy(gain, sketch.noise, np.random.default_rng([seed, 77]))

    return Ground(name, space, gain, optimum, sketch.noise, benchmark)


def _mediocre(sketch: Sketch, draw: Generator) -> Setting:
    """Return a setting that works, better than 15 to 50 % of 200 random ones that do."""
    space = Space(sketch.knobs, sketch.couplings)
    tried = [space.decode(row) for row in draw.random((200, len(space)))]
    merits = [sketch.merit(setting) for setting in tried]
    working = sorted((merit, at) for at, merit in enumerate(merits) if merit > -math.inf)
    return tried[working[int(draw.uniform(0.15, 0.5) * len(working))][1]]


def _summit(space: Space, part: Part) -> Setting:
    """Return the values at which `part` is best, by grids that grow finer around the top."""
    knobs = [space.knob(name) for name in part.names]
    count = _GRID[len(knobs)]
    axes = [_axis(knob, 0.0, 1.0, count) for knob in knobs]
    found: list[float] = []
    for _ in range(_ZOOMS):
        effects = part.effect(*np.meshgrid(*axes, indexing="ij"))
        top = np.unravel_index(int(effects.argmax()), effects.shape)
        found = [float(axis[at]) for axis, at in zip(axes, top, strict=True)]
        axes = [_around(k, a, int(at), count) for k, a, at in zip(knobs, axes, top, strict=True)]
    return {k.name: _value(k, number) for k, number in zip(knobs, found, strict=True)}


def _around(knob: Dimension, axis: Vector, at: int, count: int) -> Vector:
    """Return values between the neighbours of number `at` on `axis`; of a choice all."""
    if isinstance(knob, ChoiceKnob):
        return axis
    ends = [knob.encode(int(axis[i])) for i in (max(0, at - 1), min(len(axis) - 1, at + 1))]
    return np.union1d(_axis(knob, ends[0], ends[1], count), axis[at : at + 1])


def _axis(knob: Dimension, low: float, high: float, count: int) -> Vector:
    """Return up to `count` distinct values of `knob` between two positions, in order."""
    if isinstance(knob, ChoiceKnob):
        return np.arange(len(knob.choices), dtype=float)
    places = np.linspace(low, high, count)
    return np.unique(np.array([float(knob.decode(float(place))) for place in places]))


def _number(knob: Dimension, value: Value) -> float:
    """Return `value` as a number; of a choice its place among the choices."""
    return float(knob.choices.index(str(value)) if isinstance(knob, ChoiceKnob) else value)


def _value(knob: Dimension, number: float) -> Value:
    """Return the value that `number` stands for: the inverse of `_number`."""
    return knob.choices[int(number)] if isinstance(knob, ChoiceKnob) else int(number)


def _begun(knob: Dimension, value: Value) -> ChoiceKnob | IntKnob:
    """Return `knob` with its start at `value`."""
    if isinstance(knob, ChoiceKnob):
        return ChoiceKnob(knob.name, knob.choices, str(value))
    return replace(knob, start=int(value))


def _noisy(gain: Callable[[Setting], float], noise: float, generator: Generator) -> Benchmark:
    """Return a benchmark of 1000 at the start, with noise and outliers."""

    def run(setting: Setting) -> Measurement:
        # Drawn in any case: a failure must not shift the noise of what comes after it.
        logarithm = one_noise(generator, noise)
        truth = gain(setting)
        if truth == -math.inf:
            return failed("synthetic: out of memory")
        return Measurement(1000.0 * math.exp(truth + logarithm))

    return run


def strain(value: Vector, best: Vector | float) -> Vector:
    """Return the cost of being off `best` by some factor, above or below: 0 at the best."""
    return np.asarray(np.log1p(0.15 * (value / best + best / value - 2.0)))


def stairs(value: Vector, edges: list[float], heights: list[float]) -> Vector:
    """Return the height of the stair that each value stands on."""
    return np.asarray(np.array(heights)[np.searchsorted(edges, value, side="right")])
