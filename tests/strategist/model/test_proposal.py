"""A model's strategy: taken when every rule is kept, sent back when not, replaced when need be."""

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic_ai.exceptions import ContentFilterError, UserError
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel
from tests.openai_server import Call, Drop, Error, Hang, OpenAIServer, Raw, Text
from tests.strategist.model.answers import DESCRIPTION, GOOD, answer, text

from sealtune.errors import (
    BenchmarkMissingError,
    ConfigError,
    InputError,
    KnobError,
    UnclearWorkloadError,
)
from sealtune.space.available import Availability
from sealtune.space.build import build_space
from sealtune.store.experience import Experience
from sealtune.strategist.memory import recall
from sealtune.strategist.model.choice import ModelChoice, choose_model
from sealtune.strategist.model.proposal import devise
from sealtune.strategist.model.providers import Patience, build
from sealtune.strategist.model.recording import replay
from sealtune.strategist.model.wording import show_prompt

NOWHERE = Path("/nowhere/config.toml")


class Speaker:
    """A model that says one thing after the other and keeps what it was asked."""

    def __init__(self, *parts):
        self.parts = list(parts)
        self.asked = []
        self.settings = None
        self.tools = []
        self.model = FunctionModel(self._speak, model_name="speaker")

    def _speak(self, messages, info):
        self.asked.append(messages)
        self.settings = info.model_settings
        self.tools = [tool.name for tool in info.output_tools]
        part = self.parts.pop(0)
        if isinstance(part, Exception):
            raise part
        return ModelResponse([TextPart(part) if isinstance(part, str) else part])


def past(task, **fields):
    """Return an experience in the same context as `task`."""
    made = {
        "id": "s1",
        "session": "s1",
        "when": 1.0,
        "description": DESCRIPTION,
        "workload_class": "oltp_database",
        "traits": ("write_heavy",),
        "facts": task.facts.as_dict(),
        "baseline": {"metric": "transactions_per_second", "value": 100.0},
        "originals": {},
        "config": {**GOOD, "proposals": []},
        "strategist": "embedded",
        "verdict": "improved",
        "reward": 0.2,
        "evidence": "confirmed",
        "gain": {"estimate": 1.22, "ci_low": 1.1, "ci_high": 1.3, "pairs": 8},
        "setting": {"vm.dirty_ratio": 10, "vm.swappiness": 1},
        "effects": {"vm.dirty_ratio": {"kept": True, "effect": "10 %"}},
    }
    return Experience(**{**made, **fields})


@pytest.mark.parametrize("kind", ["text", "fenced", "after thinking", "tool"])
def test_a_good_answer_becomes_the_config(kind, task, fallback):
    """As plain JSON, in a code fence, after other words or by the tool: it is the same config."""
    part = {
        "text": text(),
        "fenced": f"Here it is:\n```json\n{json.dumps(GOOD, indent=2)}\n```\nGood luck {{}}!",
        "after thinking": f"<think>{{maybe}} {text(action_space=[])}</think>{text()}",
        "tool": ToolCallPart("propose_config", answer()),
    }[kind]
    strategy = devise(task, Speaker(part).model, fallback=fallback)
    config = strategy.config

    assert [item.param for item in config.action_space] == [
        item["param"] for item in GOOD["action_space"]
    ]
    assert config.strategist == "function:speaker"
    assert config.description == config.workload_name == DESCRIPTION
    assert config.training_config.seed == 7
    assert config.budget.minutes == 30
    assert config.curriculum[0] == ("vm.dirty_ratio", "vm.dirty_background_ratio")
    assert strategy.notices == config.notices == ()
    assert len(build_space(config, task.availability).space) == 4


def test_refusals_go_back_in_the_exact_words(task, fallback):
    """The model reads what was wrong and may correct it; the person sees nothing of it."""
    wide = answer()
    wide["action_space"][0]["max"] = 99
    speaker = Speaker(json.dumps(wide), text())

    strategy = devise(task, speaker.model, fallback=fallback)

    (feedback,) = speaker.asked[1][-1].parts
    assert "vm.dirty_ratio: 5..99 is wider than the safe range; allowed: 5..60" in str(
        feedback.content
    )
    assert strategy.config.strategist == "function:speaker"
    assert strategy.config.action_space[0].max == 40


