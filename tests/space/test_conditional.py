"""Knobs that exist only under a choice of another: what is one setting, and what is real of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtune.catalogue import load_catalogue
from sealtune.errors import ConfigError, KnobError
from sealtune.machine.disk import Disk
from sealtune.machine.facts import Facts
from sealtune.space.available import Availability, AvailableKnob, LeftOut, available_knobs
from sealtune.space.build import build_space
from sealtune.space.config import load_config
from sealtune.space.knobs import ChoiceKnob, IntKnob
from sealtune.space.space import Below, Space, union

DEADLINE = ("scheduler", ("mq-deadline",))
SPACE = Space(
    [
        ChoiceKnob("scheduler", ["none", "mq-deadline", "kyber"], start="none"),
        IntKnob("read_expire", 50, 1000, start=500, scale="log", when=DEADLINE),
        IntKnob("write_expire", 50, 10_000, start=400, when=DEADLINE),
        IntKnob("latency", 1, 100, start=10, when=("scheduler", ("kyber",))),
        ChoiceKnob("mode", ["a", "b", "c"], start="b", when=("scheduler", ("kyber", "none"))),
        IntKnob("swappiness", 0, 100, start=60),
    ],
    [Below("read_expire", "write_expire")],
)
positions = st.lists(st.floats(-0.5, 1.5), min_size=6, max_size=6)
settings = st.fixed_dictionaries(
    {},
    optional={
        "scheduler": st.sampled_from(["none", "mq-deadline", "kyber"]),
        "read_expire": st.integers(50, 1000),
        "write_expire": st.integers(50, 10_000),
        "latency": st.integers(1, 100),
        "mode": st.sampled_from("abc"),
        "swappiness": st.integers(0, 100),
    },
)


@given(setting=settings)
def test_repairing_twice_is_repairing_once(setting):
    """A repaired setting, whole or in part, needs no repair, and names what it named."""
    repaired = SPACE.repair(setting)

    assert repaired == SPACE.repair(repaired)
    assert set(repaired) == set(setting)
    assert SPACE.active(repaired) == SPACE.active(setting)


@given(vector=positions)
def test_a_decoded_setting_is_canonical_and_comes_back(vector):
    """What does not exist is at its start, and decoding, encoding, decoding changes nothing."""
    setting = SPACE.decode(vector)

    for name in set(SPACE.names) - SPACE.active(setting):
        assert SPACE.knob(name).first == setting[name]
    assert setting == SPACE.repair(setting) == SPACE.decode(SPACE.encode(setting))


@given(setting=settings, other=settings)
def test_what_cannot_be_told_apart_is_one_setting(setting, other):
    """Two settings that agree in what exists are equal once repaired, and have one position."""
    start = SPACE.start
    first = {**start, **setting}
    there = SPACE.active(first)
    second = {**start, **other, **{name: first[name] for name in there}}

    assert SPACE.repair(first) == SPACE.repair(second)
    assert (
        SPACE.encode(SPACE.repair(first)).tolist() == SPACE.encode(SPACE.repair(second)).tolist()
    )


@given(setting=settings)
def test_exactly_the_knobs_of_the_choice_exist(setting):
    """A knob without a condition always exists, another one under its choices only."""
    scheduler = setting.get("scheduler", "none")
    expected = {"scheduler", "swappiness"}
    expected |= {"read_expire", "write_expire"} if scheduler == "mq-deadline" else {"mode"}
    expected |= {"latency"} if scheduler == "kyber" else set()

    assert expected == SPACE.active(setting)


@given(vector=positions)
def test_couplings_hold_between_what_exists_and_leave_the_rest_at_its_start(vector):
    """Read stays below write under mq-deadline; elsewhere both are at their starts."""
    setting = SPACE.decode(vector)

    if setting["scheduler"] == "mq-deadline":
        assert setting["read_expire"] < setting["write_expire"]
    else:
        assert (500, 400) == (setting["read_expire"], setting["write_expire"])


@pytest.mark.parametrize(
    ("when", "message"),
    [
        (("unknown", ("x",)), "when 'unknown': no choice of this space"),
        (("number", ("1",)), "when 'number': no choice of this space"),
        (("scheduler", ("none", "bfq")), r"\['bfq'\]; allowed: none, kyber"),
        (("mode", ("a",)), "when 'mode': it is itself conditional"),
        (("self", ("x",)), "itself conditional"),
    ],
)
def test_a_condition_that_cannot_be_judged_is_refused(when, message):
    """A condition names a choice of the space, some of its values, and nothing conditional."""
    knobs = [
        ChoiceKnob("scheduler", ["none", "kyber"]),
        ChoiceKnob("mode", ["a", "b"], when=("scheduler", ("kyber",))),
        IntKnob("number", 0, 1),
        ChoiceKnob("self", ["x", "y"], when=when),
    ]
    with pytest.raises(ValueError, match=message):
        Space(knobs)


def test_a_condition_without_choices_is_refused():
    """A knob that would exist nowhere is a mistake."""
    with pytest.raises(ValueError, match="some of its choices"):
        IntKnob("a", 0, 1, when=("c", ()))


def test_lists_will_do_for_the_choices_of_a_condition():
    """Conditions read from JSON have lists; equal ones are equal."""
    assert IntKnob("a", 0, 1, when=("c", ["x"])) == IntKnob("a", 0, 1, when=("c", ("x",)))


def test_a_union_keeps_the_conditions():
    """A space made of two, one of which does not tune the choice, still knows the condition."""
    alone = Space([IntKnob("read_expire", 10, 900)])
    for spaces in ([SPACE, alone], [alone, SPACE]):
        both = union(spaces)

        assert DEADLINE == both.knob("read_expire").when
        assert "read_expire" not in both.active({"scheduler": "none"})


# From the catalogue to the space


def _resolve(name):
    return load_catalogue().resolve(name, "vda")


READ_EXPIRE, READ_LATENCY = _resolve("read_expire"), _resolve("read_lat_nsec")
SCHEDULER = _resolve("block/{dev}/scheduler")
FACTS = Facts("6.1", memory_bytes=2**33, disk=Disk("vda", scheduler="mq-deadline", tags=None))


@pytest.fixture
def disk(tmp_path):
    """Make a disk with a scheduler and its directory; return the root."""

    def make(schedulers, **files):
        queue = tmp_path / "sys/block/vda/queue"
        (queue / "iosched").mkdir(parents=True, exist_ok=True)
        (queue / "scheduler").write_text(schedulers + "\n")
        for name, value in files.items():
            (queue / "iosched" / name).write_text(f"{value}\n")
        return tmp_path

    return make


def found(root):
    return available_knobs([SCHEDULER, READ_EXPIRE, READ_LATENCY], FACTS, root)


def built(availability, *params):
    config = {
        "workload_name": "w",
        "reward_metric": "throughput",
        "benchmark_command": "pgbench -c 4",
        "action_space": list(params),
    }
    return build_space(load_config(config), availability)


def test_what_is_not_there_now_is_offered_when_its_scheduler_is(disk):
    """Its range and default are the catalogue's; what is there now has its present value."""
    offered = found(disk("none [mq-deadline] kyber", read_expire=1500)).offered

    assert [("mq-deadline", True), ("1500", True), ("2000000", False)] == [
        (item.present, item.exists) for item in offered
    ]
    assert (50, 1500) == (offered[1].low, offered[1].high)
    assert (READ_LATENCY.low, READ_LATENCY.high) == (offered[2].low, offered[2].high)
    assert "absent" == offered[2].found
    assert "only under block/vda/scheduler kyber, which is mq-deadline" in offered[2].notices[0]


