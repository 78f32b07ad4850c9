"""The calibrated interval: Hodges-Lehmann centre plus or minus a multiple of the standard error.

One multiplier per look and schedule, so wide that all looks of a schedule together miss the truth
in at most 4 % of studies, whenever the looking stops: one point less than the 5 % promised, for
noise that nobody foresaw. Found by simulation under normal noise, heavy tails (t3), 3 % outliers,
a random walk, a trend, busy spells, uniform noise and stalls, keeping the worst of them;
`python bench/verdict_bounds.py` (200,000 studies each) prints the table below.

Source of the idea: Jennison and Turnbull, "Repeated confidence intervals for group sequential
trials", 1984; O'Brien and Fleming, "A multiple testing procedure for clinical trials", 1979.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sealtune.verdict.clock import LOOKS
from sealtune.verdict.statistics import hodges_lehmann, standard_error

CONFIDENCE = 0.95
"""Least coverage of the interval, with all looks of its schedule taken into account."""

MINIMUM_GAIN = 0.01
"""Smallest gain worth having: 1 %."""

MULTIPLIERS: dict[tuple[int, ...], tuple[float, ...]] = {
    (6,): (3.0,),
    (6, 9): (3.42, 3.12),
    (6, 9, 12): (3.71, 3.35, 2.97),
    (6, 9, 12, 18): (4.15, 3.7, 3.26, 2.73),
    (6, 9, 12, 18, 24): (4.48, 3.96, 3.46, 2.9, 2.68),
}


@dataclass(frozen=True, slots=True)
class Interval:
    """A centre and its interval, in the unit of the values they came from."""

    centre: float
    low: float
    high: float


def multipliers(looks: tuple[int, ...]) -> tuple[float, ...]:
    """Return the multiplier of each look of the schedule `looks`.

    Raises:
        ValueError: `looks` is not the beginning of 6, 9, 12, 18, 24: no other is calibrated.
    """
    if looks not in MULTIPLIERS:
        raise ValueError(f"looks {looks} are not calibrated; allowed: the first n of {LOOKS}")
    return MULTIPLIERS[looks]


def calibrated_interval(values: NDArray[np.float64], looks: tuple[int, ...]) -> Interval:
    """Return the interval of `values` at the look that their number belongs to.

    Args:
        values: ``(n,)`` differences or log ratios, n one of `looks`.
        looks: The schedule fixed before the first look.

    Raises:
        ValueError: n is not a look of the schedule.
    """
    if len(values) not in looks:
        raise ValueError(f"{len(values)} values, but the looks are {looks}")
    multiplier = multipliers(looks)[looks.index(len(values))]
    centre, margin = hodges_lehmann(values), multiplier * standard_error(values)
    return Interval(centre, centre - margin, centre + margin)
