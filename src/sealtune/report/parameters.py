"""What became of each parameter that a session could change, as rows for a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sealtune.errors import KnobError

if TYPE_CHECKING:
    from sealtune.store import SessionRow, TrialRow

UNKNOWN = "not recorded"
"""Shown for what an older session did not store."""


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """One parameter of a session.

    Attributes:
        name: Parameter.
        original: What the machine had.
        chosen: What the confirmed (or best searched) setting has; empty where that leaves it as
            it was found.
        range: What might be tried, e.g. ``0..200000, log``.
        tried: What the search really tried, e.g. ``8225..200000``; empty when nothing was.
        kept: Whether the smallest setting that keeps the gain needs it.
        effect: Own effect with its interval, or why there is none.
        why: The strategist's reason.
        trade_off: What it is known to cost elsewhere.
    """

    name: str
    original: str
    chosen: str
    range: str
    tried: str
    kept: bool
    effect: str
    why: str
    trade_off: str


def parameter_rows(
    row: "SessionRow", trials: Sequence["TrialRow"], card: Mapping[str, Any] | None = None
) -> tuple[ParameterRow, ...]:
    """Return a row for each parameter: kept ones first, then those that changed, then the rest.

    Args:
        row: The session.
        trials: Its stored runs.
        card: The plan as the session stored it (`sealtune.report.card.plan_card`); the config
            stands in for one of an older sealtune.
    """
    planned = _planned(row, card)
    changed = {knob["name"]: knob for knob in (row.result or {}).get("knobs", ())}
    tried = _tried(trials)
    names = [*changed, *(name for name in planned if name not in changed)]
    return tuple(
        _row(name, planned.get(name, {}), changed.get(name, {}), tried.get(name, []))
        for name in names
    )


def _row(
    name: str, plan: Mapping[str, Any], knob: Mapping[str, Any], tried: list[int | str]
) -> ParameterRow:
    return ParameterRow(
        name=name,
        original=str(knob.get("original") or plan.get("original") or UNKNOWN),
        chosen=str(knob.get("best", "")),
        range=_range(plan) or UNKNOWN,
        tried=_span(tried, [str(choice) for choice in plan.get("choices") or ()]),
        kept=bool(knob.get("kept")),
        effect=str(knob.get("effect", "")),
        why=str(knob.get("why") or plan.get("why") or ""),
        trade_off=str(knob.get("trade_off") or plan.get("trade_off") or ""),
    )


def _planned(row: "SessionRow", card: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    """Return name to plan of each parameter; of a contest those of all strategies."""
    if card and card.get("parameters"):
        return {one["name"]: one for one in card["parameters"]}
    found: dict[str, Mapping[str, Any]] = {}
    for config in configs_of(row):
        for one in config.get("action_space", ()):
            plan = {
                "low": one.get("min"),
                "high": one.get("max"),
                "choices": one.get("choices") or (),
                "scale": one.get("scale"),
                "why": one.get("why", ""),
            }
            found.setdefault(name_here(str(one.get("param", "")), row), plan)
    return found


def configs_of(row: "SessionRow") -> list[Mapping[str, Any]]:
    """Return the config of each strategy of a session; after a contest the best one first."""
    configs = [row.config, *(row.arguments.get("rivals") or ())]
    order = [one["number"] - 1 for one in (row.result or {}).get("strategies", ())]
    return [configs[at] for at in (order or range(len(configs))) if at < len(configs)]


def name_here(name: str, row: "SessionRow") -> str:
    """Return a config's spelling of a parameter as the trials of `row` name it."""
    from sealtune.catalogue import load_catalogue

    disk = row.facts.get("disk") or {}
    try:
        return load_catalogue().resolve(name, device=disk.get("name")).name
    except KnobError:  # an older or a newer catalogue knew it
        return name


def _range(plan: Mapping[str, Any]) -> str:
    if plan.get("choices"):
        return ", ".join(str(choice) for choice in plan["choices"])
    low, high = plan.get("low"), plan.get("high")
    if low is None or high is None:
        return ""
    return f"{low}..{high}" + (", log" if plan.get("scale") == "log" else "")


def _tried(trials: Sequence["TrialRow"]) -> dict[str, list[int | str]]:
    found: dict[str, list[int | str]] = {}
    for trial in trials:
        for name, value in trial.setting.items() if trial.phase == "search" else ():
            found.setdefault(name, []).append(value)
    return found


def _span(values: Sequence[int | str], choices: Sequence[str]) -> str:
    """Return the numbers from the smallest to the largest, or the choices in their own order."""
    numbers = [value for value in values if isinstance(value, int)]
    if numbers and len(numbers) == len(values):
        low, high = min(numbers), max(numbers)
        return str(low) if low == high else f"{low}..{high}"
    tried = dict.fromkeys(str(value) for value in values)
    known = [one for one in choices if one in tried]
    return ", ".join([*known, *(one for one in tried if one not in choices)])
