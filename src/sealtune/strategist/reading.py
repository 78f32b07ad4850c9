"""Reads a description: which kind of workload, with which traits, and on what evidence.

Offline and without a model: the terms of workloads.toml, and likeness to its example sentences.
What is not understood is asked back; nothing is guessed in silence.
"""

import re
from dataclasses import dataclass
from functools import cache

from sealtune.catalogue.workloads import load_workloads
from sealtune.errors import UnclearWorkloadError
from sealtune.strategist.similarity import Similarity
from sealtune.strategist.vocabulary import HINT, Hit, vocabulary
from sealtune.strategist.words import MAX_CHARACTERS, normalise, stems

_LIKENESS_WEIGHT = 4.0
_ENOUGH = 1.8
_ENOUGH_HINTS = 3.0
_STRANGE = 1.0
_CLEAR = 0.06
_NARROW = 0.15
_TRAIT_WEIGHT = 1.5
_FULL_HINTS = 3
_EXCERPT = 80
_NEAREST = 3


@dataclass(frozen=True, slots=True)
class Reading:
    """What a description was understood to mean.

    Attributes:
        workload_class: One of the ten class names of workloads.toml.
        traits: Names of the traits read, in the order of workloads.toml.
        confidence: Share of the evidence that speaks for this class, against the next two, 0..1.
        evidence: Words of the description that decided, loudest first.
        alternatives: The next nearest classes, nearest first.
    """

    workload_class: str
    traits: tuple[str, ...]
    confidence: float
    evidence: tuple[str, ...]
    alternatives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Score:
    name: str
    points: float
    hits: tuple[Hit, ...]


def classify(text: str) -> Reading | None:
    """Return what `text` means, ``None`` when a person would have to be asked back.

    >>> classify("nginx with thousands of visitors").workload_class
    'web_server'
    >>> classify("purple monkey dishwasher") is None
    True
    """
    if not isinstance(text, str) or len(text) > MAX_CHARACTERS:
        return None
    ranking = _rank(text)
    first, second = _settle(ranking)
    words, _ = vocabulary().respell(stems(text))
    loud = any(hit.weight > HINT for hit in first.hits)
    enough = (_ENOUGH if loud else _ENOUGH_HINTS) * (1 + _STRANGE * vocabulary().strangers(words))
    if first.points < enough or not first.hits:
        return None
    if not _clear(first, second):
        return None
    others = [score.name for score in ranking if score.hits and score is not first]
    nearest = sum(score.points for score in ranking[:_NEAREST])
    return Reading(
        workload_class=first.name,
        traits=read_traits(text),
        confidence=round(first.points / nearest, 2),
        evidence=_evidence(text, first.hits),
        alternatives=tuple(others[: _NEAREST - 1]),
    )


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
    ranking = _rank(text)
    near = [score.name for score in ranking if score.points > 0][:_NEAREST]
    shown_classes = near or [workload.name for workload in load_workloads().classes[:_NEAREST]]
    lines = [head, "Did you mean one of these?" if near else "It could be, for example:"]
    for name in shown_classes:
        workload = load_workloads().get(name)
        lines.append(f'  - {workload.title}: say for example "{workload.ask}"')
    return "\n".join(lines)


def read(text: str) -> Reading:
    """Return what `text` means.

    Raises:
        UnclearWorkloadError: It is unclear; the message is the question to ask back.
    """
    reading = classify(text)
    if reading is None:
        # Nothing was read into it: the nearest readings are offered, none is taken.
        raise UnclearWorkloadError(ask_back(text))
    return reading


def _rank(text: str) -> list[_Score]:
    words, guessed = vocabulary().respell(stems(text))
    hits = vocabulary().hits(words, guessed)
    alike = _similarity().nearest(words)
    traits = [load_workloads().trait(name).speaks_for for name in read_traits(text)]
    scores = [
        _Score(
            name,
            _points(found) + _LIKENESS_WEIGHT * alike[name] + _TRAIT_WEIGHT * traits.count(name),
            tuple(sorted(found, key=lambda hit: -hit.weight)),
        )
        for name, found in hits.items()
    ]
    return sorted(scores, key=lambda score: -score.points)


def _evidence(text: str, hits: tuple[Hit, ...]) -> tuple[str, ...]:
    words = normalise(text).split()
    found = (" ".join(words[hit.at : hit.at + len(hit.phrase)]) for hit in hits)
    return tuple(dict.fromkeys(found))


def _settle(ranking: list[_Score]) -> tuple[_Score, _Score]:
    """Return the winner and the runner-up; a quality that wins narrowly yields to a kind."""
    first, second = ranking[0], ranking[1]
    loud = any(hit.weight > HINT for hit in second.hits)
    narrow = first.points > 0 and (first.points - second.points) / first.points < _NARROW
    if load_workloads().get(first.name).quality and narrow and loud:
        return second, first
    return first, second


def _clear(first: _Score, second: _Score) -> bool:
    if load_workloads().get(second.name).quality:
        return True
    return (first.points - second.points) / first.points >= _CLEAR


def _points(hits: list[Hit]) -> float:
    # Hints only add up, and not without end: a long text has some for every class.
    loud = sum(hit.weight for hit in hits if hit.weight > HINT)
    hints = sum(hit.weight <= HINT for hit in hits)
    return loud + HINT * (min(hints, _FULL_HINTS) + max(0, hints - _FULL_HINTS) / 4)


@cache
def _similarity() -> Similarity:
    return Similarity(
        {
            workload.name: [stems(line) for line in workload.examples]
            for workload in load_workloads().classes
        }
    )
