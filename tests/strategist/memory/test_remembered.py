"""What the memory changes in a config, and that the result is always a valid one."""

import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.strategist.conftest import offer
from tests.strategist.memory.past import (
    CACHE,
    DESCRIPTION,
    FACTS,
    POLL,
    SWAP,
    config,
    nothing_found,
    param,
    past,
)

from sealtune.space.available import Availability
from sealtune.space.belief import belief_of
from sealtune.space.build import build_space
from sealtune.space.config import load_config
from sealtune.strategist.memory import recall, remembered
from sealtune.strategist.task import Task

OTHERS = (
    "vm.dirty_ratio",
    "vm.dirty_background_ratio",
    "kernel.numa_balancing",
    "net.core.somaxconn",
    "net.core.busy_poll",
    "net.core.busy_read",
)


@pytest.fixture
def task(facts, availability):
    return Task(DESCRIPTION, facts, availability)


def made(task, *experiences, given=None, **changed):
    task = dataclasses.replace(task, experiences=experiences, **changed)
    plain = load_config(given or config())
    found = remembered(plain, recall(task), task.availability)
    again = load_config(found.to_json())
    build_space(again, task.availability)
    assert again.action_space == found.action_space
    assert again.proposals == found.proposals
    return found


def names(found):
    return [item.param for item in found.action_space]


def item(found, name):
    return next(one for one in found.action_space if one.param == name)


def test_without_a_memory_nothing_changes(task):
    """The strategist's config comes back as it was."""
    assert load_config(config()) == made(task)


def test_a_confirmed_value_is_where_it_starts(task):
    """Start and focus lie at the value; the range stays; the person is told why."""
    found = made(task, past())

    poll = item(found, POLL)
    assert 108_944 == poll.start
    assert poll.focus[0] < 108_944 < poll.focus[1]
    assert (0, 200_000) == (poll.min, poll.max)
    assert (
        "Memory: session 20261101-0900-a7: guest_halt_poll_ns 108944 gave x4.12 on this machine; "
        "starts there." in found.notices
    )


def test_the_others_start_as_they_stood_when_it_was_confirmed(task):
    """The whole confirmed candidate is the start, with a wider focus where nothing was carried."""
    found = made(task, past())

    assert (35, 90) == (item(found, SWAP).start, item(found, CACHE).start)
    wide, narrow = item(found, SWAP).focus, item(found, POLL).focus
    assert (wide[1] - wide[0]) / 150 > (narrow[1] - narrow[0]) / 200_000


def test_another_machine_is_called_another_machine(task):
    """The notice does not claim that a gain was seen here."""
    found = made(task, past(facts={**FACTS, "cpus": 8}))

    assert any("on a similar machine; starts there" in notice for notice in found.notices)


def test_the_focus_narrows_with_evidence(task):
    """Three sessions that agree leave a narrower focus than one."""
    one = item(made(task, past()), POLL).focus
    three = item(made(task, *(past(id=f"{i}", session=f"{i}") for i in range(3))), POLL).focus

    assert three[1] - three[0] < one[1] - one[0]


def test_carriers_come_first_and_are_added_when_missing(task):
    """A parameter that the strategist left out is back, first, within eight."""
    eight = [param(SWAP, 1, 100), param(CACHE, 10, 400), *({"param": name} for name in OTHERS)]

    found = made(task, past(), given=config(action_space=eight))

    assert POLL == names(found)[0]
    assert 8 == len(found.action_space)
    assert OTHERS[-1] not in names(found)
    assert any("busy_read made room" in notice for notice in found.notices)
    assert "session 20261101-0900-a7" in item(found, POLL).why


@pytest.mark.parametrize("limit", [{"exclude": (POLL,)}, {"only": (SWAP, CACHE)}])
def test_what_the_person_keeps_out_stays_out(task, limit):
    """A remembered parameter is not added against --exclude or --only."""
    given = config(action_space=[param(SWAP, 1, 100), param(CACHE, 10, 400)])

    assert POLL not in names(made(task, past(), given=given, **limit))


