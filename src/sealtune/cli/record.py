"""``record``: measure a space systematically, into a file that can be read and replayed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sealtune.cli.asking import confirmed, planner_for
from sealtune.cli.options import (
    Approve,
    Benchmark,
    DryRun,
    Exclude,
    Only,
    RunSeconds,
    Seed,
    Workdir,
    Yes,
    names,
)
from sealtune.cli.output import console
from sealtune.errors import InputError

if TYPE_CHECKING:
    from sealtune.plan import Plan
    from sealtune.request import Request
    from sealtune.survey.design import Design


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command()(record)


def record(
    what: Annotated[
        str, typer.Argument(help="A config file, or what this machine is for in plain words.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The recording; begun, or gone on with.")
    ],
    points: Annotated[int, typer.Option("--points", help="Distinct settings to measure.")] = 300,
    repeated: Annotated[
        float, typer.Option("--repeated", help="Share of them to measure several times.")
    ] = 0.2,
    repeats: Annotated[int, typer.Option("--repeats", help="How often those are measured.")] = 3,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", "-m", help="Stop then; the same command goes on later."),
    ] = None,
    note: Annotated[str, typer.Option("--note", help="A sentence to keep in the file.")] = "",
    run_seconds: RunSeconds = None,
    seed: Seed = 0,
    benchmark: Benchmark = None,
    only: Only = "",
    exclude: Exclude = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    workdir: Workdir = None,
    approve_command: Approve = None,
) -> int:
    """Measure a space systematically: for comparing searches, and for knowing a machine."""
    from sealtune.request import Request
    from sealtune.survey.design import Design

    design = Design(points, repeated, repeats, seed or 0)
    if minutes is not None and minutes <= 0:
        raise InputError(f"--minutes {minutes:g}: allowed: above 0")
    request = Request(
        trials=points,
        benchmark=benchmark,
        only=names(only),
        exclude=names(exclude),
        seed=design.seed,
        dry_run=dry_run,
        run_seconds=run_seconds,
        workdir=workdir,
        approved_command=approve_command,
    )
    return _survey(_asked(request, what), design, output, minutes=minutes, note=note, yes=yes)


def _asked(request: "Request", what: str) -> "Request":
    """Return `request` with what is to be measured: a file's config, or whole safe ranges."""
    from dataclasses import replace

    from sealtune.space.config import load_config

    path = Path(what)
    if path.suffix == ".json" or path.is_file():
        for option, given in (
            ("--benchmark", request.benchmark),
            ("--only", request.only),
            ("--exclude", request.exclude),
        ):
            if given:
                raise InputError(f"{option} is for a description; a config says that itself")
        return replace(request, config=load_config(path))
    # An expert's narrow ranges would hide what lies outside of them.
    return replace(request, description=what, use_prior=False, use_memory=False)


def _survey(
    request: "Request",
    design: "Design",
    output: Path,
    *,
    minutes: float | None,
    note: str,
    yes: bool,
) -> int:
    """Show the plan, ask, measure, and say what the file holds."""
    from sealtune.entry import check_ready
    from sealtune.report.terminal import Progress
    from sealtune.survey.record import record as measure
    from sealtune.survey.surface import load_surface
    from sealtune.survey.text import recorded_text, surface_text, survey_text

    screen = console()
    plan: Plan = planner_for(None, None)(request)
    screen.print(survey_text(plan, design, output))
    for reason in check_ready(plan):
        screen.print(f"Busy  {reason} What is measured now is measured beside it.", style="yellow")
    if not yes and not confirmed("Start? [y/N] "):
        print("nothing was touched")
        return 0
    progress = Progress(screen, plan.originals, simulated=plan.simulated)
    with progress.shown() as notify:
        recorded = measure(plan, design, output, notify, minutes=minutes, note=note)
    print(recorded_text(recorded, output))
    if recorded.done == recorded.total:
        print(surface_text(load_surface(output)))
    return recorded.exit_code
