"""The tools that start, follow and end a session; there only with ``--allow-tuning``."""

from collections.abc import Callable
from typing import Annotated, Any

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resolve import Elicit, ElicitationResult, Resolve
from pydantic import Field

from sealtune.errors import InputError
from sealtune.mcp_server.confirming import (
    CHANGES,
    NO,
    UNDOES,
    Confirm,
    Repeated,
    can_ask,
    question,
    said_yes,
)
from sealtune.mcp_server.desk import Desk
from sealtune.mcp_server.exposing import exposed
from sealtune.mcp_server.reading import READS
from sealtune.planning import Plan
from sealtune.toolbox import keeping
from sealtune.toolbox.plain import bounded

LONGEST_WAIT = 50
"""How long tuning_status may wait [s]: clients give a call up after a minute."""

STOP_SECONDS = 20.0
"""How long stop_tuning waits for the parameters [s]."""

Tool = Callable[..., Any]

PlanName = Annotated[str, Field(description="Name of a plan that plan_tuning showed.")]


def add_tuning(server: MCPServer[None], desk: Desk) -> None:
    """Give `server` the tools that start, follow and end sessions, and undo broken ones."""
    server.add_tool(_starter(desk), title="Start a tuning session", annotations=CHANGES)
    server.add_tool(_follower(desk), title="Follow the session", annotations=READS)
    server.add_tool(_stopper(desk), title="Stop the session", annotations=UNDOES)
    restore = exposed(desk.toolbox.restore, desk.lock)
    server.add_tool(
        restore, name="restore", title="Undo an interrupted session", annotations=UNDOES
    )


def _starter(desk: Desk) -> Tool:
    def ask(context: Context, plan: str, confirm: str) -> Elicit[Confirm] | Confirm:
        desk.runs.check_free()
        shown = desk.plans.get(plan)
        if shown.own_command and not can_ask(context):
            command = shown.plan.spec.command
            raise InputError(
                f"plan: it would run {command!r}, which a person has to allow, and this client "
                "cannot ask its user",
                fix="Plan with a benchmark of list_benchmarks, or let the person run the config "
                "in a terminal: `sealtune run FILE`.",
            )
        asks = "Start? Kernel parameters change while it runs; every one is put back at the end."
        return question(context, shown.text, expected=plan, confirm=confirm, asks=asks)

    def start_tuning(
        plan: PlanName,
        answer: Annotated[ElicitationResult[Confirm], Resolve(ask)],
        confirm: Repeated = "",
    ) -> dict[str, Any]:
        """Start the session of a plan: search, confirm by fresh pairs, put all back.

        Needs the person's yes, and root. Kernel parameters of this machine change while it runs
        (minutes to hours) and a benchmark loads it; every parameter is put back at the end.
        Nothing is kept: see apply. Returns at once with the session's id; tuning_status follows
        it, stop_tuning ends it, explain_result explains it afterwards. One at a time. It ends,
        and puts everything back, when this server ends.
        """
        if not said_yes(answer):
            return {"started": False, "says": NO}
        desk.runs.check_free()
        picture = desk.runs.start(_agreed(desk, plan)).picture()
        if "error" in picture:
            raise InputError(picture["error"], fix=picture["fix"])
        return {"started": True, **picture}

    return start_tuning


def _agreed(desk: Desk, name: str) -> Plan:
    """Return the plan of that name, to be run now; it is good for one run.

    Raises:
        InputError: This machine, or the plan, is not as it was shown.
    """
    with desk.lock:
        shown = desk.plans.get(name)
        desk.plans.use_up(name)
        plan = desk.toolbox.taken(shown.config)
    if plan is not shown.plan:
        raise InputError(
            f"plan: {name!r} is no longer the plan for its config",
            fix="Plan again, and look at the plan as it is now.",
        )
    return plan


def _follower(desk: Desk) -> Tool:
    async def tuning_status(
        context: Context,
        session: Annotated[
            str, Field(description="Id that start_tuning returned; empty is the last one.")
        ] = "",
        wait_seconds: Annotated[
            float,
            Field(
                description="Answer only when the phase has changed or the session has ended, at "
                "the latest after this time [s]; 0 answers at once.",
                ge=0,
                le=LONGEST_WAIT,
            ),
        ] = 0,
    ) -> dict[str, Any]:
        """Say what the session does now: phase, trials, seconds left, best so far, or the result.

        Costs next to nothing while a benchmark runs. `best_so_far_not_confirmed` is a single run
        (ratio to the untuned machine, 1.10 is 10 % better) and mostly too good: only the
        result's `gain`, measured in fresh pairs, counts. `result` is there once it has ended;
        its verdict "none" is a normal answer. Progress is reported while it waits, if asked for.
        """
        run = desk.runs.named(session)
        until = anyio.current_time() + wait_seconds
        phase, seen = run.phase, run.wait_news(-1, 0)
        await context.report_progress(*run.progress())
        while (left := until - anyio.current_time()) > 0:
            if run.over or run.phase != phase:
                break
            seen = await anyio.to_thread.run_sync(
                run.wait_news, seen, left, abandon_on_cancel=True
            )
            await context.report_progress(*run.progress())
            await anyio.sleep(min(1.0, max(0.0, until - anyio.current_time())))
        return bounded(run.picture())

    return tuning_status


def _stopper(desk: Desk) -> Tool:
    def stop_tuning(
        session: Annotated[str, Field(description="Id that start_tuning returned.", min_length=1)],
    ) -> dict[str, Any]:
        """End the session as Ctrl-C does: every parameter is put back, finished trials are kept.

        Takes a few seconds; `parameters_are_back` says whether they are by now. What has been
        confirmed by then stays a result, which tuning_status has soon. Asks nobody: it only
        undoes.
        """
        run = desk.runs.named(session)
        run.stop()
        back, picture = run.wait_back(STOP_SECONDS), run.picture()
        if "result" in picture:
            back = bool(picture["result"]["restored"])
        elif back:  # it says so itself; what it may have left is in the guard's journal
            back = not keeping.journal()["changed"]
        return bounded({"parameters_are_back": back, **picture})

    return stop_tuning
