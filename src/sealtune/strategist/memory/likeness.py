"""How alike two contexts are: what was asked for, and the machine it was asked on."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sealtune.store.experience import Experience
from sealtune.strategist.words import GENERAL_WORDS, STOP_WORDS, stems

Similar = Callable[[str, str], float]
"""How alike two descriptions are, 0 to 1."""

_QUIET = frozenset(stem for word in STOP_WORDS | GENERAL_WORDS for stem in stems(word))


@dataclass(frozen=True, slots=True)
class Context:
    """What is asked, and where.

    Attributes:
        description: The workload in plain English.
        workload_class: How it was read, ``""`` if unknown.
        traits: Traits read beside the class.
        facts: The machine, as `Facts.as_dict`.
        benchmark: Name of the tool that measures, ``""`` if not known yet.
        present: Parameter name to its value before tuning.
    """

    description: str
    workload_class: str
    traits: tuple[str, ...]
    facts: Mapping[str, Any]
    benchmark: str
    present: Mapping[str, str]


def context_of(experience: Experience) -> Context:
    """Return the context that `experience` was made in."""
    command = str(experience.config.get("benchmark_command", ""))
    named = experience.description or str(experience.config.get("workload_name", ""))
    return Context(
        named,
        experience.workload_class,
        experience.traits,
        experience.facts,
        tool_of(command),
        experience.originals,
    )


def tool_of(command: str) -> str:
    """Return the tool that a benchmark command runs.

    >>> tool_of("sudo -u postgres pgbench -c 10 postgres")
    'pgbench'
    """
    words = re.sub(r"^sudo(\s+-u\s+\S+)?\s+", "", command.strip()).split()
    return words[0].rsplit("/", 1)[-1] if words else ""


def word_overlap(one: str, other: str) -> float:
    """Return the share of telling words that two descriptions have in common, 0 to 1.

    >>> word_overlap("a redis cache, one client", "redis cache for sessions") > 0.4
    True
    """
    left, right = set(stems(one)) - _QUIET, set(stems(other)) - _QUIET
    return len(left & right) / len(left | right) if left and right else 0.0


def likeness(here: Context, past: Context, similar: Similar = word_overlap) -> float:
    """Return how alike two contexts are, 0 to 1: product of wish, load and machine."""
    return (
        _wish(here, past, similar)
        * _machine(here.facts, past.facts)
        * _load(here.benchmark, past.benchmark)
        * _beginning(here.present, past.present)
    )


def _wish(here: Context, past: Context, similar: Similar) -> float:
    text = max(0.0, min(1.0, similar(here.description, past.description)))
    if not here.workload_class or not past.workload_class:
        return text
    if here.workload_class != past.workload_class:
        return 0.4 * text
    return 0.6 + 0.2 * _shared(here.traits, past.traits) + 0.2 * text


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    both = set(one) | set(other)
    return len(set(one) & set(other)) / len(both) if both else 1.0


def _machine(here: Mapping[str, Any], past: Mapping[str, Any]) -> float:
    """Return the mean likeness of the facts that both have, at least 0.2."""
    parts = [
        _series(str(here.get("kernel", "")), str(past.get("kernel", ""))),
        _ratio(here.get("cpus"), past.get("cpus")),
        _ratio(here.get("memory_bytes"), past.get("memory_bytes")),
        float(here.get("virtualisation") == past.get("virtualisation")),
        float(_disk(here) == _disk(past)),
    ]
    return 0.2 + 0.8 * sum(parts) / len(parts)


def _series(one: str, other: str) -> float:
    """Return 1 for the same kernel series (6.1), 0.6 for the same major version."""
    left, right = (re.findall(r"\d+", kernel)[:2] for kernel in (one, other))
    if left == right:
        return 1.0
    return 0.6 if left[:1] == right[:1] else 0.2


def _ratio(one: object, other: object) -> float:
    """Return 1 for equal sizes, 0.5 for a factor of four.

    >>> _ratio(4, 16), _ratio(4, 4), _ratio(None, 4)
    (0.5, 1.0, 0.5)
    """
    if not isinstance(one, int | float) or not isinstance(other, int | float):
        return 0.5
    if min(one, other) <= 0:
        return float(one == other)
    return 1.0 / (1.0 + 0.5 * abs(math.log2(one / other)))


def _disk(facts: Mapping[str, Any]) -> str:
    disk = facts.get("disk")
    if not disk:
        return "none"
    return "rotating" if disk.get("rotational") else "solid"


def _load(here: str, past: str) -> float:
    """Return 1 for the same tool or none to compare: another one measures something else."""
    return 1.0 if not here or not past or here == past else 0.5


def _beginning(here: Mapping[str, str], past: Mapping[str, str]) -> float:
    """Return 1 when both machines began at the same values, down to 0.7."""
    both = here.keys() & past.keys()
    same = sum(here[name] == past[name] for name in both)
    return 0.7 + 0.3 * (same / len(both)) if both else 1.0
