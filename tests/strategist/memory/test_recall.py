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

from sealtune.strategist.memory import recall
from sealtune.strategist.memory.recall import on_any_device
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
    """What a short search found promising and nothing confirmed neither carries nor refutes."""
    rival = nothing_found(reward=0.4, evidence="searched", gain=None)

    assert () == recalled(task, past(), rival).lesson(POLL).idle


def test_a_block_device_is_the_same_parameter_on_another_disk(task):
    """What was learnt about vda holds for sda."""
    assert "block/{dev}/scheduler" == on_any_device("block/vda/scheduler")
    scheduler = past(
        setting={"block/vda/scheduler": "none"},
        effects={"block/vda/scheduler": {"kept": True, "effect": "", "best": "none"}},
    )

    assert recalled(task, scheduler).lesson("block/sda/scheduler").carried


def test_another_measure_of_likeness_may_be_injected(task):
    """The text similarity given is the one used."""
    seen = []

    def similar(one, other):
        seen.append((one, other))
        return 1.0

    recall(dataclasses.replace(task, experiences=(past(),)), similar)

    assert [(DESCRIPTION, past().description)] == seen
