"""The commands that show past sessions: ``sessions``, ``report`` and ``export``."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sealtune import __version__
from sealtune.cli.options import Force
from sealtune.cli.output import console, write_file
from sealtune.errors import InputError

if TYPE_CHECKING:
    from sealtune.store import SessionRow, SqliteStore, TrialRow

Session = Annotated[
    str | None, typer.Argument(help="Session id or its beginning [default: the newest].")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.command()(sessions)
    app.command()(report)
    app.command()(export)


def sessions(
    limit: Annotated[
        int, typer.Option("--limit", help="How many, newest first.", min=1, max=10**6)
    ] = 20,
    json_output: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> int:
    """List past sessions, newest first, each with its search as a sparkline."""
    from sealtune.entry import open_store

    with open_store() as store:
        rows = store.sessions(limit)
        if json_output:
            print(json.dumps([_summary(row) for row in rows], indent=2))
        elif not rows:
            print('no sessions yet; begin with: sealtune optimize "what this machine is for"')
        elif sys.stdout.isatty():
            _list(store, rows)
        else:
            for row in rows:
                print(_plain(store, row))
    return 0


def _list(store: "SqliteStore", rows: "tuple[SessionRow, ...]") -> None:
    """Draw the sessions on a terminal: as wide as it is, coloured unless NO_COLOR is set."""
    from rich.text import Text

    from sealtune.report.format import printable
    from sealtune.report.history import search_ratios
    from sealtune.report.listing import heading, line

    screen, now = console(), time.time()
    screen.print(Text(heading(), style="bold"), no_wrap=True, overflow="crop")
    for row in rows:
        ratios = search_ratios(store.trials(row.id))
        text = Text(printable(line(row, ratios, now=now, ascii_only=_ascii())))
        if (row.result or {}).get("verdict") == "improved":
            text.highlight_words(["improved"], "green")
        text.highlight_words(["SIMULATED"], "magenta")
        screen.print(text, no_wrap=True, overflow="crop")


def _plain(store: "SqliteStore", row: "SessionRow") -> str:
    from sealtune.report.curve import sparkline
    from sealtune.report.format import printable
    from sealtune.report.history import search_ratios

    one = _summary(row)
    mark = " SIMULATED" if row.simulated else ""
    search = sparkline(search_ratios(store.trials(row.id)), width=20, ascii_only=_ascii())
    head = f"{row.id}  {one['started']}  {one['outcome']:<16}  {search:<20}"
    return printable(f"{head}  {row.workload}{mark}")


def _ascii() -> bool:
    return not (sys.stdout.encoding or "ascii").lower().startswith("utf")


def _summary(row: "SessionRow") -> dict[str, Any]:
    from sealtune.report.listing import outcome

    return {
        "id": row.id,
        "started": time.strftime("%Y-%m-%d %H:%M", time.localtime(row.started)),
        "status": row.status,
        "outcome": outcome(row),
        "workload": row.workload,
        "trials": row.trials,
        "simulated": row.simulated,
    }


def report(
    session: Session = None,
    json_output: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    html: Annotated[
        str | None,
        typer.Option("--html", help="Write it as one HTML file that loads nothing; - is stdout."),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="As Markdown, for a pull request.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="With --markdown: write it there.")
    ] = None,
    force: Force = False,
) -> int:
    """Show the result of a session again, or what an unfinished one has learnt."""
    from sealtune.entry import open_store
    from sealtune.store.moments import told_card

    if json_output + markdown + (html is not None) > 1:
        raise InputError("--json, --markdown and --html: one at a time", fix="Leave two away.")
    if output is not None and not markdown:
        raise InputError("--output goes with --markdown", fix="Write --html FILE, or --markdown.")
    with open_store() as store:
        row = store.session(session)
        trials, card = store.trials(row.id), told_card(store.moments(row.id))
    if json_output:
        print(_as_json(row))
    elif html is not None:
        from sealtune.report.page import report_page

        page = report_page(row, trials, version=__version__, card=card)
        _hand_over(page, html, force=force)
    elif markdown:
        from sealtune.report.markdown import report_markdown

        text = report_markdown(row, trials, version=__version__, card=card)
        _hand_over(text, str(output or "-"), force=force)
    else:
        _print(row, trials)
    return 0


def _as_json(row: "SessionRow") -> str:
    if row.result is None:
        raise InputError(
            f"session {row.id} is {row.status} and has no result",
            fix="Leave --json away to see its trials.",
        )
    return json.dumps(row.result, indent=2)


def _print(row: "SessionRow", trials: "tuple[TrialRow, ...]") -> None:
    from sealtune.report.text import result_text, unfinished_text

    shown = unfinished_text(row, trials) if row.result is None else result_text(row.result)
    console().print(shown)


def _hand_over(text: str, target: str, *, force: bool) -> None:
    """Print `text`, or write it to a file and say so."""
    if target == "-":
        sys.stdout.buffer.write(text.encode())  # UTF-8, as the document says of itself
        sys.stdout.buffer.flush()
        return
    write_file(Path(target), text, replace=force)
    print(f"written: {target}")


def export(
    session: Session = None,
    optuna: Annotated[
        Path | None,
        typer.Option(
            "--optuna",
            help="Write the search as a study of Optuna's: SQLite for .db, else a journal.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Write the session's config, for `sealtune run`."),
    ] = None,
    force: Force = False,
) -> int:
    """Export a session: its config to run again, its search for optuna-dashboard."""
    from sealtune.entry import open_store
    from sealtune.report.format import printable
    from sealtune.report.optuna_study import export_study
    from sealtune.report.steps import run_again
    from sealtune.store.moments import told_card

    if optuna is None and config is None:
        raise InputError(
            "what, and to where?",
            fix="sealtune export SESSION --config FILE.json, or --optuna FILE.db",
        )
    with open_store() as store:
        row = store.session(session)
        trials, card = store.trials(row.id), told_card(store.moments(row.id))
    if config is not None:
        if not row.config:
            raise InputError(f"{row.id} has no config", fix="Choose another: sealtune sessions")
        write_file(config, json.dumps(row.config, indent=2) + "\n", replace=force)
        print(printable(f"written: {config}   (run it with: {run_again(row, str(config))})"))
        if others := len(row.arguments.get("rivals") or ()):
            print(f"note: that session compared strategies; {others} others are not in the file")
    if optuna is not None:
        address = export_study(row, trials, optuna, force=force, card=card)
        print(f"written: {optuna}   (open it with: optuna-dashboard {address})")
    return 0