def test_a_range_is_widened_to_hold_what_was_confirmed(task):
    """A strategist's narrow range does not cut the remembered value off."""
    given = config(action_space=[param(POLL, 0, 50_000), param(SWAP, 1, 100)])

    poll = item(made(task, past(), given=given), POLL)

    assert (0, 108_944) == (poll.min, poll.max)


def test_what_did_nothing_twice_goes_to_the_end_and_thrice_is_left_out(task):
    """Each time with a notice that names the sessions; few parameters are not made fewer."""
    given = config(action_space=[param(SWAP, 1, 100), *({"param": name} for name in OTHERS)])

    def idle(count):
        experiences = [past(id=f"s{i}", session=f"s{i}") for i in range(count)]
        return made(task, *experiences, given=given)

    assert SWAP == names(idle(1))[1]
    assert SWAP == names(idle(2))[-1]
    assert any("swappiness did nothing in sessions" in notice for notice in idle(2).notices)
    assert SWAP not in names(idle(3))
    assert any(notice.endswith("left out.") for notice in idle(3).notices)


def test_a_gain_that_did_not_come_back_is_no_start(task):
    """Once improved, twice nothing: it starts where the strategist says, and that is said."""
    found = made(task, past(), nothing_found(), nothing_found(id="c9", session="c9"))

    assert item(found, POLL).start is None
    assert any("did nothing in 20261102-0900-b8" in notice for notice in found.notices)
    assert 108_944 in [one.get(POLL) for one in found.proposals]


def test_the_smallest_setting_and_something_new_are_proposed(task):
    """The first proposal is the smallest confirmed setting; one is unlike all that was tried."""
    found = made(task, past())

    assert {POLL: 108_944, SWAP: 1, CACHE: 10} == found.proposals[0]
    tried = [past().setting, found.proposals[0]]
    assert any(
        all(any(one.get(k) != v for k, v in known.items()) for known in tried)
        for one in found.proposals
    )


def test_novelty_depends_on_the_seed_alone(task):
    """The same seed proposes the same, another seed something else."""
    seeded = [
        made(task, past(), given=config(training_config={"seed": seed})).proposals[-1]
        for seed in (1, 1, 2)
    ]

    assert seeded[0] == seeded[1] != seeded[2]


def test_what_failed_is_named_and_neither_start_nor_proposal(task):
    """A setting that broke the benchmark is not begun at, however well it once measured."""
    broken = nothing_found(failed=({POLL: 110_000},))

    found = made(task, past(), past(id="c9", session="c9"), broken)

    assert item(found, POLL).start is None
    assert any(f"{POLL}=110000 failed there" in notice for notice in found.notices)
    assert not any(abs(one.get(POLL, 0) - 110_000) < 20_000 for one in found.proposals)


def test_a_curriculum_loses_what_was_left_out(task):
    """Stages and proposals never name a parameter that is no longer tuned."""
    given = config(
        action_space=[param(SWAP, 1, 100), *({"param": name} for name in OTHERS)],
        curriculum=[[SWAP], [OTHERS[0]]],
        proposals=[{SWAP: 5, OTHERS[0]: 20}],
    )

    found = made(task, *(past(id=f"s{i}", session=f"s{i}") for i in range(3)), given=given)

    assert ((POLL,), (OTHERS[0],)) == found.curriculum
    assert {OTHERS[0]: 20} in found.proposals


def test_a_start_of_the_strategist_s_own_that_failed_is_not_begun_at(task):
    """It is moved to the present value, with a notice, and the others stay where they were."""
    own = [param(SWAP, 1, 100, start=60), param(CACHE, 10, 400, start=100)]
    failed = nothing_found(failed=({SWAP: 60},))

    found = made(task, failed, given=config(action_space=own))

    assert (None, 100) == (item(found, SWAP).start, item(found, CACHE).start)
    assert any("swappiness would start where a session failed" in one for one in found.notices)


def test_a_start_is_given_up_where_it_fails_only_together_with_another(task):
    """What carried a gain stays; the strategist's own start beside it goes."""
    own = [param(POLL, 0, 200_000), param(SWAP, 1, 100, start=60), param(CACHE, 10, 400)]
    far = past(
        facts={**FACTS, "kernel": "4.18", "cpus": 64, "memory_bytes": 2**40},
        failed=({POLL: 108_000, SWAP: 60},),
    )

    found = made(task, far, given=config(action_space=own))

    assert (108_944, None) == (item(found, POLL).start, item(found, SWAP).start)
    assert any(notice.endswith("starts there.") for notice in found.notices)