def test_after_three_corrections_the_embedded_strategist_answers(task, fallback):
    """The fourth bad answer is the last; the notice says why in one sentence."""
    speaker = Speaker(*["no idea"] * 9)

    strategy = devise(task, speaker.model, fallback=fallback)

    assert len(speaker.asked) == 4
    assert strategy.config.strategist == "embedded"
    assert strategy.notices[0].startswith("function:speaker was refused 4 times, the last time")
    assert strategy.notices[0].endswith("the embedded strategist answered in its place.")
    assert strategy.notices[1] == "from the embedded strategist"


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("I'm sorry, but I can't help with that.", "declined to answer"),
        ("I cannot assist with changing kernels", "declined to answer"),
        (ContentFilterError("filtered"), "declined to answer"),
        ("x" * 300_000, "gave an answer of 300000 characters"),
    ],
)
def test_a_refusal_is_not_argued_with(part, words, task, fallback):
    """A model that will not answer, or floods, is asked once."""
    speaker = Speaker(part)

    strategy = devise(task, speaker.model, fallback=fallback)

    assert words in strategy.notices[0]
    assert strategy.config.strategist == "embedded"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ([Error(401)], "refused the key"),
        ([Error(403)], "refused the key"),
        ([Error(404)], "is not known to its service"),
        ([Error(429, retry_after="600")], "limits how often it is asked"),
        ([Error(429, code="insufficient_quota", retry_after="600")], "has no credit left"),
        ([Error(500)] * 3, "failed on its own side"),
        ([Error(400)], "refused the request"),
        ([Hang()], "did not answer in time"),
        ([Drop()] * 3, "cannot be reached"),
        ([Raw("{broken")], "sent what cannot be read"),
        ([Raw("")], "sent what cannot be read"),
        ([Raw("{}")], "gave no usable answer"),
        ([Text("", finish_reason="content_filter")], "declined to answer"),
        ([""] * 4, "gave no usable answer"),
        ([Call("run_shell", {"command": "reboot"})] * 4, "gave no usable answer"),
    ],
)
def test_every_failure_of_a_service_falls_back_and_says_so(
    script, words, task, fallback, requests_allowed, monkeypatch
):
    """Whatever goes wrong over there, there is a plan, and one sentence about it, in time."""
    # That a pause is kept to is tested with the services themselves.
    usual = Patience.pause
    monkeypatch.setattr(
        Patience, "pause", lambda *given: (found := usual(*given)) and min(found, 0.05)
    )
    with OpenAIServer(script) as server:
        choice = choose_model(f"{server.url}#m", {}, NOWHERE)
        began = time.monotonic()
        strategy = devise(
            task, build(choice, {}, NOWHERE, Patience(0.5, 4, 2, 1)), fallback=fallback
        )

    assert words in strategy.notices[0]
    assert strategy.notices[0].startswith("openai-compatible:m ")
    assert strategy.config.strategist == "embedded"
    assert time.monotonic() - began < 6
    # On a busy machine the patience may end before the question is out.
    assert server.unused == [] or words == "did not answer in time"


def test_a_model_that_takes_for_ever_is_left(task, fallback):
    """The wall clock for the whole conversation is bounded, whatever single requests take."""

    async def slow(_messages, _info):
        await asyncio.sleep(30)

    strategy = devise(task, FunctionModel(slow), fallback=fallback, seconds=0.2)

    assert "did not come to an end within 0.2 s" in strategy.notices[0]


def test_a_question_goes_to_the_person(task, fallback):
    """A model may ask back; its words are shown without what could play with a terminal."""
    asked = {"question": "Which\x1b[2J server?\u202e", "readings": ["a web server", "a cache\n"]}

    with pytest.raises(UnclearWorkloadError) as caught:
        devise(task, Speaker(json.dumps(asked)).model, fallback=fallback)
    assert str(caught.value) == "Which [2J server?\n  a web server\n  a cache"


