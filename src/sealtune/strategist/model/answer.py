"""From what a model wrote to one JSON object: a config or a question; nothing is believed yet."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sealtune.errors import UnclearWorkloadError

LONGEST_ANSWER = 200_000
"""Characters; a config has about 4,000. A longer answer is not even sent back for correction."""

_DECLINED = re.compile(
    r"\W*(?:(?:i'?m|i am|we'?re|my)\s+)?(?:sorry|apolog|unable|not able)"
    r"|\W*(?:i|we)\s+(?:can'?t|cannot|can not|won'?t|will not|must decline|decline)\b"
    r"|\W*as an ai\b",
    re.I,
)
_MOST_STARTS = 200
_QUESTION_LENGTH = 500
_MOST_READINGS = 5


class Refused(Exception):
    """An answer that is not taken; the message goes back to the model word for word."""


class Unusable(Exception):
    """An answer that is not worth another try; the message ends a sentence about the model."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a model asks back.

    Attributes:
        text: The question, one line.
        readings: What the description could mean.
    """

    text: str
    readings: tuple[str, ...] = ()

    def as_error(self) -> UnclearWorkloadError:
        """Return the error that puts the question to the person."""
        lines = [self.text, *(f"  {reading}" for reading in self.readings)]
        return UnclearWorkloadError("\n".join(lines))


def plain(text: object, limit: int) -> str:
    r"""Return `text` as one line fit for a terminal: nothing invisible, at most `limit` long.

    >>> plain("good \x1b[2J\u202e\n value", 40)
    'good [2J value'
    """
    shown = "".join(c if c.isprintable() else " " for c in str(text)[: 4 * limit])
    return " ".join(shown.split())[:limit]


def read_answer(answer: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the JSON object in `answer`, which may stand between other words.

    Raises:
        Refused: There is none, or it is no proper JSON.
        Unusable: It is absurdly long, or says that the model will not answer.
    """
    if not isinstance(answer, str):
        return answer
    if len(answer) > LONGEST_ANSWER:
        raise Unusable(f"gave an answer of {len(answer)} characters")
    text = re.sub(r"<think>.*?(</think>|$)", "", answer, flags=re.S)
    found = _objects(text)
    if not found and _DECLINED.match(text):
        raise Unusable(f"declined to answer ({plain(text, 80)})")
    if not found:
        raise Refused(
            "Your answer holds no JSON object with action_space. Answer with one JSON object as "
            "described, and nothing else."
        )
    return found[-1]  # a model that thinks aloud corrects itself: its last word counts


def question_in(answer: Mapping[str, Any]) -> Question | None:
    """Return the question in `answer`, ``None`` if it is a config."""
    text = answer.get("question")
    if not isinstance(text, str) or not text.strip() or "action_space" in answer:
        return None
    readings = answer.get("readings")
    listed: Sequence[Any] = readings if isinstance(readings, list) else ()
    told = tuple(plain(item, 200) for item in listed[:_MOST_READINGS])
    return Question(plain(text, _QUESTION_LENGTH), tuple(filter(None, told)))


def _objects(text: str) -> list[dict[str, Any]]:
    """Return every JSON object in `text` that is a config or a question, in order."""
    # Not strict: small models put line breaks into their texts as they are.
    decoder = json.JSONDecoder(
        object_pairs_hook=_unique, parse_constant=_no_constant, strict=False
    )
    found: list[dict[str, Any]] = []
    start = text.find("{")
    for _ in range(_MOST_STARTS):
        if start < 0:
            break
        try:
            value, end = decoder.raw_decode(text, start)
        except RecursionError as error:
            raise Refused("The JSON is nested too deep.") from error
        except ValueError:  # not the beginning of an object, or a broken one
            end = start + 1
        else:
            if "action_space" in value or "question" in value:
                found.append(value)
        start = text.find("{", end)
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({plain(name, 60) for name in names if names.count(name) > 1})
        raise Refused(f"{', '.join(twice)} stands twice in one object.")
    return data


def _no_constant(name: str) -> float:
    raise Refused(f"The JSON contains {name}; allowed: finite numbers.")
