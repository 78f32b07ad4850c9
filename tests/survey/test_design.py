"""What a survey measures: distinct points, some of them often and far apart, always the same."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealtune.errors import InputError
from sealtune.space.knobs import ChoiceKnob, IntKnob
from sealtune.space.space import Below, Space
from sealtune.survey.design import Design

SPACE = Space(
    [IntKnob("a", 0, 1000), IntKnob("b", 1, 10**6, scale="log"), ChoiceKnob("c", ["x", "y"])]
)


@given(
    points=st.integers(2, 60),
    repeated=st.floats(0, 1),
    repeats=st.integers(2, 5),
    seed=st.integers(0, 10),
)
@settings(max_examples=40, deadline=None)
def test_every_point_comes_as_often_as_it_should(points, repeated, repeats, seed):
    """At least the wanted share of distinct points comes `repeats` times, every other one once."""
    visits = Design(points, repeated, repeats, seed).visits(SPACE)
    counts = Counter(tuple(setting.values()) for setting in visits)

    assert len(counts) == points
    assert set(counts.values()) <= {1, repeats}
    often = sum(count == repeats for count in counts.values())
    assert repeated * points - 1e-6 <= often < repeated * points + 1
    assert all(SPACE.decode(SPACE.encode(setting)) == setting for setting in visits)


def test_repeats_lie_far_apart():
    """The runs of a repeated point are about a third of the survey apart, never neighbours."""
    visits = Design(300, 0.2, 3, 0).visits(SPACE)
    places = {}
    for place, setting in enumerate(visits):
        places.setdefault(tuple(setting.values()), []).append(place)
    gaps = [b - a for found in places.values() for a, b in pairwise(found)]

    assert len(visits) == 420
    assert min(gaps) > 420 / 3 / 1.5


def test_the_design_is_its_seed():
    """One seed gives one order of runs, another one another order of other points."""
    same = [Design(20, seed=seed).visits(SPACE) for seed in (1, 1, 2)]

    assert same[0] == same[1]
    assert same[0] != same[2]


def test_points_cover_the_space():
    """Each choice and each tenth of a range gets its share of 100 points."""
    visits = Design(100, 0.0, 2, 3).visits(SPACE)

    assert 40 <= sum(setting["c"] == "x" for setting in visits) <= 60
    tenths = Counter(min(9, int(10 * SPACE.encode(setting)[1])) for setting in visits)
    assert min(tenths[part] for part in range(10)) >= 5


def test_a_small_space_gives_what_it_has():
    """Of a space with four settings four points are measured, and the design ends."""
    space = Space([IntKnob("a", 0, 1), ChoiceKnob("c", ["x", "y"])])

    assert len(Design(50, 0.0, 2, 0).visits(space)) == 4


def test_couplings_hold():
    """No point of a coupled space breaks its coupling."""
    space = Space([IntKnob("low", 1, 50), IntKnob("high", 2, 60)], [Below("low", "high")])

    assert all(s["low"] < s["high"] for s in Design(60, 0.0, 2, 0).visits(space))


@pytest.mark.parametrize(
    "wrong", [{"points": 1}, {"repeated": 1.5}, {"repeats": 1}, {"points": 10**6}]
)
def test_numbers_that_make_no_sense_are_refused(wrong):
    """A design that cannot be is refused by the name of its option."""
    with pytest.raises(InputError, match=f"--{next(iter(wrong))}"):
        Design(**wrong)
