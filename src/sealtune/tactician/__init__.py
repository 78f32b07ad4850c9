"""Layer 2: proposes settings, learns from their scores, and knows no machine.

Everything loads on first use; importing this package imports nothing heavy. `gymnasium.make` finds
the environment if Gymnasium was imported first, or once `OSTuningEnv` has been used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from sealtune.tactician.registration import register_if_used

if TYPE_CHECKING:
    from sealtune.tactician.env import OSTuningEnv, TrialRunner
    from sealtune.tactician.loop import prepare_tactician, search
    from sealtune.tactician.model import SettingModel
    from sealtune.tactician.names import TACTICIANS
    from sealtune.tactician.policy import PolicyOptions
    from sealtune.tactician.prior import Prior
    from sealtune.tactician.record import Budget, SearchResult, StopSearch, TrialRecord
    from sealtune.tactician.registration import register
    from sealtune.tactician.reward import Reward, RewardWeights
    from sealtune.tactician.samplers import Sampler
    from sealtune.tactician.simulated import SimulatedMachine

_HOMES = {
    "OSTuningEnv": "env",
    "TrialRunner": "env",
    "register": "registration",
    "SettingModel": "model",
    "PolicyOptions": "policy",
    "Prior": "prior",
    "Budget": "record",
    "SearchResult": "record",
    "StopSearch": "record",
    "TrialRecord": "record",
    "Reward": "reward",
    "RewardWeights": "reward",
    "Sampler": "samplers",
    "TACTICIANS": "names",
    "search": "loop",
    "prepare_tactician": "loop",
    "SimulatedMachine": "simulated",
}

__all__ = [
    "TACTICIANS",
    "Budget",
    "OSTuningEnv",
    "PolicyOptions",
    "Prior",
    "Reward",
    "RewardWeights",
    "Sampler",
    "SearchResult",
    "SettingModel",
    "SimulatedMachine",
    "StopSearch",
    "TrialRecord",
    "TrialRunner",
    "prepare_tactician",
    "register",
    "search",
]


def __getattr__(name: str) -> object:
    """Return a public name, importing its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


register_if_used()
