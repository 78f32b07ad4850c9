"""Layer 1: from a sentence in plain English to a `TuningConfig`.

`classify` reads the sentence offline, `suggest` makes the config from what an expert would try,
and `get_optimization_strategy_prompt` states the same task for a language model. Nothing here
writes to the machine. The names below are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sealtune.space.config import TuningConfig
    from sealtune.strategist.prompt import get_optimization_strategy_prompt
    from sealtune.strategist.reading import Reading, ask_back, classify, read
    from sealtune.strategist.suggestion import suggest

_HOME = {
    "Reading": "sealtune.strategist.reading",
    "TuningConfig": "sealtune.space.config",
    "ask_back": "sealtune.strategist.reading",
    "classify": "sealtune.strategist.reading",
    "get_optimization_strategy_prompt": "sealtune.strategist.prompt",
    "read": "sealtune.strategist.reading",
    "suggest": "sealtune.strategist.suggestion",
}

__all__ = [
    "Reading",
    "TuningConfig",
    "ask_back",
    "classify",
    "get_optimization_strategy_prompt",
    "read",
    "suggest",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attributes have no common type
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
