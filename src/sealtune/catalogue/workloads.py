"""The ten kinds of workload: words, benchmarks, and what an expert would try first on each.

Reads workloads.toml and hands it out as frozen records; nothing here looks at a machine.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from importlib import resources
from typing import Any, get_args

from sealtune.catalogue.knob import Knob
from sealtune.catalogue.loading import load_catalogue
from sealtune.catalogue.workload import (
    Adjustment,
    BenchmarkChoice,
    Confidence,
    ExpertKnob,
    Trait,
    Workload,
)
from sealtune.errors import ConfigError

__all__ = [
    "Adjustment",
    "BenchmarkChoice",
    "Confidence",
    "ExpertKnob",
    "Trait",
    "Workload",
    "Workloads",
    "load_workloads",
    "parse_workloads",
]

_FIX = "Correct workloads.toml in the catalogue package."


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
    traits = tuple(_trait(entry) for entry in document.get("trait", ()))
    classes = tuple(_workload(entry) for entry in document.get("workload", ()))
    for trait in traits:
        _check_trait(trait, classes)
    for workload in classes:
        _check_workload(workload, {trait.name for trait in traits})
    names = [workload.name for workload in classes] + [trait.name for trait in traits]
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


def _trait(entry: Mapping[str, Any]) -> Trait:
    nested = dict(entry)
    where = f"{entry.get('name', 'trait')}.adjust"
    nested["adjust"] = [_record(Adjustment, item, where) for item in entry.get("adjust", ())]
    trait: Trait = _record(Trait, nested, str(entry.get("name", "trait")))
    return trait


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


def _check_trait(trait: Trait, classes: tuple[Workload, ...]) -> None:
    names = {workload.name for workload in classes}
    for pattern in trait.patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(f"{trait.name}: pattern {pattern!r}: {error}", fix=_FIX) from error
    changed = (adjustment.knob for adjustment in trait.adjust)
    for name in (*trait.prefer, *trait.avoid, *changed):
        _known(name, trait.name)
    for adjustment in trait.adjust:
        if unknown := set(adjustment.classes) - names:
            raise ConfigError(f"{trait.name}: adjust for unknown classes {unknown}", fix=_FIX)
        for workload in classes:
            if adjustment.holds_for(workload):
                _check_adjustment(adjustment, trait, workload)


def _check_adjustment(adjustment: Adjustment, trait: Trait, workload: Workload) -> None:
    """Refuse a range that is wrong on top of what the class says."""
    listed = {expert.knob: expert for expert in (*workload.parameters, *workload.reserve)}
    where = f"{trait.name} of {workload.name}"
    merged = adjustment.over(listed.get(adjustment.knob))
    _check_expert(merged, _known(adjustment.knob, where), where)


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
