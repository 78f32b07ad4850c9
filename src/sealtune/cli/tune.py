"""The commands that tune: ``optimize``, ``plan`` and ``run``."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sealtune.cli.asking import planner_for
from sealtune.cli.dashboard import Dashboard, Page
from sealtune.cli.options import (
    Apply,
    Approve,
    Benchmark,
    Compare,
    DryRun,
    Exclude,
    Force,
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
    names,
)
from sealtune.cli.output import Document, console, refuse_replacing, write_file
from sealtune.cli.session import hold_session
from sealtune.errors import InputError

if TYPE_CHECKING:
    from sealtune.request import Request

_WITH_RESUME = ("resume", "session", "yes", "apply", "json_file", "force", "dashboard")
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
    force: Force = False,
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
        compare=names(compare),
        only=names(only),
        exclude=names(exclude),
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
    document = Document(json_file, replace=force)
    page = Page(wanted=dashboard)
    return hold_session(request, page, yes=yes, keep=apply, document=document, planner=planner)


def plan(
    description: Annotated[str, typer.Argument(help="What this machine is for, in plain words.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the config there, for `run`.")
    ] = None,
    force: Force = False,
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
        only=names(only),
        exclude=names(exclude),
        models=tuple(model or ()),
        strategies=_count(strategies, model),
        use_memory=not no_memory,
        use_prior=not no_prior,
        seed=seed,
        command=_command_line(),
    )
    if show_prompt:
        return _show_prompt(request)
    if output is not None and not force:
        for path in _paths(output, request.strategies):  # said before a model is asked
            refuse_replacing(path)
    made = planner_for(record, replay)(request)
    console().print(plan_text(made))
    if output is not None:
        plans = (made, *made.rivals)
        for path, one in zip(_paths(output, len(plans)), plans, strict=True):
            write_file(path, one.config.to_json().rstrip() + "\n", replace=force)
            print(f"written: {path}   (run it with: sealtune run {path})")
    return 0


def _paths(output: Path, plans: int) -> list[Path]:
    """Return where each of several plans is written; the first one where it was asked for."""
    others = [output.with_stem(f"{output.stem}-{number}") for number in range(2, plans + 1)]
    return [output, *others]


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
    force: Force = False,
    run_seconds: RunSeconds = None,
    workdir: Workdir = None,
    approve_command: Approve = None,
) -> int:
    """Tune from a config file, or go on with an interrupted session."""
    from sealtune.request import Request
    from sealtune.space.config import load_config

    _check_alone(context, resume=resume)
    document = Document(json_file, replace=force)
    page = Page(wanted=dashboard)
    if resume:
        return _resume(session, page, yes=yes, keep=apply, document=document)
    if config is None:
        raise InputError("no config given", fix="sealtune run CONFIG.json, or --resume")
    request = Request(
        config=load_config(config),
        minutes=minutes,
        trials=trials,
        tactician=tactician,
        compare=names(compare),
        use_prior=not no_prior,
        seed=seed,
        dry_run=dry_run,
        run_seconds=run_seconds,
        workdir=workdir,
        approved_command=approve_command,
        command=_command_line(),
    )
    return hold_session(request, page, yes=yes, keep=apply, document=document)


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
    wanted: str | None, page: Page, *, yes: bool, keep: bool | None, document: Document
) -> int:
    from sealtune.entry import resumable_request

    request, session = resumable_request(wanted)
    return hold_session(request, page, yes=yes, keep=keep, document=document, resume=session)


def _show_prompt(request: "Request") -> int:
    from sealtune.entry import prompt_for

    print(prompt_for(request))
    return 0


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


def _command_line() -> str:
    return shlex.join(["sealtune", *sys.argv[1:]])
