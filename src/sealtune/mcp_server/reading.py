"""The tools that only look: those of the toolbox as they are, and the plan with its name."""

from collections.abc import Callable
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations
from pydantic import Field

from sealtune.benchmarks import parse_command
from sealtune.errors import GuardError, InputError
from sealtune.mcp_server.desk import Desk
from sealtune.mcp_server.exposing import exposed
from sealtune.mcp_server.plans import Shown
from sealtune.request import MOST_MINUTES, MOST_TRIALS
from sealtune.toolbox import proposals
from sealtune.toolbox.plain import bounded

READS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)

AT_ANY_TIME = (
    "list_parameters",
    "describe_parameter",
    "explain_result",
    "compare_sessions",
    "what_was_learnt",
    "status",
)
"""Tools of the toolbox that cost next to nothing."""

WHEN_QUIET = ("inspect_system", "list_benchmarks")
"""Those that start programs, which a benchmark would feel."""

TITLES = {
    "inspect_system": "Look at this machine",
    "list_parameters": "List kernel parameters",
    "describe_parameter": "Explain a kernel parameter",
    "list_benchmarks": "List benchmarks",
    "explain_result": "Explain a session's result",
    "compare_sessions": "Compare sessions",
    "what_was_learnt": "What past sessions found",
    "status": "What is applied or left changed",
}

_NO_TUNING = (
    "this server was started without --allow-tuning: a person can run the config with "
    "`sealtune run FILE`"
)


def add_reading(server: MCPServer[None], desk: Desk) -> None:
    """Give `server` every tool that changes nothing."""
    for name in (*WHEN_QUIET, *AT_ANY_TIME):
        allowed = desk.check_quiet if name in WHEN_QUIET else lambda: None
        function = exposed(getattr(desk.toolbox, name), desk.lock, allowed=allowed)
        server.add_tool(function, name=name, title=TITLES[name], annotations=READS)
    server.add_tool(
        _planner(desk), name="plan_tuning", title="Plan a tuning session", annotations=READS
    )


def _planner(desk: Desk) -> Callable[..., Any]:
    def plan_tuning(
        description: Annotated[
            str,
            Field(description="What the machine is for, in the person's own words. Or config."),
        ] = "",
        config: Annotated[
            dict[str, Any] | None,
            Field(
                description="A config that plan_tuning returned, with ranges narrowed or "
                "parameters dropped; in place of a description."
            ),
        ] = None,
        only: Annotated[
            list[str] | None, Field(description="Tune these parameters and no others.")
        ] = None,
        exclude: Annotated[
            list[str] | None, Field(description="Leave these parameters alone.")
        ] = None,
        benchmark: Annotated[
            str | None,
            Field(description="A benchmark of list_benchmarks, in place of the usual one."),
        ] = None,
        minutes: Annotated[
            float | None,
            Field(
                description="Wall clock of the whole session [min]; 20 without it.",
                gt=0,
                le=MOST_MINUTES,
            ),
        ] = None,
        trials: Annotated[
            int | None,
            Field(
                description="Most settings to try; beside minutes the smaller one wins.",
                ge=1,
                le=MOST_TRIALS,
            ),
        ] = None,
    ) -> dict[str, Any]:
        """Plan a tuning session and show all of it; changes nothing, takes a few seconds.

        Give either a description or a config. Returns `plan` (its name, for start_tuning),
        `shown` (the whole plan as text, which the person should see), the config, the parameters
        with present value, range, start and reason, and the time it takes at most [s]. A
        description that is not understood is an error that asks back.
        """
        desk.check_quiet()
        wishes = {
            "only": only,
            "exclude": exclude,
            "benchmark": benchmark,
            "minutes": minutes,
            "trials": trials,
        }
        with desk.lock:
            if config is None:
                return _planned(desk, description, wishes)
            beside = [name for name, wish in wishes.items() if wish] + ["description"] * bool(
                description
            )
            if beside:
                raise InputError(
                    f"config: not allowed beside it: {', '.join(beside)}",
                    fix="Write them into the config, or leave the config away.",
                )
            return _shown(desk, {"config": config})

    return plan_tuning


def _planned(desk: Desk, description: str, wishes: dict[str, Any]) -> dict[str, Any]:
    if not description.strip():
        raise InputError(
            "description: empty, and there is no config",
            fix="Say what the machine is for, for example: a write-heavy PostgreSQL database.",
        )
    return _shown(desk, desk.toolbox.propose_config(description, **wishes))


def _shown(desk: Desk, proposal: dict[str, Any]) -> dict[str, Any]:
    """Return `proposal` with the whole plan as text, and its name if it may be started."""
    config = proposal["config"]
    if not desk.options.allow_tuning:
        return _not_to_start(desk, proposal, _NO_TUNING)
    try:
        text = desk.toolbox.preview("optimize_workload", {"config_json": config})
    except GuardError as error:  # not root, or another session is at work: looking stays possible
        return _not_to_start(desk, proposal, f"it cannot be started now: {error} {error.fix}")
    plan = desk.toolbox.planned(config)
    own = parse_command(plan.spec.command).approval is not None
    name = desk.plans.keep(Shown(plan, config, text, own))
    return {"plan": name, "shown": text, **_facts(desk, proposal)}


def _not_to_start(desk: Desk, proposal: dict[str, Any], why: str) -> dict[str, Any]:
    plan = desk.toolbox.planned(proposal["config"])
    text = proposals.shown_text(proposals.Kept(plan))
    return {"plan": None, "why_it_cannot_be_started": why, "shown": text, **_facts(desk, proposal)}


def _facts(desk: Desk, proposal: dict[str, Any]) -> dict[str, Any]:
    plan = desk.toolbox.planned(proposal["config"])
    facts = {
        "seconds": round(plan.total_seconds),
        "trials": plan.clock.search_trials,
        "simulated": plan.simulated,
        "benchmark": plan.spec.command,
    }
    return bounded({**facts, **proposal}, whole=("config",))
