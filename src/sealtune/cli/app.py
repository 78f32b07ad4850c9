"""All commands, and the one place where an error becomes a message, a fix and an exit code."""

import contextlib
import errno
import os
import sys
from typing import Annotated

import typer

from sealtune import __version__
from sealtune.errors import BusyError, JournalError, RestoreError, SealtuneError

app = typer.Typer(
    name="sealtune",
    help="Tune this machine's kernel for a workload described in plain English. "
    "Every gain is measured and verified, everything is undone unless you keep it.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run() -> int:
    """Parse the command line, run the command and return the exit code."""
    from sealtune.cli import dashboard, inspect, keep, mcp, memory, record, results, talk, tune

    talk.register(app)
    tune.register(app)
    app.command()(restore)
    keep.register(app)
    results.register(app)
    dashboard.register(app)
    memory.register(app)
    record.register(app)
    inspect.register(app)
    mcp.register(app)
    try:
        if not {"-h", "--help", "--version"} & set(sys.argv[1:]):
            _undo_interrupted()
        code = app(standalone_mode=False)
    except SealtuneError as error:
        return complain(error)
    except BrokenPipeError:  # `| head`: nobody reads on
        _nobody_reads()
        return 0
    except OSError as error:
        if error.errno != errno.EIO or not _terminal_is_gone():
            return _usage_error(error)
        _nobody_reads()
        return 130  # closed in the middle of it, which interrupts a session
    except typer.Abort:  # Ctrl-C at a question
        print("stopped", file=sys.stderr)
        return 130
    except Exception as error:
        return _usage_error(error)
    return code if isinstance(code, int) else 0


def _nobody_reads() -> None:
    """Write what is still to be said into the void: Python says at its end what it held back."""
    with contextlib.suppress(OSError, ValueError):
        void = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(void, stream.fileno())


def _terminal_is_gone() -> bool:
    import termios

    try:
        termios.tcgetattr(sys.stdout.fileno())
    except termios.error as error:
        return bool(error.args[0] == errno.EIO)
    except (OSError, ValueError):
        return False
    return False


def _undo_interrupted() -> None:
    """As root: put back what a run left whose session and guard were both killed.

    Any command does so, before it reads the machine. A run that is at work is left alone.
    """
    from sealtune.guard import recovery

    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    try:
        if not recovery.pending():
            return
        report = recovery.restore()
    except BusyError:
        return
    except JournalError as error:  # looking must stay possible; tuning refuses by itself
        print(f"note: {error}", file=sys.stderr)
        return
    for name, found, original in report.restored:
        print(
            f"undone: an interrupted run had left {name} at {found}; it is {original} again",
            file=sys.stderr,
        )
    if report.failed:
        raise RestoreError(f"an interrupted run is not undone: {report}")


def complain(error: SealtuneError) -> int:
    """Print `error` with what to do now to stderr; return its exit code."""
    print(f"error: {_shown(str(error))}", file=sys.stderr)
    print(f"fix:   {_shown(error.fix)}", file=sys.stderr)
    return error.exit_code


def _shown(text: str) -> str:
    """Return `text` without what would steer the terminal: others' words may stand in it."""
    return "".join(sign for sign in text if sign == "\n" or sign.isprintable())


def _usage_error(error: Exception) -> int:
    show = getattr(error, "show", None)
    if show is None:
        _tell_without_keys(error)
        raise error
    show()
    return int(getattr(error, "exit_code", 2))


def _tell_without_keys(error: Exception) -> None:
    """Print an error that nobody foresaw by ourselves, and end, if a key stands in its words."""
    import traceback

    from sealtune.strategist.model.privacy import secrets

    words = "".join(traceback.format_exception(error))
    hidden = words
    for secret in secrets():
        hidden = hidden.replace(secret, "[left out]")
    if hidden != words:
        print(hidden, file=sys.stderr)
        raise SystemExit(1) from None


def _version(wanted: bool) -> None:
    if wanted:
        print(f"sealtune {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    _version_flag: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Tune this machine's kernel for a workload described in plain English."""
    if context.invoked_subcommand is None:
        context.exit(_without_command(context))


def _without_command(context: typer.Context) -> int:
    """Open the conversation at a terminal; anywhere else show what there is."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        from sealtune.cli.talk import chat

        return chat()
    print(context.get_help())
    return 0


def restore() -> None:
    """Undo an interrupted run: put back every parameter it left changed. Instant."""
    from sealtune.cli.restore import main

    raise typer.Exit(main([]))
