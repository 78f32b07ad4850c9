"""Turns pydantic's findings into one message that names each field and what is allowed."""

import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

_MOST = 10
_LONGEST = 500
_ECHOES = {"too_short", "model_type"}
_SHOWN = 60
_SIMPLER = {"tuple_type": "a list [...]", "string_type": "a text"}


def readable(error: ValidationError, model: type[BaseModel]) -> str:
    """Return all problems in `error`, one a line: field, what was found, what is allowed."""
    problems: dict[str, str] = {}
    for item in error.errors(include_url=False, include_context=True):
        place, fields = _place(item["loc"], model)
        if item["type"] in _ECHOES and any(known.startswith(place) for known in problems):
            continue  # the list is short or the text is no object because of what is said already
        problems.setdefault(place, _say(item, fields))
    return listed(f"{place}: {text}" for place, text in problems.items())


def listed(problems: Iterable[str]) -> str:
    """Return `problems` one a line, as many and as much of each as a person would read."""
    lines = list(problems)
    shown = [line if len(line) <= _LONGEST else line[:_LONGEST] + " ..." for line in lines[:_MOST]]
    more = [f"... and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
    return "\n".join([*shown, *more])


def _say(item: Any, fields: Sequence[str]) -> str:  # noqa: ANN401 - pydantic's own mapping
    kind, message = item["type"], item["msg"]
    allowed = ", ".join(fields)
    if kind == "extra_forbidden":
        return f"unknown field; allowed: {allowed}"
    if kind == "missing":
        return f"is missing; the fields are: {allowed}"
    found = _found(item.get("input"))
    found = found if len(found) <= _SHOWN else found[:_SHOWN] + "..."
    if kind == "model_type":
        return f"found {found}; need an object with the fields: {allowed}"
    if kind in _SIMPLER:
        message = _SIMPLER[kind]
    elif kind in {"too_short", "too_long", "string_too_short", "string_too_long"}:
        message = message.removeprefix("Tuple should have ").removeprefix("String should have ")
        message = message.partition(" after ")[0]
    message = message.removeprefix("Value error, ").removeprefix("Input should be ")
    return f"found {found}; allowed: {message}"


def _found(value: object) -> str:
    try:
        return repr(value)
    except (RecursionError, ValueError):  # nested a thousand deep, or 5,000 digits
        return f"a {type(value).__name__} that cannot be shown"


def _place(loc: tuple[int | str, ...], model: type[BaseModel]) -> tuple[str, tuple[str, ...]]:
    """Return the place in the document, and the fields of the object that it is in.

    pydantic names the branch of a union in the place; those names are no part of the document.
    """
    place = ""
    current: type[BaseModel] | None = model
    fields = tuple(model.model_fields)
    for part in loc:
        if isinstance(part, int):
            place += f"[{part}]"
        elif current is not None and (part in current.model_fields or part == loc[-1]):
            if part == current.__name__:
                continue
            place += f".{part}" if place else part
            field = current.model_fields.get(part)
            current = _model_in(field.annotation) if field is not None else current
            if current is not None:
                fields = tuple(current.model_fields)
    return place.removesuffix(".str") or "config", fields


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - any type hint
    """Return the first model class inside a type hint, if any."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is not None:
        for argument in typing.get_args(annotation):
            found = _model_in(argument)
            if found is not None:
                return found
    return None
