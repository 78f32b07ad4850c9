"""Recorded conversations play back without key or network, and say where they depart."""

import json
import stat

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError, ModelRateLimitError
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import DeltaToolCall, FunctionModel
from tests.openai_server import Call, Error, OpenAIServer, Text

from sealtune.errors import ConfigError
from sealtune.strategist.model.choice import choose_model
from sealtune.strategist.model.providers import Patience, build
from sealtune.strategist.model.recording import record, replay


def agent(model):
    """Return an agent with one tool, whose answer differs each time."""
    made = Agent(model)

    @made.tool_plain
    def temperature(city: str) -> str:
        return f"{id(object())} degrees in {city}"

    return made


def scripted():
    """Return a model that calls the tool, then answers; streamed or whole."""

    def whole(messages, _info):
        if len(messages) % 4 == 1:
            return ModelResponse([ToolCallPart("temperature", {"city": "Oslo"})])
        return ModelResponse([TextPart("it is warm")])

    async def streamed(messages, _info):
        if len(messages) % 4 == 1:
            yield {0: DeltaToolCall("temperature", '{"city":', tool_call_id="c1")}
            yield {0: DeltaToolCall(None, ' "Oslo"}', tool_call_id="c1")}
        else:
            for piece in ("it ", "is ", "warm"):
                yield piece

    return FunctionModel(whole, stream_function=streamed)


async def spoken(model, words):
    """Return what an agent answers to `words` when it streams."""
    async with agent(model).run_stream(words) as stream:
        return "".join([piece async for piece in stream.stream_text(delta=True)])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "talk.jsonl"


def test_a_conversation_plays_back_with_tools(path):
    """Tool calls and words come again, although the tool answers something else this time."""
    first = agent(record(scripted(), path)).run_sync("how warm is it?").output
    again = agent(replay(path)).run_sync("how warm is it?").output

    assert first == again == "it is warm"


def test_streams_are_recorded_whole_and_streamed_again(path):
    """What was streamed can be replayed as a stream and as a whole, and the other way round."""
    import asyncio

    assert asyncio.run(spoken(record(scripted(), path), "how warm?")) == "it is warm"

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[2]["response"]["parts"][0]["content"] == "it is warm"
    assert asyncio.run(spoken(replay(path), "how warm?")) == "it is warm"
    assert agent(replay(path)).run_sync("how warm?").output == "it is warm"


def test_the_file_is_versioned_readable_and_private(path):
    """A header with the version, one JSON object a line, readable by its owner alone."""
    agent(record(scripted(), path)).run_sync("how warm is it?")
    lines = [json.loads(line) for line in path.read_text().splitlines()]

    assert lines[0]["sealtune_recording"] == 1
    assert [sorted(line) for line in lines[1:]] == [["request", "response"]] * 2
    assert lines[1]["request"][0]["parts"][0]["content"] == "how warm is it?"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_key_gets_into_the_file(path, requests_allowed, tmp_path):
    """Neither the key that is sent nor one that somebody typed stands in a recording."""
    environment = {"SEALTUNE_API_KEY": "sk-hunter2-hunter2"}
    with OpenAIServer(["fine", Error(401, "bad key sk-hunter2-hunter2")]) as server:
        choice = choose_model(f"{server.url}#m", environment, tmp_path / "none")
        model = record(
            build(choice, environment, tmp_path / "none"), path, secrets=("sk-hunter2-hunter2",)
        )
        Agent(model).run_sync("my key is sk-hunter2-hunter2")
        with pytest.raises(ModelAPIError):
            Agent(model).run_sync("and now?")

    assert server.requests[0].headers["authorization"] == "Bearer sk-hunter2-hunter2"
    assert "hunter2" not in path.read_text()


def test_failures_are_recorded_and_fail_again(path, requests_allowed, tmp_path):
    """A rate limit in the recording is a rate limit in the replay."""
    with OpenAIServer([Error(429), "later"]) as server:
        choice = choose_model(f"{server.url}#m", {}, tmp_path / "none")
        model = record(
            build(choice, {}, tmp_path / "none", Patience(retries=0)),
            path,
        )
        with pytest.raises(ModelRateLimitError):
            Agent(model).run_sync("now")
        assert Agent(model).run_sync("and now").output == "later"

    played = replay(path)
    with pytest.raises(ModelRateLimitError):
        Agent(played).run_sync("now")
    assert Agent(played).run_sync("and now").output == "later"


