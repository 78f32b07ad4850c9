"""What leaves this machine in a conversation: never whose machine it is."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

Hide = Callable[[str], str]
"""Takes out of a text what tells whose machine this is."""

_SENT = ("content", "args")


class Discreet(WrapperModel):
    """A model that is shown the conversation with host names, addresses and people taken out.

    The conversation itself keeps them: they are hidden on the way out, each time.
    """

    def __init__(self, wrapped: Model, hide: Hide) -> None:
        super().__init__(wrapped)
        self.hide = hide

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Ask the wrapped model, without what it need not know."""
        return await self.wrapped.request(
            hidden(messages, self.hide), model_settings, model_request_parameters
        )

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncIterator[StreamedResponse]:
        """Ask the wrapped model, without what it need not know."""
        async with self.wrapped.request_stream(
            hidden(messages, self.hide), model_settings, model_request_parameters, run_context
        ) as answer:
            yield answer


def hidden(messages: Sequence[ModelMessage], hide: Hide) -> list[ModelMessage]:
    """Return `messages` with `hide` applied to every text that a service would be sent."""
    plain: list[dict[str, Any]] = ModelMessagesTypeAdapter.dump_python(list(messages), mode="json")
    for message in plain:
        for part in message["parts"]:
            part.update({key: _hide_in(part[key], hide) for key in _SENT if key in part})
    return ModelMessagesTypeAdapter.validate_python(plain)


def _hide_in(value: Any, hide: Hide) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return _hide_in_text(value, hide)
    if isinstance(value, dict):
        return {key: _hide_in(one, hide) for key, one in value.items()}
    if isinstance(value, list):
        return [_hide_in(one, hide) for one in value]
    return value


def _hide_in_text(text: str, hide: Hide) -> str:
    """Return `text` without what `hide` takes out; JSON is read first, for it can spell a name."""
    if not text.lstrip().startswith(("{", "[", '"')):
        return hide(text)
    try:
        return json.dumps(_hide_in(json.loads(text), hide), ensure_ascii=False)
    except (ValueError, RecursionError):  # no JSON, or broken off
        return hide(text)
