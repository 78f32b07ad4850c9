"""A plan on its way to the process that runs it: sent as JSON, made again, and compared."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sealtune.benchmarks import parse_command
from sealtune.errors import InputError
from sealtune.planning import Plan, make_plan
from sealtune.request import Request
from sealtune.space.config import load_config

COMMAND = "sealtune mcp"
"""What the history names as the command of a session that was started here."""


def pack(plan: Plan) -> dict[str, Any]:
    """Return `plan`, which a person agreed to, as plain JSON values."""
    command = plan.spec.command
    approved = command if parse_command(command).approval is not None else None
    request = replace(plan.request, seed=plan.seed, approved_command=approved, command=COMMAND)
    return {
        "request": request.as_dict(),
        "config": json.loads(plan.config.to_json()),
        "agreed": terms(plan),
    }


def unpack(packed: Mapping[str, Any]) -> Plan:
    """Return the plan that `pack` packed, made from what this machine is now.

    Raises:
        InputError: It is not the plan that was agreed to: this machine has changed since.
        SealtuneError: It cannot be made any more, see `sealtune.planning.make_plan`.
    """
    request = Request.from_dict(packed["request"])
    plan = make_plan(replace(request, config=load_config(packed["config"])))
    agreed, found = packed["agreed"], terms(plan)
    different = [name for name in found if found[name] != agreed.get(name)]
    if different:
        raise InputError(
            f"this machine has changed since the plan was shown: other {', '.join(different)}",
            fix="Plan again, and look at the plan as it is now.",
        )
    return plan


def terms(plan: Plan) -> dict[str, Any]:
    """Return what a yes to `plan` is about: whatever it would set, run and take."""
    found = {
        "values": plan.originals,
        "ranges": {
            item.name: [item.low, item.high, list(item.choices), item.start]
            for item in plan.built.plan
        },
        "benchmark": [plan.spec.command, plan.run_seconds],
        "time": round(plan.total_seconds),
        "seed": plan.seed,
        "simulated": plan.simulated,
    }
    return dict(json.loads(json.dumps(found)))
