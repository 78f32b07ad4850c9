"""The few statistics a verdict needs, on log ratios of paired runs. Arrays in, numbers out."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

_NORMAL_QUARTILES = 1.349
"""Interquartile range of the standard normal distribution."""


def hodges_lehmann(values: Vector) -> float:
    """Return the median of all pairwise means of `values`, shape ``(n,)``, n >= 1.

    Nearly as precise as the mean under normal noise, and hardly moved by an outlier.

    Source: Hodges and Lehmann, "Estimates of location based on rank tests", 1963.

    >>> hodges_lehmann(np.array([1.0, 2.0, 3.0, 400.0]))
    2.75
    """
    return float(hodges_lehmann_rows(np.asarray(values, dtype=float)[None, :])[0])


def hodges_lehmann_rows(rows: Vector) -> Vector:
    """Return `hodges_lehmann` of every row of `rows`, shape ``(m, n)`` -> ``(m,)``."""
    return np.asarray(np.median(pairwise_means_rows(rows), axis=1))


def standard_error(values: Vector) -> float:
    """Return the robust standard error of the Hodges-Lehmann estimate of `values`, ``(n,)``.

    The interquartile range of the pairwise means, scaled so that it is about sd / sqrt(n) under
    normal noise. A stalled run or two, which would inflate sd, hardly touch it.
    """
    return float(standard_error_rows(np.asarray(values, dtype=float)[None, :])[0])


def standard_error_rows(rows: Vector) -> Vector:
    """Return `standard_error` of every row of `rows`, shape ``(m, n)`` -> ``(m,)``."""
    low, high = np.percentile(pairwise_means_rows(rows), [25, 75], axis=1)
    return np.asarray((high - low) / _NORMAL_QUARTILES * np.sqrt(2 / rows.shape[1]))


def pairwise_means(values: Vector) -> Vector:
    """Return the mean of every pair of `values`, ``(n,)``, each paired with itself too.

    >>> pairwise_means(np.array([1.0, 3.0]))
    array([1., 2., 3.])
    """
    return np.asarray(pairwise_means_rows(np.asarray(values, dtype=float)[None, :])[0])


def pairwise_means_rows(rows: Vector) -> Vector:
    """Return `pairwise_means` of every row of `rows`, ``(m, n)`` -> ``(m, n (n + 1) / 2)``."""
    first, second = np.triu_indices(rows.shape[1])
    return np.asarray((rows[:, first] + rows[:, second]) / 2)


@lru_cache
def rank_misses(n: int) -> Vector:
    """Return how often the interval between two pairwise means misses the truth, exactly.

    Element k - 1 belongs to the interval from the k-th smallest to the k-th largest of the
    ``n (n + 1) / 2`` pairwise means of `n` values that are symmetric around the truth; ties
    only make it miss less. Ascending, at most 1.

    Source: Hodges and Lehmann, "Estimates of location based on rank tests", 1963.

    >>> float(rank_misses(6)[0])  # all six on one side
    0.03125
    """
    ways = np.ones(1)
    for rank in range(1, n + 1):
        ways = (np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))) / 2
    misses = 2 * np.cumsum(ways)
    return np.asarray(misses[: int((misses <= 1).sum())])


def signed_rank_p(differences: Vector) -> float:
    """Return the exact two-sided p of Wilcoxon's signed-rank test that the centre is 0.

    Zeros are left out, ties share their mean rank; the distribution is counted, not approximated.

    Args:
        differences: ``(n,)`` paired differences, n up to a few hundred.

    Source: Wilcoxon, "Individual comparisons by ranking methods", 1945.

    >>> signed_rank_p(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    0.03125
    """
    moved = differences[differences != 0]
    if not len(moved):
        return 1.0
    # Doubled ranks are whole numbers even when ties share a mean rank.
    doubled = np.rint(2 * _mean_ranks(np.abs(moved))).astype(int)
    total = int(doubled.sum())
    ways = np.zeros(total + 1)
    ways[0] = 1.0
    for rank in doubled:
        shifted = np.zeros_like(ways)
        shifted[rank:] = ways[: total + 1 - rank]
        ways = (ways + shifted) / 2
    observed = int(doubled[moved > 0].sum())
    return float(min(1.0, 2 * min(ways[: observed + 1].sum(), ways[observed:].sum())))


def bootstrap_interval(
    values: Vector, rng: np.random.Generator, *, confidence: float = 0.95, resamples: int = 2000
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the Hodges-Lehmann estimate of `values`.

    Too narrow for a handful of values: shown as a check beside the calibrated interval, never
    used to decide.
    """
    picks = rng.integers(0, len(values), size=(resamples, len(values)))
    centres = hodges_lehmann_rows(np.asarray(values)[picks])
    tail = (1 - confidence) / 2
    low, high = np.quantile(centres, [tail, 1 - tail])
    return float(low), float(high)


def _mean_ranks(values: Vector) -> Vector:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=float)
