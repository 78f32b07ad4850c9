"""The reward: the baseline is 100, steadiness can only cost, a failure is never a score."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.errors import ConfigError
from sealtune.tactician import Reward, RewardWeights

STEADY = (100.0, 101.0) * 5
SHAKY = (50.0, 151.0) * 5


def test_the_baseline_earns_100():
    """With equal weights the baseline itself is worth 100, whatever the steadiness counts."""
    for kind in ("repeatability", "pressure", "none"):
        baseline = Measurement(200.0, intervals=STEADY, state={"io_wait_percent": 10.0})

        assert 100.0 == Reward(baseline, stability=kind)(baseline)


@pytest.mark.parametrize(
    ("direction", "value", "expected"),
    [
        ("maximize", 220.0, 105.0),
        ("maximize", 100.0, 75.0),
        ("minimize", 100.0, 150.0),
        ("minimize", 400.0, 75.0),
    ],
)
def test_performance_is_relative_to_the_baseline(direction, value, expected):
    """Half of the relative speed, half of a steadiness that nobody measured."""
    reward = Reward(Measurement(200.0, direction=direction))

    assert expected == pytest.approx(reward(Measurement(value, direction=direction)))


def test_less_steady_costs_and_steadier_earns_nothing():
    """Stability is capped at the baseline's own."""
    shaky, steady = Measurement(100.0, intervals=SHAKY), Measurement(100.0, intervals=STEADY)

    assert Reward(steady)(shaky) < 80.0
    assert 100.0 == Reward(shaky)(steady)


def test_fewer_than_ten_intervals_say_nothing():
    """With nine intervals repeatability is left out of account."""
    reward = Reward(Measurement(100.0, intervals=STEADY))

    assert 100.0 == reward(Measurement(100.0, intervals=SHAKY[:9]))
    assert 100.0 > reward(Measurement(100.0, intervals=SHAKY))


def test_pressure_is_io_wait_and_memory_pressure():
    """20 % of I/O wait and 10 % of memory pressure against an idle baseline cost 30 % of half."""
    reward = Reward(
        Measurement(100.0, state={"io_wait_percent": 0.0, "memory_pressure": 0.0}),
        stability="pressure",
    )

    pressed = Measurement(100.0, state={"io_wait_percent": 20.0, "memory_pressure": 10.0})

    assert 85.0 == pytest.approx(reward(pressed))


def test_a_failure_has_no_reward():
    """Not 0: none."""
    reward = Reward(Measurement(100.0))

    assert reward(failed("it hung")) is None
    assert reward.relative(failed("it hung")) is None


def test_the_raw_form_is_the_bare_metric():
    """Unscaled, and negated where lower is better."""
    weights = RewardWeights(1.0, 0.0)

    assert 1234.0 == Reward(Measurement(1.0), weights, scale="raw")(Measurement(1234.0))
    lower = Reward(Measurement(1.0, direction="minimize"), weights, scale="raw")
    assert -7.0 == lower(Measurement(7.0, direction="minimize"))


def test_another_baseline_is_another_reward():
    """After a sentinel twice as fast, the same measurement is worth half the performance."""
    old = Reward(Measurement(100.0))

    new = old.against(Measurement(200.0))

    assert (100.0, 75.0) == (old(Measurement(100.0)), new(Measurement(100.0)))


@pytest.mark.parametrize("baseline", [failed("no"), Measurement(0.0), Measurement(-5.0)])
def test_a_baseline_without_a_positive_value_is_refused(baseline):
    """Nothing can be compared with it."""
    with pytest.raises(ConfigError, match="baseline"):
        Reward(baseline)


@pytest.mark.parametrize(("performance", "stability"), [(-1.0, 1.0), (0.0, 0.0)])
def test_impossible_weights_are_refused(performance, stability):
    """Negative weights, or none at all."""
    with pytest.raises(ConfigError, match="weights"):
        RewardWeights(performance, stability)


@given(
    slow=st.floats(0.01, 1e6), fast=st.floats(0.01, 1e6), down=st.sampled_from(["minimize", ""])
)
def test_better_never_earns_less(slow, fast, down):
    """In both directions the reward has the order of the metric."""
    direction = down or "maximize"
    reward = Reward(Measurement(10.0, direction=direction))
    worse, better = sorted([slow, fast], reverse=direction == "minimize")

    assert reward(Measurement(worse, direction=direction)) <= reward(
        Measurement(better, direction=direction)
    )
