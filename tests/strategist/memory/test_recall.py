"""What is near is recalled, what is far is not, and contradictions are weighed."""

import dataclasses

import pytest
from tests.strategist.memory.past import (
    CACHE,
    DAY,
    DESCRIPTION,
    FACTS,
    POLL,
    SWAP,
    nothing_found,
    past,
)

from sealtune.space.config import load_config
from sealtune.strategist.memory import recall
from sealtune.strategist.memory.likeness import alike
from sealtune.strategist.memory.recall import on_any_device
from sealtune.strategist.reading import Reading
from sealtune.strategist.task import Task


@pytest.fixture
def task(facts, availability):
    return Task(DESCRIPTION, facts, availability)


def recalled(task, *experiences, **changed):
    return recall(dataclasses.replace(task, experiences=experiences, **changed))


def test_the_nearest_context_comes_first(task):
    """The same machine beats a smaller one, and both are recalled."""
    here = past(id="here")
    smaller = past(id="smaller", facts={**FACTS, "cpus": 1, "memory_bytes": 2**30})

    memories = recalled(task, smaller, here).memories

    assert ["here", "smaller"] == [memory.experience.id for memory in memories]
    assert memories[0].same_machine
    assert not memories[1].same_machine


@pytest.mark.parametrize(
    "changed",
    [
        {
            "description": "nightly reports over a data warehouse",
            "workload_class": "olap_analytics",
            "traits": (),
        },
        {
            "facts": {
                "kernel": "4.18.0",
                "cpus": 128,
                "memory_bytes": 2**40,
                "virtualisation": None,
                "disk": {"rotational": True},
            },
            "config": {**past().config, "benchmark_command": "memtier_benchmark -c 50"},
        },
        {"verdict": "interrupted"},
    ],
    ids=["another workload", "another world", "interrupted"],
)
def test_what_is_far_is_not_recalled(task, changed):
    """Another kind of workload, another world of a machine, or no verdict: nothing is learnt."""
    assert () == recalled(task, past(**changed), benchmark="redis").memories


def test_without_a_prior_nothing_is_recalled(task):
    """`no_prior` means the memory too."""
    assert () == recalled(task, past(), no_prior=True).memories


def test_strong_and_new_evidence_weighs_more(task):
    """Confirmed beats searched; of two equal ones the newer weighs more."""
    weak = past(id="weak", evidence="searched", when=100 * DAY)
    old = past(id="old", when=100 * DAY - 360 * DAY)
    new = past(id="new", when=100 * DAY)

    memories = recalled(task, weak, old, new).memories

    assert "new" == memories[0].experience.id
    weights = {memory.experience.id: memory.weight for memory in memories}
    assert weights["new"] == pytest.approx(4 * weights["weak"])
    assert weights["new"] == pytest.approx(4 * weights["old"])


def test_a_lesson_says_what_carried_and_what_did_nothing(task):
    """One lesson per parameter: the carrier first, worth its gain; the idle ones worth nothing."""
    lessons = recalled(task, past()).lessons

    assert POLL == lessons[0].name
    assert lessons[0].holds
    assert lessons[0].worth == pytest.approx(1.416)
    assert {SWAP, CACHE} == {lesson.name for lesson in lessons[1:]}
    assert not any(lesson.carried for lesson in lessons[1:])


def test_contradictory_experiences_weigh_against_each_other(task):
    """Improved once and twice nothing: the gain is doubted; once and once, older: also doubted."""
    doubted = recalled(task, past(), nothing_found(), nothing_found(id="c9", session="c9")).lesson(
        POLL
    )
    believed = recalled(task, past(), past(id="c9", session="c9"), nothing_found()).lesson(POLL)

    assert not doubted.holds
    assert believed.holds
    assert doubted.worth < believed.worth < 1.416


def test_nothing_left_to_gain_is_no_contradiction(task):
    """A later session that began at the remembered value says nothing against it."""
    applied = nothing_found(originals={POLL: "108944", SWAP: "1", CACHE: "10"})

    lesson = recalled(task, past(), applied).lesson(POLL)

    assert () == lesson.idle
    assert 2 == len(recalled(task, past(), applied).lesson(SWAP).idle)


def test_a_lost_contest_speaks_neither_for_nor_against(task):
    """What a short search found promising, or not, neither carries nor refutes."""
    for number, promise in enumerate((0.4, 0.0, -0.1), 2):
        rival = nothing_found(
            id=f"20261101-0900-a7.{number}",
            session="20261101-0900-a7",
            reward=promise,
            evidence="searched",
            gain=None,
        )

        assert () == recalled(task, past(), rival).lesson(POLL).idle
        assert () == recalled(task, rival).lesson(SWAP).idle


