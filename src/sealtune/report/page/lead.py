"""The verdict first: one sentence, and the few figures that it rests on."""

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sealtune.report.format import clock, number, percent
from sealtune.report.history import unit_of
from sealtune.report.page.markup import Markup, element, joined, unbroken
from sealtune.report.text import SIMULATED, unfinished_lines

if TYPE_CHECKING:
    from sealtune.store import SessionRow, TrialRow

_WORDS = {
    "improved": "Confirmed improvement",
    "none": "No confirmed improvement",
    "worse": "Worse",
    "unsafe": "Unsafe",
    "interrupted": "Interrupted",
}


def outcome(row: "SessionRow") -> str:
    """Return the verdict in a few words, with the gain where one is confirmed."""
    result = row.result
    if result is None:
        return f"No verdict ({row.status})"
    if result["verdict"] == "improved" and result["gain"]:
        return f"{_WORDS['improved']} {percent(result['gain']['estimate'])}"
    return _WORDS.get(result["verdict"], str(result["verdict"]))


def simulated(row: "SessionRow") -> Markup | None:
    """Return the banner of a dry run, nothing for a real one."""
    return element("p", SIMULATED, class_="simulated", role="note") if row.simulated else None


def header(row: "SessionRow", trials: Sequence["TrialRow"]) -> list[Markup | None]:
    """Return what the page begins with: what was tuned, the verdict, its figures."""
    result = row.result
    lines = unfinished_lines(row, trials) if result is None else []
    verdict = "unfinished" if result is None else str(result["verdict"])
    sentence = lines[0] if result is None else str(result["sentence"])
    shape = {"improved": "▲", "worse": "▼", "unsafe": "▼"}.get(verdict, "■")
    return [
        element("p", "sealtune report: ", element("strong", row.workload), class_="head"),
        element(
            "p",
            element("span", shape, aria_hidden="true"),
            unbroken(f" {outcome(row)}"),
            class_=f"verdict-word {verdict if verdict in _WORDS else 'unfinished'}",
        ),
        element("h1", unbroken(sentence)),
        *(element("p", line) for line in lines[1:]),
        element("p", _measured(row, trials), class_="soft"),
        _figures(result) if result is not None else None,
    ]


def _measured(row: "SessionRow", trials: Sequence["TrialRow"]) -> str:
    stored = (row.result or {}).get("metric") or {}
    metric, unit, direction = unit_of(trials)
    metric, unit = stored.get("name", metric), stored.get("unit", unit)
    if not metric:
        return "Nothing was measured."
    better = "higher" if stored.get("direction", direction) == "maximize" else "lower"
    by = row.config.get("benchmark_command") or row.benchmark.get("name")
    with_ = f" by {by}" if by else ""
    return (
        f"Measured: {metric.replace('_', ' ')} [{unit}]{with_}; {better} is better. A ratio is to "
        "the original values; a plus, or a factor above 1, is better."
    )


def _figures(result: Mapping[str, Any]) -> Markup:
    gain, seconds = result["gain"], result["seconds"]
    shown: list[tuple[str, str, str]] = []
    if gain:
        kind = "Confirmed gain" if gain["confirmed"] else "Measured, not confirmed"
        small = f"{gain['confidence']:.0%} interval {percent(gain['ci_low'])} to "
        small += f"{percent(gain['ci_high'])}, {gain['pairs']} fresh pairs"
        shown.append((kind, percent(gain["estimate"]), small))
    shown += _from_to(result)
    cut, failed = result["trials_cut_short"], result["trials_failed"]
    shown += [
        ("Settings tried", str(result["trials_run"]), f"{cut} cut short, {failed} failed"),
        ("Time", clock(seconds["total"]), f"benchmark {clock(seconds['benchmark'])}"),
    ]
    return element("dl", *(_figure(*one) for one in shown), class_="figures")


def _from_to(result: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    pairs = [pair for pair in result["pairs"] if pair.get("ratio") is not None]
    before = [pair["baseline"] for pair in pairs if pair.get("baseline") is not None]
    after = [pair["candidate"] for pair in pairs if pair.get("candidate") is not None]
    if not before or not after:
        return []
    change = f"{number(statistics.median(before))} → {number(statistics.median(after))}"
    return [("From → to", change, f"{result['metric']['unit']}, medians of the pairs")]


def _figure(label: str, value: str, small: str) -> Markup:
    held = joined([unbroken(value), element("small", unbroken(small))])
    return element("div", element("dt", label), element("dd", held))
