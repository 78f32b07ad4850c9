"""What is known about kernel parameters and workloads, before any machine is looked at.

`knobs.toml` is the only place a parameter is described; `load_catalogue` checks it and hands it
out, `forbidden_reason` says what is never tuned, and `limits` is what the guard needs of it.
The names below are loaded on first use: the guard imports `bounds` and `limits` and nothing else.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sealtune.catalogue.forbidden import forbidden_reason as forbidden_reason
    from sealtune.catalogue.knob import Knob as Knob
    from sealtune.catalogue.loading import Catalogue as Catalogue
    from sealtune.catalogue.loading import load_catalogue as load_catalogue

_HOME = {
    "Catalogue": "loading",
    "Knob": "knob",
    "forbidden_reason": "forbidden",
    "load_catalogue": "loading",
}

__all__ = ["Catalogue", "Knob", "forbidden_reason", "load_catalogue"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
