"""Racing: which runs are cut short, and which are left alone."""

import pytest

from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.trial import Racing

STEADY = [Measurement(100.0, intervals=(98.0, 102.0, 99.0, 101.0, 100.0, 100.0)) for _ in range(6)]


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


def test_noise_widens_the_limit():
    """
    With intervals that vary by 20 %, a third at 70 % of the baseline proves nothing.
    """
    noisy = [Measurement(100.0, intervals=(80.0, 120.0, 75.0, 125.0, 100.0)) for _ in range(6)]
    racing = Racing.against(noisy)
    assert racing is not None
    assert not racing.hopeless([70.0, 70.0])


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


@pytest.mark.parametrize(
    "runs", [[], [failed("broken")], [Measurement(1.0)], [Measurement(1.0, intervals=(1.0, 1.0))]]
)
def test_no_racing_without_five_intervals(runs):
    """
    A benchmark that gives fewer than five intervals is never raced.
    """
    assert Racing.against(runs) is None