def test_what_the_person_named_is_never_left_out(task):
    """--only goes before what earlier sessions found useless."""
    wanted = (SWAP, *OTHERS)
    given = config(action_space=[param(SWAP, 1, 100), *({"param": name} for name in OTHERS)])
    idle = [nothing_found(id=f"s{i}", session=f"s{i}") for i in range(4)]

    assert SWAP in names(made(task, *idle, given=given, only=wanted))
    assert SWAP not in names(made(task, *idle, given=given))


def test_when_everything_did_nothing_all_of_it_stays(task):
    """Sessions without a gain do not empty the plan, nor turn it round."""
    eight = [param(SWAP, 1, 100), param(CACHE, 10, 400), *({"param": name} for name in OTHERS)]
    given = config(action_space=eight)
    idle = [nothing_found(id=f"s{i}", session=f"s{i}", config=given) for i in range(4)]

    assert [one["param"] for one in eight] == names(made(task, *idle, given=given))


def test_the_losers_of_one_contest_are_no_proof(task):
    """Three strategies that lost share their parameters, and were one session."""
    given = config(action_space=[param(SWAP, 1, 100), *({"param": name} for name in OTHERS)])
    losers = [
        nothing_found(id=f"w.{i}", session="w", reward=0.0, evidence="searched", gain=None)
        for i in (1, 2, 3)
    ]

    found = made(task, *losers, given=given)

    assert SWAP == names(found)[0]
    assert not any("did nothing" in notice for notice in found.notices)


def test_a_loser_s_best_is_not_proposed_as_a_gain(task):
    """Its lower bound was above 0, and nothing confirmed it."""
    loser = nothing_found(id="w.1", session="w", reward=0.4, evidence="searched", gain=None)

    found = made(task, loser)

    assert not any(one.get(POLL) == 90_000 for one in found.proposals)


def test_a_gain_of_the_whole_candidate_is_not_said_of_a_part(task):
    """The notice says how many parameters were set when it was measured."""
    gain = {**past().gain, "gain_of": "candidate"}

    found = made(task, past(gain=gain))

    assert any(
        "3 parameters set, of which guest_halt_poll_ns 108944 carries it, gave x4.12" in notice
        for notice in found.notices
    )


def test_what_was_kept_untested_is_no_carrier_of_the_gain(task):
    """It stood beside the one that carried it, and is said to have done no more."""
    effects = {**past().effects, SWAP: {"kept": True, "effect": "not tested", "best": "35"}}

    found = made(task, past(setting={POLL: 108_944, SWAP: 35}, effects=effects))

    assert [POLL] == [one.param for one in found.action_space if one.confidence == "medium"]
    assert any(
        "2 parameters set, of which guest_halt_poll_ns 108944 carries it" in notice
        for notice in found.notices
    )


def test_a_remembered_parameter_joins_in_the_first_stage(task):
    """What carried a gain is searched first, what did nothing last."""
    given = config(
        action_space=[*({"param": name} for name in OTHERS), param(SWAP, 1, 100)],
        curriculum=[[SWAP, OTHERS[0]], [OTHERS[1], OTHERS[2]]],
    )

    found = made(task, *(past(id=f"s{i}", session=f"s{i}") for i in range(2)), given=given)

    assert ((POLL, OTHERS[0]), (OTHERS[1], OTHERS[2], SWAP)) == found.curriculum


def test_a_weak_memory_leaves_the_expert_s_starts_alone(task):
    """Only in a context as alike as here does the rest of a past candidate count as a start."""
    own = [param(POLL, 0, 200_000), param(SWAP, 1, 100, start=7), param(CACHE, 10, 400, start=55)]
    weak = past(facts={**FACTS, "kernel": "4.18", "cpus": 64, "memory_bytes": 2**40})

    far = made(task, weak, given=config(action_space=own))
    near = made(task, past(), given=config(action_space=own))

    assert [108_944, 7, 55] == [item(far, name).start for name in (POLL, SWAP, CACHE)]
    assert [108_944, 35, 90] == [item(near, name).start for name in (POLL, SWAP, CACHE)]


