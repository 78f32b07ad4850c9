"""The interval of a confirmation: the wider of a proven one and a calibrated one.

**Proven.** From the k-th smallest to the k-th largest of all pairwise means (Walsh averages). A
fair coin decides which arm of a pair runs first, so under any noise that does not know the coin
every difference from the truth is as likely above it as below; then this interval misses exactly
as often as Wilcoxon's signed-rank statistic is that extreme, whatever the noise is: drift, runs
that are fast and slow in turn, a machine of two speeds. All looks of a schedule together spend at
most `WORST` (6.5 %) of it, by adding them up.

**Calibrated.** The Hodges-Lehmann centre plus or minus a multiple of the robust standard error,
just so wide that the wider of both misses the truth in at most 4 % of studies, all looks together,
under each of eight usual kinds of noise: one point less than the 5 % promised, for what nobody
foresaw. Where the proven one does that alone the multiple is 0. `python -m bench.verdict_bounds`
(200,000 studies each) prints the tables below.

Source: Wilcoxon, "Individual comparisons by ranking methods", 1945, and Hodges and Lehmann,
"Estimates of location based on rank tests", 1963, for the ranks; Jennison and Turnbull, "Repeated
confidence intervals for group sequential trials", 1984, and O'Brien and Fleming, "A multiple
testing procedure for clinical trials", 1979, for looking more than once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sealtune.verdict.clock import LOOKS
from sealtune.verdict.statistics import (
    hodges_lehmann,
    pairwise_means,
    rank_misses,
    standard_error,
)

CONFIDENCE = 0.95
"""Least coverage of the interval under usual noise, all looks of its schedule counted."""

WORST = 0.065
"""Most studies that may miss the truth under any noise that does not know the coin."""

MINIMUM_GAIN = 0.01
"""Smallest gain worth having: 1 %."""

RANKS: dict[tuple[int, ...], tuple[int, ...]] = {
    (6,): (1,),
    (6, 9): (1, 5),
    (6, 9, 12): (1, 3, 11),
    (6, 9, 12, 18): (1, 2, 7, 33),
    (6, 9, 12, 18, 24): (1, 1, 7, 29, 64),
}
"""Which pairwise mean, counted from either end, ends the proven interval at each look."""

MULTIPLIERS: dict[tuple[int, ...], tuple[float, ...]] = {
    (6,): (0.0,),
    (6, 9): (2.24, 2.78),
    (6, 9, 12): (3.02, 0.0, 2.4),
    (6, 9, 12, 18): (3.73, 0.0, 0.0, 0.0),
    (6, 9, 12, 18, 24): (4.15, 0.0, 0.0, 0.0, 0.0),
}
"""How many standard errors the calibrated interval reaches at each look."""

DETECTS: dict[tuple[int, ...], float] = {
    (6,): 4.39,
    (6, 9): 3.93,
    (6, 9, 12): 3.7,
    (6, 9, 12, 18): 3.55,
    (6, 9, 12, 18, 24): 3.69,
}
"""Effect that the last look confirms four times in five, in standard errors of normal noise."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A centre and its interval, in the unit of the values they came from."""

    centre: float
    low: float
    high: float


def require_calibrated(looks: tuple[int, ...]) -> None:
    """Refuse a schedule that has no constants.

    Raises:
        ValueError: `looks` is not the beginning of 6, 9, 12, 18, 24: no other is calibrated.
    """
    if looks not in MULTIPLIERS:
        raise ValueError(f"looks {looks} are not calibrated; allowed: the first n of {LOOKS}")


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
    return interval_towards(values, looks)


def interval_towards(values: NDArray[np.float64], looks: tuple[int, ...]) -> Interval:
    """Return the interval of `values`; between looks as strict as the next look is.

    Between looks it is for showing only: no decision may rest on it.

    Args:
        values: ``(n,)`` differences or log ratios, n >= 1.
        looks: The schedule fixed before the first look.

    Raises:
        ValueError: The schedule is not calibrated.
    """
    require_calibrated(looks)
    count = len(values)
    place = next((i for i, look in enumerate(looks) if look >= count), len(looks) - 1)
    rank = RANKS[looks][place]
    if count != looks[place]:
        allowed = rank_misses(looks[place])[rank - 1]
        rank = max(1, int((rank_misses(count) <= allowed).sum()))
    centre = hodges_lehmann(values)
    margin = MULTIPLIERS[looks][place] * standard_error(values)
    means = np.sort(pairwise_means(values))
    return Interval(
        centre,
        min(centre - margin, float(means[rank - 1])),
        max(centre + margin, float(means[-rank])),
    )
