"""The tools that keep a confirmed gain and undo that; there only with ``--allow-apply``."""

from collections.abc import Callable
from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resolve import Elicit, ElicitationResult, Resolve
from pydantic import Field

from sealtune.errors import InputError
from sealtune.mcp_server.confirming import (
    CHANGES,
    NO,
    Confirm,
    Repeated,
    code,
    question,
    said_yes,
)
from sealtune.mcp_server.desk import Desk
from sealtune.mcp_server.reading import READS

Tool = Callable[..., Any]

WholeId = Annotated[
    str, Field(description="Whole id of the session; preview_apply returns it.", min_length=1)
]
SessionName = Annotated[
    str, Field(description='Id of the session or the beginning of it; "last" is the newest.')
]
AppliedName = Annotated[
    str, Field(description="What to undo, as status names it under `applied`.", min_length=1)
]


_PREVIEWS = {"apply_permanently": "preview_apply", "revert": "preview_revert"}
"""Which tool shows what another one would do."""


def add_keeping(server: MCPServer[None], desk: Desk) -> None:
    """Give `server` the tools that keep a confirmed gain, undo that, and show either."""
    server.add_tool(_apply_shower(desk), title="Show what apply would do", annotations=READS)
    server.add_tool(_applier(desk), title="Keep a confirmed gain", annotations=CHANGES)
    server.add_tool(_revert_shower(desk), title="Show what revert would do", annotations=READS)
    server.add_tool(_reverter(desk), title="Undo apply", annotations=CHANGES)


def _apply_shower(desk: Desk) -> Tool:
    def preview_apply(session: SessionName = "last") -> dict[str, Any]:
        """Show the values and files that keeping a session's confirmed gain would write.

        Changes nothing. Needs root, as apply does. `confirm` is what apply may need repeated.
        """
        return _shown(desk, "apply_permanently", session=desk.session_id(session))

    return preview_apply


def _applier(desk: Desk) -> Tool:
    def ask(context: Context, session: str, confirm: str) -> Elicit[Confirm] | Confirm:
        if session != (whole := desk.session_id(session)):  # "last" may be another one soon
            raise InputError(
                f"session: {session!r:.80} is not a whole id", fix=f"Did you mean {whole!r}?"
            )
        asks = "Set these values now and write these files, to stay after a reboot?"
        return _question(desk, context, "apply_permanently", confirm, asks, session=session)

    def apply(
        session: WholeId,
        answer: Annotated[ElicitationResult[Confirm], Resolve(ask)],
        confirm: Repeated = "",
    ) -> dict[str, Any]:
        """Keep the confirmed gain of a session for good: sysctl.d, tmpfiles.d and live values.

        Needs the person's yes, and root. Writes files below /etc that stay after a reboot. Only a
        confirmed, real improvement can be kept; revert undoes it. preview_apply shows it all.
        """
        if not said_yes(answer):
            return {"applied": None, "says": NO}
        with desk.lock:
            return desk.toolbox.apply_permanently(session)

    return apply


def _revert_shower(desk: Desk) -> Tool:
    def preview_revert(name: AppliedName) -> dict[str, Any]:
        """Show which files revert would remove and which values it would put back.

        Changes nothing. Needs root, as revert does. `confirm` is what revert may need repeated.
        """
        return _shown(desk, "revert", name=name)

    return preview_revert


def _reverter(desk: Desk) -> Tool:
    def ask(context: Context, name: str, confirm: str) -> Elicit[Confirm] | Confirm:
        asks = "Remove these files and put these values back?"
        return _question(desk, context, "revert", confirm, asks, name=name)

    def revert(
        name: AppliedName,
        answer: Annotated[ElicitationResult[Confirm], Resolve(ask)],
        confirm: Repeated = "",
    ) -> dict[str, Any]:
        """Undo what apply did: its files away, the previous values back.

        Needs the person's yes, and root. Values that somebody else changed since are left alone.
        preview_revert shows it all.
        """
        if not said_yes(answer):
            return {"reverted": None, "says": NO}
        with desk.lock:
            return desk.toolbox.revert(name)

    return revert


def _shown(desk: Desk, tool: str, **of: str) -> dict[str, Any]:
    """Return what `tool` would do to the one thing in `of`, and what agrees to just that."""
    with desk.lock:
        text = desk.toolbox.preview(tool, of, record=False)
    (name,) = of.values()
    return {**of, "shown": text, "confirm": code(name, text)}


def _question(
    desk: Desk, context: Context, tool: str, confirm: str, asks: str, **of: str
) -> Elicit[Confirm] | Confirm:
    """Return the question before `tool`, with all that it would do to the one thing in `of`."""
    with desk.lock:
        text = desk.toolbox.preview(tool, of)
    (name,) = of.values()
    expected, preview = code(name, text), _PREVIEWS[tool]
    return question(context, text, expected=expected, confirm=confirm, asks=asks, preview=preview)
