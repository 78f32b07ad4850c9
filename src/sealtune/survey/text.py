"""A survey before anything is touched, and how far it has come, as people read them."""

from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sealtune.plan import Plan
from sealtune.report.format import clock, memory, percent
from sealtune.survey.design import Design
from sealtune.survey.record import Recorded, estimate
from sealtune.survey.surface import Surface

_SIMULATED = Text("SIMULATED: no kernel parameter and no benchmark is touched", style="magenta")

_OF_SEARCHES = ("total_timesteps", "n_steps")


def survey_text(plan: Plan, design: Design, path: Path) -> RenderableType:
    """Return what will be measured, on what, and for how long."""
    parts: list[RenderableType] = [Text("")]
    if plan.simulated:
        parts.append(_SIMULATED)
    parts += [_facts(plan, design, path), Text("")]
    width = max(len(item.name) for item in plan.built.plan)
    parts.append(Text(f"{'parameter':<{width}}  now -> will be measured", style="bold"))
    for item in plan.built.plan:
        tried = " | ".join(item.choices) if item.choices else f"{item.low}..{item.high}"
        unit = f" {item.available.knob.unit}" if item.available.knob.unit else ""
        parts.append(Text(f"{item.name:<{width}}  {item.available.found} -> {tried}{unit}"))
    if plan.built.left_out:
        names = "; ".join(f"{item.name}: {item.reason}" for item in plan.built.left_out)
        parts += [Text(""), Text(f"Left out  {names}", style="dim")]
    parts += [
        Text(f"Note  {notice}", style="yellow")
        for notice in plan.notices
        if not notice.startswith(_OF_SEARCHES)
    ]
    parts.append(Text(""))
    parts.append(
        Text(
            "Every parameter is put back whatever happens, also after kill -9 "
            "(`sealtune restore`). Each finished run is in the file at once; Ctrl-C ends it, and "
            "the same command goes on."
        )
    )
    return Group(*parts)


def _facts(plan: Plan, design: Design, path: Path) -> Table:
    visits = design.visits(plan.built.space)
    distinct = len({tuple(setting.values()) for setting in visits})
    found = "" if distinct == design.points else ", all that this space has"
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    facts = plan.facts
    better = "higher" if plan.adapter.direction == "maximize" else "lower"
    for label, text in (
        ("Benchmark", plan.spec.command),
        ("Metric", f"{plan.adapter.metric} [{plan.adapter.unit}], {better} is better"),
        ("Machine", f"Linux {facts.kernel}, {facts.cpus} CPUs, {memory(facts.memory_bytes)}"),
        (
            "Points",
            f"{distinct}{found}; {len(visits)} runs and a baseline every 6, in random order",
        ),
        (
            "Runs of",
            f"{plan.run_seconds:g} s, together about {clock(estimate(plan, len(visits)))}",
        ),
        ("File", str(path)),
    ):
        table.add_row(label, Text(text))
    return table


def recorded_text(recorded: Recorded, path: Path) -> str:
    """Return how far a survey has come, and how to go on."""
    if recorded.done < recorded.total:
        left = recorded.total - recorded.done
        return (
            f"{recorded.done} of {recorded.total} runs are in {path}; "
            f"the same command measures the other {left}"
        )
    return f"{path}: complete, {recorded.total} runs"


def surface_text(surface: Surface) -> str:
    """Return what a recording shows, on a few lines."""
    best, header = surface.best, surface.header
    failed = sum(point.ratio is None for point in surface.points)
    often = sum(len(point.ratios) > 1 for point in surface.points)
    lines = [
        f"{len(surface.points)} points, {often} of them repeated, {failed} failed; "
        f"{len(surface.baselines)} baselines; one run varies by {surface.noise:.1%}",
        f"best repeated point {percent(best.ratio or 1.0)} in {len(best.ratios)} runs: "
        + " ".join(f"{name}={value}" for name, value in best.setting.items()),
    ]
    if header.simulated:
        lines.append("SIMULATED: this says nothing about any machine")
    return "\n".join(lines)
