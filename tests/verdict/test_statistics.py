import numpy as np
import pytest
from scipy import stats

from sealtune.verdict.bounds import (
    RANKS,
    WORST,
    calibrated_interval,
    interval_towards,
    require_calibrated,
)
from sealtune.verdict.statistics import (
    bootstrap_interval,
    hodges_lehmann,
    pairwise_means,
    rank_misses,
    signed_rank_p,
)

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("n", [5, 6, 9, 12, 18, 24])
def test_signed_rank_agrees_with_scipy(n):
    """
    Without ties the exact p equals SciPy's for every size that a confirmation may have.
    """
    for _ in range(20):
        values = RNG.normal(0.3, 1, n)
        expected = stats.wilcoxon(values, method="exact").pvalue
        assert signed_rank_p(values) == pytest.approx(expected, abs=1e-12)


def test_signed_rank_counts_ties_by_enumeration():
    """
    With ties and zeros the p equals the share of all sign flips at least as extreme.
    """
    values = np.array([1.0, 1.0, -1.0, 2.0, 2.0, 3.0, 0.0])
    moved = values[values != 0]
    ranks = stats.rankdata(np.abs(moved))
    flips = (np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved))) & 1
    sums, seen = flips @ ranks, ranks[moved > 0].sum()
    expected = min(1.0, 2 * min((sums <= seen).mean(), (sums >= seen).mean()))

    assert signed_rank_p(values) == pytest.approx(expected)
    assert 1.0 == signed_rank_p(np.zeros(6))


def test_hodges_lehmann_is_the_median_of_pairwise_means():
    """
    The estimate equals the definition, written out, and one wild value hardly moves it.
    """
    values = RNG.normal(0, 1, 15)
    means = [(values[i] + values[j]) / 2 for i in range(15) for j in range(i, 15)]
    wild = np.append(values[:-1], 1e6)

    assert hodges_lehmann(values) == pytest.approx(np.median(means))
    assert abs(hodges_lehmann(wild) - hodges_lehmann(values)) < 1


def test_bootstrap_agrees_with_scipy():
    """
    The percentile bootstrap is SciPy's within its own random error.
    """
    values = RNG.normal(0.1, 0.2, 12)
    low, high = bootstrap_interval(values, np.random.default_rng(1), resamples=8000)
    expected = stats.bootstrap(
        (values,), hodges_lehmann, method="percentile", n_resamples=4000, vectorized=False, rng=2
    ).confidence_interval

    assert (low, high) == pytest.approx(tuple(expected), abs=0.02)


def test_ranks_spend_what_is_promised_whatever_the_noise_is():
    """
    The exact chances that the ranks of a schedule miss add up to no more than is promised.
    """
    for looks, ranks in RANKS.items():
        spent = sum(rank_misses(n)[rank - 1] for n, rank in zip(looks, ranks, strict=True))
        assert 0.03 < spent <= WORST


@pytest.mark.parametrize("n", [6, 9])
def test_rank_misses_are_counted_right(n):
    """
    Each chance equals the share of all sign flips in which the interval by ranks misses 0.
    """
    sizes = RNG.uniform(0.1, 1, n)
    flips = ((np.arange(2**n)[:, None] >> np.arange(n)) & 1) * 2 - 1
    means = np.array([np.sort(pairwise_means(row)) for row in flips * sizes])

    shares = [np.mean((means[:, k] > 0) | (means[:, -k - 1] < 0)) for k in range(5)]

    assert rank_misses(n)[:5].tolist() == pytest.approx(shares)


@pytest.mark.parametrize("looks", [(6, 9, 12), (6, 9, 12, 18, 24)])
def test_runs_fast_and_slow_in_turn_cannot_shrink_the_interval(looks):
    """
    When every second run is faster by the same much, so that the pairs of one order agree
    exactly, all looks together still miss in no more than is promised for the worst noise.
    """
    rng = np.random.default_rng(4)
    missed = 0
    for _ in range(300):
        logs = 0.3 * rng.choice([-1, 1], looks[-1]) + rng.normal(0, 0.01, looks[-1])
        intervals = [calibrated_interval(logs[:n], looks) for n in looks]
        missed += any(not one.low <= 0 <= one.high for one in intervals)

    assert missed / 300 < WORST + 0.025


def test_between_looks_the_interval_is_no_narrower_than_both_ends():
    """
    What is shown between two looks reaches at least as far as the ranks of the next one allow.
    """
    values = RNG.normal(0.05, 0.1, 24)
    looks = (6, 9, 12, 18, 24)
    for count in range(3, 25):
        shown = interval_towards(values[:count], looks)
        assert shown.low <= shown.centre <= shown.high
    assert calibrated_interval(values[:12], looks) == interval_towards(values[:12], looks)
    assert values[:3].min() >= interval_towards(values[:3], looks).low


def test_looks_that_are_not_calibrated_are_refused():
    """
    A schedule without constants, or a number of values between two looks, is an error.
    """
    with pytest.raises(ValueError, match="not calibrated"):
        require_calibrated((5, 10))
    with pytest.raises(ValueError, match="the looks are"):
        calibrated_interval(np.ones(7), (6, 9))


@pytest.mark.parametrize("draw", ["normal", "t3", "outliers"])
def test_all_looks_together_miss_the_truth_in_at_most_five_percent(draw):
    """
    Over 700 studies the share in which any of the five looks misses stays near 5 % or below.
    """
    rng, looks = np.random.default_rng(9), (6, 9, 12, 18, 24)
    missed = 0
    for _ in range(700):
        runs = rng.standard_t(3, 48) if draw == "t3" else rng.normal(0, 1, 48)
        if draw == "outliers":
            runs -= 6 * (rng.random(48) < 0.03)
        logs = (runs[::2] - runs[1::2]) * rng.choice([-1, 1], 24)
        intervals = [calibrated_interval(logs[:n], looks) for n in looks]
        missed += any(not one.low <= 0 <= one.high for one in intervals)

    assert missed / 700 < 0.063
