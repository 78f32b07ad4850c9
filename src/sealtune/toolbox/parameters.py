"""What is known of each parameter, in general and on this machine, as plain values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sealtune.catalogue import Knob
from sealtune.catalogue.workloads import load_workloads
from sealtune.machine import Facts
from sealtune.space.available import AvailableKnob, LeftOut, available_knobs
from sealtune.toolbox.topics import about, named


def listed(topic: str, facts: Facts) -> list[dict[str, Any]]:
    """Return the parameters about `topic`, each with value, range, reason and cost."""
    return [_short(item, knob) for knob, item in _here(about(topic), facts)]


def described(name: str, facts: Facts) -> dict[str, Any]:
    """Return everything known of one parameter.

    Raises:
        KnobError: Unknown, ambiguous, or never tuned.
    """
    knob = named(name, facts.disk.name if facts.disk else None)
    ((_, item),) = _here([knob], facts)
    return {
        **_short(item, knob),
        "file": knob.path,
        "default": knob.default,
        "takes_effect": "at once" if knob.effective == "now" else knob.effective.replace("_", " "),
        "kept_in": str(Path("/etc") / knob.persist),
        "risk": ("harmless", "can slow things down", "can lose data when extreme", "opt-in")[
            knob.risk
        ],
        "topics": list(knob.topics),
        "must_stay_below": knob.below or "",
        "exists_only": str(knob.under or ""),
        "for_workloads": _workloads(knob),
        "source": knob.source,
    }


def _here(knobs: Sequence[Knob], facts: Facts) -> list[tuple[Knob, AvailableKnob | LeftOut]]:
    device = facts.disk.name if facts.disk else None
    own = [knob.on_device(device) if device else knob for knob in knobs]
    found = available_knobs(own, facts)
    items: dict[str, AvailableKnob | LeftOut] = {item.name: item for item in found.left_out}
    items |= {item.knob.name: item for item in found.offered}
    return [(knob, items[knob.name]) for knob in own]


def _short(item: AvailableKnob | LeftOut, knob: Knob) -> dict[str, Any]:
    if isinstance(item, LeftOut):
        tried = list(knob.choices) if knob.choices else f"{knob.low}..{knob.high}"
        here = {"now": None, "here": False, "reason": item.reason}
    else:
        tried = list(item.choices) if item.choices else f"{item.low}..{item.high}"
        here = {"now": item.found, "here": True, "reason": ""}
    return {
        "name": knob.name,
        **here,
        "safe": tried,
        "unit": knob.unit,
        "why": knob.why,
        "costs": knob.trade_off,
    }


def _workloads(knob: Knob) -> dict[str, str]:
    """Return workload class to why the parameter matters there, where an expert would try it."""
    parts = knob.name.split("/")
    template = "/".join(["block", "{dev}", *parts[2:]]) if parts[0] == "block" else knob.name
    return {
        workload.name: expert.why or "tried first"
        if expert in workload.parameters
        else expert.why or "in reserve"
        for workload in load_workloads().classes
        for expert in (*workload.parameters, *workload.reserve)
        if expert.knob == template
    }
