"""What has happened in a conversation so far: who said what, and what the tools answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Exchange:
    """One tool call and its answer.

    Attributes:
        tool: Name of the tool.
        arguments: What it was called with.
        result: What it answered; a mapping unless it was denied or failed.
        denied: The person said no; `result` has their words.
    """

    tool: str
    arguments: Mapping[str, Any]
    result: Any
    denied: bool = False

    @property
    def error(self) -> str:
        """Why there is no result, with what to do now; empty when there is one."""
        if self.denied:
            return ""
        if not isinstance(self.result, Mapping):
            return str(self.result)
        if "error" not in self.result:
            return ""
        return f"{self.result['error']}\n{self.result.get('fix', '')}".strip()

    @property
    def answer(self) -> Mapping[str, Any]:
        """The result; empty when there is none."""
        good = isinstance(self.result, Mapping) and not self.denied and not self.error
        return self.result if good else {}


@dataclass(frozen=True, slots=True)
class Turn:
    """One sentence of the person, and the tool calls since."""

    words: str
    exchanges: tuple[Exchange, ...] = ()

    def find(self, tool: str, **arguments: Any) -> Exchange | None:  # noqa: ANN401
        """Return the newest call of `tool` with at least these arguments."""
        for exchange in reversed(self.exchanges):
            given = exchange.arguments
            if exchange.tool == tool and all(given.get(k) == v for k, v in arguments.items()):
                return exchange
        return None


@dataclass(frozen=True, slots=True)
class Past:
    """A conversation, oldest turn first; the last one is still open."""

    turns: tuple[Turn, ...] = field(default=(Turn(""),))

    @property
    def turn(self) -> Turn:
        """The open turn."""
        return self.turns[-1]

    def last(self, *tools: str) -> Exchange | None:
        """Return the newest call of one of `tools` that gave a result."""
        for turn in reversed(self.turns):
            for exchange in reversed(turn.exchanges):
                if exchange.tool in tools and exchange.answer:
                    return exchange
        return None

    def last_asked(self, tool: str) -> Exchange | None:
        """Return the newest call of `tool` before the open turn, whatever came of it."""
        for turn in reversed(self.turns[:-1]):
            if (exchange := turn.find(tool)) is not None:
                return exchange
        return None
