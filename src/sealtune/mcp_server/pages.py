"""What a client may read or offer beside the tools: sessions as documents, and one prompt."""

import json
from dataclasses import replace
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from pydantic import Field

from sealtune import __version__
from sealtune.errors import KeepingError
from sealtune.mcp_server.desk import Desk
from sealtune.mcp_server.hiding import in_values
from sealtune.store import SessionRow
from sealtune.toolbox import results
from sealtune.toolbox.plain import printable

LISTED = 20


def add_pages(server: MCPServer[None], desk: Desk) -> None:
    """Give `server` the sessions as resources, and the prompt."""

    @server.resource(
        "sealtune://sessions",
        title="Past sessions",
        description=f"The newest {LISTED} sessions: when, what for, verdict, gain.",
        mime_type="application/json",
    )
    def sessions() -> str:
        with desk.open_store() as store:
            rows = store.sessions(LISTED)
        return json.dumps(in_values([results.summary(row) for row in rows], desk.hide), indent=2)

    @server.resource(
        "sealtune://sessions/{session}/report",
        title="Report of a session",
        description='Verdict, pairs, parameters and how to undo; "last" is the newest.',
        mime_type="text/markdown",
    )
    def report(session: str) -> str:
        from sealtune.report.markdown import report_markdown
        from sealtune.store.moments import told_card

        row = _row(desk, session)
        with desk.open_store() as store:
            trials, card = store.trials(row.id), told_card(store.moments(row.id))
        # What goes in is hidden: escaped for Markdown, a name is no longer the name.
        return report_markdown(
            _hidden(row, desk),
            [replace(one, failure=one.failure and desk.hide(one.failure)) for one in trials],
            version=__version__,
            card=in_values(card, desk.hide),
        )

    @server.resource(
        "sealtune://sessions/{session}/result",
        title="Result of a session",
        description="Everything that was measured and concluded, as `sealtune report --json`.",
        mime_type="application/json",
    )
    def result(session: str) -> str:
        row = _row(desk, session)
        if row.result is None:
            raise ResourceNotFoundError(f"session {row.id} is {row.status} and has no result")
        return json.dumps(in_values(dict(row.result), desk.hide), indent=2)

    @server.prompt(
        "tune_this_machine",
        title="Tune this machine",
        description="Plan, tune and explain, for a workload in plain words.",
    )
    def tune_this_machine(
        workload: Annotated[str, Field(description="What the machine is for, in plain words.")],
    ) -> str:
        return _PROMPT.format(workload=printable(workload))


def _row(desk: Desk, session: str) -> SessionRow:
    try:
        with desk.open_store() as store:
            return store.session(session)
    except KeepingError as error:
        raise ResourceNotFoundError(str(error)) from error


_PROMPT = """\
Tune this machine for: {workload}

Look at it with inspect_system, then call plan_tuning with that description and show me the whole
plan. If sessions may be started here, start it after my yes, follow it with tuning_status, and
when it has ended explain the verdict with explain_result: the gain with its interval, or plainly
that none was confirmed. Keep nothing unless I ask for it."""


def _hidden(row: SessionRow, desk: Desk) -> SessionRow:
    """Return `row` without what tells whose machine this is."""

    def plain(value: Any) -> Any:  # noqa: ANN401 - JSON values
        return in_values(value, desk.hide)

    return replace(
        row,
        workload=desk.hide(row.workload),
        description=desk.hide(row.description),
        config=plain(row.config),
        facts=plain(row.facts),
        arguments=plain(row.arguments),
        benchmark=plain(row.benchmark),
        result=plain(row.result),
    )
