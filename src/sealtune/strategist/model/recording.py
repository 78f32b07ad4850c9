"""Conversations with a model, kept in a file and played back without key or network.

A recording is JSON lines: a header, then one line for each request with what was new in it and
the answer, or the way it failed. Streamed answers are kept whole.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_ai import RunContext
from pydantic_ai.exceptions import AgentRunError
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    RetryFeedbackPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import (
    CompletedStreamedResponse,
    Model,
    ModelRequestParameters,
    StreamedResponse,
)
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from sealtune.errors import ConfigError
from sealtune.strategist.model.answer import plain
from sealtune.strategist.model.failure import failure_of, raised_again

VERSION = 1
_LONGEST_SHOWN = 200
_HEADER = "sealtune_recording"


def record(model: Model, path: Path, *, secrets: Sequence[str] = ()) -> Model:
    """Return `model`, with everything that is asked of it and answered kept in `path`.

    The file is new, readable by its owner alone, and complete after every answer. Keys are no part
    of messages; should one of `secrets` stand in them all the same, it is left out.

    Args:
        model: Who answers.
        path: File to write; must not exist.
        secrets: Texts that must never be written.

    Raises:
        ConfigError: `path` exists or cannot be written.
    """
    header = {_HEADER: VERSION, "model": f"{model.system}:{model.model_name}"}
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigError(
            f"recording {path.name}: {error.strerror}", fix="Name a new file that can be written."
        ) from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(header) + "\n")
    return _Recorder(model, path, tuple(filter(None, secrets)))


def replay(path: Path) -> Model:
    """Return a model that gives the answers recorded in `path`, in order.

    It needs no key and no network. A request that the recording does not answer (another sentence,
    a tool's answer where words were expected, one request too many) raises ConfigError.

    Raises:
        ConfigError: `path` cannot be read or is no recording of this version.
    """
    try:
        lines = path.read_text("utf-8").split("\n")  # an answer may hold other ends of lines
    except (OSError, ValueError) as error:
        raise ConfigError(f"recording {path.name} cannot be read: {error}") from error
    header = _parse(path, 1, lines[0])
    if header.get(_HEADER) != VERSION:
        raise ConfigError(
            f"{path.name} is no recording of version {VERSION}",
            fix="Record the conversation again with this version of sealtune.",
        )
    exchanges = [
        _exchange(path, number, line) for number, line in enumerate(lines[1:], 2) if line.strip()
    ]
    return _Replay(path.name, str(header.get("model", "unknown")), tuple(exchanges))


class _Recorder(WrapperModel):
    def __init__(self, wrapped: Model, path: Path, secrets: tuple[str, ...]) -> None:
        super().__init__(wrapped)
        self._path = path
        self._secrets = secrets

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        try:
            response = await self.wrapped.request(
                messages, model_settings, model_request_parameters
            )
        except AgentRunError as error:
            self._keep_failure(messages, error)
            raise
        except asyncio.CancelledError:  # a limit above ran out, or a person's patience
            self._write({"request": _plain(_asked(messages)), "failure": "time-out"})
            raise
        self._keep(messages, response)
        return response

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncIterator[StreamedResponse]:
        stream: StreamedResponse | None = None
        try:
            async with self.wrapped.request_stream(
                messages, model_settings, model_request_parameters, run_context
            ) as stream:
                yield stream
        except AgentRunError as error:
            self._keep_failure(messages, error)
            raise
        except asyncio.CancelledError:
            if stream is not None:  # as far as it had come when the person stopped it
                self._keep(messages, stream.get())
            raise
        else:
            self._keep(messages, stream.get())

    def _keep(self, messages: Sequence[ModelMessage], response: ModelResponse) -> None:
        self._write({"request": _plain(_asked(messages)), "response": _plain([response])[0]})

    def _keep_failure(self, messages: Sequence[ModelMessage], error: AgentRunError) -> None:
        # The service's own words stay out: they may repeat a part of the key.
        failure = failure_of(error)
        assert failure is not None  # every AgentRunError is one
        self._write({"request": _plain(_asked(messages)), "failure": failure.kind})

    def _write(self, exchange: dict[str, Any]) -> None:
        line = json.dumps(exchange, ensure_ascii=False)
        for secret in self._secrets:
            line = line.replace(json.dumps(secret, ensure_ascii=False)[1:-1], "[left out]")
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One recorded request: what was new in it, and the answer or the failure."""

    asked: tuple[str, ...]
    response: ModelResponse | None
    failure: str | None


class _Replay(Model):
    def __init__(self, name: str, model_name: str, exchanges: tuple[_Exchange, ...]) -> None:
        super().__init__()
        self._name = name
        self._model_name = model_name
        self._exchanges = exchanges
        self._next = 0

    @property
    def model_name(self) -> str:
        """The model that was recorded."""
        return self._model_name

    @property
    def system(self) -> str:
        """Tells a replay from the model itself."""
        return "replay"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        return self._answer(messages)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncIterator[StreamedResponse]:
        yield CompletedStreamedResponse(
            self._answer(messages),
            model_request_parameters=model_request_parameters,
            replay_events=True,
        )

    def _answer(self, messages: Sequence[ModelMessage]) -> ModelResponse:
        number = self._next + 1
        asked = _outline(_asked(messages))
        if self._next >= len(self._exchanges):
            raise _departed(self._name, number, "has ended", _told(asked))
        exchange = self._exchanges[self._next]
        if exchange.asked != asked:
            expected = f"goes on with {_told(exchange.asked)}"
            raise _departed(self._name, number, expected, _told(asked))
        self._next = number
        if exchange.response is None:
            raise raised_again(str(exchange.failure), self._model_name)
        return exchange.response


def _told(outline: Sequence[str]) -> str:
    return "; ".join(plain(one, _LONGEST_SHOWN) for one in outline) or "nothing new"


def _departed(name: str, number: int, expected: str, found: str) -> ConfigError:
    return ConfigError(
        f"the conversation departs from {name} at request {number}: the recording {expected}, "
        f"and this conversation with {found}",
        fix="Say what was said in the recording, or run without --replay.",
    )


def _asked(messages: Sequence[ModelMessage]) -> list[ModelMessage]:
    """Return what is new: the requests after the model's last answer."""
    new: list[ModelMessage] = []
    for message in reversed(messages):
        if not isinstance(message, ModelRequest):
            break
        new.insert(0, message)
    return new


def _outline(messages: Sequence[ModelMessage]) -> tuple[str, ...]:
    """Return what a request is about; facts and measured values may differ in a replay."""
    outline: list[str] = []
    for message in messages:
        for part in message.parts:
            if isinstance(part, UserPromptPart):
                outline.append(f"the words {part.content!r}")
            elif isinstance(part, ToolReturnPart):
                outline.append(f"an answer of {part.tool_name}")
            elif isinstance(part, RetryFeedbackPart):
                outline.append("a refusal")
    return tuple(outline)


def _plain(messages: Sequence[ModelMessage]) -> list[Any]:
    plain: list[Any] = ModelMessagesTypeAdapter.dump_python(list(messages), mode="json")
    return plain


def _exchange(path: Path, number: int, line: str) -> _Exchange:
    entry = _parse(path, number, line)
    try:
        asked = ModelMessagesTypeAdapter.validate_python(entry["request"])
        if "failure" in entry:
            raised_again(entry["failure"], "")  # a kind that is known
            return _Exchange(_outline(asked), None, entry["failure"])
        (response,) = ModelMessagesTypeAdapter.validate_python([entry["response"]])
    except (KeyError, TypeError, ValidationError) as error:
        raise ConfigError(f"{path.name}, line {number}: no recorded request: {error}") from error
    if not isinstance(response, ModelResponse):
        raise ConfigError(f"{path.name}, line {number}: no answer of a model")
    return _Exchange(_outline(asked), response, None)


def _parse(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path.name}, line {number}: no valid JSON") from error
    if not isinstance(entry, dict):
        raise ConfigError(f"{path.name}, line {number}: need a JSON object")
    return entry
