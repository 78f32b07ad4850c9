"""Hostile configs, fifty of the ten thousand that `tests.hostile.configs` makes."""

import json
from dataclasses import replace

import pytest
from tests.hostile import oracle
from tests.hostile.configs import attack
from tests.hostile.judging import dangers_of_command, dangers_of_space
from tests.hostile.vocabulary import HOSTILE_COMMANDS

from sealtune.benchmarks import parse_command
from sealtune.errors import ConfigError, KnobError, SealtuneError
from sealtune.space.config import MAX_BYTES, TuningConfig, load_config
from sealtune.space.knobs import IntKnob
from sealtune.space.space import Space

GOOD = {
    "workload_name": "db",
    "reward_metric": "throughput",
    "benchmark_command": "pgbench -c 4",
    "action_space": [{"param": "vm.swappiness", "min": 1, "max": 100}],
}


def test_hostile_configs_break_no_promise(tmp_path):
    """
    Each ends as a message with a fix, or as a plan that is safe and runs nothing unapproved.
    """
    tally = attack(tmp_path, 50)
    assert tally.defects == []
    assert tally.configs == 50
    assert tally.settings > 50


def test_the_oracle_sees_what_it_is_there_for():
    """
    A range beyond the catalogue's, an unknown parameter and an unapproved option are all found.
    """
    wide = Space([IntKnob("vm.swappiness", 1, 201)])
    assert dangers_of_space(wide, {"vm.swappiness": "60"}, [])[0]
    assert oracle.unsafe_value("kernel.core_pattern", "|/tmp/x")
    assert oracle.unsafe_value("block/../../etc/passwd/scheduler", "none")
    assert oracle.unsafe_value("transparent_hugepage/enabled", "$(id)")
    spec = parse_command("pgbench -h 198.51.100.7 -U postgres prod")
    assert not dangers_of_command(spec)
    assert dangers_of_command(spec.approved())
    fio = parse_command("fio --name=a --rw=read")
    assert dangers_of_command(replace(fio, options={"jobs": "--name=a --exec_prerun=id"}))


@pytest.mark.parametrize("command", HOSTILE_COMMANDS)
def test_a_hostile_command_is_refused_asked_about_or_made_harmless(command):
    """
    What is taken without a question is a benchmark of the catalogue with options that are known.
    """
    try:
        spec = parse_command(command)
    except ConfigError:
        return
    if spec.name == "custom":
        assert spec.approval
    else:
        assert dangers_of_command(spec) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"training_config": {"total_timesteps": 10**400}},
        {"action_space": [{"param": "vm.swappiness", "min": -(10**400)}]},
        {"curriculum": [[f"vm.swapines{n}" for n in range(5_000)]]},
        {"proposals": [{f"vm.swapines{n}": 1 for n in range(5_000)}]},
        {"guards": ["p98"] * 5_000},
        {"state_space": ["cpu_usag" * 500] * 90},
        {"action_space": [{"param": "vm." + "x" * 190 + str(n)} for n in range(100)]},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_is_huge_is_refused_in_a_few_lines(fields):
    """
    Numbers of 400 digits and lists of thousands are refused at once, and not printed whole.
    """
    with pytest.raises(SealtuneError) as refused:
        load_config(json.dumps({**GOOD, **fields}))
    assert len(str(refused.value)) < 10_000


@pytest.mark.parametrize("depth", [400, 970, 1_000, 100_000])
@pytest.mark.parametrize("pair", ["[]", '{"a":1}'])
def test_what_is_nested_deep_is_refused(depth, pair):
    """
    A thousand lists or objects in each other are a message, whatever gives up first.
    """
    begin, end = (pair[0], pair[-1]) if pair == "[]" else ('{"a":', "}")
    text = json.dumps(GOOD)[:-1] + f', "guards": {begin * depth}1{end * depth}}}'
    with pytest.raises(ConfigError):
        load_config(text)


def test_names_that_come_twice_are_found_in_no_time():
    """
    A hundred thousand names twice in one object are refused without comparing each with each.
    """
    pairs = ",".join(f'"k{n}":1,"k{n}":1' for n in range(30_000))
    with pytest.raises(ConfigError, match="twice") as refused:
        load_config("{" + pairs + "}")
    assert len(str(refused.value)) < 1_000


def test_a_file_without_an_end_is_read_no_further_than_a_config_may_be():
    """
    /dev/zero is refused as too long, and not read until the memory is full.
    """
    with pytest.raises(ConfigError, match=str(MAX_BYTES)):
        load_config("/dev/zero")
    with pytest.raises(ConfigError, match=str(MAX_BYTES)):
        load_config('{"description": "' + "A" * MAX_BYTES + '"}')


def test_a_python_object_is_held_to_the_same_rules():
    """
    What cannot be shown, such as an int of 5,000 digits, is refused with a message all the same.
    """
    with pytest.raises(ConfigError):
        load_config({**GOOD, "budget": {"trials": 10**5_000}})
    deep = inner = []
    for _ in range(2_000):
        inner.append([])
        inner = inner[0]
    with pytest.raises(ConfigError):
        TuningConfig.model_validate({**GOOD, "guards": deep})
    with pytest.raises((ConfigError, KnobError)):
        load_config({**GOOD, "action_space": [{"param": "vm.swappiness\x00"}]})
