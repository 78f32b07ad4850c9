"""The brain that answers in the conversation when there is no language model.

It sits behind the same agent as any model, calls the same tools, and waits for the same yes.
"""

import json
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls

from sealtune.chat.past import Exchange, Past, Turn
from sealtune.chat.steps import next_step

NAME = "embedded"

_SAID = re.compile(r'said: "(.+)"', re.DOTALL)


def answer(messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
    """Return the next text and at most one tool call: the function of a `FunctionModel`."""
    step = next_step(read_past(messages))
    parts: list[ModelResponsePart] = [TextPart(step.text)] if step.text else []
    if step.call is not None:
        parts.append(ToolCallPart(step.call.tool, dict(step.call.arguments)))
    return ModelResponse(parts=parts, model_name=NAME)


async def stream(
    messages: list[ModelMessage], _info: AgentInfo
) -> AsyncIterator[str | DeltaToolCalls]:
    """Yield the same answer line by line: the stream function of a `FunctionModel`."""
    step = next_step(read_past(messages))
    for line in step.text.splitlines(keepends=True):
        yield line
    if step.call is not None:
        yield {1: DeltaToolCall(step.call.tool, json.dumps(dict(step.call.arguments)))}


def read_past(messages: Sequence[ModelMessage]) -> Past:
    """Return what has happened in `messages`: the person's sentences and the tools' answers.

    What the person said beside a no opens a turn of its own: it is what they want instead.
    """
    calls = {
        part.tool_call_id: part
        for message in messages
        if isinstance(message, ModelResponse)
        for part in message.parts
        if isinstance(part, ToolCallPart)
    }
    turns: list[Turn] = []
    for message in messages:
        if not isinstance(message, ModelRequest):
            continue
        for part in message.parts:
            if isinstance(part, UserPromptPart):
                turns.append(Turn(_words(part)))
            elif isinstance(part, ToolReturnPart):
                turns = _with(turns, _exchange(part, calls.get(part.tool_call_id)))
    return Past(tuple(turns) or (Turn(""),))


def _with(turns: list[Turn], exchange: Exchange) -> list[Turn]:
    *before, last = turns or [Turn("")]
    turns = [*before, Turn(last.words, (*last.exchanges, exchange))]
    said = _SAID.search(str(exchange.result)) if exchange.denied else None
    return [*turns, Turn(said[1])] if said else turns


def _exchange(part: ToolReturnPart, call: ToolCallPart | None) -> Exchange:
    arguments: dict[str, Any] = call.args_as_dict() if call is not None else {}
    return Exchange(part.tool_name, arguments, part.content, denied=part.outcome == "denied")


def _words(part: UserPromptPart) -> str:
    if isinstance(part.content, str):
        return part.content
    return " ".join(piece for piece in part.content if isinstance(piece, str))
