"""What an assistant is told: never whose machine this is."""

import json
from collections.abc import Callable
from typing import Any

from mcp_types import CallToolResult, TextContent

_OURS = ("param",)
Hide = Callable[[str], str]
"""Takes out of a text what tells whose machine this is."""


def hidden(result: CallToolResult, hide: Hide) -> CallToolResult:
    """Return the answer of a tool with `hide` applied to every text in it."""
    if result.structured_content is None:
        return result
    plain = in_values(result.structured_content, hide)
    text = json.dumps(plain, indent=2, ensure_ascii=False)
    content = [TextContent(type="text", text=text)]
    return result.model_copy(update={"structured_content": plain, "content": content})


def in_values(value: Any, hide: Hide) -> Any:  # noqa: ANN401 - JSON values
    """Return JSON values with `hide` applied to every text in them."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        # Keys and names of parameters are ours: a user called "max" must not change a config.
        return {key: one if key in _OURS else in_values(one, hide) for key, one in value.items()}
    if isinstance(value, list):
        return [in_values(one, hide) for one in value]
    return value
