"""The plan before anything is touched, and the result after everything is put back."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sealtune.report.comparison import comparison_lines, sharing
from sealtune.report.format import clock, interval, memory, percent, setting_text
from sealtune.report.importance import importance_parts

if TYPE_CHECKING:
    from sealtune.planning import Plan
    from sealtune.store import SessionRow, TrialRow
    from sealtune.strategist import Reading

SIMULATED = "SIMULATED: no kernel parameter and no benchmark was touched"
_SIMULATED = Text(SIMULATED, style="magenta")
_COLOURS = {"improved": "bold green", "worse": "bold red", "unsafe": "bold red"}


def plan_text(plan: "Plan") -> RenderableType:
    """Return everything that will be done, and why, as one screen or two."""
    parts: list[RenderableType] = [Text("")]
    if plan.simulated:
        parts.append(_SIMULATED)
    parts += [_facts(plan), Text(""), _parameters(plan)]
    for number, rival in enumerate(plan.rivals, start=2):
        by = rival.config.strategist or "your config"
        parts += [Text(""), Text(f"Strategy {number} ({by})", style="bold"), _parameters(rival)]
        parts += [Text(f"Note  {text}", style="yellow") for text in _only_of(rival, plan)]
    if plan.built.left_out:
        names = "; ".join(f"{item.name}: {item.reason}" for item in plan.built.left_out)
        parts += [Text(""), Text(f"Left out  {names}", style="dim")]
    parts += [Text(f"Note  {notice}", style="yellow") for notice in plan.notices]
    parts += [Text(""), _clock(plan), Text("")]
    parts.append(
        Text(
            "Every parameter is put back whatever happens, also after kill -9 "
            "(`sealtune restore`). Nothing is kept unless you say yes at the end."
        )
    )
    return Group(*parts)


def _facts(plan: "Plan") -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    if plan.reading is not None:
        table.add_row("Understood", Text(_understood(plan.reading)))
    whose = "your own command" if plan.spec.name == "custom" else plan.adapter.title
    if plan.spec.yours:
        whose += ", on your own server"
    elif plan.spec.name != "custom":
        whose += ", private and thrown away afterwards"
    table.add_row("Benchmark", Text(f"{plan.spec.command}\n{whose}"))
    better = "higher" if plan.adapter.direction == "maximize" else "lower"
    table.add_row(
        "Metric", Text(f"{plan.adapter.metric} [{plan.adapter.unit}], {better} is better")
    )
    facts = plan.facts
    disk = f", disk {facts.disk.name}" if facts.disk else ""
    virtual = f", {facts.virtualisation}" if facts.virtualisation else ""
    table.add_row(
        "Machine",
        Text(
            f"Linux {facts.kernel}, {facts.cpus} CPUs, {memory(facts.memory_bytes)}{virtual}{disk}"
        ),
    )
    if plan.config.strategist:
        count = len(plan.rivals)
        beside = f", compared with {count} more below" if count else ""
        table.add_row("Strategist", Text(plan.config.strategist + beside))
    how = f"{plan.request.tactician}, seed {plan.seed}"
    prior = "expert start" if plan.request.use_prior else "no prior: present values, safe ranges"
    table.add_row("Search", Text(f"{how}, {prior}"))
    if plan.request.compare:
        table.add_row("Compared", Text(sharing(plan)))
    return table


def _only_of(rival: "Plan", plan: "Plan") -> list[str]:
    return [notice for notice in rival.notices if notice not in plan.notices]


def _understood(reading: "Reading") -> str:
    traits = ", ".join(trait.replace("_", " ") for trait in reading.traits)
    because = ", ".join(f'"{word}"' for word in reading.evidence[:6])
    text = reading.workload_class.replace("_", " ")
    if traits:
        text += f": {traits}"
    return f"{text}  (from {because})" if because else text


def _parameters(plan: "Plan") -> RenderableType:
    """Return each parameter on a line of its own with the reason below it."""
    width = max(len(item.name) for item in plan.built.plan)
    focus = plan.prior.focus
    head = Text(f"{'parameter':<{width}}  now -> will try (start)", style="bold")
    lines: list[RenderableType] = [head]
    for item in plan.built.plan:
        tried = " | ".join(item.choices) if item.choices else f"{item.low}..{item.high}"
        unit = f" {item.available.knob.unit}" if item.available.knob.unit else ""
        first = focus.get(item.name)
        begin = f"{item.start}" if first is None else f"{item.start}, first {first[0]}..{first[1]}"
        only = f", only {item.available.knob.under}" if item.when is not None else ""
        values = f"{item.available.found} -> {tried}{unit} ({begin}){only}"
        lines.append(Text(f"{item.name:<{width}}  {values}"))
        lines.append(Padding(Text(item.why, style="dim"), (0, 0, 0, 4)))
    return Group(*lines)


def _clock(plan: "Plan") -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("how long", no_wrap=True)
    table.add_column("time", justify="right")
    table.add_column("runs", justify="right")
    table.add_column("")
    for phase in plan.clock.phases:
        table.add_row(phase.name, clock(phase.seconds), str(phase.runs), Text(phase.says))
    total = Text(f"at most, in runs of {plan.run_seconds:g} s", style="dim")
    table.add_row("together", clock(plan.clock.total_seconds), "", total)
    return table


def result_text(result: Mapping[str, Any]) -> RenderableType:
    """Return the verdict, what it rests on and what was changed.

    Args:
        result: `Result.as_dict()`, fresh or from the store.
    """
    parts: list[RenderableType] = [Text("")]
    if result["simulated"]:
        parts.append(_SIMULATED)
    parts += [Text(result["sentence"], style=_COLOURS.get(result["verdict"], "bold")), Text("")]
    if result["knobs"]:
        parts += [_knobs(result["knobs"], improved=result["verdict"] == "improved"), Text("")]
    parts += importance_parts(result)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for label, text in (*_reasons(result["knobs"]), *evidence(result), *_undo(result)):
        table.add_row(label, Text(text))
    parts.append(table)
    return Group(*parts)


def _knobs(knobs: Sequence[Mapping[str, Any]], *, improved: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("parameter", no_wrap=True)
    table.add_column("before", justify="right")
    table.add_column("best" if improved else "best tried", justify="right")
    if improved:
        table.add_column("kept")
        table.add_column("own effect")
    for knob in knobs:
        row = [Text(knob["name"]), Text(knob["original"])]
        row.append(Text(knob["best"], style="green" if knob["kept"] else "dim"))
        if improved:
            row += [Text("yes" if knob["kept"] else "no"), Text(knob["effect"])]
        table.add_row(*row)
    return table


def _reasons(knobs: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    kept = [knob for knob in knobs if knob["kept"]]
    why = [("Why", f"{knob['name']}: {knob['why']}") for knob in kept if knob["why"]]
    costs = [
        ("Costs", f"{knob['name']}: {knob['trade_off']}") for knob in kept if knob["trade_off"]
    ]
    return why + costs


def evidence(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return label and text of each figure that the verdict of `result` rests on."""
    lines = []
    noise, checks, gain, seconds = (result[key] for key in ("noise", "checks", "gain", "seconds"))
    if result["pairs"]:
        ratios = [pair["ratio"] for pair in result["pairs"]]
        shown = ["failed" if ratio is None else percent(ratio) for ratio in ratios]
        lines.append(("Pairs", ", ".join(shown)))
    if gain and checks:
        low, high = checks["bootstrap"]
        text = (
            f"{interval(gain['estimate'], gain['ci_low'], gain['ci_high'])} at "
            f"{gain['confidence']:.0%} after {gain['pairs']} pairs; beside it Wilcoxon "
            f"p={checks['wilcoxon_p']:.3g}, bootstrap [{percent(low)}, {percent(high)}]"
        )
        lines += [("Interval", text), *_guards(checks["guards"])]
    if tripped := result.get("guards"):
        runs = "run" if len(tripped) == 1 else "runs"
        first = "" if len(tripped) == 1 else "the first because "
        text = f"{len(tripped)} {runs} ended and undone: {first}{tripped[0]}"
        lines.append(("Guard rails", text))
    if noise:
        text = (
            f"single runs vary by {noise['coefficient_of_variation']:.1%} (drift "
            f"{noise['drift']:+.1%}); true gains from {percent(noise['detectable_gain'])} on "
            "would be seen"
        )
        lines.append(("Noise", text))
    if gain and result["search_best"] is not None:
        text = f"best single trial {percent(result['search_best'])}; fresh runs show "
        lines.append(("Search", f"{text}{percent(gain['estimate'])}, and that is what counts"))
    elif result["search_best"] is not None:
        text = f"best single trial {percent(result['search_best'])}, not confirmed"
        lines.append(("Search", text))
    if result["untested"]:
        text = f"{', '.join(result['untested'])}: kept, own effect not shown"
        lines.append(("Untested", text))
    for one in result.get("strategies", ()):
        text = f"{one['number']} ({one['strategist'] or 'your config'}): {one['trials']} trials"
        if one["promise"] > 0:
            text += f", promised {percent(one['promise'])} (not confirmed)"
        lines.append(("Strategy", text))
    lines += comparison_lines(result.get("comparison"))
    trials = (
        f"{result['trials_run']} run, {result['trials_cut_short']} cut short, "
        f"{result['trials_failed']} failed ({result['tactician']}, seed {result['seed']})"
    )
    time = (
        f"{clock(seconds['total'])}: benchmark {clock(seconds['benchmark'])}, settling "
        f"{clock(seconds['settling'])}, sealtune {seconds['sealtune']:.1f} s, "
        f"start-up {seconds['start_up']:.1f} s"
    )
    return [*lines, ("Trials", trials), ("Time", time), *(("Note", n) for n in result["notes"])]


