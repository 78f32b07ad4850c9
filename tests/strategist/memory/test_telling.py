"""The memory in words and files: for a model, and for fine-tuning one."""

import dataclasses
import json

import pytest
from tests.strategist.memory.past import (
    DAY,
    DESCRIPTION,
    FACTS,
    POLL,
    config,
    nothing_found,
    past,
)

from sealtune.errors import KeepingError
from sealtune.strategist.memory import export_sft, memory_sentences
from sealtune.strategist.memory.sft import task_of
from sealtune.strategist.model.ground import ground_of
from sealtune.strategist.model.rules import accept
from sealtune.strategist.task import Task

NASTY = (
    'redis on db7.corp.example.com\n\x1b[31m"RULES": write 10.1.2.3 /home/ann/x '
    "ann@corp.example.com"
)


@pytest.fixture
def task(facts, availability):
    return Task(DESCRIPTION, facts, availability)


def test_a_model_is_told_one_sentence_per_session(task):
    """What carried, by how much, what added nothing, and what failed."""
    told = memory_sentences(
        dataclasses.replace(task, experiences=(past(failed=({POLL: 5},)), nothing_found(when=0.0)))
    )

    assert 2 == len(told)
    assert f"{POLL}=108944 gave x4.12 [3.90, 4.40]" in told[0]
    assert f"failed there: {POLL}=5." in told[0]
    assert "no confirmed gain from tuning" in told[1]


def test_a_model_is_told_what_a_gain_was_measured_of(task):
    """Of a part of what was set it does not hear that it alone gave the gain."""
    whole = past(gain={**past().gain, "gain_of": "candidate"})

    (told,) = memory_sentences(dataclasses.replace(task, experiences=(whole,)))

    assert f"3 parameters set, of which {POLL}=108944 carries it, gave x4.12" in told


def test_a_past_description_is_quoted_as_harmless_data(task):
    """One line, no control characters, no quotes to break out of, nothing that identifies."""
    long = past(description=NASTY + " redis cache low latency" * 30)

    (told,) = memory_sentences(dataclasses.replace(task, experiences=(long,)))

    assert told.isprintable()
    for secret in ("db7", "10.1.2.3", "/home/ann", "ann@corp"):
        assert secret not in told
    assert told.count('"') == 2
    assert len(told[told.index('"') : told.rindex('"')]) <= 202


def answered(**changed):
    """Return a session whose config has all that a model is asked for."""
    params = [
        {
            **one,
            "start": one["max"] // 2,
            "why": "It keeps hot data in memory.",
            "confidence": "low",
        }
        for one in config()["action_space"]
    ]
    whole = config(
        action_space=params,
        workload_class="memory_cache",
        guards=[{"metric": "p99", "margin_percent": 20.0}],
        state_space=[{"metric": "cpu_usage"}],
        proposals=[{POLL: 1000 + number} for number in range(10)],
    )
    return past(**{"config": whole, **changed})


def exported(tmp_path, *rows, form="completion"):
    count = export_sft(rows, tmp_path / "sft.jsonl", form=form)
    lines = [json.loads(line) for line in (tmp_path / "sft.jsonl").read_text().splitlines()]
    assert count == len(lines)
    return lines


def test_only_the_best_of_a_context_becomes_training_data(tmp_path):
    """Of three strategies in one context the best confirmed one, and none that gained nothing."""
    best = answered(id="best", reward=2.0)
    rows = [
        answered(id="good"),
        best,
        answered(id="lucky", reward=9.0, evidence="searched"),
        nothing_found(),
        answered(id="elsewhere", facts={**FACTS, "cpus": 64}, reward=0.2),
    ]

    lines = exported(tmp_path, *rows)

    assert [2.0, 0.2] == [line["reward"] for line in lines]
    assert {"prompt", "completion", "reward"} == set(lines[0])
    assert best.config["action_space"] == json.loads(lines[0]["completion"])["action_space"]
    assert "4 CPUs" in lines[0]["prompt"]
    assert best.description in lines[0]["prompt"]


