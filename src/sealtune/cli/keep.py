"""The commands about results: ``apply``, ``revert``, ``status``, ``sessions``, ``report``."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sealtune.errors import InputError

if TYPE_CHECKING:
    from sealtune.apply import AppliedStatus, FilePlan
    from sealtune.store import SessionRow

Session = Annotated[
    str | None, typer.Argument(help="Session id or its beginning [default: the newest].")
]
Root = Annotated[
    Path, typer.Option("--root", help="Write below this directory, live kernel untouched.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.command()(apply)
    app.command()(revert)
    app.command()(status)
    app.command()(sessions)
    app.command()(report)


def apply(
    session: Session = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the files as a diff; write nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    root: Root = Path("/"),
) -> int:
    """Keep a confirmed gain for good: sysctl.d and tmpfiles.d, undone by `revert`."""
    from sealtune.cli.asking import confirmed
    from sealtune.toolbox.keeping import file_plan

    plan = file_plan(_row(session), root)
    print(plan.diff or "nothing to change: the files are as they should be")
    _print_conflicts(plan)
    if dry_run:
        return 0
    if not yes and not confirmed("Write these files and set the values now? [y/N] "):
        print("nothing was changed")
        return 0
    _apply(plan)
    return 0


def apply_session(session: str) -> None:
    """Make the confirmed setting of `session` permanent and say what was written."""
    from sealtune.toolbox.keeping import file_plan

    plan = file_plan(_row(session))
    _print_conflicts(plan)
    _apply(plan)


def _apply(plan: "FilePlan") -> None:
    from sealtune.apply import apply_setting

    applied = apply_setting(plan)
    for file in applied.files:
        print(f"written   {file}")
    for name, value in applied.live.items():
        print(f"now       {name} = {value}")
    print(f"undo      sealtune revert {applied.name}")


def _print_conflicts(plan: "FilePlan") -> None:
    for conflict in plan.conflicts:
        print(f"note      {conflict}")


def revert(
    name: Annotated[str | None, typer.Argument(help="What to undo, if several.")] = None,
    root: Root = Path("/"),
) -> int:
    """Undo `apply`: remove its files and put the previous values back."""
    from sealtune import apply as keeping

    undone = keeping.revert(name, root)
    if not undone.name:
        print("nothing is applied")
        return 0
    for file in undone.removed:
        print(f"removed   {file}")
    for file in undone.kept:
        print(f"kept      {file}: somebody changed it since")
    for knob, value in (undone.restored or {}).items():
        print(f"restored  {knob} = {value}")
    for knob, value in (undone.left or {}).items():
        print(f"left      {knob} = {value}: somebody changed it since")
    return 0


def status(root: Root = Path("/")) -> int:
    """Show what is applied, whether it still holds, and whether a run was interrupted."""
    from sealtune import apply as keeping
    from sealtune.errors import GuardError
    from sealtune.guard import recovery

    try:
        pending = recovery.pending()
    except GuardError as error:
        print(f"journal   {error}")
    else:
        if pending:
            print(f"changed   {', '.join(pending)}: a run is at work, or was interrupted;")
            print("          if none is running: sealtune restore")
        else:
            print("journal   empty: no run has left anything changed")
    found = keeping.status(root)
    for applied in found:
        _print_status(applied)
    if not found:
        print("applied   nothing")
    return 0


def _print_status(applied: "AppliedStatus") -> None:
    print(f"applied   {applied.name} ({applied.gain})")
    for file in applied.files:
        print(f"  {file.state:<11} {file.path}")
    for parameter in applied.parameters:
        live = "" if parameter.live in (None, parameter.applied) else f", now {parameter.live}"
        print(f"  {parameter.state:<11} {parameter.name} = {parameter.applied}{live}")
    for conflict in applied.conflicts:
        print(f"  note        {conflict}")
    print(f"  undo        sealtune revert {applied.name}")


def sessions(
    limit: Annotated[int, typer.Option("--limit", help="How many, newest first.", min=1)] = 20,
    json_output: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> int:
    """List past sessions, newest first."""
    from sealtune.entry import open_store

    with open_store() as store:
        rows = store.sessions(limit)
    if json_output:
        print(json.dumps([_summary(row) for row in rows], indent=2))
        return 0
    if not rows:
        print('no sessions yet; begin with: sealtune optimize "what this machine is for"')
        return 0
    for row in rows:
        one = _summary(row)
        mark = " SIMULATED" if row.simulated else ""
        print(f"{row.id}  {one['started']}  {one['outcome']:<14} {row.workload}{mark}")
    return 0


def _summary(row: "SessionRow") -> dict[str, Any]:
    result: Mapping[str, Any] = row.result or {}
    outcome = str(result.get("verdict") or row.status)
    if outcome == "improved":
        from sealtune.report.format import percent

        outcome += " " + percent(1 + result["improvement"] / 100)
    return {
        "id": row.id,
        "started": time.strftime("%Y-%m-%d %H:%M", time.localtime(row.started)),
        "status": row.status,
        "outcome": outcome,
        "workload": row.workload,
        "trials": row.trials,
        "simulated": row.simulated,
    }


def report(
    session: Session = None,
    json_output: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> int:
    """Show the result of a session again, or what an unfinished one has learnt."""
    from sealtune.cli.tune import console
    from sealtune.entry import open_store
    from sealtune.report.text import result_text, unfinished_text

    with open_store() as store:
        row = store.session(session)
        trials = store.trials(row.id)
    if json_output:
        if row.result is None:
            raise InputError(
                f"session {row.id} is {row.status} and has no result",
                fix="Leave --json away to see its trials.",
            )
        print(json.dumps(row.result, indent=2))
    elif row.result is None:
        console().print(unfinished_text(row, trials))
    else:
        console().print(result_text(row.result))
    return 0


def _row(session: str | None) -> "SessionRow":
    from sealtune.entry import open_store

    with open_store() as store:
        return store.session(session)