def test_what_was_not_told_apart_carried_nothing(task):
    """A parameter kept because the clock ran out neither carried the gain nor did nothing."""
    untested = past(
        setting={POLL: 108_944, SWAP: 35},
        effects={
            POLL: {"kept": True, "effect": "not tested", "best": "108944"},
            SWAP: {"kept": True, "effect": "undecided: x1.01 [0.90, 1.20]", "best": "35"},
            CACHE: {"kept": False, "effect": "undecided", "best": "90"},
        },
    )

    assert () == recalled(task, untested).lessons


def test_an_undecided_session_does_not_wipe_out_a_gain(task):
    """Only an interval that excludes the gain speaks against it, and only of what it held."""
    wide = {"estimate": 1.5, "ci_low": 0.4, "ci_high": 6.0, "pairs": 6}
    undecided = [nothing_found(id=f"c{i}", session=f"c{i}", gain=wide) for i in range(2)]
    elsewhere = nothing_found(setting={SWAP: 40})

    assert recalled(task, past(), *undecided).lesson(POLL).holds
    assert recalled(task, past(), elsewhere).lesson(POLL).doubt < 0.3
    assert not recalled(task, past(), nothing_found()).lesson(POLL).holds


def test_the_measurement_counts(task):
    """Another tool or another metric makes a memory worth less, whether or not it was named."""
    sysbench = past(config={**past().config, "benchmark_command": "sysbench memory run"})
    latency = past(config={**past().config, "reward_metric": "latency_p99_ms"})
    config = load_config(past().config)

    def likeness(experience, **known):
        known_task = dataclasses.replace(task, experiences=(experience,))
        memories = recall(known_task, **known).memories
        return memories[0].likeness if memories else 0.0

    same = likeness(past(), config=config)
    assert same == pytest.approx(2 * likeness(sysbench, config=config), rel=0.01)
    assert same == pytest.approx(2 * likeness(latency, config=config), rel=0.01)
    assert recalled(task, past(), benchmark="redis").memories[0].likeness == same


def test_a_score_to_minimise_is_not_one_to_maximise(task):
    """A number of a command of one's own counts with its direction."""
    own = {**past().config, "benchmark_command": "./measure", "reward_metric": "score"}
    lower = {**own, "benchmark_output": {"direction": "minimize"}}

    def likeness(config):
        known = dataclasses.replace(task, experiences=(past(config=own),))
        return recall(known, config=load_config(config)).memories[0].likeness

    assert likeness(own) == pytest.approx(2 * likeness(lower), rel=0.01)


def test_what_the_machine_settled_is_recognised(task):
    """A description that says nothing by itself is read as the strategist read it, then as now."""
    vague = "make it go faster"
    settled = past(description=vague, traits=())
    asked = dataclasses.replace(task, description=vague, experiences=(settled,))
    reading = Reading("memory_cache", (), 0.9, (), (), machine=("redis is running",))
    other = dataclasses.replace(reading, workload_class="oltp_database")

    assert 1.0 == recall(asked, reading=reading).memories[0].likeness
    assert recall(asked).memories
    assert recall(asked, reading=other).memories[0].likeness <= 0.4


def test_a_block_device_is_the_same_parameter_on_another_disk(task):
    """What was learnt about vda holds for sda."""
    assert "block/{dev}/scheduler" == on_any_device("block/vda/scheduler")
    scheduler = past(
        setting={"block/vda/scheduler": "none"},
        effects={"block/vda/scheduler": {"kept": True, "effect": "", "best": "none"}},
    )

    assert recalled(task, scheduler).lesson("block/sda/scheduler").carried


@pytest.mark.parametrize(
    ("one", "like", "unlike"),
    [
        ("web shop orders in Postgres", "OLTP database with many commits", "video transcoding"),
        ("training neural networks", "deep learning on large batches", "mail relay for a company"),
    ],
)
def test_descriptions_are_alike_in_meaning(one, like, unlike):
    """Words need not be shared; the same words are entirely alike, and nothing is like nothing."""
    assert alike(one, like) > alike(one, unlike)
    assert 1.0 == alike(one, f" {one.upper()}!")
    assert 0.0 == alike("", "") == alike(one, "")
