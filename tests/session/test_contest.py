"""Several strategies in one session: equal starts, most trials to the best, all of them kept."""

import itertools

import pytest

from sealtune.contest import LEAST_TRIALS, contest, most_entrants, rounds
from sealtune.entry import resumable_request
from sealtune.errors import TooLittleTimeError
from sealtune.planning import make_plan
from sealtune.report.events import RunFinished
from sealtune.request import Request
from sealtune.session import tune
from sealtune.space.knobs import IntKnob
from sealtune.space.space import Space
from sealtune.tactician import search

SPACE = Space([IntKnob("a", 0, 100, start=50)])


def config(name, params, strategist):
    return {
        "workload_name": name,
        "reward_metric": "transactions_per_second",
        "benchmark_command": "sealtune-sqlite --mix write",
        "action_space": params,
        "strategist": strategist,
    }


DIRTY = [{"param": "vm.dirty_ratio", "min": 5, "max": 60}]
AGE = [{"param": "vm.dirty_expire_centisecs", "min": 100, "max": 6000}]
WAKE = [{"param": "vm.dirty_writeback_centisecs", "min": 50, "max": 1500}, *AGE]


def request(**wishes) -> Request:
    from sealtune.space.config import load_config

    leader, *rivals = (
        load_config(config(name, params, name))
        for name, params in (("one", DIRTY), ("two", AGE), ("three", WAKE))
    )
    return Request(
        **{
            "config": leader,
            "rivals": tuple(rivals),
            "dry_run": True,
            "tactician": "random",
            "seed": 3,
            "trials": 40,
            **wishes,
        }
    )


def trials_of(plan):
    """Return how many trials all rounds together have."""
    before = [0, *(total for _, total in plan)]
    return sum(size * (total - had) for (size, total), had in zip(plan, before, strict=False))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 16])
def test_every_round_halves_and_the_trials_are_never_exceeded(count):
    """All entrants share each round's trials equally, half of them go on, one is left."""
    plan = rounds(count, 120)
    sizes = [size for size, _ in plan]
    used = trials_of(plan)
    assert sizes[0] == count
    assert sizes[-1] == 1
    assert all(2 * after >= size for size, after in itertools.pairwise(sizes))
    assert used <= 120


def test_a_strategy_is_never_judged_by_too_few_trials():
    """As many strategies as are allowed get the least number of trials, one more would not."""
    allowed = most_entrants(60)
    assert rounds(allowed, 60)[0][1] >= LEAST_TRIALS
    assert rounds(allowed + 1, 60)[0][1] < LEAST_TRIALS


def test_the_best_entrant_wins_and_gets_most_trials():
    """Of four entrants whose settings are worth 1, 2, 3 and 4, the fourth wins."""

    def look(entrant, trials):
        return search(SPACE, lambda _: float(entrant.number), trials, tactician="random", seed=1)

    order = contest(4, 60, look)
    assert [order[0].number, len(order[0].search.trials)] == [4, 35]
    assert order[1].number == 3
    assert sorted(one.number for one in order) == [1, 2, 3, 4]


def test_a_strategy_whose_every_trial_fails_loses():
    """Failed measurements never make a strategy promising."""

    def look(entrant, trials):
        value = float("nan") if entrant.number == 2 else 0.001
        return search(SPACE, lambda _: value, trials, tactician="random", seed=1)

    assert contest(2, 20, look)[0].number == 1


def test_a_session_of_three_strategies_reaches_a_verdict(store):
    """The plan holds every parameter of all; the result names who won and who tried how much."""
    plan = make_plan(request())
    assert {"vm.dirty_ratio", "vm.dirty_expire_centisecs"} <= set(plan.originals)
    result = tune(plan, store, lambda _event: None)
    assert {one["strategist"] for one in result.strategies} == {"one", "two", "three"}
    assert result.strategist == result.strategies[0]["strategist"]
    assert result.total_episodes == len(store.trials(result.session, "search"))
    winner = {"one": DIRTY, "two": AGE, "three": WAKE}[result.strategist]
    assert set(result.full_config) <= {param["param"] for param in winner}


def test_too_many_strategies_for_the_time_are_refused():
    """A contest in which nobody could be judged is refused before anything starts."""
    with pytest.raises(TooLittleTimeError, match="can compare"):
        make_plan(request(trials=12))


def test_a_tactician_goes_on_between_rounds(store, monkeypatch):
    """In a later round a strategy's tactician is the one that learnt in the rounds before."""
    from sealtune import seeking

    built = []
    real = seeking.prepare_tactician
    monkeypatch.setattr(
        seeking, "prepare_tactician", lambda *a, **k: built.append(k["resumed"]) or real(*a, **k)
    )
    tune(make_plan(request()), store, lambda _event: None)
    assert built == [0, 0, 0]


def test_each_trial_is_stored_for_its_strategy(store):
    """The history says which strategy a trial was for, also where two search the same names."""
    result = tune(make_plan(request()), store, lambda _event: None)
    rows = store.trials(result.session, "search")
    counted = {
        one["number"]: sum(row.strategy == one["number"] for row in rows)
        for one in result.strategies
    }
    assert counted == {one["number"]: one["trials"] for one in result.strategies}


def test_an_interrupted_contest_goes_on_without_repeating_a_trial(store, monkeypatch):
    """Resumed, it takes up each strategy's finished trials and ends with the planned number."""
    monkeypatch.setenv("SEALTUNE_STORE", str(store.path))

    def stop(event):
        if isinstance(event, RunFinished) and event.phase == "search" and event.index == 14:
            raise KeyboardInterrupt

    first = tune(make_plan(request()), store, stop)
    assert first.verdict == "interrupted"
    again, session = resumable_request(first.session)
    assert len(again.rivals) == 2
    second = tune(make_plan(again), store, lambda _event: None, resume=session)
    assert second.verdict != "interrupted"
    trials = store.trials(session, "search")
    assert len(trials) == trials_of(rounds(3, 40))
    assert [row.index for row in trials] == list(range(len(trials)))
