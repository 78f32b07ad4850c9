"""``mcp``: the tools of a conversation for any assistant that speaks the protocol."""

from typing import Annotated

import typer

from sealtune.cli.options import DryRun, Minutes, RunSeconds, Seed, Tactician, Workdir
from sealtune.errors import InputError

DEFAULT_PORT = 8757


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command()(mcp)


def mcp(
    http: Annotated[
        bool, typer.Option("--http", help="Serve on loopback HTTP, with a token printed at start.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option("--port", help=f"With --http; 0 is any free one [default: {DEFAULT_PORT}]."),
    ] = None,
    allow_tuning: Annotated[
        bool,
        typer.Option(
            "--allow-tuning", help="Offer to start sessions, to stop them, and to restore."
        ),
    ] = False,
    allow_apply: Annotated[
        bool, typer.Option("--allow-apply", help="Offer to keep a confirmed gain, and to revert.")
    ] = False,
    minutes: Minutes = None,
    tactician: Tactician = "ppo",
    seed: Seed = None,
    run_seconds: RunSeconds = None,
    workdir: Workdir = None,
    dry_run: DryRun = False,
) -> int:
    """Offer the tools to an AI assistant (MCP); it can only look unless you allow more."""
    from sealtune.mcp_server import check_installed

    if port is not None and not http:
        raise InputError("--port goes with --http", fix="Add --http.")
    if port is not None and not 0 <= port < 2**16:
        raise InputError(f"--port {port}: allowed: 0 to {2**16 - 1}")
    check_installed()
    from sealtune.mcp_server.desk import Options
    from sealtune.mcp_server.serving import serve
    from sealtune.request import Request

    wishes = Request(
        minutes=minutes,
        tactician=tactician,
        seed=seed,
        run_seconds=run_seconds,
        workdir=workdir,
    )
    options = Options(allow_tuning, allow_apply, dry_run, wishes)
    where = (DEFAULT_PORT if port is None else port) if http else None
    serve(options, port=where)
    return 0
