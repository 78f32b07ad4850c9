"""Which parameters mattered: plain values for programs, for people a table with its limits."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from sealtune.verdict.importance import Importance

_NOT_ASKED = "the session ended before it was computed"
_NO_EFFECT = ("not tested", "undecided")


def importance_rows(importance: "Importance | None") -> tuple[dict[str, Any], ...]:
    """Return one row per parameter, most important first; empty when nothing can be said."""
    return tuple(
        {
            "param": one.knob,
            "share": one.share,
            "low": one.low,
            "high": one.high,
            "most_important_probability": one.most_important_probability,
            "told": one.told,
            "best": one.best,
        }
        for one in (importance.knobs if importance else ())
    )


def importance_basis(importance: "Importance | None") -> dict[str, Any]:
    """Return what the rows rest on: method, confidence, trials, and why there are none."""
    if importance is None:
        return {"reason": _NOT_ASKED}
    from sealtune.verdict.importance import CONFIDENCE, METHOD

    return {
        "method": METHOD,
        "confidence": CONFIDENCE,
        "trials": importance.trials,
        "reason": importance.reason,
    }


def importance_parts(result: Mapping[str, Any]) -> list[RenderableType]:
    """Return which parameters mattered in the search, beside their confirmed effects.

    Args:
        result: `Result.as_dict()`, fresh or from the store; an old one may say nothing about it.
    """
    basis = result.get("importance_basis") or {}
    rows = result.get("importance") or ()
    if not basis:
        return []
    if not rows:
        said = f"Which parameters mattered in the search: not known, {basis['reason']}."
        return [Text(said, style="dim"), Text("")]
    told = [row for row in rows if row["told"]]
    rest = [row["param"] for row in rows if not row["told"]]
    trials = basis["trials"]
    if not told:
        said = f"Which parameters mattered in the search: cannot tell from these {trials} trials."
        return [Text(said), Text("")]
    parts: list[RenderableType] = [
        Text(f"Which parameters mattered in the search ({trials} single runs, a guess)"),
        _table(told, result["knobs"]),
    ]
    if rest:
        parts.append(Text(f"Cannot tell from these trials: {', '.join(rest)}"))
    return [*parts, Text(_limits(basis, told, result["knobs"]), style="dim"), Text("")]


def _table(told: Sequence[Mapping[str, Any]], knobs: Sequence[Mapping[str, Any]]) -> Table:
    effects = _effects(knobs)
    shown = any(row["param"] in effects for row in told)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("parameter", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("first", justify="right", no_wrap=True)
    table.add_column("best region")
    if shown:
        table.add_column("fresh pairs")
    for row in told:
        share = f"{100 * row['share']:.0f} % [{100 * row['low']:.0f}, {100 * row['high']:.0f}]"
        cells = [row["param"], share, _chance(row), row.get("best") or "not clear"]
        table.add_row(*(Text(cell) for cell in cells), *_effect(row, effects, shown))
    return table


def _chance(row: Mapping[str, Any]) -> str:
    return f"{100 * row['most_important_probability']:.0f} %"


def _effect(row: Mapping[str, Any], effects: Mapping[str, str], shown: bool) -> list[Text]:
    return [Text(effects.get(row["param"], "not tested"))] if shown else []


def _effects(knobs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the effects that minimising measured, by parameter."""
    return {knob["name"]: knob["effect"] for knob in knobs if knob["effect"] not in _NO_EFFECT}


def _limits(
    basis: Mapping[str, Any],
    told: Sequence[Mapping[str, Any]],
    knobs: Sequence[Mapping[str, Any]],
) -> str:
    said = (
        "share: how much of what the settings changed goes through it, over the whole range "
        "tried; a model's guess from noisy single runs "
        f"({100 * basis['confidence']:.0f} % interval; those that act together both count). "
        "first: chance that nothing mattered more."
    )
    effects = _effects(knobs)
    if any(row["param"] in effects for row in told):
        said += (
            " fresh pairs: another thing, measured: what the chosen value alone adds to the "
            "confirmed setting."
        )
    return said
