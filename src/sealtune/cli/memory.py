"""``memory``: what sealtune has learnt here; list, explain, export, forget."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sealtune.cli.options import Force
from sealtune.cli.output import refuse_replacing
from sealtune.errors import InputError

if TYPE_CHECKING:
    from sealtune.store.experience import Experience

memory = typer.Typer(
    help="What earlier sessions found, from which the next plan starts.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.add_typer(memory, name="memory")


@memory.command("list")
def list_(
    limit: Annotated[int, typer.Option("--limit", help="How many, newest first.", min=1)] = 20,
    json_output: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> int:
    """List what is remembered, newest first."""
    from sealtune.entry import open_store

    with open_store() as store:
        found = store.experiences(limit)
    if json_output:
        print(json.dumps([asdict(one) for one in found], indent=2))
    elif not found:
        print("nothing is remembered yet; every finished session leaves what it was worth")
    else:
        for one in found:
            print(_line(one))
    return 0


def _line(one: "Experience") -> str:
    from sealtune.report.format import printable, setting_text

    shown = one.description or one.config.get("workload_name", "")
    when = time.strftime("%Y-%m-%d", time.localtime(one.when))
    worth = f"{_worth(one)}, {one.evidence}"
    kept = f"  {setting_text(one.setting)}" if one.reward > 0 else ""
    line = f"{one.id}  {when}  {worth:<22} {one.strategist or 'your config':<12} {shown}{kept}"
    return printable(line)


def _worth(one: "Experience") -> str:
    import math

    from sealtune.report.format import percent

    return percent(math.exp(one.reward)) if one.reward else one.verdict


@memory.command()
def show(experience: Annotated[str, typer.Argument(help="Its id or the beginning of it.")]) -> int:
    """Show one memory whole, as JSON."""
    from sealtune.entry import open_store

    with open_store() as store:
        print(json.dumps(asdict(store.experience(experience)), indent=2))
    return 0


@memory.command()
def explain(
    description: Annotated[str, typer.Argument(help="What a machine is for, in plain words.")],
) -> int:
    """Show which memories a plan for this description would start from, and what they teach."""
    from sealtune.entry import task_for
    from sealtune.planning import embedded_strategist
    from sealtune.request import Request
    from sealtune.strategist.memory import recall, sentences_of

    task = task_for(Request(description=description))
    (strategy,) = embedded_strategist(task)
    found = recall(task, reading=strategy.reading, config=strategy.config)
    if not found.memories:
        print(f"nothing of the {len(task.experiences)} memories is like this, on such a machine")
        return 0
    for one in found.memories:
        where = "this machine" if one.same_machine else "another machine"
        print(f"{_line(one.experience)}\n    likeness {one.likeness:.2f}, {where}")
    print("\nwhat they teach:")
    for sentence in sentences_of(found):
        print(f"  - {sentence}")
    return 0


@memory.command()
def export(
    file: Annotated[Path, typer.Argument(help="File to write.")],
    form: Annotated[
        Literal["json", "sft", "chat"],
        typer.Option(
            "--format",
            help="json: everything; sft: prompt and completion of the best strategy of each "
            "context, as JSON lines; chat: the same as messages.",
        ),
    ] = "json",
    force: Force = False,
) -> int:
    """Write the memory to a file, to look at or to fine-tune a model of your own with."""
    from sealtune.entry import open_store

    if not force:
        refuse_replacing(file)
    with open_store() as store:
        found = store.experiences(limit=100_000)
    try:
        if form == "json":
            file.write_text(json.dumps([asdict(one) for one in found], indent=2) + "\n", "utf-8")
            count = len(found)
        else:
            from sealtune.strategist.memory.sft import export_sft

            count = export_sft(found, file, form="chat" if form == "chat" else "completion")
    except OSError as error:
        raise InputError(
            f"{file}: {error.strerror}", fix="Name a file in a directory that you may write to."
        ) from error
    print(f"written: {file} ({count} of {len(found)} memories)")
    return 0


@memory.command()
def forget(
    experiences: Annotated[list[str] | None, typer.Argument(help="Ids.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Forget everything.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int:
    """Forget what was learnt; sessions and their trials stay."""
    from sealtune.cli.asking import confirmed
    from sealtune.entry import open_store

    if bool(experiences) == everything:
        raise InputError("which ones?", fix="Name their ids (`sealtune memory list`), or --all.")
    with open_store() as store:
        if everything and not yes and not confirmed("Forget everything that was learnt? [y/N] "):
            print("nothing was forgotten")
            return 0
        count = store.forget(experiences)
    print(f"forgotten: {count}")
    return 0
