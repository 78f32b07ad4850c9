"""This host, read only: what it is, what it does, and the value of one parameter.

Every reader takes the root of the file tree, so that a test can hand it another machine.
The names below are loaded on first use.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sealtune.machine.busy import busy_reasons as busy_reasons
    from sealtune.machine.facts import Facts as Facts
    from sealtune.machine.facts import gather_facts as gather_facts
    from sealtune.machine.knob_value import Reading as Reading
    from sealtune.machine.knob_value import read_knob as read_knob
    from sealtune.machine.metrics import METRICS as METRICS
    from sealtune.machine.metrics import MetricsWindow as MetricsWindow
    from sealtune.machine.metrics import resolve_metric as resolve_metric
    from sealtune.machine.services import Service as Service
    from sealtune.machine.services import find_services as find_services

_HOME = {
    "Facts": "facts",
    "METRICS": "metrics",
    "MetricsWindow": "metrics",
    "Reading": "knob_value",
    "Service": "services",
    "busy_reasons": "busy",
    "find_services": "services",
    "gather_facts": "facts",
    "read_knob": "knob_value",
    "resolve_metric": "metrics",
}

__all__ = [
    "METRICS",
    "Facts",
    "MetricsWindow",
    "Reading",
    "Service",
    "busy_reasons",
    "find_services",
    "gather_facts",
    "read_knob",
    "resolve_metric",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
