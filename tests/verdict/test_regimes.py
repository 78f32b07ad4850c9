"""Changes of the machine told from noise, outliers and drift; what a trial is compared with."""

import math

import numpy as np
import pytest

from sealtune.benchmarks.measurement import Measurement
from sealtune.verdict import Sentinels
from sealtune.verdict.regimes import find_changes, levels, spread


def noise(count, sd=0.02, seed=1000):
    return np.random.default_rng(seed).normal(0, sd, count)


def series(logs):
    return find_changes(range(len(logs)), list(logs))


def fed(logs, direction="maximize", **how):
    sentinels = Sentinels(direction, **how)
    for at, value in enumerate(logs):
        sentinels.add(Measurement(1000 * math.exp(value), direction=direction), 10.0 * at)
    return sentinels


@pytest.mark.parametrize("shift", [-0.25, 0.25])
def test_a_move_that_lasts_is_a_change_in_its_place(shift):
    """
    From the third run on the new level, a sudden move is known, with its place and its size.
    """
    logs = noise(15)
    logs[12:] += shift
    (change,) = series(logs)

    assert change.index == 12
    assert (change.last_before, change.first_after) == (11, 12)
    assert change.shift == pytest.approx(shift, abs=0.05)
    assert () == series(logs[:14])


def test_one_or_two_outlying_runs_are_no_change():
    """
    Runs that are 40 % off, alone or two in a row, leave the machine unchanged.
    """
    alone, twice = noise(20), noise(20)
    alone[7] -= 0.5
    alone[15] += 0.5
    twice[11:13] -= 0.5

    assert () == series(alone)
    assert () == series(twice)


@pytest.mark.parametrize("sd", [0.002, 0.02, 0.05])
def test_slow_drift_is_no_change(sd):
    """
    A machine that slows down by 20 % bit by bit has drifted, however little noise there is.
    """
    assert () == series(noise(25, sd) - np.linspace(0, 0.2, 25))


def test_noise_is_hardly_ever_a_change():
    """
    In 200 series of pure noise, normal and heavy-tailed, at most four have a change.
    """
    found = 0
    for seed in range(1000, 1100):
        generator = np.random.default_rng(seed)
        found += bool(series(generator.normal(0, 0.05, 30)))
        found += bool(series(0.03 * generator.standard_t(3, 30)))

    assert found <= 4


def test_a_spell_is_two_changes():
    """
    A machine that is slower for four runs and then as before has changed twice.
    """
    logs = noise(24)
    logs[12:16] -= 0.4

    assert [12, 16] == [change.index for change in series(logs)]


def test_the_noise_is_that_of_single_runs_whatever_else_happens():
    """
    Drift, a change and an outlier together hardly make single runs look noisier.
    """
    logs = noise(40, 0.05) + np.linspace(0, 0.3, 40)
    logs[20:] += 0.4
    logs[30] -= 0.8

    assert spread(list(noise(40, 0.05))) == pytest.approx(0.05, rel=0.25)
    assert spread(list(logs)) == pytest.approx(0.05, rel=0.4)


def test_an_outlier_does_not_bend_the_level():
    """
    The level beside a run that is 40 % low moves by less than 2 %, and at the run itself too.
    """
    logs = noise(15, 0.01)
    straight = levels(list(logs))
    logs[7] -= 0.5
    bent = levels(list(logs))

    assert max(abs(a - b) for a, b in zip(straight, bent, strict=True)) < 0.02


@pytest.mark.parametrize(
    ("direction", "harder"), [("maximize", 1.0), ("minimize", math.exp(-0.3))]
)
def test_no_trial_is_compared_across_a_change(direction, harder):
    """
    Before a change the old level holds, after it the new one, and between the two baseline runs
    that enclose it the one that flatters a trial less; nowhere is one mixed from both.
    """
    logs = noise(16, 0.005)
    logs[10:] -= 0.3
    sentinels = fed(logs, direction)

    assert sentinels.baseline(85) == pytest.approx(1000, rel=0.02)
    assert sentinels.baseline(105) == pytest.approx(1000 * math.exp(-0.3), rel=0.02)
    for at in (91, 95, 99):
        assert sentinels.baseline(at) == pytest.approx(1000 * harder, rel=0.02)


def test_a_bad_baseline_does_not_spoil_the_trials_beside_it():
    """
    Trials around a baseline run that was 40 % low are compared as if it had been a usual one;
    taken as it is, they would look up to two thirds better than they are.
    """
    logs = noise(15, 0.01)
    logs[14] -= 0.5
    trial = Measurement(1000.0)

    assert fed(logs).relative(trial, 145.0) == pytest.approx(1.0, abs=0.05)
    assert fed(logs, robust=False).relative(trial, 145.0) > 1.5


def test_an_odd_baseline_asks_for_another_until_it_is_clear():
    """
    After one odd run, and after a second one like it, another is wanted; not after a usual one,
    and not after a third, which settles that the machine has changed.
    """
    logs = list(noise(12, 0.02))
    odd = [-0.3, -0.31, -0.29]

    assert not fed(logs).unsettled
    assert fed([*logs, odd[0]]).unsettled
    assert not fed([*logs, odd[0], 0.01]).unsettled
    assert fed([*logs, *odd[:2]]).unsettled
    assert not fed([*logs, *odd]).unsettled
    assert 1 == len(fed([*logs, *odd]).changes)
    assert not fed([*logs, odd[0]], robust=False).unsettled
