"""The commands that tune: ``optimize``, ``plan`` and ``run``."""

import contextlib
import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from sealtune.cli.asking import confirmed, planner_for
from sealtune.cli.dashboard import Dashboard, Page
from sealtune.cli.offering import offer
from sealtune.cli.options import (
    Apply,
    Approve,
    Benchmark,
    Compare,
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

_WITH_RESUME = ("resume", "session", "yes", "apply", "json_file", "dashboard")
"""What may be said of a session that was begun already."""


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
    compare: Compare = "",
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
    dashboard: Dashboard = False,
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
        compare=_names(compare),
        only=_names(only),
        exclude=_names(exclude),
        models=tuple(model or ()),
        strategies=_count(strategies, model),
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
    page = Page(wanted=dashboard)
    return _session(request, page, yes=yes, keep=apply, json_file=json_file, planner=planner)


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
        strategies=_count(strategies, model),
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
        for number, one in enumerate((made, *made.rivals), start=1):
            path = output if number == 1 else output.with_stem(f"{output.stem}-{number}")
            _write(path, one.config.to_json().rstrip())
            print(f"written: {path}   (run it with: sealtune run {path})")
    return 0


def run(
    context: typer.Context,
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
    compare: Compare = "",
    no_prior: NoPrior = False,
    seed: Seed = None,
    yes: Yes = False,
    apply: Apply = None,
    dry_run: DryRun = False,
    dashboard: Dashboard = False,
    json_file: JsonFile = None,
    run_seconds: RunSeconds = None,
    workdir: Workdir = None,
    approve_command: Approve = None,
) -> int:
    """Tune from a config file, or go on with an interrupted session."""
    from sealtune.request import Request
    from sealtune.space.config import load_config

    _check_alone(context, resume=resume)
    page = Page(wanted=dashboard)
    if resume:
        return _resume(session, page, yes=yes, keep=apply, json_file=json_file)
    if config is None:
        raise InputError("no config given", fix="sealtune run CONFIG.json, or --resume")
    request = Request(
        config=load_config(config),
        minutes=minutes,
        trials=trials,
        tactician=tactician,
        compare=_names(compare),
        use_prior=not no_prior,
        seed=seed,
        dry_run=dry_run,
        run_seconds=run_seconds,
        workdir=workdir,
        approved_command=approve_command,
        command=_command_line(),
    )
    return _session(request, page, yes=yes, keep=apply, json_file=json_file)


def console() -> "Console":
    """Return the console for people: what is stdout now, no highlighting of numbers."""
    from sealtune.report.screen import Harmless

    return Harmless(highlight=False)


def _check_alone(context: typer.Context, *, resume: bool) -> None:
    """Refuse what an interrupted session cannot take: it goes on as it was begun.

    Raises:
        InputError: Names what was given beside ``--resume``, or ``--session`` without it.
    """
    given = {}
    for parameter in context.command.params:
        source = context.get_parameter_source(str(parameter.name))
        if source is not None and source.name == "COMMANDLINE":
            option = parameter.opts[0]
            given[parameter.name] = option if option.startswith("-") else "a config"
    if not resume:
        if "session" in given:
            raise InputError("--session goes with --resume", fix="Add --resume.")
        return
    others = [option for name, option in given.items() if name not in _WITH_RESUME]
    if others:
        raise InputError(
            f"--resume goes on with a session as it was begun; not allowed: {', '.join(others)}",
            fix="Leave it away, or begin a new session without --resume.",
        )


def _resume(
    wanted: str | None, page: Page, *, yes: bool, keep: bool | None, json_file: str | None
) -> int:
    from sealtune.entry import resumable_request

    request, session = resumable_request(wanted)
    return _session(request, page, yes=yes, keep=keep, json_file=json_file, resume=session)


def _session(
    request: "Request",
    page: Page | None = None,
    *,
    yes: bool,
    keep: bool | None,
    json_file: str | None,
    resume: str | None = None,
    planner: "Planner | None" = None,
) -> int:
    _check_writable(json_file)
    page = page or Page(wanted=False)
    # With `--json -` stdout belongs to the document; people read stderr then.
    stdout = sys.stdout
    for_people = sys.stderr if json_file == "-" else stdout
    with contextlib.redirect_stdout(for_people), page:
        planner = planner or planner_for(None, None)
        result = _talk_through(request, planner, page, yes=yes, resume=resume)
        if result is None:
            print("nothing was touched")
            return 0
        try:
            offer(result, keep)
        finally:
            _hand_over(result, json_file, stdout)
        if result.verdict != "interrupted":  # who ended it has seen enough
            page.linger()
    return result.exit_code


def _talk_through(
    request: "Request", planner: "Planner", page: Page, *, yes: bool, resume: str | None
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
    with open_store() as store:  # a history that cannot be kept is said before the question
        if not yes and not confirmed("Start? [y/N] "):
            return None
        page.open()
        progress = Progress(screen, made.originals, simulated=made.simulated)
        with progress.shown() as notify:
            result = tune(made, store, notify, resume=resume)
    screen.print(result_text(result.as_dict()))
    return result


def _hand_over(result: "Result", target: str | None, stdout: TextIO) -> None:
    if target is None:
        return
    text = json.dumps(result.as_dict(), indent=2, default=str)
    if target == "-":
        print(text, file=stdout)
    else:
        _write(Path(target), text)


def _show_prompt(request: "Request") -> int:
    from sealtune.entry import prompt_for

    print(prompt_for(request))
    return 0


def _check_writable(target: str | None) -> None:
    """Refuse a file that cannot be written now, not after the whole run.

    Raises:
        InputError: It cannot.
    """
    if target in (None, "-"):
        return
    path = Path(str(target))
    writable = os.access(path, os.W_OK) and not os.path.isdir(path)  # `Path.is_dir` may raise
    if not os.path.lexists(path):
        with contextlib.suppress(OSError):
            path.touch()
            path.unlink()
            writable = True
    if not writable:
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


def _count(strategies: int | None, models: list[str] | None) -> int:
    """Return how many strategies to compare: one of each model, unless told otherwise.

    Raises:
        InputError: Some of the models would never be asked.
    """
    named = len(models or ())
    if strategies is None:
        return max(1, named)
    if strategies < named:
        raise InputError(
            f"--strategies {strategies}: {named} models are named, each for a strategy of its own",
            fix=f"Write --strategies {named} or more, or name fewer models.",
        )
    return strategies


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _command_line() -> str:
    return shlex.join(["sealtune", *sys.argv[1:]])
