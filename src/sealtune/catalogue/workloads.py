"""The ten kinds of workload: words, benchmarks, and what an expert would try first on each.

Reads workloads.toml and hands it out as frozen records; nothing here looks at a machine.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

from sealtune.catalogue.knob import Knob
from sealtune.catalogue.loading import load_catalogue
from sealtune.errors import ConfigError

Confidence = Literal["high", "medium", "low"]

_FIX = "Correct workloads.toml in the catalogue package."


@dataclass(frozen=True, slots=True)
class BenchmarkChoice:
    """One benchmark that can stand for a workload.

    Attributes:
        tool: Adapter name: ``pgbench``, ``sysbench``, ``redis``, ``ab``, ``sqlite``.
        command: Command with ``{clients}``, ``{threads}`` and ``{cpus}`` still in it.
        metric: Name of the metric it yields.
        when: Traits that must all have been read for it to be used.
        note: What it does not measure of this workload, ``""`` if nothing to say.
    """

    tool: str
    command: str
    metric: str
    when: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class ExpertKnob:
    """What an expert would try with one parameter.

    Attributes:
        knob: Catalogue name, ``{dev}`` included.
        low: Smallest value worth trying; the whole safe range when ``None``.
        high: Largest value worth trying.
        start: First value to try; the present one when ``None``.
        confidence: How sure the expert is that this matters here.
        why: The reason on this workload; ``""`` for the catalogue's own.
    """

    knob: str
    low: int | None = None
    high: int | None = None
    start: int | str | None = None
    confidence: Confidence = "low"
    why: str = ""


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of workload.

    Attributes:
        name: Class name, such as ``oltp_database``.
        title: What it is called in a sentence.
        description: What characterises it.
        ask: A sentence a person could write to mean exactly this.
        clients_per_cpu: Clients of the benchmark for each CPU; 0 for a single client.
        reward_metric: Metric of the benchmark that fits best.
        state: Machine metrics to observe.
        guards: Measurements that must not get worse.
        products: Names that settle the matter.
        signs: Phrases that point to it.
        hints: Words that only add up.
        examples: Descriptions of it, compared by similarity.
        benchmarks: In order of preference; the last one needs no package.
        parameters: What to tune, most promising first.
        reserve: What fills the gaps that a machine leaves.
        quality: It says how something is served more than what; another class of equal standing
            wins, for the quality is kept as a trait.
    """

    name: str
    title: str
    description: str
    ask: str
    clients_per_cpu: int
    reward_metric: str
    state: tuple[str, ...]
    guards: tuple[str, ...]
    products: tuple[str, ...]
    signs: tuple[str, ...]
    hints: tuple[str, ...]
    examples: tuple[str, ...]
    benchmarks: tuple[BenchmarkChoice, ...]
    parameters: tuple[ExpertKnob, ...]
    reserve: tuple[ExpertKnob, ...]
    quality: bool = False


@dataclass(frozen=True, slots=True)
class Trait:
    """Something a description says beside the kind of workload.

    Attributes:
        name: Such as ``single_client``.
        title: What it is called in a sentence.
        patterns: Regular expressions on the normalised description.
        why: What it changes in the plan.
        prefer: Parameters moved to the front.
        clients: Fixed number of benchmark clients, ``None`` to leave it.
        clients_per_cpu: Clients for each CPU, ``None`` to leave it.
        speaks_for: Class that it makes a little more likely, if any.
    """

    name: str
    title: str
    patterns: tuple[str, ...]
    why: str
    prefer: tuple[str, ...] = ()
    clients: int | None = None
    clients_per_cpu: int | None = None
    speaks_for: str | None = None


@dataclass(frozen=True, slots=True)
class Workloads:
    """Everything in workloads.toml.

    Attributes:
        classes: The ten kinds, in the order of the file.
        traits: What else a description can say.
    """

    classes: tuple[Workload, ...]
    traits: tuple[Trait, ...]

    def get(self, name: str) -> Workload:
        """Return the class called `name`.

        Raises:
            ConfigError: There is none; the message lists all.
        """
        for workload in self.classes:
            if workload.name == name:
                return workload
        names = ", ".join(workload.name for workload in self.classes)
        raise ConfigError(f"workload_class: {name!r} is unknown; allowed: {names}")

    def trait(self, name: str) -> Trait:
        """Return the trait called `name`.

        Raises:
            ConfigError: There is none; the message lists all.
        """
        for trait in self.traits:
            if trait.name == name:
                return trait
        names = ", ".join(trait.name for trait in self.traits)
        raise ConfigError(f"trait: {name!r} is unknown; allowed: {names}")


