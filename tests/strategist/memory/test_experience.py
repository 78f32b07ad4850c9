"""What a finished session leaves behind: reward, evidence, effects, and what failed."""

import math

import pytest

from sealtune.store import SqliteStore, TrialRow
from sealtune.strategist.memory import experience_of, failed_settings, reward_of, rival_experience

GAIN = {"estimate": 1.25, "ci_low": 1.2, "ci_high": 1.3, "pairs": 9, "confidence": 0.95}


def result(**changed):
    return {
        "session": "s1",
        "verdict": "improved",
        "gain": GAIN,
        "pairs": [{}],
        "facts": {"kernel": "6.1", "cpus": 4},
        "metric": {"name": "requests_per_second", "unit": "1/s", "direction": "maximize"},
        "noise": {"values": [90.0, 100.0, 110.0], "coefficient_of_variation": 0.1},
        "best_config": {"vm.swappiness": 10},
        "full_config": {"vm.swappiness": 10, "vm.dirty_ratio": 40},
        "gain_of": "minimal",
        "knobs": [
            {"name": "vm.swappiness", "kept": True, "effect": "x1.25", "best": "10"},
            {"name": "vm.dirty_ratio", "kept": False, "effect": "not tested", "best": "40"},
        ],
        "guards": [],
        "simulated": False,
        **changed,
    }


def made(given, **changed):
    return experience_of(
        given,
        **{
            "description": "redis",
            "workload_class": "memory_cache",
            "traits": ["single_client"],
            "config": {"workload_name": "redis"},
            "originals": {"vm.swappiness": "60"},
            "strategist": "embedded",
            "when": 5.0,
            **changed,
        },
    )


@pytest.mark.parametrize(
    ("changed", "reward"),
    [
        ({}, math.log(1.25)),
        ({"verdict": "none", "gain": {**GAIN, "estimate": 1.02}}, 0.0),
        ({"verdict": "none", "gain": None}, 0.0),
        ({"verdict": "worse", "gain": {**GAIN, "estimate": 0.7}}, math.log(0.7)),
        ({"verdict": "worse", "gain": {**GAIN, "estimate": 1.2}}, -0.25),
        ({"verdict": "unsafe", "gain": {**GAIN, "estimate": 1.4}}, -0.5),
        ({"verdict": "unsafe", "gain": {**GAIN, "estimate": 0.3}}, math.log(0.3)),
        ({"verdict": "unsafe", "gain": None}, -0.5),
        ({"verdict": "none", "gain": None, "guards": ["out of memory"]}, -0.5),
        ({"guards": ["out of memory"]}, math.log(1.25)),
    ],
)
def test_the_reward_is_the_log_of_what_was_confirmed(changed, reward):
    """0 for none, below 0 for harm; a guard rail costs unless a gain was confirmed as well."""
    assert reward == pytest.approx(reward_of(result(**changed)))


def test_a_session_is_remembered_whole_and_survives_the_store(tmp_path):
    """Context, baseline, gain and effects come from the result, and come back from the disk."""
    experience = made(result(), failed=[{"vm.swappiness": 100}])

    assert ("s1", "s1", "confirmed", 5.0) == (
        experience.id,
        experience.session,
        experience.evidence,
        experience.when,
    )
    assert 100.0 == experience.baseline["value"]
    assert "requests_per_second" == experience.baseline["metric"]
    gain = {"estimate": 1.25, "ci_low": 1.2, "ci_high": 1.3, "pairs": 9, "gain_of": "minimal"}
    assert gain == experience.gain
    assert {"kept": True, "effect": "x1.25", "best": "10"} == experience.effects["vm.swappiness"]
    with SqliteStore(tmp_path / "s.db") as store:
        store.add_experience(experience)
        assert (experience,) == store.experiences()


def test_without_fresh_pairs_the_evidence_is_the_search_alone():
    """A best setting that nothing confirmed is said to be no more than searched."""
    assert "searched" == made(result(verdict="none", gain=None, pairs=[])).evidence


def test_failures_are_what_differed_and_broke(tmp_path):
    """Failed and unsafe trials are kept once, without the values that were as found."""
    rows = [
        TrialRow("search", 0, {"a": 1, "b": 60}, failure="it broke"),
        TrialRow("search", 1, {"a": 1, "b": 60}, failure="it broke"),
        TrialRow("search", 2, {"a": 2, "b": 5}, value=3.0, unsafe=True),
        TrialRow("search", 3, {"a": 3, "b": 5}, value=3.0),
        TrialRow("search", 4, {"b": 60}, failure="noise"),
    ]

    assert ({"a": 1}, {"a": 2, "b": 5}) == failed_settings(rows, {"b": "60"})


def test_one_bad_run_of_a_good_setting_is_no_failure():
    """A setting that also gave a number is not remembered as failed, unless it was unsafe."""
    rows = [
        TrialRow("search", 0, {"a": 1}, value=3.0),
        TrialRow("confirm", 0, {"a": 1}, failure="it broke once"),
        TrialRow("search", 1, {"a": 2}, value=3.0),
        TrialRow("confirm", 1, {"a": 2}, failure="pressure", unsafe=True),
    ]

    assert ({"a": 2},) == failed_settings(rows, {})


@pytest.mark.parametrize("verdict", ["worse", "unsafe"])
def test_a_candidate_that_did_harm_is_remembered_as_failed(verdict):
    """The whole candidate of the fresh pairs, once, beside what failed in the search."""
    harmful = {"vm.swappiness": 10, "vm.dirty_ratio": 40}

    experience = made(result(verdict=verdict), failed=[{"vm.swappiness": 100}])
    known = made(result(verdict=verdict), failed=[harmful])

    assert ({"vm.swappiness": 100}, harmful) == experience.failed
    assert (harmful,) == known.failed
    assert () == made(result()).failed


def test_a_rival_is_remembered_beside_the_winner():
    """It shares context and session, has its own id and config, and claims no verdict."""
    winner = made(result())

    loser = rival_experience(
        winner,
        3,
        config={"a": 1},
        strategist="openai:x",
        promise=0.1,
        setting={"vm.swappiness": 5},
    )
    hopeless = rival_experience(
        winner, 2, config={}, strategist="embedded", promise=-math.inf, setting={}
    )

    assert ("s1.3", "s1", "none", "searched", 0.1) == (
        loser.id,
        loser.session,
        loser.verdict,
        loser.evidence,
        loser.reward,
    )
    assert winner.facts == loser.facts
    assert 0.0 == hopeless.reward
