"""What can be done with a session now: apply, undo, go on, reproduce; one command each."""

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sealtune.store import SessionRow


_OPTIONS = {
    "minutes": "--minutes",
    "trials": "--trials",
    "run_seconds": "--run-seconds",
    "workdir": "--workdir",
    "approved_command": "--approve-command",
}
"""What was asked for, as options of ``sealtune run``."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do.

    Attributes:
        label: What it is for, one or two words.
        text: What it does, a sentence.
        command: What to type; empty where there is nothing to type.
    """

    label: str
    text: str
    command: str = ""


def next_steps(row: "SessionRow") -> tuple[Step, ...]:
    """Return what can be done with a session, in the order in which people ask for it."""
    return (*_keeping(row), reproduction(row))


def _keeping(row: "SessionRow") -> list[Step]:
    result = row.result or {}
    if row.simulated:
        text = "This was simulated: nothing was touched, there is nothing to apply or to undo."
        return [Step("Apply", text)]
    if row.status == "running":
        return [Step("Wait", "The session still runs; it puts every parameter back at its end.")]
    steps = []
    if result and not result["restored"]:
        steps.append(Step("Now", "Not every parameter is back; as root:", "sealtune restore"))
    if result.get("verdict") == "improved":
        steps += [
            Step("Look", "Shows the files as a diff and writes nothing.",
                 f"sealtune apply {row.id} --dry-run"),
            Step("Apply", "Sets the kept values now and after each start of the machine; as root.",
                 f"sealtune apply {row.id}"),
            Step("Undo", "Removes what apply wrote and puts the values back that were there "
                 "before.", "sealtune revert"),
        ]  # fmt: skip
    elif row.status == "interrupted":
        text = "Goes on where it was interrupted; finished trials are kept."
        steps.append(Step("Go on", text, f"sealtune run --resume --session {row.id}"))
    else:
        steps.append(Step("Apply", "No gain was confirmed: there is nothing to apply."))
    return steps


def reproduction(row: "SessionRow") -> Step:
    """Return how the session is run again with the choices that it made."""
    given = (row.result or {}).get("command") or row.arguments.get("command")
    command = with_seed(str(given or ""), row.seed)
    same = f"With seed {row.seed} it makes the same choices again"
    if not command or command.split()[1:2] == ["mcp"]:  # an assistant began it, not that command
        if not row.config or row.arguments.get("rivals"):  # one file holds one strategy
            return Step("Reproduce", f"It was begun by another program. {same}.")
        file = f"{row.id}.json"
        text = f"It was begun in a conversation or by another program. {same}."
        export = f"sealtune export {row.id} --config {file} --force"
        return Step("Reproduce", text, f"{export} && {run_again(row, file)}")
    if row.simulated:
        return Step("Reproduce", f"{same}, and simulates the same machine.", command)
    return Step("Reproduce", f"{same}; what is measured is this machine's, then.", command)


def run_again(row: "SessionRow", path: str) -> str:
    """Return the command that runs the session's config, written to `path`, as it was run."""
    asked = row.arguments
    # A name that begins with a dash would be taken for an option.
    words = ["sealtune", "run", f"./{path}" if path.startswith("-") else path]
    words += ["--seed", str(row.seed)]
    for name, option in _OPTIONS.items():
        if value := asked.get(name):
            words += [option, value if isinstance(value, str) else f"{value:.10g}"]
    if asked.get("tactician", "ppo") != "ppo":
        words += ["--tactician", str(asked["tactician"])]
    if asked.get("compare"):
        words += ["--compare", ",".join(asked["compare"])]
    if not asked.get("use_prior", True):
        words.append("--no-prior")
    if row.simulated:
        words.append("--dry-run")
    return shlex.join(words)


def with_seed(command: str, seed: int) -> str:
    """Return `command` with the seed that was drawn for it, unless it names one.

    >>> with_seed("sealtune optimize 'a redis cache'", 13)
    "sealtune optimize 'a redis cache' --seed 13"
    >>> with_seed("sealtune run tuned.json --seed=4", 4)
    'sealtune run tuned.json --seed=4'
    """
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    named = any(word == "--seed" or word.startswith("--seed=") for word in words)
    takes_one = words[1:2] in (["optimize"], ["run"]) and "--resume" not in words
    return f"{command} --seed {seed}" if takes_one and not named else command
