"""What the verdict rests on: the pairs, the search, what mattered, what failed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sealtune.report.format import interval, number, percent, setting_text
from sealtune.report.history import Point, curve, failures
from sealtune.report.importance import mattered, shown_shares
from sealtune.report.page.charts import both, curve_chart, mark, pairs_chart, share_bar
from sealtune.report.page.markup import Markup, breakable, element, unbroken
from sealtune.report.page.tables import body, cards, headings

if TYPE_CHECKING:
    from sealtune.store import SessionRow, TrialRow

_TWO_SIGMA = 1.96
_MOST_FAILURES = 30


def section(name: str, title: str, *children: "str | Markup | None") -> Markup:
    """Return one section with its heading."""
    head = element("h2", title, id=name)
    return element("section", head, *children, aria_labelledby=name)


def confirmation(row: "SessionRow") -> Markup | None:
    """Return the pairs of the confirmation as a chart and a table."""
    result = row.result
    if result is None or not result["pairs"]:
        return None
    pairs, gain = result["pairs"], result["gain"]
    what = "the original values and the "
    what += "smallest setting" if result["gain_of"] == "minimal" else "whole candidate"
    intro = (
        f"Each pair ran {what} one after the other, in an order drawn by lot (A is the original). "
        "None of these runs was part of the search."
    )
    if result["checks"].get("reason"):
        intro += f" Outcome: {result['checks']['reason']}."
    shown = [_ratio(pair) for pair in pairs]
    desc = f"Ratio of each pair: {', '.join(shown)}."
    if gain:
        desc += f" Together {interval(gain['estimate'], gain['ci_low'], gain['ci_high'])}."
    return section(
        "pairs",
        "Confirmation by fresh pairs",
        element("p", unbroken(intro)),
        element(
            "figure",
            both("pairs-chart", "Gain of each pair and their interval", desc, pairs_chart, pairs,
                 gain),
            element("figcaption", "Each dot is one pair, the diamond and the band their interval; "
                    "dashed is the original."),
        ),
        _pair_table(result),
    )  # fmt: skip


def _ratio(pair: Mapping[str, Any]) -> str:
    return "failed" if pair["ratio"] is None else percent(pair["ratio"])


def _pair_table(result: Mapping[str, Any]) -> Markup:
    unit = result["metric"]["unit"]
    columns = ("Pair", "Order", "Original", "Candidate", "Ratio")
    rows = []
    for index, pair in enumerate(result["pairs"], start=1):
        ratio = pair.get("failure") or _ratio(pair)
        cells = [str(index), str(pair.get("order", ""))]
        values = [_value(pair.get("baseline")), _value(pair.get("candidate")), ratio]
        rows.append(
            element(
                "tr",
                element("th", cells[0], scope="row"),
                element("td", cells[1]),
                *(element("td", value, class_="number") for value in values[:2]),
                element("td", ratio, class_=None if pair.get("failure") else "number"),
            )
        )
    return element(
        "table",
        element("caption", f"The pairs [{unit}]"),
        headings(*columns, numbers=columns[2:]),
        element("tbody", *rows),
        class_="tight",
    )


def _value(value: float | None) -> str:
    return "none" if value is None else number(value)


def search(row: "SessionRow", trials: Sequence["TrialRow"]) -> Markup | None:
    """Return the learning curve with its baseline runs, and every trial as a table."""
    points = curve(trials)
    tried = [point for point in points if point.kind == "trial"]
    if not points:
        return None
    noise = (row.result or {}).get("noise") or {}
    spread = noise.get("coefficient_of_variation")
    band = _TWO_SIGMA * spread if spread else None
    best = (row.result or {}).get("search_best") or points[-1].best
    intro = f"{len(tried)} settings were tried"
    if best is not None:
        intro += f"; the best single one measured {percent(best)}"
    intro += ". Single runs guess: only the fresh pairs count."
    return section(
        "search",
        "The search",
        element("p", unbroken(intro)),
        element(
            "figure",
            both("curve-chart", "Learning curve", _curve_words(points), curve_chart, points, band),
            _legend(points, band),
            class_="curve",
        ),
        _trial_table(tried) if tried else None,
    )


def _curve_words(points: Sequence[Point]) -> str:
    count = {state: 0 for state in ("complete", "cut_short", "failed")}
    for point in points:
        count[point.state] += point.kind == "trial"
    baselines = sum(point.kind == "baseline" for point in points)
    return (
        f"Ratio to the original of each run in its order: {count['complete']} complete trials, "
        f"{count['cut_short']} cut short, {count['failed']} failed, {baselines} baseline runs. "
        "Every trial is in the table below."
    )


def _legend(points: Sequence[Point], band: float | None) -> Markup:
    items = [("trial", "trial"), ("baseline", "baseline, measured again")]
    if any(point.state == "cut_short" for point in points):
        items.append(("cut", "cut short: hopeless"))
    if any(point.ratio is None for point in points):
        items.append(("failed", "failed"))
    shown = [
        element("li", element("svg", mark(shape, 10, 7, 4.5), viewBox="0 0 20 14",
                              aria_hidden="true"), text)
        for shape, text in items
    ]  # fmt: skip
    line = element("path", class_="best", d="M1 7h18")
    shown.append(
        element("li", element("svg", line, viewBox="0 0 20 14", aria_hidden="true"), "best so far")
    )
    if band is not None:
        rect = element("rect", class_="noise", x=1, y=2, width=18, height=10)
        drawn = element("svg", rect, viewBox="0 0 20 14", aria_hidden="true")
        shown.append(element("li", drawn, f"noise of single runs, ±{band:.1%}"))
    return element("ul", *shown, class_="legend")


def _trial_table(tried: Sequence[Point]) -> Markup:
    unit = next((point.row.unit for point in tried if point.row.unit), "")
    columns = ("Trial", f"Value [{unit}]", "Ratio", "State", "Setting")
    bodies = (
        body(
            [
                str(point.number),
                _value(point.row.value),
                "" if point.ratio is None else unbroken(percent(point.ratio)),
                point.state.replace("_", " "),
                setting_text(point.row.setting),
            ],
            columns,
            numbers=columns[1:3],
        )
        for point in tried
    )
    caption = "Every trial of the search"
    table = cards(caption, columns, bodies, numbers=columns[1:3], tight=True)
    return element("details", element("summary", f"All {len(tried)} trials as a table"), table)


def importance(row: "SessionRow") -> Markup | None:
    """Return which parameters mattered in the search, with intervals and what they mean."""
    found = mattered(row.result or {})
    if found is None:
        return None
    if not found.told:
        return section("mattered", "Which parameters mattered", element("p", f"{found.heading}"))
    columns = ["Parameter", "", "Share [interval]", "First", "Best region"]
    columns += ["Fresh pairs"] if found.effects else []
    bodies = []
    for one in found.told:
        share, first = (unbroken(text) for text in shown_shares(one))
        bar = share_bar(one["low"], one["share"], one["high"])
        cells = [breakable(one["param"]), bar, share, first, one.get("best") or "not clear"]
        effect = found.effects.get(one["param"], "not tested")
        cells += [unbroken(effect)] if found.effects else []
        bodies.append(body(cells, columns, numbers=columns[2:4]))
    return section(
        "mattered",
        "Which parameters mattered",
        cards(found.heading, columns, bodies, numbers=columns[2:4], tight=True),
        element("p", found.rest) if found.rest else None,
        element("p", found.limits, class_="soft"),
    )


def failed(row: "SessionRow", trials: Sequence["TrialRow"]) -> Markup:
    """Return what failed or was stopped, and why; that nothing did is said too."""
    found = failures(trials)
    guards = (row.result or {}).get("guards") or ()
    if not found and not guards:
        return section("failed", "What failed", element("p", "No run failed or was cut short."))
    columns = ("Run", "What", "Why", "Setting")
    bodies = (
        body([one.run, one.kind, one.why, one.setting], columns) for one in found[:_MOST_FAILURES]
    )
    more = len(found) - _MOST_FAILURES
    table = cards("Runs without a value, or stopped early", columns, bodies, tight=True)
    return section(
        "failed",
        "What failed",
        table if found else None,
        element("p", f"... and {more} more.") if more > 0 else None,
        element("p", f"Guard rails that tripped: {'; '.join(guards)}") if guards else None,
    )