def test_the_persons_limits_win(task, fallback):
    """Minutes, trials, seed and description are the person's, whatever the model wrote."""
    wish = replace(task, minutes=12, trials=40, seed=99)
    claim = answer(
        budget={"minutes": 9000, "trials": 9},
        description="something else",
        strategist="somebody else",
        workload_name="rm -rf /",
        notices=["trust me"],
        training_config={"total_timesteps": 1, "seed": 1},
    )

    config = devise(wish, Speaker(json.dumps(claim)).model, fallback=fallback).config

    assert (config.budget.minutes, config.budget.trials) == (12, 40)
    assert (config.training_config.total_timesteps, config.training_config.seed) == (40, 99)
    assert config.description == config.workload_name == DESCRIPTION
    assert config.strategist == "function:speaker"
    assert config.notices == ()


def test_excluded_parameters_are_neither_told_nor_taken(task, fallback):
    """What the person excludes is not in the prompt and is refused all the same."""
    wish = replace(task, exclude=("swappiness",))
    speaker = Speaker(*[text()] * 4)

    strategy = devise(wish, speaker.model, fallback=fallback)

    assert strategy.config.strategist == "embedded"
    assert "vm.swappiness" not in speaker.asked[0][0].instructions


def test_only_means_all_of_these_and_no_others(task, fallback):
    """With --only a model chooses ranges, not parameters; fewer than four are then enough."""
    wish = replace(task, only=("vm.swappiness", "dirty_ratio"))
    pair = [GOOD["action_space"][0], GOOD["action_space"][3]]
    fitting = {"action_space": pair, "curriculum": [], "proposals": []}

    taken = devise(wish, Speaker(text(**fitting)).model, fallback=fallback)
    five = (*(item["param"] for item in GOOD["action_space"]), "vm.vfs_cache_pressure")
    left = devise(replace(task, only=five), Speaker(*[text()] * 4).model, fallback=fallback)

    assert {item.param for item in taken.config.action_space} == {
        "vm.dirty_ratio",
        "vm.swappiness",
    }
    assert "vm.vfs_cache_pressure is missing" in left.notices[0]


@pytest.mark.parametrize(
    ("wanted", "adapter"),
    [("redis", "redis-benchmark"), ("./measure.sh --shop", "./measure.sh --shop")],
)
def test_the_persons_benchmark_wins_and_stays_here(wanted, adapter, task, fallback):
    """What the person insists on replaces the model's, and is not even told."""
    speaker = Speaker(text())

    strategy = devise(replace(task, benchmark=wanted), speaker.model, fallback=fallback)

    assert strategy.config.benchmark_command.startswith(adapter)
    assert "measure.sh" not in str(speaker.asked)


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        ({"only": ("vm.nonsense",)}, KnobError),
        ({"exclude": ("kernel.randomize_va_space",)}, KnobError),
        ({"only": ("vm.swappiness",), "exclude": ("vm.swappiness",)}, InputError),
        ({"benchmark": "wrk9000"}, ConfigError),
        ({"benchmark": "ab", "installed": ("sqlite",)}, BenchmarkMissingError),
        ({"installed": ()}, BenchmarkMissingError),
    ],
)
def test_wishes_that_cannot_be_met_are_said_before_a_model_is_asked(wish, error, task, fallback):
    """A mistake of the person's costs no request."""
    speaker = Speaker()

    with pytest.raises(error):
        devise(replace(task, **wish), speaker.model, fallback=fallback)
    assert speaker.asked == []


def test_nothing_new_is_asked_for_where_everything_was_tried(task, fallback):
    """Of one parameter with two values that were both measured there is no third to ask for."""
    item = next(one for one in task.availability.offered if one.knob.name == "vm.swappiness")
    narrow = replace(item, low=1, high=2)
    small = replace(task, availability=Availability((narrow,), ()), only=("vm.swappiness",))
    done = past(small, setting={"vm.swappiness": 1}, failed=({"vm.swappiness": 2},))
    remembering = replace(small, experiences=(done,))
    assert recall(remembering).memories
    param = {**answer()["action_space"][3], "min": 1, "max": 2, "start": 1, "why": "It swaps."}
    words = text(action_space=[param], curriculum=[], proposals=[{"vm.swappiness": 1}])

    strategy = devise(remembering, Speaker(words).model, fallback=fallback)

    assert strategy.config.strategist == "function:speaker"


