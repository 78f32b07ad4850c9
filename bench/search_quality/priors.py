"""What a strategist might believe of a surface: one that knows it, and one that is wrong."""

import math

import numpy as np

from bench.ground import Ground
from sealtune.space.knobs import ChoiceKnob, IntKnob, Setting
from sealtune.tactician import Prior

WIDTH = 1 / 3
"""Of the focus, as a share of the knob's range."""
_MISS = 0.08
"""Standard deviation of where the focus lies around the optimum, as a share of the range."""
_KNOWN_CHOICE = 0.8
"""How often a correct prior names the best choice; else it leaves the choice as found."""
_BAD = 60
"""A wrong prior is the worst of so many random settings that work."""


def right_prior(ground: Ground, seed: int) -> Prior:
    """Return a correct belief about the knobs that matter, and about no other.

    For a number: a focus a third of the range wide around the optimum, its centre off by noise,
    and a start anywhere within it. For a choice: the best one in four cases of five.
    """
    generator = np.random.default_rng([seed, 21])
    for _ in range(50):
        start = dict(ground.space.start)
        focus: dict[str, tuple[int, int]] = {}
        for name in ground.matters:
            knob = ground.space.knob(name)
            if isinstance(knob, ChoiceKnob):
                if generator.random() < _KNOWN_CHOICE:
                    start[name] = ground.optimum[name]
                continue
            centre = knob.encode(ground.optimum[name]) + generator.normal(0.0, _MISS)
            focus[name] = _box(knob, centre)
            low, high = (knob.encode(end) for end in focus[name])
            start[name] = knob.decode(generator.uniform(low, high))
        start = ground.space.repair(start)
        if ground.gain(start) > -math.inf:  # nobody who knows the workload starts at a crash
            break
    return Prior(start, focus)


def wrong_prior(ground: Ground, seed: int) -> Prior:
    """Return a mistaken belief: start and focus at the worst of 60 settings that work.

    The focus is on the knobs that matter, a third of the range wide, around that bad place.
    """
    generator = np.random.default_rng([seed, 5])
    drawn = [ground.space.decode(row) for row in generator.random((_BAD, len(ground.space)))]
    working = [setting for setting in drawn if ground.gain(setting) > -math.inf]
    worst: Setting = min(working, key=ground.gain)
    focus = {}
    for name in ground.matters:
        knob = ground.space.knob(name)
        if isinstance(knob, IntKnob):
            focus[name] = _box(knob, knob.encode(worst[name]))
    return Prior(worst, focus)


def _box(knob: IntKnob, centre: float) -> tuple[int, int]:
    """Return a third of the range of `knob` around the position `centre`, moved inside it."""
    low = min(max(centre - WIDTH / 2, 0.0), 1.0 - WIDTH)
    return knob.decode(low), knob.decode(low + WIDTH)