def test_what_never_can_be_there_is_left_out(disk):
    """With the scheduler but without its file, or without either, the reason is told."""
    first, second = found(disk("none [mq-deadline]")).left_out

    assert "This kernel has no /sys/block/vda/queue/iosched/read_expire." == first.reason
    assert (
        "It exists only under block/vda/scheduler kyber, which this kernel does not offer."
        == second.reason
    )


def test_a_parameter_brings_its_condition(disk):
    """With the scheduler tuned, too, each parameter exists under its own."""
    space = built(
        found(disk("none [mq-deadline] kyber", read_expire=100)),
        {"param": "read_lat_nsec"},
        {"param": "block/{dev}/scheduler"},
        {"param": "block/vda/iosched/read_expire", "min": 200, "max": 800},
    ).space

    assert ("block/vda/scheduler", ("kyber",)) == space.knob(READ_LATENCY.name).when
    assert ("block/vda/scheduler", ("mq-deadline",)) == space.knob(READ_EXPIRE.name).when
    assert 100 == space.knob(READ_EXPIRE.name).low  # widened to what is found
    assert {
        READ_LATENCY.name: 2_000_000,
        SCHEDULER.name: "mq-deadline",
        READ_EXPIRE.name: 100,
    } == space.start


def test_a_range_is_not_widened_to_a_default_that_is_not_there(disk):
    """Only a value that the machine has must stay reachable; the start moves into the range."""
    plan = built(
        found(disk("[none] mq-deadline")),
        {"param": "scheduler"},
        {"param": "read_expire", "min": 60, "max": 200},
    ).plan[1]

    assert (60, 200, 200, "absent") == (plan.low, plan.high, plan.start, plan.available.found)
    assert plan.present == plan.start


