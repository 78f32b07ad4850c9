"""What a person is asked before anything is planned or touched."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sealtune.errors import InputError

if TYPE_CHECKING:
    from sealtune.benchmarks.base import BenchmarkSpec
    from sealtune.plan import Plan
    from sealtune.request import Request
    from sealtune.strategist import Reading

    Planner = Callable[[Request], Plan]


def planner_for(record: Path | None, replay: Path | None) -> "Planner":
    """Return what makes a plan here: at a terminal it asks about what is unclear."""
    from sealtune.entry import prepare

    def planner(request: "Request") -> "Plan":
        ask = which_reading if sys.stdin.isatty() and sys.stdout.isatty() else None
        return prepare(request, approve, ask=ask, recording=record, replay=replay)

    return planner


def which_reading(readings: "Sequence[Reading]") -> "Reading | None":
    """Let the person choose among the nearest readings; ``None`` when it is none of them."""
    from sealtune.catalogue.workloads import load_workloads

    print("That could mean more than one kind of workload:")
    for number, reading in enumerate(readings, start=1):
        workload = load_workloads().get(reading.workload_class)
        print(f"  {number}  {workload.title}: {workload.description}")
    try:
        answer = input(f"Which one? [1-{len(readings)}, Enter for none of them] ").strip()
    except EOFError:
        return None
    chosen = int(answer) if answer.isdecimal() else 0
    return readings[chosen - 1] if 1 <= chosen <= len(readings) else None


def approve(spec: "BenchmarkSpec") -> bool:
    """Ask about a command of the person's own; without a terminal nothing is approved."""
    if not sys.stdin.isatty():
        return False
    print(f"The config wants to run:  {spec.command}\n{spec.approval}")
    return confirmed("Run exactly this? [y/N] ")


def confirmed(question: str) -> bool:
    """Ask a yes-or-no question; anything but a yes is a no.

    Raises:
        InputError: There is no terminal to ask on.
    """
    if not sys.stdin.isatty():
        raise InputError(
            "this asks before it touches anything, and there is no terminal to ask on",
            fix="Add --yes to start without asking.",
        )
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False
