"""A method of the toolbox as a tool of the protocol: same name, words and types, written once."""

import functools
import inspect
import re
import threading
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import Field

_ARGUMENT = re.compile(r"^ {4}(\w+): ", re.MULTILINE)


def described(method: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """Return what the docstring of `method` says, and what it says of each argument.

    >>> def cut(length: float) -> None:
    ...     '''Cut the rope; it does not grow again.
    ...
    ...     Args:
    ...         length: Of what is left [m],
    ...             above 0.
    ...     '''
    >>> described(cut)
    ('Cut the rope; it does not grow again.', {'length': 'Of what is left [m], above 0.'})
    """
    text, arguments = [], {}
    for paragraph in (inspect.getdoc(method) or "").split("\n\n"):
        if paragraph.startswith("Args:"):
            names = _ARGUMENT.split(paragraph)[1:]
            told = (" ".join(words.split()) for words in names[1::2])
            arguments = dict(zip(names[::2], told, strict=True))
        else:
            text.append(paragraph)
    return "\n\n".join(text).strip(), arguments


def exposed(
    method: Callable[..., Any],
    lock: threading.Lock,
    *,
    allowed: Callable[[], None] = lambda: None,
    limits: Mapping[str, Mapping[str, Any]] | None = None,
) -> Callable[..., Any]:
    """Return a function that calls `method`, with its arguments described one by one.

    Args:
        method: Of a `sealtune.toolbox.Toolbox`.
        lock: Held during the call: the tools share caches.
        allowed: Raises when the call may not be made now.
        limits: Argument to further facts about it, as `pydantic.Field` takes them.
    """
    text, arguments = described(method)
    signature = inspect.signature(method, eval_str=True)
    parameters = []
    for name, parameter in signature.parameters.items():
        field = Field(description=arguments.get(name), **(limits or {}).get(name, {}))
        annotation = Annotated[parameter.annotation, field]  # type: ignore[name-defined]
        parameters.append(parameter.replace(annotation=annotation))

    @functools.wraps(method)
    def call(**given: Any) -> Any:  # noqa: ANN401 - whatever the method takes and returns
        allowed()
        with lock:
            return method(**given)

    call.__doc__ = text
    call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return call
