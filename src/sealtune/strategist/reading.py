"""Reads a description: which kind of workload, with which traits, and on what evidence.

Offline and without a language model: the terms of workloads.toml and a small sentence encoder,
weighed by a learned layer; what runs on this machine settles what a text leaves open.
What is not understood is asked back; nothing is guessed in silence.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sealtune.catalogue.workloads import load_workloads
from sealtune.errors import UnclearWorkloadError
from sealtune.strategist.vocabulary import HINT, find_terms, named_kinds, only_names, says_nothing
from sealtune.strategist.words import MAX_CHARACTERS, described, normalise

_LIKELY = 0.35
_MARGIN = 0.1
_NO_WORKLOAD = 0.5
_WORTH = 0.03
_MIXED = 0.4
_NAMED, _RUNNING, _INSTALLED = 12.0, 8.0, 1.5
_NONE = "none"
_SIDE_BY_SIDE = "mixed_host"
_MANY = 3
"""So many kinds named, and nothing else said, is a machine that does all of it."""
_EXCERPT = 80
_NEAREST = 3
_PASSAGE, _READ_WORDS = 4, 24


class Server(Protocol):
    """A server of this machine, as `sealtune.machine.services` finds it."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def state(self) -> str:
        """``running``, ``listening`` or ``installed``."""

    @property
    def workload_class(self) -> str:
        """Class that it stands for."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a description was understood to mean.

    Attributes:
        workload_class: One of the ten class names of workloads.toml.
        traits: Names of the traits read, in the order of workloads.toml.
        confidence: How probable it is that the class is right, 0..1.
        evidence: Words of the description that decided, loudest first.
        alternatives: The next nearest classes, nearest first.
        machine: What of this machine counted, such as ``nginx is running``.
        mixed: Classes that are nearly as likely, where nobody could be asked.
    """

    workload_class: str
    traits: tuple[str, ...]
    confidence: float
    evidence: tuple[str, ...]
    alternatives: tuple[str, ...]
    machine: tuple[str, ...] = ()
    mixed: tuple[str, ...] = ()


def classify(text: str, services: Sequence[Server] = ()) -> Reading | None:
    """Return what `text` means, ``None`` when a person would have to be asked back.

    Args:
        text: Description in plain English.
        services: Servers of the machine it is about; they count only where the text is unclear.

    >>> classify("nginx with thousands of visitors").workload_class
    'web_server'
    >>> classify("purple monkey dishwasher") is None
    True
    """
    if not isinstance(text, str) or len(text) > MAX_CHARACTERS:
        return None
    shares, machine = weigh(text, services)
    return _reading(text, shares, _ranked(shares)[0], machine) if is_clear(shares) else None


def readings(
    text: str, services: Sequence[Server] = (), count: int = _NEAREST
) -> tuple[Reading, ...]:
    """Return the `count` nearest readings, best first; none if `text` describes no workload."""
    shares, machine = weigh(text, services)
    if shares[_NONE] >= _NO_WORKLOAD or len(text) > MAX_CHARACTERS:
        return ()
    return tuple(_reading(text, shares, name, machine) for name in _nearest(shares, count))


def mixture(text: str, services: Sequence[Server] = ()) -> Reading | None:
    """Return the nearest reading with those nearly as likely in `mixed`; for want of an answer.

    ``None`` if `text` describes no workload.
    """
    near = readings(text, services)
    if not near or classify(text, services) is not None:
        return near[0] if near else None
    least = _MIXED * near[0].confidence
    return replace(
        near[0], mixed=tuple(r.workload_class for r in near[1:] if r.confidence >= least)
    )


def read(text: str, services: Sequence[Server] = ()) -> Reading:
    """Return what `text` means.

    Raises:
        UnclearWorkloadError: It is unclear; the message is the question to ask back.
    """
    reading = classify(text, services)
    if reading is None:
        # Nothing was read into it: the nearest readings are offered, none is taken.
        raise UnclearWorkloadError(ask_back(text))
    return reading


def read_traits(text: str) -> tuple[str, ...]:
    """Return the names of the traits that `text` mentions, in the order of workloads.toml."""
    plain = normalise(text)
    return tuple(
        trait.name
        for trait in load_workloads().traits
        if any(re.search(pattern, plain) for pattern in trait.patterns)
    )


