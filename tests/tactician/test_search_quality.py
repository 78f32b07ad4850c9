"""The surfaces that searches are compared on are what they claim, and PPO beats chance on them."""

import numpy as np
import pytest
from bench.synthetic import FAMILIES, surface

from sealtune.tactician import search


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_beats_the_best(family):
    """Of 3000 random settings none is better than what is called the best, by more than 1 %."""
    made = surface(family, 1)
    generator = np.random.default_rng(0)
    rows = generator.random((3000, len(made.space)))

    assert max(made.share(made.space.decode(row)) for row in rows) < 1.01
    assert made.best > 1.1 * made.speed(made.space.start)
    assert 0.0 == made.share(made.space.start)


def test_seeds_are_different_surfaces():
    """The same seed gives the same surface, another one another."""
    speeds = [surface("mixed", seed).speed(surface("mixed", 0).space.start) for seed in (1, 1, 2)]

    assert speeds[0] == speeds[1] != speeds[2]


@pytest.mark.slow
def test_ppo_beats_random_on_development_surfaces():
    """Paired over six surfaces, 30 trials of PPO recommend clearly more than 30 at random."""
    gained = []
    for seed in range(1000, 1006):
        made = surface("smooth", seed)
        shares = [
            made.share(search(made.space, made.measure(seed), 30, tactician=name).best_setting)
            for name in ("ppo", "random")
        ]
        gained.append(shares[0] - shares[1])

    assert np.mean(gained) > 0.05
