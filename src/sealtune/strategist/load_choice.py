"""Which benchmark stands for a workload here, and what to say when it is only a stand-in."""

from collections.abc import Collection
from dataclasses import dataclass

from sealtune.benchmarks import adapter_names, create_adapter, parse_command
from sealtune.benchmarks.base import BenchmarkSpec, Detection
from sealtune.catalogue.workloads import BenchmarkChoice, Workload, load_workloads
from sealtune.errors import BenchmarkMissingError, ConfigError

_ALIASES = {"redis-benchmark": "redis", "sealtune-sqlite": "sqlite", "nginx": "ab"}
_MOST_CLIENTS = 200


@dataclass(frozen=True, slots=True)
class Load:
    """The benchmark chosen.

    Attributes:
        command: Command to put into a config.
        metric: What it is judged by.
        notices: What the person has to know about it.
    """

    command: str
    metric: str
    notices: tuple[str, ...] = ()


def choose_load(
    workload: Workload,
    traits: Collection[str],
    cpus: int,
    installed: Collection[str],
    wanted: str | None = None,
) -> Load:
    """Return the benchmark for `workload`.

    Args:
        workload: What was understood.
        traits: Names of the traits that were read.
        cpus: Processors; clients and threads are counted by them.
        installed: Adapter names whose tools were found.
        wanted: Adapter name or whole command that a person insists on.

    Raises:
        BenchmarkMissingError: `wanted` is not installed, or nothing is.
        ConfigError: `wanted` is no benchmark that is known, or says too little by its name.
    """
    fitting = [choice for choice in workload.benchmarks if set(choice.when) <= set(traits)]
    fitting.sort(key=lambda choice: not choice.when)
    if wanted is not None:
        return _insist(wanted, fitting, (workload, traits, cpus), installed)
    for choice in fitting:
        if choice.tool in installed:
            notices = _stand_in(fitting[0], choice, workload)
            return _fill(choice, workload, traits, cpus, notices)
    first = fitting[0].tool
    raise BenchmarkMissingError(f"No benchmark for {workload.title} is installed. {_line(first)}")


def _insist(
    wanted: str,
    fitting: list[BenchmarkChoice],
    place: tuple[Workload, Collection[str], int],
    installed: Collection[str],
) -> Load:
    tool = _ALIASES.get(wanted.strip(), wanted.strip())
    known = [name for name in adapter_names() if name != "custom"]
    if tool not in known:
        if len(wanted.split()) < 2:
            allowed = ", ".join(known)
            raise ConfigError(
                f"benchmark: {wanted!r} is unknown; allowed: {allowed}, or a whole command"
            )
        spec = parse_command(wanted)
        metric = "score" if spec.name == "custom" else create_adapter(spec).metric
        return Load(wanted, metric, spec.notices)
    if tool not in installed:
        raise BenchmarkMissingError(f"{tool} is not installed. {_line(tool)}")
    anywhere = [c for workload in load_workloads().classes for c in workload.benchmarks]
    everything = [*fitting, *(choice for choice in anywhere if not choice.when)]
    choice = next((choice for choice in everything if choice.tool == tool), None)
    if choice is None:
        raise ConfigError(f"benchmark: {tool} has no command of its own here; give the whole one")
    workload, traits, cpus = place
    notices = () if choice in fitting[:1] else _scope(choice, workload)
    return _fill(choice, workload, traits, cpus, notices)


def _fill(
    choice: BenchmarkChoice,
    workload: Workload,
    traits: Collection[str],
    cpus: int,
    notices: tuple[str, ...],
) -> Load:
    clients = _clients(workload, traits, cpus)
    command = choice.command.format(clients=clients, threads=min(clients, cpus), cpus=cpus)
    if choice.note and not any(choice.note in notice for notice in notices):
        notices = (*notices, f"`{command}` measures {choice.note}.")
    return Load(command, choice.metric, notices)


def _clients(workload: Workload, traits: Collection[str], cpus: int) -> int:
    clients = workload.clients_per_cpu * cpus
    for name in traits:
        trait = load_workloads().trait(name)
        if trait.clients is not None:
            return trait.clients  # one at a time is exact; "many" is not
        if trait.clients_per_cpu is not None and workload.clients_per_cpu:
            clients = max(clients, trait.clients_per_cpu * cpus)
    return max(1, min(clients, _MOST_CLIENTS))


def _stand_in(
    first: BenchmarkChoice, used: BenchmarkChoice, workload: Workload
) -> tuple[str, ...]:
    if used.tool == first.tool:
        return ()
    missing = (
        f"{first.tool} is not installed, so {used.tool} stands in for it. {_line(first.tool)}"
    )
    return (missing, *_scope(used, workload))


def _scope(used: BenchmarkChoice, workload: Workload) -> tuple[str, ...]:
    return (
        f"{used.tool} is a stand-in for {workload.title}: what it shows is true of {used.tool}, "
        "and need not carry over.",
    )


def _line(tool: str) -> str:
    found: Detection = create_adapter(BenchmarkSpec(tool, {}, tool)).detect()
    if not found.apt:
        return f"{tool} needs no package; `sealtune doctor` says what is wrong."
    return f"Install it with: {found.apt}  (or: {found.dnf})"
