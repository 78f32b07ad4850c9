"""What a model may choose from: this machine's parameters and benchmarks, as the person allows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sealtune.benchmarks import parse_command
from sealtune.benchmarks.base import BenchmarkSpec
from sealtune.benchmarks.grammar import GRAMMARS
from sealtune.catalogue import load_catalogue
from sealtune.catalogue.workloads import load_workloads
from sealtune.errors import InputError
from sealtune.space.available import Availability, AvailableKnob
from sealtune.strategist.load_choice import choose_load
from sealtune.strategist.prompt import FEWEST, MOST
from sealtune.strategist.task import Task

MOST_CLIENTS = 200
_FREE = ("clients", "jobs", "threads")


@dataclass(frozen=True, slots=True)
class Ground:
    """What a model may choose from.

    Attributes:
        task: What was asked.
        offered: Name to parameter, in the order they are told.
        required: Names that must all be in the answer: what the person said with ``--only``.
        commands: Benchmarks of the catalogue that are installed, with numbers filled in.
    """

    task: Task
    offered: Mapping[str, AvailableKnob]
    required: tuple[str, ...]
    commands: tuple[BenchmarkSpec, ...]

    @property
    def availability(self) -> Availability:
        """The parameters on offer, for the prompt."""
        return Availability(tuple(self.offered.values()), ())

    @property
    def fewest(self) -> int:
        """Parameters that an answer must have at least."""
        return min(FEWEST, len(self.offered))

    @property
    def most(self) -> int:
        """Parameters that an answer may have at most."""
        return max(MOST, len(self.required))

    def permits(self, spec: BenchmarkSpec) -> bool:
        """Return whether a model may choose `spec`: a listed benchmark, no bigger in any way.

        Numbers of clients, jobs and threads are free up to 200, and so is what the tool itself
        offers as a closed choice. Sizes and everything else must be as listed.
        """
        same = [known for known in self.commands if known.name == spec.name]
        closed = {
            option.name
            for grammar in GRAMMARS.values()
            if grammar.adapter == spec.name
            for option in grammar.options.values()
            if option.choices or option.kind == "flag"
        }
        for key, value in spec.options.items():
            if key in _FREE:
                if not 1 <= int(value) <= MOST_CLIENTS:
                    return False
            elif key not in closed and value not in [known.options.get(key) for known in same]:
                return False
        return bool(same)


def ground_of(task: Task) -> Ground:
    """Return what a model may choose from for `task`; the person's wishes are checked here.

    Raises:
        KnobError: ``--only`` or ``--exclude`` names an unknown or forbidden parameter.
        InputError: Nothing is left to tune.
        BenchmarkMissingError: The benchmark that the person insists on is not installed.
        ConfigError: It is unknown.
    """
    offered = {item.knob.name: item for item in task.availability.offered}
    reasons = {item.name: item.reason for item in task.availability.left_out}
    device = _device((*offered, *reasons))
    unwanted = set(_names(task.exclude, device))
    wanted = _names(task.only, device) or list(offered)
    left = {name: offered[name] for name in wanted if name in offered and name not in unwanted}
    if not left:
        missing = [f"{name}: left out. {reasons[name]}" for name in wanted if name in reasons]
        told = "\n".join(missing[:MOST]) or "Everything was excluded."
        raise InputError(f"Nothing is left to tune.\n{told}")
    if task.benchmark is not None or not task.installed:  # said before a model is asked
        first = load_workloads().classes[0]
        choose_load(first, (), task.facts.cpus, task.installed, task.benchmark)
    required = tuple(left) if task.only else ()
    return Ground(task, left, required, tuple(_commands(task)))


def _commands(task: Task) -> Iterator[BenchmarkSpec]:
    cpus = task.facts.cpus
    for workload in load_workloads().classes:
        for choice in workload.benchmarks:
            if choice.tool in task.installed:
                yield parse_command(choice.command.format(clients=cpus, threads=cpus, cpus=cpus))


def _names(names: Iterable[str], device: str | None) -> list[str]:
    return list(dict.fromkeys(load_catalogue().resolve(name, device).name for name in names))


def _device(names: Iterable[str]) -> str | None:
    blocks = (name.split("/")[1] for name in names if name.startswith("block/"))
    return next((device for device in blocks if device != "{dev}"), None)
