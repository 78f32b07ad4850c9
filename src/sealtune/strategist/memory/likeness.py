"""How alike two contexts are: what was asked for, and the machine it was asked on."""

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sealtune.benchmarks import parse_command
from sealtune.errors import ConfigError
from sealtune.store.experience import Experience
from sealtune.strategist.words import described, normalise

if TYPE_CHECKING:
    from sealtune.strategist.embedding.encoder import Array


@dataclass(frozen=True, slots=True)
class Context:
    """What is asked, and where.

    Attributes:
        description: The workload in plain English.
        workload_class: How it was read, ``""`` if unknown.
        traits: Traits read beside the class.
        facts: The machine, as `Facts.as_dict`.
        benchmark: What measures, see `tool_of`; ``""`` if not known yet.
        metric: What is judged, see `metric_of`; ``""`` if not known yet.
        present: Parameter name to its value before tuning.
    """

    description: str
    workload_class: str
    traits: tuple[str, ...]
    facts: Mapping[str, Any]
    benchmark: str
    metric: str
    present: Mapping[str, str]


def context_of(experience: Experience) -> Context:
    """Return the context that `experience` was made in."""
    named = experience.description or str(experience.config.get("workload_name", ""))
    return Context(
        named,
        experience.workload_class,
        experience.traits,
        experience.facts,
        tool_of(str(experience.config.get("benchmark_command", ""))),
        metric_of(experience.config),
        experience.originals,
    )


def tool_of(command: str) -> str:
    """Return the adapter that runs a benchmark command; its program if no adapter knows it.

    >>> tool_of("sudo -u postgres pgbench -c 10 postgres"), tool_of("redis-benchmark -t get")
    ('pgbench', 'redis')
    >>> tool_of("/opt/bin/measure --fast"), tool_of("")
    ('measure', '')
    """
    try:
        spec = parse_command(command)
    except ConfigError:
        return ""
    if spec.name != "custom":
        return spec.name
    return Path(shlex.split(str(spec.options["argv"]))[0]).name


def metric_of(config: Mapping[str, Any]) -> str:
    """Return what the config of a session judges by: ``rate``, a latency, or a score.

    A tool has one rate, whatever it is called.

    >>> metric_of({"reward_metric": "throughput"}), metric_of({"reward_metric": "latency_p99_ms"})
    ('rate', 'latency_p99_ms')
    >>> metric_of({"reward_metric": "score", "benchmark_output": {"direction": "minimize"}})
    'score to minimize'
    """
    name = str(config.get("reward_metric") or "")
    if name == "score":
        direction = (config.get("benchmark_output") or {}).get("direction", "maximize")
        return f"score to {direction}"
    return name if not name or name.startswith("latency_") else "rate"


def alike(one: str, other: str) -> float:
    """Return how alike two descriptions are in meaning, 0 to 1; 1 for the same words.

    Of the examples that the reader was taught with, pairs of one class have 0.16 in the median;
    99 of 100 pairs of different classes have less than 0.32.
    """
    if not one.strip() or not other.strip():
        return 0.0
    if _same_words(one, other):
        return 1.0
    cosine = float(_vector(described(one)) @ _vector(described(other)))
    return max(0.0, min(1.0, cosine))


def _same_words(one: str, other: str) -> bool:
    return normalise(one) == normalise(other)


@lru_cache(maxsize=512)
def _vector(text: str) -> "Array":
    from sealtune.strategist.embedding.encoder import embed  # 23 MB: late

    vector: Array = embed([text])[0]
    return vector


def likeness(here: Context, past: Context) -> float:
    """Return how alike two contexts are, 0 to 1: product of wish, load and machine."""
    return (
        _wish(here, past)
        * _machine(here.facts, past.facts)
        * _load(here, past)
        * _beginning(here.present, past.present)
    )


def _wish(here: Context, past: Context) -> float:
    kinds = {here.workload_class, past.workload_class}
    if len(kinds) > 1 and "" not in kinds:  # only the same words, read otherwise, come near
        return 0.4 * _same_words(here.description, past.description)
    text = alike(here.description, past.description)
    return text if "" in kinds else 0.6 + 0.2 * _shared(here.traits, past.traits) + 0.2 * text


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
    if not isinstance(disk, Mapping) or not disk:
        return "none"
    return "rotating" if disk.get("rotational") else "solid"


def _load(here: Context, past: Context) -> float:
    """Return 1 for the same measurement: another tool or metric measures something else."""
    tool = _same(here.benchmark, past.benchmark)
    if here.metric.startswith("latency_") and past.metric.startswith("latency_"):
        return tool * (1.0 if here.metric == past.metric else 0.8)
    return tool * _same(here.metric, past.metric)


def _same(one: str, other: str) -> float:
    """Return 1 for the same name or none to compare."""
    return 1.0 if not one or not other or one == other else 0.5


def _beginning(here: Mapping[str, str], past: Mapping[str, str]) -> float:
    """Return 1 when both machines began at the same values, down to 0.7."""
    both = here.keys() & past.keys()
    same = sum(here[name] == past[name] for name in both)
    return 0.7 + 0.3 * (same / len(both)) if both else 1.0
