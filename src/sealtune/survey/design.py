"""What a survey measures, decided before its first run: settings, how often, in what order."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sealtune.errors import InputError
from sealtune.space.knobs import Setting
from sealtune.space.space import Space

MOST_POINTS = 10_000
_MOST_DRAWS = 64
"""How many draws a point may cost before a space counts as used up."""


@dataclass(frozen=True, slots=True)
class Design:
    """How a space is covered; the same design of the same space is the same order of runs.

    Attributes:
        points: Distinct settings wanted, at least 2.
        repeated: Share of them that is measured `repeats` times, 0 to 1.
        repeats: How often a repeated point is measured, at least 2.
        seed: Seed of the points and of their order.

    Raises:
        InputError: A number makes no sense.
    """

    points: int = 300
    repeated: float = 0.2
    repeats: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.points <= MOST_POINTS:
            raise InputError(f"--points {self.points}: allowed: 2 to {MOST_POINTS}")
        if not 0 <= self.repeated <= 1:
            raise InputError(f"--repeated {self.repeated:g}: allowed: 0 to 1")
        if not 2 <= self.repeats <= 100:
            raise InputError(f"--repeats {self.repeats}: allowed: 2 to 100")

    def visits(self, space: Space) -> tuple[Setting, ...]:
        """Return the settings in the order in which they are to be measured.

        The points are the beginning of a scrambled Sobol sequence. Those that are repeated are
        its very beginning, which covers the space by itself. Times are drawn: a repeated point
        comes at one random moment of each of `repeats` equal parts of the survey, the same moment
        in each, so that its runs lie as far apart as can be.

        Source: Sobol, "On the distribution of points in a cube", 1967; Owen's scrambling, 1998.
        """
        settings = list(_distinct(space, self.points, self.seed))
        moments = np.random.default_rng([self.seed, 1]).random(len(settings))
        often = math.ceil(round(self.repeated * len(settings), 6))
        timed = [
            ((part + moment) / self.repeats, index)
            for index, moment in enumerate(moments[:often])
            for part in range(self.repeats)
        ]
        timed += [(moment, often + index) for index, moment in enumerate(moments[often:])]
        return tuple(settings[index] for _, index in sorted(timed))


def _distinct(space: Space, count: int, seed: int) -> Iterator[Setting]:
    """Yield up to `count` distinct settings; fewer when the space has no more to give."""
    from scipy.stats import qmc

    sequence = qmc.Sobol(len(space), rng=np.random.default_rng([seed, 0]))
    power = max(1, math.ceil(math.log2(count)))
    seen: set[tuple[int | str, ...]] = set()
    drawn = 0
    while len(seen) < count and drawn < _MOST_DRAWS * count:
        # A Sobol sequence is balanced after a power of two: as many again double it.
        rows = sequence.random(drawn or 2**power)
        drawn += len(rows)
        for row in rows:
            setting = space.decode(row)
            key = tuple(setting.values())
            if key not in seen and len(seen) < count:
                seen.add(key)
                yield setting
