import numpy as np
import pytest

from sealtune.benchmarks.measurement import failed
from sealtune.errors import TooManyFailuresError
from sealtune.verdict import screen

CANDIDATES = [{"a": 1}, {"a": 2}, {"a": 3}]


def by_value(table):
    return lambda setting: table[setting.get("a", 0)]


def test_the_best_of_three_is_kept(machine):
    """
    The truly best candidate is chosen, by as many fresh runs of each as asked for.
    """
    fake = machine(by_value({0: 1.0, 1: 1.1, 2: 2.0, 3: 0.8}), noise=0.05)

    found = screen(fake.measure, CANDIDATES, 2, np.random.default_rng(0))

    assert {"a": 2} == found.chosen
    assert 8 == len(fake.runs)
    assert [2, 2, 2] == [len(row.ratios) for row in found.table]
    assert found.table[1].estimate == pytest.approx(2.0, rel=0.2)


def test_lower_is_better_when_minimising(machine):
    """
    With a metric to be minimised the fastest still wins, at a ratio above 1.
    """
    fake = machine(by_value({0: 1.0, 1: 1.1, 2: 2.0, 3: 0.8}), direction="minimize")

    found = screen(fake.measure, CANDIDATES, 1, np.random.default_rng(0), direction="minimize")

    assert {"a": 2} == found.chosen
    assert found.table[1].estimate == pytest.approx(2.0)


def test_a_candidate_that_fails_is_out(machine):
    """
    A failing candidate is never chosen, and when all fail none is.
    """
    rng = np.random.default_rng(0)
    one = machine(by_value({0: 1.0, 1: None, 2: 1.2, 3: None}))
    none = machine(by_value({0: 1.0, 1: None, 2: None, 3: None}))

    assert {"a": 2} == screen(one.measure, CANDIDATES, 2, rng).chosen
    found = screen(none.measure, CANDIDATES, 2, rng)
    assert found.chosen is None
    assert [2, 2, 2] == [row.failures for row in found.table]


def test_a_candidate_that_trips_a_guard_rail_is_out(machine):
    """
    One dangerous run excludes a candidate, however fast its others were.
    """
    fake = machine(by_value({0: 1.0, 1: 1.1, 2: 9.0, 3: 1.0}))
    tripped = []

    def measure(setting):
        if setting == {"a": 2} and not tripped:
            tripped.append(setting)
            return failed("out of memory", unsafe=True)
        return fake.measure(setting)

    found = screen(measure, CANDIDATES, 4, np.random.default_rng(0))

    assert {"a": 1} == found.chosen
    assert [False, True, False] == [row.unsafe for row in found.table]


def test_a_single_candidate_needs_no_runs(machine):
    """
    There is nothing to choose, so no run is spent.
    """
    fake = machine(by_value({}))

    assert {"a": 1} == screen(fake.measure, [{"a": 1}], 3, np.random.default_rng(0)).chosen
    assert [] == fake.runs


def test_the_deadline_ends_it_after_a_full_round(machine):
    """
    Only whole rounds are run, and at least one.
    """
    fake = machine(by_value({0: 1.0, 1: 1.1, 2: 1.2, 3: 1.3}))

    screen(fake.measure, CANDIDATES, 9, np.random.default_rng(0), deadline=60, clock=fake.clock)

    assert 8 == len(fake.runs)


def test_a_broken_baseline_is_an_error(machine):
    """
    Four baseline runs failing in a row end it with the reason.
    """
    fake = machine(by_value({0: None, 1: 1.0, 2: 1.0, 3: 1.0}))

    with pytest.raises(TooManyFailuresError, match="the benchmark broke"):
        screen(fake.measure, CANDIDATES, 2, np.random.default_rng(0))
