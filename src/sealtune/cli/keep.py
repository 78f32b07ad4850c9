"""The commands that keep a result or undo that: ``apply``, ``revert``, ``status``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    from sealtune.errors import ApplyError
    from sealtune.toolbox.keeping import file_plan

    row = _row(session)
    plan = file_plan(row, root)
    print(plan.diff or "nothing to change: the files are as they should be")
    _print_conflicts(plan)
    if dry_run:
        return 0
    if not yes and not confirmed("Write these files and set the values now? [y/N] "):
        print("nothing was changed")
        return 0
    if not yes and file_plan(row, root) != plan:
        raise ApplyError(
            "a file or a value has changed since the diff was shown; nothing was written",
            fix="Run it again and look at the new diff.",
        )
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


def _row(session: str | None) -> "SessionRow":
    from sealtune.entry import open_store

    with open_store() as store:
        return store.session(session)