def test_something_new_is_asked_for_where_there_is_a_memory(task, fallback):
    """Proposals that were all tried before are refused; one that was not is enough."""
    remembering = replace(task, experiences=(past(task),))
    assert recall(remembering).memories
    speaker = Speaker(text(), text(proposals=[{"vm.dirty_ratio": 10}, {"vm.dirty_ratio": 33}]))

    strategy = devise(remembering, speaker.model, fallback=fallback)

    assert "differs from everything that the past sessions tried" in str(speaker.asked[1][-1])
    assert strategy.config.proposals[1] == {"vm.dirty_ratio": 33}
    assert "confirmed by fresh pairs" in speaker.asked[0][0].instructions


def test_without_prior_the_memory_is_silent(task, fallback):
    """With --no-prior neither memory nor novelty plays a part."""
    bare = replace(task, experiences=(past(task),), no_prior=True)
    speaker = Speaker(text())

    assert devise(bare, speaker.model, fallback=fallback).config.strategist == "function:speaker"
    assert "PAST SESSIONS FOUND" not in speaker.asked[0][0].instructions


def test_tools_are_offered_where_they_are_sturdy(task, fallback, requests_allowed):
    """Big services get tools and text; an unknown server is asked for JSON text alone."""
    speaker = Speaker(text())
    devise(task, speaker.model, fallback=fallback, temperature=0.3)
    with OpenAIServer([text()]) as server:
        choice = choose_model(f"{server.url}#m", {}, NOWHERE)
        devise(task, build(choice, {}, NOWHERE), fallback=fallback)

    assert speaker.tools == ["propose_config", "ask_back"]
    assert speaker.settings["temperature"] == 0.3
    assert "tools" not in server.requests[0].body


def test_embedded_is_no_model(task, fallback):
    """The choice of no model goes to the embedded strategist without a word about models."""
    strategy = devise(task, choose_model(None, {}, NOWHERE), fallback=fallback)

    assert strategy.notices == ("from the embedded strategist",)


def test_a_choice_with_a_problem_is_an_error(task, fallback):
    """Who named a model that cannot be used hears of it; it is not replaced in silence."""
    with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
        devise(task, choose_model("openai:gpt-5", {}, NOWHERE), fallback=fallback)
    broken = ModelChoice("embedded", "--model", problem="'x' is unknown")
    with pytest.raises(ConfigError, match="'x' is unknown"):
        devise(task, broken, fallback=fallback)


@pytest.mark.parametrize("name", ["openai:gpt-5", "gpt-5"])
def test_a_leftover_in_the_environment_stops_nobody(name, task, fallback):
    """What SEALTUNE_MODEL names and cannot be used is replaced, and said."""
    choice = choose_model(None, {"SEALTUNE_MODEL": name}, NOWHERE)

    strategy = devise(task, choice, fallback=fallback)

    assert strategy.notices[0].startswith("SEALTUNE_MODEL: ")
    assert strategy.notices[1] == "from the embedded strategist"


def test_a_conversation_can_be_recorded_and_replayed(task, fallback, tmp_path):
    """The same strategy comes from the recording, without the model."""
    path = tmp_path / "talk.jsonl"
    live = devise(task, Speaker("hm", text()).model, fallback=fallback, transcript=path)
    again = devise(task, replay(path), fallback=fallback)

    stamp = {"strategist": ""}
    assert again.config.model_copy(update=stamp) == live.config.model_copy(update=stamp)
    assert again.config.strategist == "replay:function:speaker"
    with pytest.raises(ConfigError, match="departs"):
        devise(replace(task, description="redis"), replay(path), fallback=fallback)


def test_a_timeout_is_replayed_as_one(task, fallback, tmp_path):
    """A recording of a model that was too slow falls back when it is played, and at once."""

    async def slow(_messages, _info):
        await asyncio.sleep(30)

    path = tmp_path / "talk.jsonl"
    devise(task, FunctionModel(slow), fallback=fallback, seconds=0.2, transcript=path)
    strategy = devise(task, replay(path), fallback=fallback)

    assert "did not answer in time" in strategy.notices[0]


def test_the_fallback_may_ask_the_person(task, fallback):
    """It is called outside of the event loop: a prompt on the terminal runs one of its own."""

    def asking(one):
        asyncio.run(asyncio.sleep(0))
        return fallback(one)

    assert (
        devise(task, Speaker(*["hm"] * 4).model, fallback=asking).config.strategist == "embedded"
    )