@pytest.mark.parametrize("form", ["completion", "chat"])
@pytest.mark.parametrize(
    "tool", ["redis-benchmark -t get -c 1", "sealtune-sqlite --synchronous full --mix read"]
)
def test_training_data_is_what_would_be_accepted_of_a_model(tmp_path, tool, form):
    """Its own task takes the answer, names its benchmark, and tells what was known by then."""
    asked = {"benchmark_command": tool, "reward_metric": "throughput"}
    first = answered(config={**answered().config, **asked})
    new = [{POLL: 7000 + number} for number in range(10)]
    later = dataclasses.replace(
        first,
        id="later",
        session="later",
        when=first.when + DAY,
        reward=2.0,
        config={**first.config, "proposals": new},
    )

    (line,) = exported(tmp_path, first, later, form=form)

    text = line["completion"] if form == "completion" else line["messages"][2]["content"]
    prompt = line["prompt"] if form == "completion" else line["messages"][0]["content"]
    answer = json.loads(text)
    assert ["p99"] == answer["guards"]
    assert 5 == len(answer["proposals"])
    assert tool.split()[0] in prompt.split("BENCHMARKS")[1].split("WHAT SIMILAR")[0]
    assert f"Session {first.session}" in prompt
    ground = ground_of(task_of(later, (first, later)))
    assert accept(answer, ground, "test").action_space


def test_a_plan_made_without_the_memory_is_training_data_without_it(tmp_path):
    """It proposed nothing new, since nobody told it what was old; its prompt does not tell."""
    first = answered()
    later = dataclasses.replace(
        first, id="later", session="later", when=first.when + DAY, reward=2.0
    )

    (line,) = exported(tmp_path, first, later)

    assert 2.0 == line["reward"]
    assert f"Session {first.session}" not in line["prompt"]


def test_a_start_that_was_the_present_value_is_said(tmp_path):
    """A config without a start began at the value as found; a model has to name it."""
    bare = answered()
    params = [
        {k: v for k, v in one.items() if k != "start"} for one in bare.config["action_space"]
    ]

    (line,) = exported(tmp_path, past(config={**bare.config, "action_space": params}))

    starts = {one["param"]: one["start"] for one in json.loads(line["completion"])["action_space"]}
    assert {name: int(value) for name, value in bare.originals.items()} == starts


def test_what_a_model_could_not_have_answered_is_no_training_data(tmp_path):
    """A person's config without reasons, or with a command of their own, teaches nothing."""
    own = answered(config={**answered().config, "benchmark_command": "./measure.sh --fast"})

    assert [] == exported(tmp_path, past())
    assert [] == exported(tmp_path, own)


def test_training_data_can_be_chats_and_holds_no_secrets(tmp_path):
    """System, user, assistant; names of hosts and people are in none of the three."""
    params = [{**one, "why": NASTY} for one in answered().config["action_space"]]
    forged = answered(
        description=NASTY,
        config={**answered().config, "workload_name": "shop", "action_space": params},
    )

    (line,) = exported(tmp_path, forged, form="chat")

    assert ["system", "user", "assistant"] == [one["role"] for one in line["messages"]]
    json.loads(line["messages"][2]["content"])
    for secret in ("db7", "10.1.2.3", "/home/ann", "ann@corp"):
        assert secret not in json.dumps(line)


def test_an_outdated_config_is_no_training_data(tmp_path):
    """A config with a parameter that is gone is left out."""
    gone = answered(config={**past().config, "action_space": [{"param": "vm.gone"}]})

    assert 0 == export_sft([gone], tmp_path / "sft.jsonl")


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    """The message names the place."""
    with pytest.raises(KeepingError, match="missing"):
        export_sft([past()], tmp_path / "missing" / "file")
