"""One step of a turn: what to say, and which tool to call then."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sealtune.chat.past import Past


@dataclass(frozen=True, slots=True)
class Call:
    """A tool to call next."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """What to say, and the tool to call then; without a call the turn is over."""

    text: str = ""
    call: Call | None = None


def ask(
    tool: str,
    say: Callable[[Mapping[str, Any]], str],
    **arguments: Any,  # noqa: ANN401
) -> Callable[[Past], Step]:
    """Return a step that calls one tool and puts its result into words."""

    def step(past: Past) -> Step:
        given = {name: value for name, value in arguments.items() if value not in ("", None, [])}
        done = past.turn.find(tool, **given)
        if done is None:
            return Step(call=Call(tool, given))
        return Step(done.error or say(done.answer))

    return step
