"""Which knobs mattered: on machines whose knobs are known."""

import math
from dataclasses import astuple

import numpy as np
import pytest

from sealtune.space import ChoiceKnob, IntKnob, Space
from sealtune.space.space import Below
from sealtune.verdict import rank_suspects, weigh_knobs
from sealtune.verdict.importance import MOST_TRIALS

FOUR = Space([IntKnob(f"n{i}", 0, 1000) for i in range(4)])
FEW = {"resamples": 6, "shadow_fits": 12}
BRIEF = {"resamples": 3, "shadow_fits": 2}
"""Enough where it does not count which knobs are told."""


def searched(space, log_speed, count, *, noise=0.08, seed=1000, failing=lambda setting: False):
    """Return the settings and ratios of a random search of a machine with known log speeds."""
    rng = np.random.default_rng(seed)
    settings = [space.decode(rng.random(len(space))) for _ in range(count)]
    ratios = [
        None if failing(one) else math.exp(log_speed(one) + rng.normal(0, noise))
        for one in settings
    ]
    return settings, ratios


def told(found):
    return [one.knob for one in found.knobs if one.told]


def test_the_knob_that_matters_is_named_first_with_where_it_is_best():
    """
    Of four knobs one matters: it alone is told, most of the variation is its, and more is better.
    """
    settings, ratios = searched(FOUR, lambda s: 0.5 * s["n2"] / 1000, 40)

    found = weigh_knobs(FOUR, settings, ratios, **FEW)

    first = found.knobs[0]
    assert ["n2"] == told(found)
    assert "n2" == first.knob
    assert first.share > 0.6
    assert first.low > 0
    assert first.most_important_probability > 0.9
    assert first.best.startswith("larger is better")
    assert 40 == found.trials


def test_when_no_knob_matters_none_is_told():
    """
    A search in which nothing matters cannot tell any knob, and claims no best region.
    """
    settings, ratios = searched(FOUR, lambda _: 0.0, 40)

    found = weigh_knobs(FOUR, settings, ratios, **FEW)

    assert [] == told(found)
    assert {0.0} == {one.low for one in found.knobs}
    assert {""} == {one.best for one in found.knobs}


def test_a_choice_is_weighed_and_its_best_one_named():
    """
    A choice that beats the others is told, and named as best.
    """
    space = Space([ChoiceKnob("c", ["x", "y", "z"]), IntKnob("a", 1, 10**6, scale="log")])
    settings, ratios = searched(space, lambda s: 0.4 * (s["c"] == "y"), 40)

    found = weigh_knobs(space, settings, ratios, **FEW)

    assert ["c"] == told(found)
    assert "best: y" == found.knobs[0].best


def test_a_knob_that_exists_only_under_a_choice_is_weighed():
    """
    A knob that matters where it exists is told, the choice that brings it is not called idle.
    """
    depth = IntKnob("depth", 0, 100, start=0, when=("queue", ("fair",)))
    space = Space([ChoiceKnob("queue", ["none", "fair"]), depth, IntKnob("idle", 0, 100)])
    settings, ratios = searched(space, lambda s: 0.8 * s["depth"] / 100, 60)
    assert {0} == {one["depth"] for one in settings if one["queue"] == "none"}

    found = weigh_knobs(space, settings, ratios, **FEW)

    assert {"queue", "depth"} == set(told(found))


def test_knobs_that_only_work_together_both_matter():
    """
    Two knobs that matter only together are both told: an effect that neither has alone.
    """
    space = Space([IntKnob(name, 0, 1) for name in "abcd"])
    settings, ratios = searched(space, lambda s: 0.5 * (s["a"] ^ s["c"]), 60)

    found = weigh_knobs(space, settings, ratios, **FEW)

    assert {"a", "c"} == set(told(found))
    assert sum(one.share for one in found.knobs) > 1.2


def test_a_knob_that_makes_runs_fail_matters():
    """
    Failures count as bad: the knob that causes them is told, and no region that fails is praised.
    """
    settings, ratios = searched(FOUR, lambda _: 0.0, 40, failing=lambda s: s["n1"] > 700)
    assert None in ratios

    found = weigh_knobs(FOUR, settings, ratios, **FEW)

    assert ["n1"] == told(found)
    assert "larger" not in found.knobs[0].best


