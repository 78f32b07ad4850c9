"""sealtune: tune a real Linux kernel for a workload described in plain English.

The public names load on first use: importing `sealtune` alone imports none of the heavy libraries.
"""

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sealtune.entry import optimize_workload, run_rl_optimization
    from sealtune.space import ChoiceKnob, IntKnob, SafetyValidator, Space
    from sealtune.tactician import OSTuningEnv, search

__version__ = "0.1.0"

if "gymnasium" in sys.modules:  # the guard needs nothing of the tactician
    from sealtune.tactician.registration import register

    register()  # gymnasium.make("sealtune/OSTuning-v0")

_HOME = {
    "ChoiceKnob": "sealtune.space",
    "IntKnob": "sealtune.space",
    "OSTuningEnv": "sealtune.tactician",
    "SafetyValidator": "sealtune.space",
    "Space": "sealtune.space",
    "optimize_workload": "sealtune.entry",
    "run_rl_optimization": "sealtune.entry",
    "search": "sealtune.tactician",
}

__all__ = [
    "ChoiceKnob",
    "IntKnob",
    "OSTuningEnv",
    "SafetyValidator",
    "Space",
    "optimize_workload",
    "run_rl_optimization",
    "search",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'sealtune' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
