import numpy as np
import pytest
from scipy import stats

from sealtune.verdict.bounds import MULTIPLIERS, calibrated_interval, multipliers
from sealtune.verdict.statistics import bootstrap_interval, hodges_lehmann, signed_rank_p

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


def test_multipliers_fall_with_pairs_and_exceed_student():
    """
    Within a schedule later looks are cheaper, more looks cost more, and none undercuts Student.
    """
    for looks, row in MULTIPLIERS.items():
        assert list(row) == sorted(row, reverse=True)
        for look, value in zip(looks, row, strict=True):
            assert value > stats.t.ppf(0.975, look - 1)
    assert sorted(MULTIPLIERS) == sorted(MULTIPLIERS, key=lambda looks: MULTIPLIERS[looks][0])


def test_looks_that_are_not_calibrated_are_refused():
    """
    A schedule without constants, or a number of values between two looks, is an error.
    """
    with pytest.raises(ValueError, match="not calibrated"):
        multipliers((5, 10))
    with pytest.raises(ValueError, match="the looks are"):
        calibrated_interval(np.ones(7), (6, 9))


@pytest.mark.parametrize("draw", ["normal", "t3", "outliers"])
def test_all_looks_together_miss_the_truth_in_at_most_five_percent(draw):
    """
    Over 1500 studies the share in which any of the five looks misses stays near 5 % or below.
    """
    rng, looks = np.random.default_rng(9), (6, 9, 12, 18, 24)
    missed = 0
    for _ in range(1500):
        runs = rng.standard_t(3, 48) if draw == "t3" else rng.normal(0, 1, 48)
        if draw == "outliers":
            runs -= 6 * (rng.random(48) < 0.03)
        logs = (runs[::2] - runs[1::2]) * rng.choice([-1, 1], 24)
        intervals = [calibrated_interval(logs[:n], looks) for n in looks]
        missed += any(not one.low <= 0 <= one.high for one in intervals)

    assert missed / 1500 < 0.063
