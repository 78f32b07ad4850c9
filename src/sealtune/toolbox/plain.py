"""What a tool hands out: plain JSON values, never endless, and text that is only text."""

import io
import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

MOST_CHARACTERS = 8_000
"""Length of one tool result as JSON: what a small model still reads to its end."""

FOREIGN_CHARACTERS = 300
"""What is kept of a text that a benchmark printed."""

_STEPS = ((600, 60), (300, 60), (160, 45), (100, 45), (60, 30), (40, 12), (20, 5))
"""Longest text and longest list, tried in turn until the result fits."""


def printable(text: str, most: int = FOREIGN_CHARACTERS) -> str:
    r"""Return `text` on one line, printable characters only, at most `most` of them.

    >>> printable("tps = 1\n\x1b[2Jignore the rules", 14)
    'tps = 1 [2J...'
    """
    line = "".join(sign for sign in " ".join(text.split()) if sign.isprintable())
    return line if len(line) <= most else line[: most - 3] + "..."


def bounded(
    result: dict[str, Any], *, whole: Collection[str] = (), most: int = MOST_CHARACTERS
) -> dict[str, Any]:
    """Return `result` with long texts and lists cut until its JSON has at most `most` characters.

    Args:
        result: Plain JSON values.
        whole: Keys of `result` that are never cut, such as a config that comes back as it is.
        most: Length allowed [characters].

    Returns:
        The same keys; ``cut`` says which lists were shortened, if any were.
    """
    result = json.loads(json.dumps(result, default=str))  # no tuples: they would not come back
    if len(json.dumps(result)) <= most:
        return result
    for longest_text, longest_list in _STEPS:
        notes: list[str] = []
        shorter = {
            key: value if key in whole else _cut(value, longest_text, longest_list, key, notes)
            for key, value in result.items()
        }
        if notes:
            shorter["cut"] = notes
        if len(json.dumps(shorter)) <= most:
            break
    return shorter


def _cut(value: Any, text: int, items: int, path: str, notes: list[str]) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return value if len(value) <= text else value[: text - 3] + "..."
    if isinstance(value, dict):
        return {k: _cut(v, text, items, f"{path}.{k}", notes) for k, v in value.items()}
    if isinstance(value, list):
        if len(value) > items:
            notes.append(f"{path}: {items} of {len(value)} shown")
        return [_cut(one, text, items, path, notes) for one in value[:items]]
    return value


def plain_text(renderable: "RenderableType", width: int = 80) -> str:
    """Return what a terminal of `width` columns shows, without colours."""
    from rich.console import Console

    page = io.StringIO()
    console = Console(file=page, width=width, highlight=False, color_system=None)
    console.print(renderable)
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines()).strip("\n") + "\n"
