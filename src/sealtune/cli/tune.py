"""The commands that tune: ``optimize``, ``plan`` and ``run``."""

import contextlib
import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sealtune.cli.asking import confirmed, planner_for
from sealtune.cli.options import (
    Apply,
    Approve,
    Benchmark,
    DryRun,
    Exclude,
    JsonFile,
    Minutes,
    Model,
    NoMemory,
    NoPrior,
    Only,
    Record,
    Replay,
    RunSeconds,
    Seed,
    ShowPrompt,
    Strategies,
    Tactician,
    Trials,
    Workdir,
    Yes,
)
from sealtune.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from sealtune.cli.asking import Planner
    from sealtune.report.result import Result
    from sealtune.request import Request


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.command()(optimize)
    app.command()(plan)
    app.command()(run)


def optimize(
    description: Annotated[str, typer.Argument(help="What this machine is for, in plain words.")],
    minutes: Minutes = None,
    trials: Trials = None,
    benchmark: Benchmark = None,
    tactician: Tactician = "ppo",
    only: Only = "",
    exclude: Exclude = "",
    no_prior: NoPrior = False,
    model: Model = None,
    strategies: Strategies = None,
    no_memory: NoMemory = False,
    show_prompt: ShowPrompt = False,
    record: Record = None,
    replay: Replay = None,
    seed: Seed = None,
    yes: Yes = False,
    apply: Apply = None,
    dry_run: DryRun = False,
    json_file: JsonFile = None,
    run_seconds: RunSeconds = None,
    workdir: Workdir = None,
    approve_command: Approve = None,
) -> int:
    """Tune this machine for a workload: plan, ask, search, verify, undo, and keep it on a yes."""
    from sealtune.request import Request

    request = Request(
        description=description,
        minutes=minutes,
        trials=trials,
        benchmark=benchmark,
        tactician=tactician,
        only=_names(only),
        exclude=_names(exclude),
        models=tuple(model or ()),
        strategies=strategies or max(1, len(model or ())),
        use_memory=not no_memory,
        use_prior=not no_prior,
        seed=seed,
        dry_run=dry_run,
        run_seconds=run_seconds,
        workdir=workdir,
        approved_command=approve_command,
        command=_command_line(),
    )
    if show_prompt:
        return _show_prompt(request)
    planner = planner_for(record, replay)
    return _session(request, yes=yes, keep=apply, json_file=json_file, planner=planner)


def plan(
    description: Annotated[str, typer.Argument(help="What this machine is for, in plain words.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the config there, for `run`.")
    ] = None,
    minutes: Minutes = None,
    trials: Trials = None,
    benchmark: Benchmark = None,
    only: Only = "",
    exclude: Exclude = "",
    no_prior: NoPrior = False,
    model: Model = None,
    strategies: Strategies = None,
    no_memory: NoMemory = False,
    show_prompt: ShowPrompt = False,
    record: Record = None,
    replay: Replay = None,
    seed: Seed = None,
) -> int:
    """Show what would be tuned and why; changes nothing, needs no root."""
    from sealtune.report.text import plan_text
    from sealtune.request import Request

    request = Request(
        description=description,
        minutes=minutes,
        trials=trials,
        benchmark=benchmark,
        only=_names(only),
        exclude=_names(exclude),
        models=tuple(model or ()),
        strategies=strategies or max(1, len(model or ())),
        use_memory=not no_memory,
        use_prior=not no_prior,
        seed=seed,
        command=_command_line(),
    )
    if show_prompt:
        return _show_prompt(request)
    made = planner_for(record, replay)(request)
    console().print(plan_text(made))
    if output is not None:
        _write(output, made.config.to_json().rstrip())
        print(f"written: {output}   (run it with: sealtune run {output})")
    return 0


