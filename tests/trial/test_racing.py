"""Racing: which runs are cut short, and which are left alone."""

import statistics

import numpy as np
import pytest

from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.trial import Racing

STEADY = [Measurement(100.0, intervals=(98.0, 102.0, 99.0, 101.0, 100.0, 100.0)) for _ in range(6)]


def drawn(count, intervals=10, *, between=0.02, within=0.05, seed=1000):
    """Return baseline runs around 100 with this noise."""
    rng = np.random.default_rng(seed)
    runs = []
    for _ in range(count):
        level = 100 * np.exp(rng.normal(0, between))
        series = tuple(float(x) for x in level * np.exp(rng.normal(0, within, intervals)))
        runs.append(Measurement(statistics.fmean(series), intervals=series))
    return runs


def test_a_run_at_half_the_baseline_is_stopped_after_a_third_of_its_time():
    """
    A run whose first third is at half of a steady baseline is hopeless.
    """
    racing = Racing.against(STEADY)
    assert racing is not None
    assert racing.hopeless([50.0, 51.0])


@pytest.mark.parametrize(
    "seen", [[], [10.0], [97.0, 96.0], [85.0, 84.0], [50.0] * 5, [200.0, 210.0]]
)
def test_other_runs_are_left_alone(seen):
    """
    Too early, within noise, within 20 %, nearly finished or better: the run goes on.
    """
    racing = Racing.against(STEADY)
    assert racing is not None
    assert not racing.hopeless(seen)


@pytest.mark.parametrize(
    ("intervals", "first"), [(4, 1), (5, 1), (6, 2), (8, 2), (10, 2), (12, 3), (20, 4)]
)
def test_the_first_look_is_after_a_fifth_to_a_third(intervals, first):
    """
    A run at a third of the baseline is cut after 20 to 33 % of its intervals.
    """
    racing = Racing.against(drawn(9, intervals))
    assert racing is not None
    cut = next(count for count in range(1, intervals) if racing.hopeless([33.0] * count))

    assert cut == first
    assert 0.2 <= cut / intervals <= 1 / 3


def test_one_interval_alone_must_be_below_half():
    """
    At 60 % of the baseline one interval may be a stall: only the second one ends the run.
    """
    racing = Racing.against(drawn(9, 5))
    assert racing is not None
    assert racing.hopeless([45.0])
    assert not racing.hopeless([60.0])
    assert racing.hopeless([60.0, 60.0])


def test_a_stall_does_not_end_a_run():
    """
    One interval at a tenth among usual ones pulls the mean down by 30 %, and the run goes on.
    """
    racing = Racing.against(drawn(12))
    assert racing is not None
    assert not racing.hopeless([100.0, 10.0, 100.0])
    assert racing.hopeless([70.0, 69.0, 71.0])


def test_noise_widens_the_limit():
    """
    With intervals that vary by 20 %, a third at 70 % of the baseline proves nothing.
    """
    noisy = [Measurement(100.0, intervals=(80.0, 120.0, 75.0, 125.0, 100.0)) for _ in range(6)]
    racing = Racing.against(noisy)
    assert racing is not None
    assert not racing.hopeless([70.0, 70.0])


def test_whole_runs_that_differ_widen_the_limit():
    """
    Steady intervals within runs that differ by 15 % from each other do not make a bad run.
    """
    alike = Racing.against(drawn(9, between=0.01, within=0.03))
    unlike = Racing.against(drawn(9, between=0.15, within=0.03))
    assert alike is not None
    assert unlike is not None
    assert alike.hopeless([70.0, 70.0, 70.0])
    assert not unlike.hopeless([70.0, 70.0, 70.0])


def test_a_slow_start_is_part_of_every_run():
    """
    Where the baseline's own first interval is at half speed, so may be a trial's.
    """
    starting = tuple((50.0, 80.0, *[109.0] * 8) for _ in range(9))
    runs = [
        Measurement(100.0, intervals=tuple(x * (1 + 0.01 * n) for x in run))
        for n, run in enumerate(starting, start=-4)
    ]
    racing = Racing.against(runs)
    assert racing is not None
    assert not racing.hopeless([48.0, 77.0, 107.0])


def test_the_best_known_raises_the_bar_but_never_above_the_baseline():
    """
    With +30 % known, a run clearly below the baseline is hopeless at 85 % of it; one that may be
    as good as the baseline never is.
    """
    racing = Racing.against(drawn(12, between=0.005, within=0.02))
    assert racing is not None
    seen = [85.0, 84.0, 86.0]
    assert not racing.hopeless(seen)
    assert racing.beside(1.3).hopeless(seen)
    assert not racing.beside(3.0).hopeless([99.0, 98.0, 98.0])
    assert racing.beside(0.5) == racing


def test_drift_of_the_baseline_is_not_its_noise():
    """
    Against the level of its own time a drifting baseline is steady, and the last level counts.
    """
    levels = [100.0 * 0.95**n for n in range(9)]
    runs = [
        Measurement(level, intervals=tuple(level * x for x in (0.98, 1.02, 1.0, 0.99, 1.01, 1.0)))
        for level in levels
    ]
    unaware, aware = Racing.against(runs), Racing.against(runs, levels)
    assert unaware is not None
    assert aware is not None
    half_now = [levels[-1] * 0.6] * 2
    assert aware.hopeless(half_now)
    assert not aware.hopeless([levels[-1] * 0.97] * 2)
    assert not unaware.hopeless([levels[0] * 0.6] * 2)


def test_lower_is_better_is_turned_round():
    """
    For a latency, twice the baseline is hopeless and half of it is not.
    """
    runs = [
        Measurement(10.0, direction="minimize", intervals=(10.0, 10.1, 9.9, 10.0, 10.0))
        for _ in range(6)
    ]
    racing = Racing.against(runs)
    assert racing is not None
    assert racing.hopeless([20.0, 20.0])
    assert not racing.hopeless([5.0, 5.0])
    assert not racing.hopeless([0.0, 0.0])


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [failed("broken")],
        [Measurement(1.0)] * 6,
        [Measurement(1.0, intervals=(1.0, 1.0, 1.0))] * 6,
        [Measurement(1.0, intervals=(1.0,) * 5)],
        [Measurement(1.0, intervals=(0.0,) * 5)] * 6,
    ],
)
def test_no_racing_without_enough_intervals(runs):
    """
    A benchmark with fewer than four intervals a run, or a single usable run, is never raced.
    """
    assert Racing.against(runs) is None


def test_a_setting_as_good_as_the_baseline_is_hardly_ever_cut():
    """
    Of 2000 runs that are in truth as good as the baseline, fewer than 1 % are cut, although +30 %
    is known.
    """
    wrong = 0
    for seed in range(1000, 1050):
        racing = Racing.against(drawn(9, seed=seed))
        assert racing is not None
        rule = racing.beside(1.3)
        runs = drawn(40, seed=seed + 500)
        wrong += sum(
            any(rule.hopeless(run.intervals[:count]) for count in range(1, 10)) for run in runs
        )
    assert wrong < 20