@cache
def load_workloads() -> Workloads:
    """Return the ten workload classes and the traits, read and checked once.

    Raises:
        ConfigError: An entry is wrong; the message names entry and field.
    """
    text = resources.files("sealtune.catalogue").joinpath("workloads.toml").read_text("utf-8")
    return parse_workloads(text)


def parse_workloads(text: str) -> Workloads:
    """Return the workload classes and traits written in `text` (TOML).

    Raises:
        ConfigError: No TOML, or an entry with an unknown, missing or contradictory field.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"workloads: no valid TOML: {error}", fix=_FIX) from error
    traits = tuple(_record(Trait, entry, "trait") for entry in document.get("trait", ()))
    classes = tuple(_workload(entry) for entry in document.get("workload", ()))
    for trait in traits:
        _check_trait(trait, {workload.name for workload in classes})
    for workload in classes:
        _check_workload(workload, {trait.name for trait in traits})
    names = [entry.name for entry in (*classes, *traits)]
    if not classes or len(set(names)) != len(names):
        raise ConfigError("workloads: need [[workload]] entries of distinct names", fix=_FIX)
    return Workloads(classes, traits)


def _workload(entry: Mapping[str, Any]) -> Workload:
    name = str(entry.get("name", "workload"))
    nested = dict(entry)
    nested["benchmarks"] = [
        _record(BenchmarkChoice, item, f"{name}.benchmarks") for item in entry["benchmarks"]
    ]
    for key in ("parameters", "reserve"):
        nested[key] = [_record(ExpertKnob, item, f"{name}.{key}") for item in entry[key]]
    workload: Workload = _record(Workload, nested, name)
    return workload


def _record(kind: type[Any], entry: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401
    """Build a frozen record of `kind`; lists become tuples."""
    known = {field.name: field for field in fields(kind)}
    for key in entry:
        if key not in known:
            allowed = ", ".join(known)
            raise ConfigError(f"{where}: {key} is unknown; allowed: {allowed}", fix=_FIX)
    for key, field in known.items():
        if field.default is MISSING and key not in entry:
            raise ConfigError(f"{where}: {key} is missing", fix=_FIX)
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()})


def _check_trait(trait: Trait, classes: set[str]) -> None:
    if trait.speaks_for is not None and trait.speaks_for not in classes:
        raise ConfigError(f"{trait.name}: speaks_for {trait.speaks_for!r} is no class", fix=_FIX)
    for pattern in trait.patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(f"{trait.name}: pattern {pattern!r}: {error}", fix=_FIX) from error
    for name in trait.prefer:
        _known(name, trait.name)


def _check_workload(workload: Workload, traits: set[str]) -> None:
    where = workload.name
    for benchmark in workload.benchmarks:
        unknown = set(benchmark.when) - traits
        if unknown:
            raise ConfigError(f"{where}: benchmark for unknown traits {unknown}", fix=_FIX)
    seen: set[str] = set()
    for expert in (*workload.parameters, *workload.reserve):
        if expert.knob in seen:
            raise ConfigError(f"{where}: {expert.knob} stands twice", fix=_FIX)
        seen.add(expert.knob)
        _check_expert(expert, _known(expert.knob, where), where)


def _known(name: str, where: str) -> Knob:
    knob = load_catalogue().get(name)
    if knob is None:
        raise ConfigError(f"{where}: {name} is not in the catalogue", fix=_FIX)
    return knob


def _check_expert(expert: ExpertKnob, knob: Knob, where: str) -> None:
    place = f"{where}, {expert.knob}"
    if expert.confidence not in get_args(Confidence):
        raise ConfigError(f"{place}: confidence {expert.confidence!r}", fix=_FIX)
    if knob.kind == "choice":
        wrong = expert.low is not None or expert.high is not None
        if wrong or (expert.start is not None and expert.start not in knob.choices):
            raise ConfigError(f"{place}: need no range, start among {knob.choices}", fix=_FIX)
        return
    low = knob.low if expert.low is None else expert.low
    high = knob.high if expert.high is None else expert.high
    start = low if expert.start is None else expert.start
    if not (isinstance(low, int) and isinstance(high, int)):
        return  # a share of memory: the machine decides
    inside = isinstance(knob.low, int) and isinstance(knob.high, int)
    inside = inside and knob.low <= low < high <= knob.high  # type: ignore[operator]
    if not inside or not isinstance(start, int) or not low <= start <= high:
        raise ConfigError(
            f"{place}: {low}..{high} from {start}, safe is {knob.low}..{knob.high}", fix=_FIX
        )