def run(
    config: Annotated[
        Path | None, typer.Argument(help="A config file, as `plan -o` writes it.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the last interrupted session.")
    ] = False,
    session: Annotated[
        str | None, typer.Option("--session", help="With --resume: which session.")
    ] = None,
    minutes: Minutes = None,
    trials: Trials = None,
    tactician: Tactician = "ppo",
    no_prior: NoPrior = False,
    seed: Seed = None,
    yes: Yes = False,
    apply: Apply = None,
    dry_run: DryRun = False,
    json_file: JsonFile = None,
    run_seconds: RunSeconds = None,
    workdir: Workdir = None,
    approve_command: Approve = None,
) -> int:
    """Tune from a config file, or go on with an interrupted session."""
    from sealtune.request import Request
    from sealtune.space.config import load_config

    if resume:
        return _resume(session, yes=yes, keep=apply, json_file=json_file)
    if config is None:
        raise InputError("no config given", fix="sealtune run CONFIG.json, or --resume")
    request = Request(
        config=load_config(config),
        minutes=minutes,
        trials=trials,
        tactician=tactician,
        use_prior=not no_prior,
        seed=seed,
        dry_run=dry_run,
        run_seconds=run_seconds,
        workdir=workdir,
        approved_command=approve_command,
        command=_command_line(),
    )
    return _session(request, yes=yes, keep=apply, json_file=json_file)


def console() -> "Console":
    """Return the console for people: what is stdout now, no highlighting of numbers."""
    from rich.console import Console

    return Console(highlight=False)


def _resume(wanted: str | None, *, yes: bool, keep: bool | None, json_file: str | None) -> int:
    from sealtune.entry import resumable_request

    request, session = resumable_request(wanted)
    return _session(request, yes=yes, keep=keep, json_file=json_file, resume=session)


def _session(
    request: "Request",
    *,
    yes: bool,
    keep: bool | None,
    json_file: str | None,
    resume: str | None = None,
    planner: "Planner | None" = None,
) -> int:
    _check_writable(json_file)
    # With `--json -` stdout belongs to the document; people read stderr then.
    for_people = sys.stderr if json_file == "-" else sys.stdout
    with contextlib.redirect_stdout(for_people):
        planner = planner or planner_for(None, None)
        result = _talk_through(request, planner, yes=yes, resume=resume)
        if result is None:
            print("nothing was touched")
            return 0
        try:
            _offer(result, keep)
        finally:
            text = json.dumps(result.as_dict(), indent=2, default=str)
            if json_file not in (None, "-"):
                _write(Path(str(json_file)), text)
    if json_file == "-":
        print(text)
    return result.exit_code


def _talk_through(
    request: "Request", planner: "Planner", *, yes: bool, resume: str | None
) -> "Result | None":
    """Show the plan, ask, run, show the result; ``None`` when the person said no."""
    from sealtune.entry import check_ready, open_store
    from sealtune.report.terminal import Progress
    from sealtune.report.text import plan_text, result_text
    from sealtune.session import tune

    screen = console()
    made = planner(request)
    screen.print(plan_text(made))
    for reason in check_ready(made):
        screen.print(f"Busy  {reason} What is measured now is measured beside it.", style="yellow")
    if not yes and not confirmed("Start? [y/N] "):
        return None
    progress = Progress(screen, made.originals, simulated=made.simulated)
    with open_store() as store, progress.shown() as notify:
        result = tune(made, store, notify, resume=resume)
    screen.print(result_text(result.as_dict()))
    return result


def _show_prompt(request: "Request") -> int:
    from sealtune.entry import prompt_for

    print(prompt_for(request))
    return 0


def _offer(result: "Result", keep: bool | None) -> None:
    """Apply a confirmed gain if the person wants it; an interrupted session offers nothing."""
    if result.verdict != "improved" or result.simulated or not result.success or keep is False:
        return
    if keep is None:
        if not sys.stdin.isatty():
            return
        if not confirmed("Apply permanently? [y/N] "):
            print(f"Nothing was kept. Later: sealtune apply {result.session}")
            return
    from sealtune.cli.keep import apply_session

    apply_session(result.session)


def _check_writable(target: str | None) -> None:
    """Refuse a file that cannot be written now, not after the whole run.

    Raises:
        InputError: It cannot.
    """
    if target in (None, "-"):
        return
    path = Path(str(target))
    place = path if path.exists() else path.parent
    if path.is_dir() or not os.access(place, os.W_OK):
        raise InputError(
            f"--json {path}: cannot be written",
            fix="Name a file in a directory that you may write to.",
        )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}", fix="Name a file in a directory that you may write to."
        ) from error


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _command_line() -> str:
    return shlex.join(["sealtune", *sys.argv[1:]])
