"""The conversation as text: what was said, and what the model is sent with the next words."""

import json
from collections.abc import Iterator, Sequence

from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

from sealtune.chat.agent import Assistant, Desk
from sealtune.chat.discretion import Discreet, Hide
from sealtune.chat.render import call_line, clean

NEXT_WORDS = "(what you say next)"


def transcript(messages: Sequence[ModelMessage]) -> str:
    """Return what was said and which tools were called, as plain text."""
    lines: list[str] = []
    for message in messages:
        for part in message.parts:
            if isinstance(part, UserPromptPart):
                lines.append(f"\n> {part.content}\n")
            elif isinstance(part, TextPart) and part.content.strip():
                lines.append(clean(part.content).strip() + "\n")
            elif isinstance(part, ToolCallPart):
                lines.append(call_line(part.tool_name, part.args_as_dict(), 10_000))
    return "\n".join(lines).strip() + "\n"


async def outgoing(agent: Assistant, past: Sequence[ModelMessage], desk: Desk, hide: Hide) -> str:
    """Return everything that a model is sent with the person's next words.

    The agent itself writes it, to a model that only looks.

    Args:
        agent: The agent of the conversation.
        past: What a model is shown of it.
        desk: What its tools would work with; none is called.
        hide: Takes out what tells whose machine this is, as for the model.
    """
    sections: list[str] = []

    def look(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        sections.extend(_sections(messages, info))
        return ModelResponse(parts=[TextPart("seen")])

    model = Discreet(FunctionModel(look), hide)
    await agent.run(NEXT_WORDS, message_history=list(past) or None, model=model, deps=desk)
    return "\n".join(sections)


def _sections(messages: Sequence[ModelMessage], info: AgentInfo) -> Iterator[str]:
    yield f"=== INSTRUCTIONS ===\n{info.instructions or ''}\n"
    yield "=== TOOLS ==="
    for tool in info.function_tools:
        schema = json.dumps(tool.parameters_json_schema, ensure_ascii=False)
        yield f"{tool.name}: {tool.description}\n{schema}\n"
    yield "=== CONVERSATION ==="
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolCallPart):
                yield f"call of {part.tool_name}: {part.args_as_json_str()}"
            elif isinstance(part, ToolReturnPart):
                yield f"answer of {part.tool_name}: {part.model_response_str()}"
            else:
                who = "model" if isinstance(message, ModelResponse) else "you"
                yield f"{who}: {getattr(part, 'content', '')}"