def test_streamed_tool_calls_of_a_server_are_recorded(path, requests_allowed, tmp_path):
    """Deltas of a real stream over HTTP end up as one call with all its arguments."""
    import asyncio

    script = [Call("temperature", {"city": "Oslo"}), Text("warm", chunks=2)]
    with OpenAIServer(script) as server:
        choice = choose_model(f"{server.url}#m", {}, tmp_path / "none")
        model = record(build(choice, {}, tmp_path / "none"), path)
        assert asyncio.run(spoken(model, "how warm?")) == "warm"

    assert all(request.streams for request in server.requests)
    (call,) = json.loads(path.read_text().splitlines()[1])["response"]["parts"]
    assert json.loads(call["args"]) == {"city": "Oslo"}
    assert asyncio.run(spoken(replay(path), "how warm?")) == "warm"


def test_other_words_are_a_departure_that_is_said(path):
    """Another sentence than the recorded one names both, and what to do."""
    agent(record(scripted(), path)).run_sync("how warm is it?")

    with pytest.raises(ConfigError, match=r"departs from talk\.jsonl at request 1") as caught:
        agent(replay(path)).run_sync("how cold is it?")
    assert "how warm is it?" in str(caught.value)
    assert "how cold is it?" in str(caught.value)
    assert "--replay" in caught.value.fix


def test_one_request_too_many_is_a_departure(path):
    """When the recording has ended, the conversation does not go on by itself."""
    agent(record(scripted(), path)).run_sync("how warm is it?")
    played = replay(path)
    agent(played).run_sync("how warm is it?")

    with pytest.raises(ConfigError, match="the recording has ended"):
        agent(played).run_sync("how warm is it?")


def test_a_recording_overwrites_nothing(path):
    """An existing file is left alone."""
    path.write_text("dear diary")

    with pytest.raises(ConfigError, match=r"talk\.jsonl"):
        record(scripted(), path)
    assert path.read_text() == "dear diary"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "no json",
        "[]",
        '{"sealtune_recording": 99}',
        '{"sealtune_recording": 1}\n{}',
        '{"sealtune_recording": 1}\nno json',
        '{"sealtune_recording": 1}\n[1]',
        '{"sealtune_recording": 1}\n{"request": [], "response": {"kind": "request", "parts": []}}',
        '{"sealtune_recording": 1}\n{"request": [], "failure": "unheard of"}',
        '{"sealtune_recording": 1}\n{"request": 3, "failure": "key"}',
        '{"sealtune_recording": 1}\n' + "[" * 100_000,
    ],
)
def test_what_is_no_recording_is_refused_in_words(path, text):
    """A file that is something else, or broken, is named; nothing crashes."""
    path.write_text(text)

    with pytest.raises(ConfigError, match=r"talk\.jsonl"):
        replay(path)


def test_a_file_that_is_not_there_is_named(path):
    """No recording, no replay."""
    with pytest.raises(ConfigError, match=r"talk\.jsonl cannot be read"):
        replay(path)


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\x0b", "\r\n"])
def test_an_answer_with_any_end_of_line_plays_back(path, end):
    """What a model wrote between words does not break the file."""
    words = f"it is{end}warm"
    model = FunctionModel(lambda messages, info: ModelResponse([TextPart(words)]))
    Agent(record(model, path)).run_sync("how warm?")

    assert Agent(replay(path)).run_sync("how warm?").output == words


def test_a_departure_is_told_briefly(path):
    """A long prompt is cut, and a request with nothing new in it is said to be one."""
    model = FunctionModel(lambda messages, info: ModelResponse([TextPart("fine")]))
    Agent(record(model, path), instructions="Be brief.").run_sync("x" * 5_000)

    with pytest.raises(ConfigError, match="departs") as caught:
        Agent(replay(path), instructions="Be brief.").run_sync()
    assert len(str(caught.value)) < 600
    assert "this conversation with nothing new" in str(caught.value)
