"""A session as GitHub-flavoured Markdown: short enough for a pull request, nothing in it acts."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sealtune.report.curve import sparkline
from sealtune.report.format import percent, printable
from sealtune.report.history import failures, search_ratios
from sealtune.report.machine_facts import facts_lines
from sealtune.report.parameters import ParameterRow, parameter_rows
from sealtune.report.steps import next_steps
from sealtune.report.text import SIMULATED, evidence, unfinished_lines

if TYPE_CHECKING:
    from sealtune.store import SessionRow, TrialRow

_MARKED = re.compile(r"([\\`*_\[\]|~$])")
_LINKED = re.compile(r"(@|#|GH-|:(?=//)|www(?=\.))")
_PARTED = "&#8203;"
_BAR = r"\|"
_MOST_FAILURES = 5
_BESIDE = ("Interval", "Guards", "Noise", "Search", "Trials", "Time")


def report_markdown(
    row: "SessionRow",
    trials: Sequence["TrialRow"],
    *,
    version: str,
    card: Mapping[str, Any] | None = None,
) -> str:
    """Return a session as Markdown, the verdict first.

    Args:
        row: The session, finished or not.
        trials: Its stored runs, in their order.
        version: Of the sealtune that writes it.
        card: The plan as the session stored it, see `sealtune.report.card`.
    """
    parts = [
        f"> **{escaped(SIMULATED)}**\n" if row.simulated else "",
        *_verdict(row, trials),
        _parameters(row, parameter_rows(row, trials, card)),
        _pairs(row.result or {}),
        _figures(row, trials),
        _steps(row),
        f"<sub>Session {escaped(row.id)}, sealtune {escaped(version)}</sub>\n",
    ]
    return "\n".join(part for part in parts if part)


def escaped(text: str) -> str:
    r"""Return `text` as it is to be read: no markup, no link, no mention of a person or an issue.

    It belongs behind something of ours on its line: a heading's marks, a bullet, a table's bar.

    >>> escaped("a | b, see #12 @all <b> www.x.org")
    'a \\| b, see #&#8203;12 @&#8203;all &lt;b> www&#8203;.x.org'
    """
    shown = _MARKED.sub(r"\\\1", printable(text).replace("&", "&amp;").replace("<", "&lt;"))
    # A zero-width space parts what GitHub would make a link of.
    return _LINKED.sub(rf"\1{_PARTED}", shown)


def code(text: str, *, cell: bool = False) -> str:
    r"""Return `text` as code; in the `cell` of a table a bar would end it.

    >>> code("a|b"), code("a|b", cell=True), code("a `b`")
    ('`a|b`', '`a\\|b`', '`` a `b` ``')
    """
    shown = printable(text).strip()
    if not shown:
        return ""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    air = " " if "`" in shown else ""
    return f"{fence}{air}{shown.replace('|', _BAR) if cell else shown}{air}{fence}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Return a table; cells are Markdown already, the columns in `right` are right-aligned."""
    rule = ["---:" if at in right else "---" for at in range(len(head))]
    lines = [" | ".join(cells) for cells in (head, rule, *rows)]
    return "".join(f"| {line} |\n" for line in lines)


def _verdict(row: "SessionRow", trials: Sequence["TrialRow"]) -> list[str]:
    if row.result is None:
        first, *others = unfinished_lines(row, trials)
        return [f"### {escaped(first)}\n", *(f"{escaped(line)}\n" for line in others)]
    metric = row.result["metric"]
    better = "higher" if metric["direction"] == "maximize" else "lower"
    by = row.config.get("benchmark_command")
    measured = f"{escaped(metric['name'].replace('_', ' '))} [{escaped(metric['unit'])}]"
    measured += f" by {code(str(by))}" if by else ""
    return [
        f"### {escaped(str(row.result['sentence']))}\n",
        f"Workload: {escaped(row.workload)}. Measured: {measured}; {better} is better; a ratio is "
        "to the original values, and above 1 is better.\n",
    ]


def _parameters(row: "SessionRow", rows: Sequence[ParameterRow]) -> str:
    changed = [one for one in rows if one.chosen]
    if not changed:
        return ""
    improved = (row.result or {}).get("verdict") == "improved"
    head = ["Parameter", "Original", "Chosen" if improved else "Best tried", "Effect"]
    head += ["Kept"] if improved else []
    cells = [
        [
            code(one.name, cell=True),
            code(one.original, cell=True),
            code(one.chosen, cell=True),
            escaped(one.effect),
            *([("**yes**" if one.kept else "no, put back")] if improved else []),
        ]
        for one in changed
    ]
    why = [f"- {code(one.name)}: {escaped(one.why)}\n" for one in changed if one.kept and one.why]
    return table(head, cells, right=(1, 2)) + ("\n" + "".join(why) if why else "")


def _pairs(result: Mapping[str, Any]) -> str:
    if not result.get("pairs"):
        return ""
    rows = [
        [
            str(index),
            escaped(str(pair.get("order", ""))),
            *(_value(pair.get(key)) for key in ("baseline", "candidate")),
            escaped(pair.get("failure") or "failed")
            if pair["ratio"] is None
            else escaped(percent(pair["ratio"])),
        ]
        for index, pair in enumerate(result["pairs"], start=1)
    ]
    unit = escaped(result["metric"]["unit"])
    head = ["Pair", "Order", f"Original [{unit}]", f"Candidate [{unit}]", "Ratio"]
    count = len(rows)
    return _folded(f"The {count} fresh pairs", table(head, rows, right=(2, 3, 4)))


def _value(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def _figures(row: "SessionRow", trials: Sequence["TrialRow"]) -> str:
    lines = []
    if row.result is not None:
        lines = [
            f"- {label}: {escaped(text)}\n"
            for label, text in evidence(row.result)
            if label in _BESIDE or label == "Note"
        ]
    ratios = search_ratios(trials)
    if ratios:
        lines.append(
            f"- Search: {code(sparkline(ratios))} (one column a trial, higher is better)\n"
        )
    found = failures(trials)
    lines += [f"- {one.kind}, {one.run}: {escaped(one.why)}\n" for one in found[:_MOST_FAILURES]]
    if len(found) > _MOST_FAILURES:
        lines.append(f"- ... and {len(found) - _MOST_FAILURES} more failed or were cut short\n")
    facts = (row.result or {}).get("facts") or row.facts
    lines += [f"- {label}: {escaped(text)}\n" for label, text in facts_lines(facts)]
    return _folded("Figures, notes and machine", "".join(lines)) if lines else ""


def _steps(row: "SessionRow") -> str:
    lines = []
    for step in next_steps(row):
        lines.append(f"**{step.label}.** {escaped(step.text)}\n")
        if step.command:
            lines.append(_fenced(step.command))
    return "\n".join(lines)


def _fenced(command: str) -> str:
    """Return a command as a block: its fence is longer than any run of backticks in it."""
    shown = printable(command)
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{shown}\n{fence}\n"


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n</details>\n"
