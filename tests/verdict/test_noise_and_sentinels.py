import math

import numpy as np
import pytest

from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.errors import BenchmarkFailedError, TooManyFailuresError
from sealtune.verdict import Sentinels, assess_noise


def replay(values, intervals=()):
    runs = iter(values)

    def measure(setting):
        assert {} == setting
        value = next(runs)
        return failed("broken") if value is None else Measurement(value, intervals=intervals)

    return measure


def test_noise_describes_what_was_measured():
    """
    The coefficient of variation is the sample's own, and failed runs are repeated, not counted.
    """
    values = [100, 104, 98, None, 102, 97, 99]
    noise = assess_noise(replay(values), 6)
    good = np.array([value for value in values if value])

    assert tuple(good) == noise.values
    assert noise.cv == pytest.approx(good.std(ddof=1) / good.mean())
    assert () == noise.advice


def test_a_trend_shows_as_drift_but_hardly_in_the_noise_of_pairs():
    """
    A steady rise is reported as drift with advice, while the run-to-run noise stays small.
    """
    noise = assess_noise(replay([100, 110, 120, 130, 140, 150]), 6)

    assert noise.drift == pytest.approx(0.4, abs=0.01)
    assert noise.run_sd < 0.07 < noise.cv


def test_longer_runs_are_advised_only_when_they_help():
    """
    Noise that the intervals explain asks for longer runs; noise between runs does not.
    """
    values = [100, 130, 90, 120, 85, 115]
    jumpy, steady = (60, 140, 100, 60, 140), (100, 100, 101, 100, 99)

    assert assess_noise(replay(values, jumpy), 6).longer_runs_help
    assert "longer runs would be" in assess_noise(replay(values, jumpy), 6).advice[0]
    assert assess_noise(replay(values, steady), 6).longer_runs_help is False
    assert assess_noise(replay(values), 6).longer_runs_help is None


def test_more_pairs_detect_smaller_gains(machine):
    """
    The detectable gain falls with pairs, and 5 % noise needs about 10 % at 18 pairs.
    """
    noise = assess_noise(machine(lambda setting: 1.0, noise=0.05).measure, 30)

    gains = [noise.detectable_gain(pairs) for pairs in (6, 9, 12, 18, 24)]
    assert sorted(gains, reverse=True) == gains
    assert 1.05 < noise.detectable_gain(18) < 1.12
    with pytest.raises(ValueError, match="at least 6"):
        noise.detectable_gain(5)


def test_a_benchmark_that_never_works_ends_the_assessment():
    """
    Four failures in a row, or half of the runs failing, end it with the reason.
    """
    with pytest.raises(TooManyFailuresError, match="broken"):
        assess_noise(replay([None] * 9), 6)
    with pytest.raises(BenchmarkFailedError, match="6 of"):
        assess_noise(replay([1.0, None, None] * 9), 6)
    with pytest.raises(ValueError, match="at least 6"):
        assess_noise(replay([1.0] * 9), 3)


def test_a_trial_is_compared_with_the_baseline_around_it():
    """
    On a machine that speeds up, a run half-way is compared with the geometric middle.
    """
    sentinels = Sentinels()
    sentinels.add(Measurement(100), 0)
    sentinels.add(Measurement(400), 10)

    assert sentinels.relative(Measurement(200), 5) == pytest.approx(1.0)
    assert sentinels.relative(Measurement(200), -1) == pytest.approx(2.0)
    assert sentinels.relative(Measurement(200), 99) == pytest.approx(0.5)
    assert sentinels.latest == pytest.approx(400)


def test_a_lower_metric_is_better_when_it_is_to_be_minimised():
    """
    Half the latency is a ratio of 2.
    """
    sentinels = Sentinels("minimize")
    sentinels.add(Measurement(8, direction="minimize"), 0)

    assert sentinels.relative(Measurement(4, direction="minimize"), 1) == pytest.approx(2.0)


def test_the_baseline_is_due_after_failures_and_every_few_trials():
    """
    It is due at the start, after a failed trial and after `every` trials, and not otherwise; a
    failed baseline run does not count as one.
    """
    sentinels = Sentinels(every=4)

    assert sentinels.due(0, failed=False)
    assert not sentinels.add(failed("broken"), 0)
    assert sentinels.due(0, failed=False)
    assert sentinels.add(Measurement(1.0), 0)
    assert not sentinels.due(3, failed=False)
    assert sentinels.due(4, failed=False)
    assert sentinels.due(0, failed=True)


def test_nothing_is_invented_without_a_baseline_or_a_value():
    """
    No baseline and no value are errors, not ratios.
    """
    sentinels = Sentinels()
    with pytest.raises(ValueError, match="no baseline"):
        sentinels.relative(Measurement(1.0), 0)
    sentinels.add(Measurement(1.0), 0)
    with pytest.raises(ValueError, match="broken"):
        sentinels.relative(failed("broken"), 0)
    assert math.isfinite(sentinels.latest)