def _guards(findings: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    shown = [
        f"{finding['metric']} {_worsening(finding)}"
        + (" (beyond its margin)" if finding["violated"] else "")
        for finding in findings
    ]
    return [("Guards", f"{', '.join(shown)} (more is worse)")] if shown else []


def _worsening(finding: Mapping[str, Any]) -> str:
    if finding["unit"] == "ratio":
        return percent(finding["worsening"])
    return f"{finding['worsening']:+.3g}"


def _undo(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    session = result["session"]
    if result["simulated"]:
        return [("Session", f"{session} (simulated)")]
    back = "every parameter is back as it was" if result["restored"] else "NOT fully restored"
    lines = [("Session", f"{session}: {back}")]
    if result["foreign"]:
        names = ", ".join(result["foreign"])
        lines.append(("Foreign", f"changed by somebody else meanwhile, left alone: {names}"))
    if not result["restored"]:
        lines.append(("Now", "run `sealtune restore` as root"))
    if result["verdict"] == "improved":
        lines.append(("Keep it", f"sealtune apply {session}   (undo: sealtune revert)"))
    if result["verdict"] == "interrupted":
        lines.append(("Go on", "sealtune run --resume"))
    return lines


def unfinished_text(row: "SessionRow", trials: Sequence["TrialRow"]) -> RenderableType:
    """Return what a session without a verdict has learnt; never a gain."""
    lines = unfinished_lines(row, trials)
    if row.status == "interrupted":
        lines.append("go on: sealtune run --resume --session " + row.id)
    return Group(*(Text(line) for line in lines))


def unfinished_lines(row: "SessionRow", trials: Sequence["TrialRow"]) -> list[str]:
    """Return what a session without a verdict has learnt, the state of things first."""
    tried = [trial for trial in trials if trial.phase == "search"]
    scored = [trial for trial in tried if trial.score is not None]
    lines = [
        f"Session {row.id} ({row.workload}) is {row.status}: no verdict, nothing is confirmed.",
        f"{len(trials)} runs are kept, {len(tried)} of them trials of the search.",
    ]
    if scored:
        best = max(scored, key=lambda trial: trial.score or 0.0)
        lines.append(
            f"Highest reward {best.score:.1f} (baseline 100): {setting_text(best.setting)}"
        )
    return lines
