"""``chat``: the conversation, which is also what ``sealtune`` alone opens at a terminal."""

from typing import Annotated

import typer

from sealtune.cli.options import DryRun, Minutes, Record, Replay


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command()(chat)


def chat(
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="Who answers: provider:name, a URL#name, local:FILE.gguf or embedded "
            "[default: as configured, see `sealtune doctor`].",
        ),
    ] = None,
    minutes: Minutes = None,
    record: Record = None,
    replay: Replay = None,
    dry_run: DryRun = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", "-y", help="Start runs of known benchmarks unasked; all else is still asked."
        ),
    ] = False,
) -> int:
    """Talk it over: plan, tune, ask why, try again, undo. Nothing changes without your yes."""
    from sealtune.chat.session import run_chat

    return run_chat(
        model=model, record=record, replay=replay, dry_run=dry_run, yes=yes, minutes=minutes
    )
