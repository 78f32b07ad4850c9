"""The shape of an answer as JSON schema: for tools, and for servers that write by a grammar."""

from typing import Any

from sealtune.catalogue.workloads import load_workloads
from sealtune.machine import METRICS
from sealtune.space.available import AvailableKnob
from sealtune.space.fields import GUARD_METRICS, REWARD_METRICS
from sealtune.strategist.model.ground import Ground
from sealtune.strategist.prompt import LONGEST_MINUTES, SHORTEST_MINUTES, selectable

Schema = dict[str, Any]


def config_schema(ground: Ground) -> Schema:
    """Return the schema of a config on this machine.

    Parameters, classes, metrics and guards are closed lists, so that a server that writes by a
    grammar cannot name what is not there.
    """
    names = _one_of(list(ground.offered))
    value: Schema = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    fields: Schema = {
        "workload_class": _one_of([workload.name for workload in load_workloads().classes]),
        "reward_metric": _one_of([name for name in REWARD_METRICS if name != "score"]),
        "benchmark_command": {"type": "string", "maxLength": 200},
        "action_space": {
            "type": "array",
            "items": {"anyOf": [_parameter(item) for item in ground.offered.values()]},
            "minItems": ground.fewest,
            "maxItems": ground.most,
        },
        "guards": _list(_one_of(list(GUARD_METRICS)), 1, len(GUARD_METRICS)),
    }
    optional: Schema = {
        "state_space": _list(_one_of(list(METRICS)), 0, 10),
        "reward": _object({"performance": {"type": "number"}, "stability": {"type": "number"}}),
        "budget": _object(
            {
                "minutes": {
                    "type": "integer",
                    "minimum": SHORTEST_MINUTES,
                    "maximum": LONGEST_MINUTES,
                }
            }
        ),
        "curriculum": _list(_list(names, 1, ground.most), 0, 3),
        "proposals": _list({"type": "object", "additionalProperties": value}, 0, 5),
    }
    return {**_object({**fields, **optional}), "required": list(fields)}


def question_schema() -> Schema:
    """Return the schema of a question to ask back."""
    text = {"type": "string", "maxLength": 300}
    return _object({"question": text, "readings": _list(text, 0, 5)})


def _parameter(item: AvailableKnob) -> Schema:
    fields: Schema = {"param": _one_of([item.knob.name])}
    if item.knob.kind == "choice":
        choice = _one_of(list(selectable(item)))
        fields |= {"choices": _list(choice, 2, len(item.choices)), "start": choice}
    else:
        number = {"type": "integer", "minimum": item.low, "maximum": item.high}
        fields |= {"min": number, "max": number, "start": number}
    fields |= {
        "why": {"type": "string", "maxLength": 300},
        "confidence": _one_of(["high", "medium", "low"]),
    }
    return _object(fields)


def _object(fields: Schema) -> Schema:
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def _list(items: Schema, fewest: int, most: int) -> Schema:
    return {"type": "array", "items": items, "minItems": fewest, "maxItems": most}


def _one_of(names: list[str]) -> Schema:
    return {"type": "string", "enum": names}
