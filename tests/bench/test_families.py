"""The synthetic surfaces are what the comparison of searches says of them."""

import math

import numpy as np
import pytest
from bench.families import FAMILIES, family

from sealtune.errors import ConfigError

SEEDS = (1000, 1001, 1002)
SIZES = {"four-cliff": 4, "six-plateau": 6, "eight-mixed": 8, "twelve-sparse": 12}


def settings(ground, count, seed=0):
    generator = np.random.default_rng(seed)
    return [ground.space.decode(row) for row in generator.random((count, len(ground.space)))]


def climbed(ground, setting, generator):
    """Return where 300 random steps of one or two knobs, none of them down, lead to."""
    for _ in range(300):
        place = ground.space.encode(setting)
        axes = generator.choice(len(place), 2)
        place[axes] += generator.normal(0.0, generator.choice([0.01, 0.1, 0.4]), 2)
        setting = max(setting, ground.space.decode(place), key=ground.gain)
    return setting


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", FAMILIES)
def test_nothing_beats_the_best(name, seed):
    """Climbing from the optimum, or from the best of 300 at random, gains not a hundredth."""
    ground = family(name, seed)
    generator = np.random.default_rng(seed)
    tops = [ground.optimum, max(settings(ground, 300), key=ground.gain)]

    assert all(ground.regret(climbed(ground, top, generator)) > -0.01 for top in tops)
    assert ground.space.repair(ground.optimum) == ground.optimum


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", FAMILIES)
def test_the_start_is_mediocre(name, seed):
    """It works, has regret 1, and of random settings some are better and some are worse."""
    ground = family(name, seed)
    better = np.mean([ground.gain(one) > 0 for one in settings(ground, 300)])

    assert 0.0 == ground.gain(ground.space.start)
    assert 1.0 == ground.regret(ground.space.start)
    assert 0.3 < better < 0.95
    assert 0.3 < ground.best < 1.0
    assert SIZES[name] == len(ground.space)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_noise_is_what_it_says(name):
    """Runs of one setting spread by the noise, with a few outliers; the same at every call."""
    ground = family(name, 1000)
    bench, again = ground.benchmark(), ground.benchmark()
    values = np.log([bench(ground.optimum).value for _ in range(1500)])
    spread = np.subtract(*np.quantile(values, [0.75, 0.25])) / 1.349

    assert spread == pytest.approx(ground.noise, rel=0.15)
    assert np.median(values) == pytest.approx(math.log(1000.0) + ground.best, abs=0.01)
    assert 0.005 < np.mean(np.abs(values - np.median(values)) > 4 * ground.noise) < 0.05
    assert again(ground.optimum).value == pytest.approx(math.exp(values[0]))


def test_seeds_are_different_surfaces():
    """The same seed gives the same surface, another one another."""
    drawn = [family("six-plateau", seed) for seed in (1000, 1000, 1001)]
    probe = {"window": 65536, "streams": 4, "ahead": 64, "background": 8, "dirty": 20, "idle": 5}
    gains = [ground.gain(probe) for ground in drawn]

    assert gains[0] == gains[1] != gains[2]


def test_a_full_memory_fails_and_is_no_win():
    """Where buffers times queues overflow there is no value, and the regret is that of none."""
    ground = family("four-cliff", 1000)
    full = {**ground.optimum, "buffer": 65536, "queue": 256}
    share = np.mean([ground.gain(one) == -math.inf for one in settings(ground, 400)])

    assert ground.benchmark()(full).value is None
    assert 1.0 == ground.regret(full)
    assert 0.02 < share < 0.35


def test_the_optimum_moves_with_a_choice():
    """Under another scheduler the best depth is another one, by a factor of two or more."""
    ground = family("eight-mixed", 1000)
    depths = [2**power for power in range(11)]
    best = {
        max(depths, key=lambda d: ground.gain({**ground.optimum, "scheduler": name, "depth": d}))
        for name in ground.space.knob("scheduler").choices
    }

    assert len(best) > 1


@pytest.mark.parametrize("seed", SEEDS)
def test_of_twelve_knobs_four_matter(seed):
    """No other one moves the metric at all; those that are said to matter are among the four."""
    ground = family("twelve-sparse", seed)
    moving = [
        name
        for name in ground.space.names
        if any(
            ground.gain({**ground.optimum, name: ground.space.knob(name).decode(place)})
            != ground.best
            for place in np.linspace(0.0, 1.0, 11)
        )
    ]

    assert 4 == len(moving)
    assert set(ground.matters) <= set(moving)
    assert len(ground.matters) >= 2


def test_an_unknown_family_is_refused():
    """The error names the families there are."""
    with pytest.raises(ConfigError, match="four-cliff"):
        family("five-nothing", 0)
