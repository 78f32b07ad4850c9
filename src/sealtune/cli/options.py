"""Options that several commands share, each described once."""

from pathlib import Path
from typing import Annotated

import typer

Minutes = Annotated[
    float | None,
    typer.Option("--minutes", "-m", help="Whole wall clock, verdict included [default: 20]."),
]
Trials = Annotated[
    int | None, typer.Option("--trials", "-n", help="Settings to try, in place of --minutes.")
]
Benchmark = Annotated[
    str | None, typer.Option("--benchmark", "-b", help="Benchmark; see `sealtune benchmarks`.")
]
Tactician = Annotated[
    str, typer.Option("--tactician", help="ppo, tpe, gp, cmaes, random or grid.")
]
Only = Annotated[
    str, typer.Option("--only", help="Tune these parameters and no others (comma-separated).")
]
Exclude = Annotated[
    str, typer.Option("--exclude", help="Leave these parameters alone (comma-separated).")
]
NoPrior = Annotated[
    bool,
    typer.Option("--no-prior", help="Start from present values and search full safe ranges."),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Makes every choice reproducible.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Start without asking.")]
Apply = Annotated[
    bool | None,
    typer.Option("--apply/--no-apply", help="Keep a confirmed gain for good, or never ask."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Simulate machine and benchmark; touches nothing.")
]
JsonFile = Annotated[
    str | None, typer.Option("--json", help="Write the result there as JSON; - is stdout.")
]
RunSeconds = Annotated[
    float | None,
    typer.Option("--run-seconds", help="Length of one run [default: the benchmark's own]."),
]
Workdir = Annotated[
    Path | None,
    typer.Option("--workdir", help="Where benchmarks put their files; must be on the tuned disk."),
]
Approve = Annotated[
    str | None,
    typer.Option("--approve-command", help="Exactly the benchmark command you allow to run."),
]
