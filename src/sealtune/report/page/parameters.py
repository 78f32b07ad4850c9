"""The parameters: what each was, what was chosen, what it does, and why it was tried."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sealtune.report.page.evidence import section
from sealtune.report.page.markup import Markup, breakable, element, unbroken
from sealtune.report.page.tables import body, cards
from sealtune.report.parameters import ParameterRow, parameter_rows

if TYPE_CHECKING:
    from sealtune.store import SessionRow, TrialRow


def table(
    row: "SessionRow", trials: Sequence["TrialRow"], card: Mapping[str, Any] | None
) -> Markup | None:
    """Return every parameter with its range, its reason and what became of it."""
    rows = parameter_rows(row, trials, card)
    if not rows:
        return None
    improved = (row.result or {}).get("verdict") == "improved"
    columns = ["Parameter", "Original", "Chosen" if improved else "Best tried", "Range", "Effect"]
    columns += ["Kept"] if improved else []
    bodies = (_body(one, columns, improved=improved) for one in rows)
    return section("parameters", "Parameters", cards(_caption(improved), columns, bodies))


def _caption(improved: bool) -> str:
    if improved:
        return (
            "Kept: part of the smallest setting that keeps the gain; applying sets the kept "
            "values. A session puts every parameter back when it ends."
        )
    return "A session puts every parameter back when it ends; nothing of it is kept."


def _body(one: ParameterRow, columns: Sequence[str], *, improved: bool) -> Markup:
    unchanged = one.chosen == ""
    whole = one.range.removesuffix(", log")
    tried = f" (tried {one.tried})" if one.tried and one.tried != whole else ""
    kept = "as found" if unchanged else "kept" if one.kept else "put back"
    cells: list[str | Markup] = [
        breakable(one.name),
        element("code", one.original),
        element("code", one.chosen) if one.chosen else "as found",
        one.range + tried,
        unbroken(one.effect or ("none: unchanged" if unchanged else "not tested")),
    ]
    cells += [element("span", kept, class_=kept.replace(" ", "-"))] if improved else []
    words = [one.why, f"Costs: {one.trade_off}" if one.trade_off else ""]
    return body(cells, columns, below=" ".join(word for word in words if word))