def test_fewer_than_twelve_trials_with_a_number_say_nothing_but_why():
    """
    Eleven good trials and many failed ones give no rows, and the reason.
    """
    settings, ratios = searched(FOUR, lambda _: 0.0, 30)
    ratios[11:] = [None] * 19

    found = weigh_knobs(FOUR, settings, ratios)

    assert () == found.knobs
    assert "11" in found.reason
    assert "12" in found.reason
    assert weigh_knobs(FOUR, settings[:12], [1.0 + 0.01 * i for i in range(12)], **BRIEF).knobs


@pytest.mark.parametrize(
    "ratios",
    [
        [1.0] * 14,
        [1.0] * 13 + [1e300],
        [1e-300, *[1.0] * 13],
        [float("inf"), 0.0, *[1.0 + 0.1 * i for i in range(14)]],
    ],
)
def test_every_number_is_finite(ratios):
    """
    Constant, huge, tiny and impossible ratios give finite shares within 0 and 1, low to high.
    """
    space = Space(
        [IntKnob("a", 5, 5), IntKnob("b", 0, 1), ChoiceKnob("c", ["x"]), IntKnob("d", 0, 9)],
        [Below("b", "d")],
    )
    settings, _ = searched(space, lambda _: 0.0, len(ratios))

    found = weigh_knobs(space, settings, ratios, **BRIEF)

    assert set(space.names) == {one.knob for one in found.knobs}
    for one in found.knobs:
        numbers = [value for value in astuple(one) if isinstance(value, float)]
        assert 4 == len(numbers)
        assert all(math.isfinite(value) and 0 <= value <= 1 for value in numbers)
        assert one.low <= one.share <= one.high


def test_one_seed_one_answer():
    """
    The same trials and seed give the same answer.
    """
    settings, ratios = searched(FOUR, lambda s: s["n0"] / 3000, 20)

    first, second = (weigh_knobs(FOUR, settings, ratios, seed=1000, **BRIEF) for _ in range(2))

    assert first == second


def test_a_very_long_search_is_thinned():
    """
    Of a search of thousands of trials an even part is used, and the answer says how many.
    """
    settings, ratios = searched(Space([IntKnob("a", 0, 9)]), lambda s: s["a"] / 9, 2000)

    found = weigh_knobs(Space([IntKnob("a", 0, 9)]), settings, ratios, resamples=2, shadow_fits=1)

    assert MOST_TRIALS == found.trials


def test_the_hint_for_minimising_is_the_same_ranking():
    """
    What minimising is told to try first is the order that the report shows.
    """
    speed = {"n0": 0.1, "n1": 0.0, "n2": 0.6, "n3": 0.3}
    settings, ratios = searched(
        FOUR, lambda s: sum(k * s[n] / 1000 for n, k in speed.items()), 60, noise=0.02
    )

    ranked = rank_suspects(settings, ratios, FOUR)

    assert ("n2", "n3", "n0", "n1") == ranked
    assert ranked == tuple(one.knob for one in weigh_knobs(FOUR, settings, ratios, **BRIEF).knobs)


@pytest.mark.slow
def test_a_knob_that_does_nothing_is_hardly_ever_told():
    """
    In 30 searches of 60 trials at 8 % noise with two knobs that matter, at most 3 call any of the
    four others important, and the bigger one is told in nearly all.
    """
    space = Space([IntKnob(f"n{i}", 0, 1000) for i in range(6)])
    wrong = right = 0
    for seed in range(30):
        settings, ratios = searched(
            space, lambda s: 0.35 * s["n1"] / 1000 + 0.14 * (s["n4"] > 500), 60, seed=seed
        )
        names = told(weigh_knobs(space, settings, ratios, seed=seed))
        wrong += bool(set(names) - {"n1", "n4"})
        right += "n1" in names
    assert wrong <= 3
    assert right >= 27


@pytest.mark.slow
def test_a_search_in_which_nothing_matters_ends_in_cannot_tell():
    """
    In 30 searches of 60 trials at 8 % noise in which no knob matters, at most 3 tell any.
    """
    space = Space([IntKnob(f"n{i}", 0, 1000) for i in range(6)])
    wrong = sum(
        bool(told(weigh_knobs(space, *searched(space, lambda _: 0.0, 60, seed=seed), seed=seed)))
        for seed in range(30)
    )
    assert wrong <= 3
