"""Options that several commands share, each described once."""

from pathlib import Path
from typing import Annotated

import typer

from sealtune.tactician.names import TACTICIANS

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
    str, typer.Option("--tactician", help=f"Who searches: {', '.join(TACTICIANS)}.")
]
Compare = Annotated[
    str,
    typer.Option(
        "--compare",
        help="Tacticians that share the trials with it, in turn (comma-separated); the result "
        "says who found what.",
    ),
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
Model = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        help="Who plans: provider:name, a URL#name, local:FILE.gguf or embedded; repeat it to "
        "compare several [default: as configured, see `sealtune doctor`].",
    ),
]
Strategies = Annotated[
    int | None,
    typer.Option("--strategies", help="Compare so many strategies, tune the best one further."),
]
NoMemory = Annotated[
    bool, typer.Option("--no-memory", help="Forget for once what earlier sessions found.")
]
ShowPrompt = Annotated[
    bool, typer.Option("--show-prompt", help="Show exactly what a model would be sent; stop.")
]
Record = Annotated[
    Path | None, typer.Option("--record", help="Keep the conversation with the model there.")
]
Replay = Annotated[
    Path | None,
    typer.Option("--replay", help="Take the model's answers from a recording; needs no key."),
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
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]
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


def names(text: str) -> tuple[str, ...]:
    """Return the names in a comma-separated option."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