def ask_back(text: str) -> str:
    """Return a question that names the nearest readings of `text`, each with a clear sentence."""
    if len(text) > MAX_CHARACTERS:
        head = f"The description has {len(text)} characters; up to {MAX_CHARACTERS} are read."
    elif not text.strip():
        head = "The description is empty."
    else:
        shown = " ".join(text.split())
        shown = shown if len(shown) <= _EXCERPT else shown[:_EXCERPT] + "..."
        head = f"I cannot tell what kind of workload this is: {shown!r}."
    shares, _ = weigh(text)
    near = shares[_NONE] < _NO_WORKLOAD
    lines = [head, "Did you mean one of these?" if near else "It could be, for example:"]
    for name in _nearest(shares, _NEAREST):
        workload = load_workloads().get(name)
        lines.append(f'  - {workload.title}: say for example "{workload.ask}"')
    return "\n".join(lines)


def is_clear(shares: Mapping[str, float]) -> bool:
    """Return whether these probabilities, of each class and of ``none``, allow an answer."""
    first, second = sorted(shares.values(), reverse=True)[:2]
    is_workload = shares[_NONE] < first
    return is_workload and first >= _LIKELY and first - second >= _MARGIN


def weigh(
    text: str, services: Sequence[Server] = ()
) -> tuple[Mapping[str, float], Mapping[str, tuple[str, ...]]]:
    """Return the probability of each class and of ``none``, and what of the machine counted.

    Args:
        text: Description in plain English.
        services: Servers of the machine it is about.
    """
    from sealtune.strategist.embedding.layer import probabilities  # numpy and 23 MB: late

    shares: Mapping[str, float] = probabilities(text)
    named = named_kinds(text)
    if len(named) > 1 and only_names(text):  # nothing says which of them matters
        named = named if len(named) < _MANY else (_SIDE_BY_SIDE,)
        shares = {name: (name in named) / len(named) for name in shares}
    if len(named) == 1 and not is_clear(shares):  # a product settles the matter
        shares = _tilt(shares, {named[0]: _NAMED, _NONE: 1 / _NAMED})
    if not services or is_clear(shares):
        return shares, {}
    silent = says_nothing(text)
    if not silent and shares[_NONE] >= _NO_WORKLOAD:
        return shares, {}
    if silent:  # leaves it to the machine; any other text keeps its own odds
        shares = {name: float(name != _NONE) for name in shares}
    factors: dict[str, float] = {}
    told: dict[str, tuple[str, ...]] = {}
    for server in services:
        kind = server.workload_class
        factor = _INSTALLED if server.state == "installed" else _RUNNING
        factors[kind] = max(factor, factors.get(kind, 1.0))
        told[kind] = (*told.get(kind, ()), f"{server.name} is {server.state}")
    return _tilt(shares, factors), told


def _tilt(shares: Mapping[str, float], factors: Mapping[str, float]) -> dict[str, float]:
    """Return `shares` with the odds of some classes multiplied; they add up to 1 again."""
    odds = {name: share * factors.get(name, 1.0) for name, share in shares.items()}
    total = sum(odds.values())
    return {name: odd / total for name, odd in odds.items()}


def _ranked(shares: Mapping[str, float]) -> list[str]:
    return sorted((name for name in shares if name != _NONE), key=lambda name: -shares[name])


def _nearest(shares: Mapping[str, float], count: int) -> list[str]:
    """Return the two nearest classes, and more as long as they are worth asking about."""
    ranked = _ranked(shares)
    return [name for at, name in enumerate(ranked[:count]) if at < 2 or shares[name] >= _WORTH]


def _reading(
    text: str,
    shares: Mapping[str, float],
    name: str,
    machine: Mapping[str, tuple[str, ...]],
) -> Reading:
    others = [other for other in _ranked(shares) if other != name]
    return Reading(
        workload_class=name,
        traits=read_traits(text),
        confidence=round(shares[name], 2),
        evidence=tuple(_evidence(text, name)),
        alternatives=tuple(others[: _NEAREST - 1]),
        machine=machine.get(name, ()),
    )


def _evidence(text: str, name: str) -> list[str]:
    """Return the terms that speak for the class `name`, or the passage that does so most."""
    words = normalise(text).split()
    hits = find_terms(text).hits[name]
    found = [" ".join(words[hit.at : hit.at + len(hit.phrase)]) for hit in hits]
    if any(hit.weight > HINT for hit in hits) or says_nothing(text):
        return list(dict.fromkeys(found))
    from sealtune.strategist.embedding.layer import loudest

    plain = described(text).split()[:_READ_WORDS]
    passages = [" ".join(plain[at : at + _PASSAGE]) for at in range(0, len(plain), _PASSAGE // 2)]
    return [loudest(passages, name)] if passages else []
