"""Which parameters mattered: plain values for programs, for people a table with its limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class Mattered:
    """Which parameters mattered in the search, in the words that every face shows.

    Attributes:
        heading: What follows, or why nothing does.
        told: The rows of which something can be said, most important first.
        effects: Parameter to its effect in fresh pairs, where there is one.
        rest: What cannot be told, one sentence; empty if everything can.
        limits: What the figures mean, and what they do not; empty without rows.
    """

    heading: str
    told: tuple[Mapping[str, Any], ...] = ()
    effects: Mapping[str, str] = field(default_factory=dict)
    rest: str = ""
    limits: str = ""


def mattered(result: Mapping[str, Any]) -> Mattered | None:
    """Return which parameters mattered; ``None`` for a result from before this was asked.

    Args:
        result: `Result.as_dict()`, fresh or from the store.
    """
    basis = result.get("importance_basis") or {}
    rows = result.get("importance") or ()
    if not basis:
        return None
    if not rows:
        said = f"Which parameters mattered in the search: not known, {basis['reason']}."
        return Mattered(said)
    told = tuple(row for row in rows if row["told"])
    trials = basis["trials"]
    if not told:
        said = f"Which parameters mattered in the search: cannot tell from these {trials} trials."
        return Mattered(said)
    rest = ", ".join(row["param"] for row in rows if not row["told"])
    return Mattered(
        f"Which parameters mattered in the search ({trials} single runs, a guess)",
        told,
        _effects(result["knobs"]),
        f"Cannot tell from these trials: {rest}" if rest else "",
        _limits(basis, told, result["knobs"]),
    )


def importance_parts(result: Mapping[str, Any]) -> list[RenderableType]:
    """Return which parameters mattered in the search, beside their confirmed effects.

    Args:
        result: `Result.as_dict()`, fresh or from the store; an old one may say nothing about it.
    """
    found = mattered(result)
    if found is None:
        return []
    if not found.told:
        style = "" if result.get("importance") else "dim"
        return [Text(found.heading, style=style), Text("")]
    parts: list[RenderableType] = [Text(found.heading), _table(found)]
    if found.rest:
        parts.append(Text(found.rest))
    return [*parts, Text(found.limits, style="dim"), Text("")]


def shown_shares(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return share with its interval, and the chance that nothing mattered more, as text."""
    share = f"{100 * row['share']:.0f} % [{100 * row['low']:.0f}, {100 * row['high']:.0f}]"
    return share, f"{100 * row['most_important_probability']:.0f} %"


def _table(found: Mattered) -> Table:
    shown = any(row["param"] in found.effects for row in found.told)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("parameter", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("first", justify="right", no_wrap=True)
    table.add_column("best region")
    if shown:
        table.add_column("fresh pairs")
    for row in found.told:
        cells = [row["param"], *shown_shares(row), row.get("best") or "not clear"]
        cells += [found.effects.get(row["param"], "not tested")] if shown else []
        table.add_row(*(Text(cell) for cell in cells))
    return table


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
