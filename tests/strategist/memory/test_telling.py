"""The memory in words and files: for a model, and for fine-tuning one."""

import dataclasses
import json

import pytest
from tests.strategist.memory.past import DESCRIPTION, FACTS, POLL, nothing_found, past

from sealtune.errors import KeepingError
from sealtune.space.config import load_config
from sealtune.strategist.memory import export_sft, memory_sentences
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


def test_a_past_description_is_quoted_as_harmless_data(task):
    """One line, no control characters, no quotes to break out of, nothing that identifies."""
    long = past(description=NASTY + " redis cache low latency" * 30)

    (told,) = memory_sentences(dataclasses.replace(task, experiences=(long,)))

    assert told.isprintable()
    for secret in ("db7", "10.1.2.3", "/home/ann", "ann@corp"):
        assert secret not in told
    assert told.count('"') == 2
    assert len(told[told.index('"') : told.rindex('"')]) <= 202


def test_only_the_best_of_a_context_becomes_training_data(tmp_path):
    """Of three strategies in one context the best confirmed one, and none that gained nothing."""
    best = past(id="best", reward=2.0)
    rows = [
        past(id="good"),
        best,
        past(id="lucky", reward=9.0, evidence="searched"),
        nothing_found(),
        past(id="elsewhere", facts={**FACTS, "cpus": 64}, reward=0.2),
    ]

    count = export_sft(rows, tmp_path / "sft.jsonl")

    lines = [json.loads(line) for line in (tmp_path / "sft.jsonl").read_text().splitlines()]
    assert 2 == count == len(lines)
    assert [2.0, 0.2] == [line["reward"] for line in lines]
    assert {"prompt", "completion", "reward"} == set(lines[0])
    assert (
        load_config(lines[0]["completion"]).action_space == load_config(best.config).action_space
    )
    assert "4 CPUs" in lines[0]["prompt"]
    assert past().description in lines[0]["prompt"]


def test_training_data_can_be_chats_and_holds_no_secrets(tmp_path):
    """System, user, assistant; names of hosts and people are in none of the three."""
    forged = past(
        description=NASTY, config={**past().config, "workload_name": NASTY.replace("\n", " ")}
    )

    export_sft([forged], tmp_path / "sft.jsonl", form="chat")

    text = (tmp_path / "sft.jsonl").read_text()
    (line,) = map(json.loads, text.splitlines())
    assert ["system", "user", "assistant"] == [one["role"] for one in line["messages"]]
    load_config(line["messages"][2]["content"])
    for secret in ("db7", "10.1.2.3", "/home/ann", "ann@corp"):
        assert secret not in text


def test_an_outdated_config_is_no_training_data(tmp_path):
    """A config with a parameter that is gone is left out."""
    gone = past(config={**past().config, "action_space": [{"param": "vm.gone"}]})

    assert 0 == export_sft([gone], tmp_path / "sft.jsonl")


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    """The message names the place."""
    with pytest.raises(KeepingError, match="missing"):
        export_sft([past()], tmp_path / "missing" / "file")