def test_it_works_beside_an_event_loop(task, fallback):
    """The conversation, which has a loop of its own, asks from a thread beside it."""

    async def inside():
        return await asyncio.to_thread(devise, task, Speaker(text()).model, fallback=fallback)

    assert asyncio.run(inside()).config.strategist == "function:speaker"


def test_whatever_goes_wrong_with_a_model_falls_back(task, fallback):
    """An error that nobody foresaw is named by its kind, not its words; the answer is there."""
    strategy = devise(task, Speaker(UserError("sk-hunter2")).model, fallback=fallback)

    assert strategy.config.strategist == "embedded"
    assert "function:speaker failed (UserError)" in strategy.notices[0]
    assert "hunter2" not in str(strategy.notices)


def test_a_key_that_cannot_be_sent_falls_back(task, fallback, requests_allowed, monkeypatch):
    """A key with letters that no header carries is a notice and no traceback."""
    monkeypatch.setenv("OPENAI_API_KEY", "schl\u00fcssel")
    with OpenAIServer([text()]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        strategy = devise(task, choose_model("openai:gpt-5"), fallback=fallback)

    assert strategy.notices[0].startswith("openai:gpt-5 failed (")
    assert "schl" not in strategy.notices[0]


def test_a_model_that_cannot_be_built_stops_only_who_named_it(task, fallback, monkeypatch):
    """Left over in a variable it is a notice; named by --model it is refused."""

    def broken(_choice):
        raise ConfigError("m.gguf cannot be loaded")

    monkeypatch.setattr("sealtune.strategist.model.proposal.build", broken)
    choice = ModelChoice("local:m.gguf", "SEALTUNE_MODEL")

    strategy = devise(task, choice, fallback=fallback)

    assert strategy.config.strategist == "embedded"
    assert "SEALTUNE_MODEL: m.gguf cannot be loaded" in strategy.notices[0]
    with pytest.raises(ConfigError, match=r"m\.gguf"):
        devise(task, replace(choice, source="--model"), fallback=fallback)


def test_what_is_shown_is_what_is_sent(task, fallback, requests_allowed):
    """`--show-prompt` prints the very words that the service then receives."""
    wish = replace(task, minutes=15, experiences=(past(task),))
    shown = show_prompt(wish)
    with OpenAIServer([text(proposals=[{"vm.dirty_ratio": 33}])]) as server:
        choice = choose_model(f"{server.url}#m", {}, NOWHERE)
        devise(wish, build(choice, {}, NOWHERE), fallback=fallback)

    system, message = server.requests[0].messages
    assert (system["role"], message["role"]) == ("system", "user")
    assert system["content"] in shown
    assert message["content"] in shown


def test_nothing_that_was_received_identifies_anybody(
    task, fallback, requests_allowed, monkeypatch
):
    """Planted in description, memory, facts and environment: the server saw none of it."""
    planted = {
        "host": "web-17.corp.example.com",
        "address": "10.11.12.13",
        "address6": "2001:db8::7",
        "mac": "aa:bb:cc:dd:ee:01",
        "mail": "carol@example.org",
        "home": "/home/carol/shop",
        "tilde": "~/shop",
        "user": "carolina",
        "secret": "hunter2-hunter2",
        "id": "7575c28d-57b3-46fe-90c3-8ed4b9fdb6ea",
    }
    monkeypatch.setenv("USER", "carolina")
    monkeypatch.setenv("SHOP_TOKEN", "hunter2-hunter2")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other-service")
    told = "a write-heavy PostgreSQL database for " + ", ".join(planted.values())
    facts = replace(
        task.facts, kernel="6.12.0 carolina@web-17.corp.example.com", boot_id="b00t-1d"
    )
    wish = replace(task, description=told, facts=facts, benchmark="pgbench -h 10.11.12.13 shop")
    wish = replace(wish, experiences=(past(wish, description=told),))
    with OpenAIServer(["hm", text(proposals=[{"vm.dirty_ratio": 33}])]) as server:
        choice = choose_model(f"{server.url}#m", {}, NOWHERE)
        strategy = devise(wish, build(choice, {}, NOWHERE), fallback=fallback)

    assert len(server.requests) == 2
    for kind, value in {**planted, "boot": "b00t-1d", "key": "sk-other-service"}.items():
        assert value not in server.received, kind
    assert "carol" not in server.received
    assert strategy.config.description == told  # here, and only here, the words stay as they are
