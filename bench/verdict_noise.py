"""Noise to hold the verdict to its word on: simulated, resampled, fitted and hostile.

A noise model is a function of a random generator that yields one factor per benchmark run, for
ever, or ``None`` for a run that fails. It never knows which arm of a pair it is drawn for.

- **simulated**: normal, heavy tails, outliers, drift.
- **blocks**: a recording (see `bench.verdict_recordings`) in blocks of eight neighbouring runs
  from random places (moving block bootstrap). Keeps what follows what, outliers and levels; a
  recording of 170 runs cannot be replayed a thousand times otherwise.
- **fitted**: as long a series as wanted, from the recording's measured character: AR(1), a trend,
  far runs and changes of level.
- **harder**: blocks, every deviation doubled. **at 5 %**: blocks, scaled to 5 % variation.
- **hostile**: made to break the procedure: runs fast and slow in turn (in step with the pairs), a
  period of three, a machine that changes its speed every twelve runs, every second run sometimes
  faster, runs that fail.
"""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np

from bench.verdict_recordings import Character, Recording, describe, load_recordings

Noise = Iterator[float | None]
NoiseModel = Callable[[np.random.Generator], Noise]

BLOCK = 8
USUAL = 0.05
"""Variation of single runs at which a gain of 10 % is promised to be found."""


def normal(sd: float) -> NoiseModel:
    """Return independent log-normal noise of `sd`."""

    def draw(rng: np.random.Generator) -> Noise:
        while True:
            yield math.exp(rng.normal(0, sd))

    return draw


def heavy_tails(rng: np.random.Generator) -> Noise:
    """Yield t-distributed noise with 3 degrees of freedom, standard deviation 5 %."""
    while True:
        yield math.exp(0.05 / math.sqrt(3) * rng.standard_t(3))


def outliers(rng: np.random.Generator) -> Noise:
    """Yield 5 % noise in which 3 % of the runs lose another 20 to 50 %."""
    while True:
        stall = rng.uniform(0.2, 0.7) if rng.random() < 0.03 else 0.0
        yield math.exp(rng.normal(0, 0.05) - stall)


def drifting(rng: np.random.Generator) -> Noise:
    """Yield 5 % noise on a trend of +0.2 % per run and a random walk of 2 % steps."""
    level = 0.0
    while True:
        level += 0.002 + rng.normal(0, 0.02)
        yield math.exp(level + rng.normal(0, 0.05))


def blocks(recording: Recording, times: float = 1.0) -> NoiseModel:
    """Return blocks of `recording` from random places, deviations multiplied by `times`."""
    starts = [
        (stretch, place)
        for stretch in recording.stretches
        for place in range(len(stretch) - BLOCK + 1)
    ]

    def draw(rng: np.random.Generator) -> Noise:
        while True:
            stretch, place = starts[rng.integers(len(starts))]
            for value in stretch[place : place + BLOCK]:
                yield math.exp(times * value)

    return draw


def fitted(character: Character, runs: int) -> NoiseModel:
    """Return noise like a recording of `runs` runs with this character.

    Args:
        character: As measured. A negative autocorrelation is taken as none.
        runs: Of the recording: how rare a change of level is.
    """
    follows = max(0.0, character.follows)
    fresh = character.spread * math.sqrt(1 - follows**2)
    # None was seen in so many runs: one may still come, by as much as the stretches differ.
    changes = max(character.changes, 1) / runs
    jump = character.jump or character.between

    def draw(rng: np.random.Generator) -> Noise:
        slope = character.drift * rng.choice([-1.0, 1.0])
        level = deviation = 0.0
        while True:
            level += slope + (rng.choice([-1.0, 1.0]) * jump if rng.random() < changes else 0.0)
            slope = -slope if abs(level) > 1 else slope
            deviation = follows * deviation + rng.normal(0, fresh)
            far = character.far_by if rng.random() < character.far else 0.0
            yield math.exp(level + deviation + far)

    return draw


def in_turn(period: tuple[float, ...], sd: float) -> NoiseModel:
    """Return `sd` noise on levels that repeat with a period of so many runs."""

    def draw(rng: np.random.Generator) -> Noise:
        place = int(rng.integers(len(period)))
        while True:
            yield math.exp(period[place % len(period)] + rng.normal(0, sd))
            place += 1

    return draw


def two_speeds(every: int, shift: float, sd: float) -> NoiseModel:
    """Return `sd` noise on a machine that changes between two speeds `every` so many runs."""
    return in_turn((0.0,) * every + (-shift,) * every, sd)


def lucky_seconds(rng: np.random.Generator) -> Noise:
    """Yield 5 % noise in which 30 % of every second run gain another 10 to 40 %."""
    place = int(rng.integers(2))
    while True:
        luck = rng.uniform(0.1, 0.35) if place % 2 and rng.random() < 0.3 else 0.0
        yield math.exp(rng.normal(0, 0.05) + luck)
        place += 1


def failing(share: float, sd: float) -> NoiseModel:
    """Return `sd` noise in which a `share` of the runs fails."""

    def draw(rng: np.random.Generator) -> Noise:
        while True:
            yield None if rng.random() < share else math.exp(rng.normal(0, sd))

    return draw


SIMULATED: dict[str, NoiseModel] = {
    "normal 5 %": normal(0.05),
    "normal 15 %": normal(0.15),
    "heavy tails (t3) 5 %": heavy_tails,
    "5 % and 3 % outliers": outliers,
    "5 % and drift": drifting,
}

HOSTILE: dict[str, NoiseModel] = {
    "fast and slow in turn, 10 %": in_turn((0.05, -0.05), 0.02),
    "fast and slow in turn, 30 %": in_turn((0.15, -0.15), 0.03),
    "period of three, 30 %": in_turn((0.15, 0.0, -0.15), 0.03),
    "two speeds, 20 % apart, every 12 runs": two_speeds(12, 0.2, 0.05),
    "every second run at times faster": lucky_seconds,
    "20 % of the runs fail": failing(0.2, 0.05),
}


@lru_cache
def models() -> dict[str, NoiseModel]:
    """Return every noise model by the name that the tables show."""
    found = dict(SIMULATED)
    recordings = load_recordings()
    quiet = {name: one for name, one in recordings.items() if not one.loaded}
    characters = {name: describe(one) for name, one in recordings.items()}
    for name, one in quiet.items():
        found[f"{name}, blocks"] = blocks(one)
    for name, one in quiet.items():
        found[f"{name}, fitted"] = fitted(characters[name], one.runs)
    for name, one in quiet.items():
        found[f"{name}, harder (x2)"] = blocks(one, 2.0)
    for name, one in quiet.items():
        found[f"{name}, at 5 %"] = blocks(one, USUAL / characters[name].variation)
    for name, one in recordings.items():
        if one.loaded:
            found[f"{name}, loaded machine, blocks"] = blocks(one)
    return found | HOSTILE
