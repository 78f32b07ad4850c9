"""Searching on a recording: what it answers, with which noise, and how a search is judged."""

import math

import numpy as np
import pytest
from bench.forest import Forest
from bench.replay import Job, Replay, run, table

from sealtune.space.knobs import ChoiceKnob, IntKnob
from sealtune.space.space import Space
from sealtune.survey.surface import load_surface
from sealtune.tactician import search

SPACE = Space([IntKnob("a", 0, 100), IntKnob("idle", 0, 100), ChoiceKnob("c", ["x", "y", "z"])])


@pytest.fixture(scope="module")
def surface(recorded):
    return load_surface(recorded)


def test_a_forest_learns_a_cliff_and_a_choice():
    """Of 200 noisy points it knows a cliff and the value of each choice; the rest is small."""
    generator = np.random.default_rng(0)

    def truth(setting):
        return (1.0 if setting["a"] > 40 else 0.0) + {"x": 0.0, "y": 0.5, "z": 0.0}[setting["c"]]

    seen = [SPACE.decode(row) for row in generator.random((200, 3))]
    values = np.array([truth(s) for s in seen]) + generator.normal(0.0, 0.05, 200)
    unseen = [SPACE.decode(row) for row in generator.random((300, 3))]
    wanted = np.array([truth(s) for s in unseen])
    predicted = Forest(SPACE, seen, values, seed=1).predict(unseen)

    assert 1 - np.mean((predicted - wanted) ** 2) / wanted.var() > 0.9
    assert (Forest(SPACE, seen, values, seed=1).predict(unseen) == predicted).all()
    assert (Forest(SPACE, seen, values, seed=2).predict(unseen) != predicted).any()


def test_one_measurement_is_a_forest():
    """A single point gives its value everywhere."""
    one = {"a": 5, "idle": 5, "c": "x"}
    forest = Forest(SPACE, [one], np.array([3.0]), trees=3)

    assert forest.predict([{"a": 99, "idle": 0, "c": "z"}]) == pytest.approx([3.0])


@pytest.mark.parametrize("held_out", [True, False])
def test_regret_is_one_as_found_and_never_below_nothing(surface, held_out):
    """The values as found have regret 1, the best of the recording less, nothing below 0."""
    replay = Replay(surface, 3, held_out=held_out)

    assert replay.regret(surface.originals) == pytest.approx(1.0)
    assert 0.0 <= replay.regret(surface.best.setting) < 0.5
    assert all(replay.regret(point.setting) >= 0 for point in surface.points)


def test_recorded_points_answer_with_their_own_runs(surface):
    """A point that was repeated gives one of its recorded ratios and no other number."""
    replay = Replay(surface, 3, held_out=False)
    point = surface.best
    level = float(np.median(surface.baselines))
    answers = {round(replay(point.setting).value / level, 9) for _ in range(50)}

    assert answers == {round(ratio, 9) for ratio in point.ratios}


@pytest.mark.parametrize("held_out", [True, False])
def test_the_noise_is_the_recorded_one(surface, held_out):
    """Answers for one setting spread as the residuals of the recording do."""
    replay = Replay(surface, 5, held_out=held_out)
    single = next(point for point in surface.points if len(point.ratios) == 1)
    truth = replay.log_ratio(single.setting)
    level = math.log(np.median(surface.baselines))
    found = [math.log(replay(single.setting).value) - level - truth for _ in surface.residuals]

    assert sorted(found) == pytest.approx(sorted(surface.residuals), abs=1e-9)


def test_drift_is_that_of_the_baselines(surface):
    """With drift the level of the answers is each recorded baseline in turn, six runs each."""
    still, moving = (Replay(surface, 5, drift=drift) for drift in (False, True))
    count = 6 * len(surface.baselines)
    ratio = [
        moving(surface.originals).value / still(surface.originals).value for _ in range(count)
    ]

    assert max(ratio) > 1.02 > 0.98 > min(ratio)
    assert not any(math.isnan(value) for value in ratio)


def test_where_every_run_failed_a_search_fails_too(surface):
    """A setting next to one that the kernel refused gives no value, and is worth nothing."""
    from dataclasses import replace

    bad = replace(surface.points[0], ratios=(), failures=1)
    broken = replace(surface, points=(bad, *surface.points[1:]))
    replay = Replay(broken, 1)

    assert replay(bad.setting).value is None
    assert replay.regret(bad.setting) == 1.0


def test_development_and_test_learn_from_different_halves(surface):
    """The model of a development seed has seen no point that a test seed's model has seen."""
    test, development = Replay(surface, 0), Replay(surface, 1000)
    seen = [
        {tuple(point.setting.values()) for point in replay.halves[0]}
        for replay in (test, development)
    ]

    assert not seen[0] & seen[1]
    assert min(test.rank_correlation, development.rank_correlation) > 0.4


def test_the_same_seed_is_the_same_replay(surface):
    """One seed, one course of answers; another seed, another one."""
    setting = surface.points[3].setting
    courses = [[Replay(surface, seed)(setting).value for _ in range(2)] for seed in (1, 1, 2)]

    assert courses[0] == courses[1] != courses[2]


def test_a_search_runs_on_it(surface):
    """Forty random trials on the replay recommend something clearly better than as found."""
    regrets = []
    for seed in range(4):
        replay = Replay(surface, seed)
        found = search(replay.space, replay, 40, tactician="random", seed=seed)
        regrets.append(replay.regret(found.best_setting))

    assert np.mean(regrets) < 0.7


def test_the_table_names_each_tactician_once(recorded):
    """One line a tactician, one cell a count of trials with its interval."""
    jobs = [Job(recorded, name, (5, 10), seed, True, False)
            for name in ("random", "tpe") for seed in (0, 1)]  # fmt: skip
    text = table(jobs, [run(job) for job in jobs])

    assert [line.split("|")[1].strip() for line in text.splitlines()] == [
        "method",
        "random",
        "tpe",
    ]
    assert text.count("[") == 4
