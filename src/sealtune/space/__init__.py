"""From a TuningConfig to what may really be tried on this kernel."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sealtune.space.available import AvailableKnob, available_knobs
    from sealtune.space.build import Built, build_space
    from sealtune.space.config import TuningConfig, load_config
    from sealtune.space.knobs import ChoiceKnob, IntKnob, Setting, Value
    from sealtune.space.safety import Refusal, SafetyValidator
    from sealtune.space.space import Below, Space

_HOME = {
    "AvailableKnob": "available",
    "available_knobs": "available",
    "Built": "build",
    "build_space": "build",
    "TuningConfig": "config",
    "load_config": "config",
    "ChoiceKnob": "knobs",
    "IntKnob": "knobs",
    "Setting": "knobs",
    "Value": "knobs",
    "Refusal": "safety",
    "SafetyValidator": "safety",
    "Below": "space",
    "Space": "space",
}

__all__ = [
    "AvailableKnob",
    "Below",
    "Built",
    "ChoiceKnob",
    "IntKnob",
    "Refusal",
    "SafetyValidator",
    "Setting",
    "Space",
    "TuningConfig",
    "Value",
    "available_knobs",
    "build_space",
    "load_config",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'sealtune.space' has no attribute {name!r}")
    return getattr(importlib.import_module(f"sealtune.space.{_HOME[name]}"), name)
