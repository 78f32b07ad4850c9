"""The plan as plain values, for faces in other processes: what is tuned, between what, and why."""

from typing import Any

from sealtune.plan import Plan
from sealtune.space.build import PlannedKnob


def plan_card(plan: Plan) -> dict[str, Any]:
    """Return what a person is shown of `plan` before saying yes, as plain JSON types.

    Returns:
        ``parameters`` (those of rivals too, each once), ``benchmark``, ``clock``, ``tacticians``,
        ``strategist``, ``notices`` and ``minutes`` (``None`` when trials were asked for).
    """
    planned = {item.name: item for one in (*plan.rivals, plan) for item in one.built.plan}
    return {
        "parameters": [_parameter(item) for item in planned.values()],
        "benchmark": {
            "name": plan.spec.name,
            "title": plan.adapter.title,
            "metric": plan.adapter.metric,
            "unit": plan.adapter.unit,
            "direction": plan.adapter.direction,
            "run_seconds": plan.run_seconds,
        },
        "clock": [
            {"name": one.name, "runs": one.runs, "seconds": one.seconds, "says": one.says}
            for one in plan.clock.phases
        ],
        "tacticians": list(plan.tacticians),
        "strategist": plan.config.strategist,
        "notices": list(plan.notices),
        "minutes": plan.minutes,
    }


def _parameter(item: PlannedKnob) -> dict[str, Any]:
    knob = item.available.knob
    return {
        "name": item.name,
        "what": knob.why,
        "unit": knob.unit,
        "kind": knob.kind,
        "low": item.low if knob.kind == "int" else None,
        "high": item.high if knob.kind == "int" else None,
        "choices": list(item.choices),
        "scale": item.scale,
        "original": item.available.found,
        "start": item.start,
        "why": item.why,
        "trade_off": knob.trade_off,
        "effective": knob.effective,
    }
