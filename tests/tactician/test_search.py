"""The search: every tactician behind one call, failures, budgets, resuming, recommending."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import sealtune
from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.errors import BenchmarkFailedError, ConfigError
from sealtune.space.knobs import ChoiceKnob, IntKnob
from sealtune.space.space import Below, Space
from sealtune.tactician import (
    TACTICIANS,
    Budget,
    Reward,
    SearchResult,
    StopSearch,
    TrialRecord,
    prepare_tactician,
    search,
)
from sealtune.tactician.names import how_to_install

SPACE = Space(
    [
        IntKnob("a", 0, 100, start=60),
        IntKnob("b", 1, 10**6, scale="log"),
        ChoiceKnob("c", ["x", "y"]),
    ]
)

HERE = [name for name in TACTICIANS if how_to_install(name) is None]
# A proposal of these takes 0.2 s and more.
QUICK = [name for name in HERE if name not in ("gp", "smac", "hebo")]


def hill(setting):
    """Best at a=20, b=100, c=y: 200; no noise."""
    a = (setting["a"] - 20) / 40
    b = math.log10(setting["b"] / 100) / 2
    return 200.0 * math.exp(-(a**2) - b**2) + (20.0 if setting["c"] == "y" else 0.0)


@pytest.mark.parametrize("tactician", HERE)
def test_every_tactician_begins_at_the_prior_and_stays_inside(tactician):
    """The first trial is the prior, every trial is valid and keeps the couplings."""
    space = Space(
        [IntKnob("low", 0, 50), IntKnob("high", 5, 80, start=40)], [Below("low", "high")]
    )

    result = search(
        space, lambda s: float(s["high"]), 20, tactician=tactician, prior={"low": 7}, seed=3
    )

    assert {"low": 7, "high": 40} == result.trials[0].setting == result.start
    assert 20 == len(result.trials)
    assert "budget" == result.ended
    for trial in result.trials:
        assert 0 <= trial.setting["low"] < trial.setting["high"] <= 80


@pytest.mark.parametrize("tactician", QUICK)
def test_the_same_seed_is_the_same_search(tactician):
    """Two searches with one seed try the same settings; another seed tries others."""
    runs = [
        [trial.setting for trial in search(SPACE, hill, 14, tactician=tactician, seed=seed).trials]
        for seed in (1, 1, 2)
    ]

    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


@pytest.mark.parametrize("tactician", ["ppo", "tpe", "cmaes", "random"])
def test_a_plain_hill_is_climbed(tactician):
    """Without noise, 40 trials recommend something far better than the start."""
    result = search(SPACE, hill, 40, tactician=tactician, seed=0)

    assert hill(result.best_setting) > 1.5 * hill(SPACE.start)


def test_lower_is_better_is_searched_downwards():
    """With a metric to minimise, the recommendation has a small one, not a large one."""
    result = search(
        SPACE, lambda s: 1000.0 / hill(s), 40, direction="minimize", tactician="tpe", seed=0
    )

    assert hill(result.best_setting) > 1.5 * hill(SPACE.start)
    assert all(trial.score == -trial.value for trial in result.trials)


@pytest.mark.parametrize("tactician", QUICK)
def test_failures_are_no_scores(tactician):
    """A failing region is recorded as failed, never recommended, and does not end the search."""

    def measure(setting):
        if setting["c"] == "y":
            raise BenchmarkFailedError("it printed nothing")
        return hill(setting)

    result = search(
        SPACE, measure, Budget(25, max_failures_in_row=25), tactician=tactician, seed=5
    )

    assert 25 == len(result.trials)
    assert "x" == result.best_setting["c"]
    assert {"failed"} == {t.state for t in result.trials if t.setting["c"] == "y"}
    assert all(t.score is None and t.value is None for t in result.trials if t.state == "failed")


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_a_failure(wrong):
    """NaN and infinity are failed trials."""
    result = search(SPACE, lambda _: wrong, 2, tactician="random")

    assert ["failed", "failed"] == [trial.state for trial in result.trials]


def test_more_than_three_failures_in_a_row_end_the_search():
    """The fourth failure in a row is the last trial; the recommendation is then the start."""
    result = search(SPACE, lambda _: failed("no"), 50, tactician="ppo")

    assert 4 == len(result.trials)
    assert "failures" == result.ended
    assert SPACE.start == result.best_setting
    assert () == result.candidates()


def test_failures_apart_do_not_end_the_search():
    """Three failures, a success, three failures: the search goes on."""
    outcomes = iter([failed("no")] * 3 + [1.0] + [failed("no")] * 3 + [1.0])

    assert 8 == len(search(SPACE, lambda _: next(outcomes), 8, tactician="random").trials)


def test_time_ends_the_search(monkeypatch):
    """No trial starts once the seconds are used up."""
    now = iter(range(100))
    monkeypatch.setattr("time.monotonic", lambda: float(next(now)))

    result = search(SPACE, hill, Budget(50, seconds=4.5), tactician="random")

    assert "time" == result.ended
    assert 4 == len(result.trials)


def test_stopping_keeps_the_trials():
    """`StopSearch` from either callback ends the search with what was finished."""

    def stop(trial):
        if trial.index == 2:
            raise StopSearch

    result = search(SPACE, hill, 50, tactician="random", on_trial=stop)

    assert ("stopped", 3) == (result.ended, len(result.trials))


def test_an_interrupt_passes_through():
    """Ctrl-C is not a failed trial."""

    def measure(_setting):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(SPACE, measure, 5, tactician="random")


@pytest.mark.parametrize("tactician", QUICK)
def test_a_resumed_search_runs_only_what_is_missing(tactician):
    """History counts, is not run again, and is learnt from."""
    first = search(SPACE, hill, 12, tactician=tactician, seed=1)
    seen = []

    result = search(
        SPACE,
        hill,
        20,
        tactician=tactician,
        seed=1,
        history=first.trials,
        on_trial=lambda trial: seen.append(trial.index),
    )

    assert list(range(12, 20)) == seen
    assert first.trials == result.trials[:12]


def test_a_resumed_ppo_is_done_with_its_opening():
    """The start and the opening that were measured before the interruption are not run again."""

    def stop(trial):
        if trial.index == 7:
            raise StopSearch

    whole = search(SPACE, hill, 28, tactician="ppo", seed=4, on_trial=stop)
    resumed = search(
        SPACE, hill, 28, tactician="ppo", seed=4, on_trial=stop, history=whole.trials[:3]
    )

    assert [t.setting for t in whole.trials] == [t.setting for t in resumed.trials]


def test_a_reward_is_what_is_learnt_and_the_metric_is_what_is_selected():
    """Score comes from the reward, `relative` from its baseline; selection follows the metric."""
    reward = Reward(Measurement(100.0))

    result = search(SPACE, hill, 15, tactician="random", reward=reward, seed=2)

    for trial in result.trials:
        assert trial.score == reward(trial.measurement)
        assert trial.relative == trial.value / 100.0
    upside_down = tuple(replace(trial, score=-trial.score) for trial in result.trials)
    assert SearchResult(SPACE, upside_down, result.start).best_setting == result.best_setting


def test_one_lucky_run_is_not_recommended():
    """A single huge value among steady poor neighbours loses to a region that is good."""
    space = Space([IntKnob("a", 0, 1000)])
    values = {place: 100.0 + place / 10 for place in range(600, 1000, 20)}
    values |= {place: 100.0 for place in range(0, 300, 10)}
    values[150] = 230.0
    trials = tuple(
        TrialRecord(index, {"a": place}, Measurement(value), value)
        for index, (place, value) in enumerate(values.items())
    )

    result = SearchResult(space, trials, space.start)

    assert result.best_setting["a"] > 900
    assert all(setting["a"] > 800 for setting in result.candidates())


def test_candidates_are_distinct_and_were_tried():
    """Up to as many as asked for, each measured at least once, none twice."""
    result = search(SPACE, hill, 20, tactician="random", seed=1)
    tried = [trial.setting for trial in result.trials]

    candidates = result.candidates(5)

    assert 5 == len({tuple(setting.items()) for setting in candidates})
    assert all(setting in tried for setting in candidates)


def test_recommended_looks_only_at_the_first_trials():
    """What would have been recommended after n trials is one of those n."""
    result = search(SPACE, hill, 20, tactician="random", seed=1)

    assert result.start == result.recommended(0) == result.recommended(1)
    assert result.recommended(7) in [trial.setting for trial in result.trials[:7]]


def test_a_prebuilt_tactician_searches_as_a_named_one():
    """Building early changes nothing but when the seconds are spent."""
    built = prepare_tactician("ppo", SPACE, 12, seed=9)

    early = search(SPACE, hill, 12, tactician=built)

    assert early.trials == search(SPACE, hill, 12, tactician="ppo", seed=9).trials


def test_unknown_names_are_refused():
    """An unknown tactician, and a prior of another space, say what there is."""
    with pytest.raises(ConfigError, match="ppo, ppo-only, tpe"):
        search(SPACE, hill, 5, tactician="genius")
    with pytest.raises(ConfigError, match=r"vm\.swappiness"):
        search(SPACE, hill, 5, tactician="random", prior={"vm.swappiness": 1})


@pytest.mark.parametrize("wrong", [{"trials": 0}, {"trials": 5, "seconds": 0.0}])
def test_an_empty_budget_is_refused(wrong):
    """A budget in which nothing could be tried is a mistake."""
    with pytest.raises(ValueError, match="need"):
        Budget(**wrong)


def test_importing_the_package_loads_nothing_heavy():
    """The command line may list the tacticians without numpy, torch, Optuna or Gymnasium."""
    code = (
        "import sys, sealtune.tactician as t; t.TACTICIANS; "
        "heavy = ('numpy', 'torch', 'optuna', 'gymnasium', 'scipy'); "
        "print([name for name in heavy if name in sys.modules])"
    )

    path = str(Path(sealtune.__file__).parents[1])

    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )

    assert "[]" == found.stdout.strip()
