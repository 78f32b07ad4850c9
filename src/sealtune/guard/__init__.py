"""The only code that writes the kernel: journal first, read back after, always undoable.

`Guard` is the session's end of it; `sealtune.guard.recovery` puts back what a run left behind.
Standard library only, and each name loads on first use: restoring must work, at once, when
everything else is broken.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sealtune.guard.client import Guard as Guard
    from sealtune.guard.report import Crash as Crash
    from sealtune.guard.report import RestoreReport as RestoreReport
    from sealtune.guard.report import Write as Write

_HOME = {"Guard": "client", "Crash": "report", "RestoreReport": "report", "Write": "report"}

__all__ = ["Crash", "Guard", "RestoreReport", "Write"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