def test_the_expert_s_own_start_is_always_proposed(task):
    """Beside any number of memories one proposal is where the strategist would have begun."""
    own = [param(POLL, 0, 200_000, start=1000), param(SWAP, 1, 100, start=7)]
    memories = [
        past(id=f"s{i}", session=f"s{i}", setting={POLL: 60_000 + 30_000 * i, SWAP: 90 - 20 * i})
        for i in range(4)
    ]

    found = made(task, *memories, given=config(action_space=own))

    assert {POLL: 1000, SWAP: 7} in found.proposals


_VALUES = (
    st.integers(-(10**9), 10**9)
    | st.sampled_from(["never", "always", "", "1e9", "; reboot", "4096 131072 5242880"])
    | st.sampled_from(["4096 131072 16777216", "none", "5", 5, 108_944])
)
_NAMES = st.sampled_from(
    [POLL, SWAP, CACHE, "net.ipv4.tcp_rmem", "transparent_hugepage/enabled", "block/vda/scheduler"]
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    setting=st.dictionaries(_NAMES, _VALUES, min_size=1),
    candidate=st.dictionaries(_NAMES, _VALUES),
    failed=st.lists(st.dictionaries(_NAMES, _VALUES), max_size=2),
    verdict=st.sampled_from(["improved", "none"]),
    starts=st.booleans(),
)
def test_a_config_can_be_loaded_again_after_the_memory(
    task, setting, candidate, failed, verdict, starts
):
    """Also where the machine stands at values that the catalogue does not list."""
    odd = {"net.ipv4.tcp_rmem": "4096 131072 5242880", "transparent_hugepage/enabled": "always"}
    offered = [offer(item.knob) for item in task.availability.offered]
    offered = [
        dataclasses.replace(
            one,
            present=odd[one.knob.name],
            choices=tuple(dict.fromkeys((*one.knob.choices, odd[one.knob.name]))),
        )
        if one.knob.name in odd
        else one
        for one in offered
    ]
    there = dataclasses.replace(task, availability=Availability(tuple(offered), ()))
    rmem = {"param": "net.ipv4.tcp_rmem", "choices": list(offered_choices(there))[:2]}
    start = {"start": rmem["choices"][0]} if starts else {}
    experience = past(
        verdict=verdict,
        setting=setting,
        effects={
            name: {"kept": name in setting, "effect": "", "best": str(value)}
            for name, value in {**candidate, **setting}.items()
        },
        failed=tuple(failed),
    )

    made(
        there,
        experience,
        given=config(
            action_space=[rmem | start, param(SWAP, 1, 100), param(CACHE, 10, 400)],
            curriculum=[["net.ipv4.tcp_rmem"], [SWAP]],
        ),
    )


def offered_choices(task):
    return next(
        one.knob.choices
        for one in task.availability.offered
        if one.knob.name == "net.ipv4.tcp_rmem"
    )


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    value=st.integers(-(10**9), 10**9) | st.sampled_from(["never", "", "1e9", "; reboot"]),
    name=st.sampled_from([POLL, SWAP, "transparent_hugepage/enabled", "vm.gone", "block/vda/rq"]),
    failed=st.sampled_from([(), ({POLL: "x"},), ({SWAP: 5},), ({},)]),
)
def test_whatever_is_remembered_the_config_stays_valid_and_safe(task, value, name, failed):
    """Odd, outdated or forged rows of the memory never widen a range beyond the safe one."""
    forged = past(
        setting={name: value},
        effects={name: {"kept": True, "effect": "", "best": str(value)}},
        failed=failed,
    )

    found = made(task, forged)

    space = build_space(found, task.availability).space
    belief_of(found, space)
    for offered in task.availability.offered:
        if offered.knob.name in space.names and offered.knob.kind == "int":
            knob = space.knob(offered.knob.name)
            assert offered.low <= knob.low <= knob.high <= offered.high
