"""A person's yes: asked of them where the client can do that, else repeated by the assistant."""

import hashlib
from typing import Annotated

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import AcceptedElicitation, Elicit, ElicitationResult
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from sealtune.errors import InputError

CHANGES = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
)
UNDOES = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)

Repeated = Annotated[
    str,
    Field(
        description="Only where this client cannot ask its user: what the tool that showed it "
        "says is to be repeated, after the person has seen everything and said yes."
    ),
]


class Confirm(BaseModel):
    """What the client asks the person."""

    yes: bool = Field(
        title="Yes, do exactly this",
        description="true does what is shown above; false leaves everything as it is",
    )


NO = "The person said no; nothing was done. Do not call this again unless they ask for it."


def can_ask(context: Context) -> bool:
    """Return whether the client says that it can put a form before its user."""
    capabilities = context.client_capabilities
    asking = capabilities.elicitation if capabilities else None
    # One that names no kind at all means the form, which was there first.
    return asking is not None and (asking.form is not None or asking.url is None)


def question(
    context: Context, shown: str, *, expected: str, confirm: str, asks: str, preview: str = ""
) -> Elicit[Confirm] | Confirm:
    """Return what to ask the person, or the yes that the assistant handed on from them.

    Args:
        context: Of the call.
        shown: All that a yes would do.
        expected: What `confirm` has to be where nobody can be asked.
        confirm: What the assistant said.
        asks: The question itself.
        preview: Tool that shows it and says what to repeat, where that is not plain to see.

    Raises:
        InputError: Nobody can be asked, and `confirm` is not what it should be.
    """
    if can_ask(context):
        return Elicit(f"{shown}\n{asks}", Confirm)
    if confirm != expected and preview:
        raise InputError(
            f"confirm: {confirm!r:.80} is not what {preview} says now, and this client cannot ask "
            "its user",
            fix=f"Call {preview}, show the person all of it, and after their yes call this again "
            "with the `confirm` that it returned.",
        )
    if confirm != expected:
        raise InputError(
            f"confirm: {confirm!r:.80} is not {expected!r}, and this client cannot ask its user",
            fix="Show the person everything that would be done; after their yes, call again with "
            f"confirm={expected!r}.",
        )
    return Confirm(yes=True)


def code(name: str, shown: str) -> str:
    """Return what has to be repeated: another one as soon as something else would be done."""
    return f"{name}:{hashlib.sha256(shown.encode()).hexdigest()[:8]}"


def said_yes(answer: ElicitationResult[Confirm]) -> bool:
    """Return whether the person agreed; only a plain yes is one."""
    return isinstance(answer, AcceptedElicitation) and answer.data.yes
