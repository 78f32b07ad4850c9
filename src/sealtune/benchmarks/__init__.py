"""Loads to measure a machine with: one file per tool behind one contract.

`parse_command` turns a command line into a `BenchmarkSpec`, `create_adapter` that into an
`Adapter`, which prepares a private instance, measures, and leaves nothing behind.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sealtune.benchmarks.base import Adapter, BenchmarkSpec, Detection
    from sealtune.benchmarks.command import parse_command
    from sealtune.benchmarks.measurement import Direction, Measurement, failed
    from sealtune.benchmarks.registry import (
        ADAPTERS,
        adapter_names,
        create_adapter,
        detect_all,
    )

__all__ = [
    "ADAPTERS",
    "Adapter",
    "BenchmarkSpec",
    "Detection",
    "Direction",
    "Measurement",
    "adapter_names",
    "create_adapter",
    "detect_all",
    "failed",
    "parse_command",
]

_HOMES = {
    "Adapter": "base",
    "BenchmarkSpec": "base",
    "Detection": "base",
    "parse_command": "command",
    "Direction": "measurement",
    "Measurement": "measurement",
    "failed": "measurement",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES.get(name, "registry")
    return getattr(import_module(f"{__name__}.{home}"), name)