def test_without_the_scheduler_in_the_config_the_present_one_decides(disk):
    """The right one makes it unconditional; another one leaves it out, saying what to add."""
    here = found(disk("none [mq-deadline] kyber", read_expire=500))
    space = built(here, {"param": "read_expire"}).space

    assert space.knob(READ_EXPIRE.name).when is None
    both = built(here, {"param": "read_lat_nsec"}, {"param": "read_expire"})
    assert (READ_EXPIRE.name,) == both.space.names
    assert "not tuned: add it as well" in both.left_out[0].reason
    with pytest.raises(ConfigError, match=r"only under block/vda/scheduler kyber; .*not tuned"):
        built(here, {"param": "read_lat_nsec"})


def test_nobody_is_told_to_add_a_scheduler_that_cannot_be_tuned(disk):
    """What is left out for want of its scheduler says why that one is, asked for or not."""
    here = found(disk("none [mq-deadline] kyber", read_expire=500))
    offered = tuple(item for item in here.offered if item.knob.name != SCHEDULER.name)
    closed = Availability(offered, (LeftOut(SCHEDULER.name, "It cannot be written here."),))
    for asked in ([], [{"param": "scheduler"}]):
        both = built(closed, *asked, {"param": "read_lat_nsec"}, {"param": "read_expire"})
        reason = {item.name: item.reason for item in both.left_out}[READ_LATENCY.name]

        assert (READ_EXPIRE.name,) == both.space.names
        assert "add it" not in reason
        assert reason.endswith("It cannot be written here.")


def test_choices_without_the_right_scheduler_leave_it_out(disk):
    """A scheduler that is tuned among others only cannot bring it."""
    here = found(disk("[none] mq-deadline kyber"))
    plan = built(
        here, {"param": "scheduler", "choices": ["none", "kyber"]}, {"param": "read_expire"}
    )

    assert (SCHEDULER.name,) == plan.space.names
    assert "not among those tried: none, kyber" in plan.left_out[0].reason


def test_a_range_outside_the_safe_one_is_refused_as_for_any_parameter(disk):
    """Neither the config nor the machine lets a conditional parameter out of its range."""
    here = found(disk("[none] mq-deadline"))

    with pytest.raises(
        KnobError, match=r"min 5000 lies above the safe range; allowed: 50\.\.1000"
    ):
        built(here, {"param": "scheduler"}, {"param": "read_expire", "min": 5000, "max": 9000})
    narrower = Availability((here.offered[0], AvailableKnob(READ_EXPIRE, "500", 300, 600)), ())
    with pytest.raises(KnobError, match=r"50\.\.100 lies outside the safe range; allowed: 300"):
        built(narrower, {"param": "scheduler"}, {"param": "read_expire", "min": 50, "max": 100})
