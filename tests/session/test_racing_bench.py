"""The bench of racing: its machines are what they say, and a pair of searches runs through."""

import math

import numpy as np
import pytest
from bench.racing import Job, run
from bench.racing_machines import Load, Synthetic, measured


@pytest.mark.parametrize("family", Synthetic.FAMILIES)
def test_half_of_the_space_is_bad(family):
    """
    About half of random settings are a fifth slower than the values as found, or worse, the values
    as found are as good as themselves, and nothing is better than the best.
    """
    where = Synthetic(family, 1000)
    drawn = np.random.default_rng(1000).random((400, len(where.space)))
    merits = [where.merit(where.space.decode(row)) for row in drawn]

    assert 0.40 < np.mean([merit <= math.log(0.8) for merit in merits]) < 0.60
    assert where.merit({}) == pytest.approx(0.0)
    assert 0.05 < where.best
    assert max(merits) <= where.best + 0.02


def test_intervals_are_alike_in_time():
    """
    With memory 0.6 neighbouring intervals are correlated by about as much.
    """
    rng = np.random.default_rng(1000)
    load = Load(between=0.0, stalls=0.0, intervals=20)
    rows = np.log([load.draw(rng) for _ in range(300)])

    assert np.corrcoef(rows[:, 4], rows[:, 5])[0, 1] == pytest.approx(0.6, abs=0.12)


def test_a_cut_run_costs_its_warm_up_and_what_ran():
    """
    Stopped after two of ten half seconds, a run took the warm-up and one second.
    """
    one = measured([10.0, 20.0] * 5, 5.0, lambda seen: len(seen) == 2)

    assert one.cut_short
    assert (15.0, 2.0) == (one.value, one.seconds)


def test_racing_saves_time_at_the_same_trials():
    """
    A pair of searches with the same seed tries as much, and the raced one takes less time.
    """
    fast, slow = (run(Job("random", "cliff", 1000, 20, racing)) for racing in (True, False))

    assert fast.bad == slow.bad > 4
    assert 0 < fast.cut
    assert 0 == slow.cut
    assert fast.seconds < 0.9 * slow.seconds
