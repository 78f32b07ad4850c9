"""Which adapters there are; each is imported only when it is asked for."""

from importlib import import_module
from typing import Final

from sealtune.benchmarks.base import Adapter, BenchmarkSpec, Detection
from sealtune.benchmarks.beside import BesideCpuHogs, split_company
from sealtune.benchmarks.tool import ToolAdapter
from sealtune.errors import ConfigError

ADAPTERS: Final = {
    "pgbench": "pgbench:PgbenchAdapter",
    "sysbench": "sysbench:SysbenchAdapter",
    "redis": "redis:RedisAdapter",
    "ab": "ab:AbAdapter",
    "sqlite": "sqlite:SqliteAdapter",
    "fio": "fio:FioAdapter",
    "perf": "perf:PerfAdapter",
    "custom": "custom:CustomAdapter",
}
"""Adapter name to the module and class that fill the contract."""


def adapter_names() -> tuple[str, ...]:
    """Return every benchmark's name, in the order they are listed to people."""
    return tuple(ADAPTERS)


def create_adapter(spec: BenchmarkSpec, *, metric: str | None = None) -> Adapter:
    """Return the adapter for `spec`, not yet prepared.

    A spec that still awaits approval is measured on a private instance; the person's own database
    or server is used only after `BenchmarkSpec.approved`. A command that no adapter knows has no
    private form, and needs the approval.

    Raises:
        ConfigError: Unknown name, a metric it does not report, or a command not approved.
    """
    if spec.name not in ADAPTERS:
        allowed = ", ".join(ADAPTERS)
        raise ConfigError(f"benchmark: {spec.name!r} is unknown; allowed are {allowed}")
    if spec.name == "custom" and spec.approval is not None:
        raise ConfigError(f"benchmark_command: {spec.command!r} was not approved: {spec.approval}")
    module, _, name = ADAPTERS[spec.name].partition(":")
    adapter: type[ToolAdapter] = getattr(import_module(f"sealtune.benchmarks.{module}"), name)
    alone, hogs = split_company(spec)
    return BesideCpuHogs(adapter(alone, metric), hogs) if hogs else adapter(alone, metric)


def detect_all() -> dict[str, Detection]:
    """Return for every adapter but ``custom`` whether its tool is installed."""
    names = [name for name in ADAPTERS if name != "custom"]
    return {name: create_adapter(BenchmarkSpec(name, {}, name)).detect() for name in names}
