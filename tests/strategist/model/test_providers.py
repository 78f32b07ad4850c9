"""Patience with services: bounded time, Retry-After up to a bound, and streams opened again."""

import asyncio
import time
from pathlib import Path

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelRateLimitError,
    ModelServerError,
)
from tests.openai_server import Drop, Error, Hang, OpenAIServer, Raw, Text

from sealtune.errors import ConfigError
from sealtune.strategist.model import providers
from sealtune.strategist.model.choice import choose_model
from sealtune.strategist.model.failure import failure_of
from sealtune.strategist.model.providers import Patience, build

NOWHERE = Path("/nowhere/config.toml")
SHORT = Patience(seconds=0.4, whole=1.0, retries=2, longest_pause=1)

pytestmark = pytest.mark.usefixtures("requests_allowed")


def asked(server, patience=SHORT, environment=None):
    """Return an agent on `server`."""
    environment = environment or {}
    choice = choose_model(f"{server.url}#m", environment, NOWHERE)
    return Agent(build(choice, environment, NOWHERE, patience))


def test_a_service_that_recovers_is_asked_again():
    """500, then a closed connection, then an answer: three requests and no complaint."""
    with OpenAIServer([Error(500), Drop(), "fine"]) as server:
        patience = Patience(seconds=5, whole=10)
        assert asked(server, patience).run_sync("hello").output == "fine"

    assert len(server.requests) == 3


def test_retry_after_is_waited_for():
    """A short Retry-After is kept to."""
    with OpenAIServer([Error(429, retry_after="1"), "fine"]) as server:
        began = time.monotonic()
        assert asked(server, Patience(5, 10, 2, 2)).run_sync("hello").output == "fine"

    assert 1 <= time.monotonic() - began < 5


def test_a_long_retry_after_is_not_waited_for():
    """Who asks for an hour is not asked again."""
    with OpenAIServer([Error(429, retry_after="3600"), "fine"]) as server:
        began = time.monotonic()
        with pytest.raises(ModelRateLimitError):
            asked(server).run_sync("hello")

    assert time.monotonic() - began < 3
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("reply", "error"), [(Error(401), ModelAuthenticationError), (Error(500), ModelServerError)]
)
def test_it_gives_up(reply, error):
    """A bad key is tried once, a failing service three times."""
    with OpenAIServer(then=reply) as server, pytest.raises(error):
        asked(server, Patience(5, 10)).run_sync("hello")

    assert len(server.requests) == (1 if reply.status == 401 else 3)


@pytest.mark.parametrize(
    "reply", [Hang(), Raw("{broken"), Raw(""), Raw("[]"), Raw("<html>", "text/html"), Drop()]
)
def test_silence_and_nonsense_end_in_bounded_time(reply):
    """Whatever a service does, there is an error with a name within seconds."""
    with OpenAIServer(then=reply) as server:
        began = time.monotonic()
        with pytest.raises(Exception) as caught:  # noqa: PT011 - its kind is asked below
            asked(server).run_sync("hello")

    assert failure_of(caught.value) is not None
    assert time.monotonic() - began < 4


def test_nobody_there_is_a_connection_failure():
    """A refused connection is one, after the retries."""
    with OpenAIServer() as server:
        pass  # the port is closed again

    with pytest.raises(ModelAPIError) as caught:
        asked(server).run_sync("hello")
    assert failure_of(caught.value).kind in ("connection", "time-out")


def test_a_stream_is_opened_again_and_arrives_in_pieces():
    """Streams have the same patience, until the first words."""

    async def pieces(agent):
        async with agent.run_stream("hello") as stream:
            return [piece async for piece in stream.stream_text(delta=True, debounce_by=None)]

    with OpenAIServer([Error(500), Text("it is a fine day", chunks=4)]) as server:
        got = asyncio.run(pieces(asked(server, Patience(5, 10))))

    assert "".join(got) == "it is a fine day"
    assert len(got) > 1
    assert len(server.requests) == 2


def test_a_proxy_in_the_environment_does_not_see_what_stays_here(monkeypatch):
    """Requests to loopback go to loopback, whatever HTTP_PROXY says."""
    with OpenAIServer() as proxy, OpenAIServer(["fine"]) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert asked(server).run_sync("hello").output == "fine"

    assert proxy.requests == []


def test_one_model_serves_several_event_loops():
    """A model can be asked again after the loop it was asked in has ended."""
    with OpenAIServer(["one", "two"]) as server:
        agent = asked(server)

        async def once():
            return (await agent.run("hello")).output

        assert [asyncio.run(once()), asyncio.run(once())] == ["one", "two"]


def test_small_servers_get_what_they_understand():
    """`max_tokens` and one leading system message; no key of another service."""
    with OpenAIServer(["fine"]) as server:
        asked(server, environment={"OPENAI_API_KEY": "sk-other"}).run_sync("hello")

    (request,) = server.requests
    assert request.body["max_tokens"] == 4096
    assert "max_completion_tokens" not in request.body
    assert "sk-other" not in request.headers["authorization"]


def test_what_is_for_openai_goes_nowhere_else(monkeypatch):
    """Organisation, project and headers of the environment are not sent to a foreign service."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org-acme")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-acme")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Team: acme-team")
    with OpenAIServer(["fine"]) as server:
        assert asked(server).run_sync("hello").output == "fine"

    assert "acme" not in str(server.requests[0].headers)


def test_what_a_client_cannot_digest_is_an_error_in_words(monkeypatch):
    """Whatever is raised while a model is set up names the model and the kind of error."""

    def broken(*_):
        raise UnicodeError("sk-hunter2")

    monkeypatch.setitem(providers._BUILDERS, "openai-compatible", broken)
    choice = choose_model("http://127.0.0.1:9/v1#m", {}, NOWHERE)

    with pytest.raises(
        ConfigError, match=r"openai-compatible:m failed \(UnicodeError\)"
    ) as caught:
        build(choice, {}, NOWHERE)
    assert "hunter2" not in str(caught.value)
