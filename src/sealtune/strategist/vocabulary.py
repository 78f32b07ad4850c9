"""The words that speak for a class, and how loudly; finds them in a description."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache

from sealtune.catalogue.workloads import Workload, load_workloads
from sealtune.strategist.words import GENERAL_WORDS, STOP_WORDS, stem, stems

PRODUCT, SIGN, HINT = 4.0, 2.5, 1.0
_MISSPELT = 0.75
_LIKENESS = 0.87
_SHORTEST_GUESS = 6
_NEGATIONS = frozenset({"not", "no", "without", "isnt", "never", "unlike", "instead", "rather"})
_REACH = 3
_RESPELT_WORDS = 200
_REMEMBERED = 64

Phrase = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """One term found in a description: what it weighs and the words that it is made of."""

    weight: float
    phrase: Phrase
    at: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What the vocabulary finds in one description.

    Attributes:
        hits: Class name to the terms that speak for it, loudest first.
        strangers: Share of distinct words, stop words aside, that are no term, 0..1.
        count: Number of words.
    """

    hits: Mapping[str, tuple[Hit, ...]]
    strangers: float
    count: int


class Vocabulary:
    """Every term of every class, as stems.

    Args:
        classes: The workload classes with their products, signs and hints.
    """

    def __init__(self, classes: Sequence[Workload]) -> None:
        self._terms: dict[str, dict[Phrase, float]] = defaultdict(dict)
        for workload in classes:
            levels = ((workload.hints, HINT), (workload.signs, SIGN), (workload.products, PRODUCT))
            for terms, weight in levels:
                for phrase in map(stems, terms):
                    if not _general().issuperset(phrase) or len(phrase) > 1:
                        self._terms[workload.name][phrase] = weight
        phrases = [(p, w) for terms in self._terms.values() for p, w in terms.items()]
        self._longest = max(len(phrase) for phrase, _ in phrases)
        self._loud = sorted({p[0] for p, w in phrases if len(p) == 1 and w > HINT})
        self._familiar = _general() | _quiet() | {word for p, _ in phrases for word in p}

    def find(self, text: str) -> Terms:
        """Return the terms of every class that `text` holds."""
        words, guessed = self._respell(stems(text))
        hits = {
            name: tuple(sorted(found, key=lambda hit: -hit.weight))
            for name, found in self._hits(words, guessed).items()
        }
        return Terms(hits, self._strangers(words), len(words))

    def _respell(self, words: Sequence[str]) -> tuple[tuple[str, ...], frozenset[str]]:
        """Return `words` with near misses of loud terms corrected, and which were corrected."""
        corrected: list[str] = []
        guessed: set[str] = set()
        for at, word in enumerate(words):
            better = self._nearest(word) if at < _RESPELT_WORDS else word
            if better != word:
                guessed.add(better)
            corrected.append(better)
        return tuple(corrected), frozenset(guessed)

    def _nearest(self, word: str) -> str:
        if word in self._familiar:
            return word
        letters = word.rstrip("0123456789")
        if letters != word and len(letters) > 2 and letters in self._familiar:
            return letters
        if len(word) < _SHORTEST_GUESS or len(word) > 2 * _SHORTEST_GUESS + 4:
            return word
        begun = [t for t in self._loud if len(t) >= _SHORTEST_GUESS and word.startswith(t)]
        near = begun or get_close_matches(word, self._loud, n=1, cutoff=_LIKENESS)
        close = near and near[0][0] == word[0] and len(word) - len(near[0]) <= _REACH
        return near[0] if close else word

    def _strangers(self, words: Sequence[str]) -> float:
        """Return the share of distinct words, stop words aside, that fit no description at all."""
        content = {word for word in words if word not in _quiet() and not word.isdigit()}
        unknown = sum(word not in self._familiar for word in content)
        return unknown / len(content) if content else 1.0

    def _hits(self, words: Sequence[str], guessed: frozenset[str]) -> dict[str, list[Hit]]:
        """Return for each class the terms found in `words`: longest first, none overlapping.

        A loud term of several words hides the shorter ones inside it from every other class:
        "Apache Spark" says nothing about the web server.
        """
        places: dict[Phrase, int] = {}
        for size in range(1, self._longest + 1):
            for at in range(len(words) - size + 1):
                places.setdefault(tuple(words[at : at + size]), at)
        found = {
            name: [
                Hit(terms[phrase], phrase, at) for phrase, at in places.items() if phrase in terms
            ]
            for name, terms in self._terms.items()
        }
        wide = [hit for hits in found.values() for hit in hits if len(hit.phrase) > 1]
        loud = [hit for hit in wide if hit.weight > HINT]
        return {
            name: _kept([hit for hit in hits if not _hidden(hit, loud)], words, guessed)
            for name, hits in found.items()
        }


def _kept(found: list[Hit], words: Sequence[str], guessed: frozenset[str]) -> list[Hit]:
    taken: set[str] = set()
    kept: list[Hit] = []
    for hit in sorted(found, key=lambda hit: (-len(hit.phrase), -hit.weight, hit.at)):
        if taken.isdisjoint(hit.phrase) and not _negated(hit, words):
            weight = hit.weight * (_MISSPELT if guessed & set(hit.phrase) else 1.0)
            kept.append(Hit(weight, hit.phrase, hit.at))
            taken.update(hit.phrase)
    return kept


def _hidden(hit: Hit, loud: list[Hit]) -> bool:
    size = len(hit.phrase)
    return any(
        len(wider.phrase) > size
        and wider.at <= hit.at
        and hit.at + size <= wider.at + len(wider.phrase)
        for wider in loud
    )


def _negated(hit: Hit, words: Sequence[str]) -> bool:
    before = words[max(0, hit.at - _REACH) : hit.at]
    after = words[hit.at + len(hit.phrase) :][:1]
    denied = not _NEGATIONS.isdisjoint(before) or after in (("less",), ["less"])
    return hit.weight > HINT and denied


@cache
def vocabulary() -> Vocabulary:
    """Return the vocabulary of the workload classes, built once."""
    return Vocabulary(load_workloads().classes)


@lru_cache(maxsize=_REMEMBERED)
def find_terms(text: str) -> Terms:
    """Return the terms of every class that `text` holds."""
    return vocabulary().find(text)


def named_kinds(text: str) -> tuple[str, ...]:
    """Return the classes whose products `text` names, in the order of workloads.toml.

    >>> named_kinds("nginx and redis"), named_kinds("not redis"), named_kinds("a shop")
    (('web_server', 'memory_cache'), (), ())
    """
    hits = find_terms(text).hits
    return tuple(name for name in hits if any(hit.weight == PRODUCT for hit in hits[name]))


def only_names(text: str) -> bool:
    """Return whether `text` names products and says nothing else.

    >>> only_names("nginx and redis"), only_names("nginx with redis sessions")
    (True, False)
    """
    found = [hit for hits in find_terms(text).hits.values() for hit in hits]
    names = {word for hit in found if hit.weight == PRODUCT for word in hit.phrase}
    return bool(names) and set(stems(text)) <= names | _general() | _quiet()


def says_nothing(text: str) -> bool:
    """Return whether `text` asks for tuning without a word on what the machine is for.

    >>> says_nothing("please tune this server"), says_nothing("tune this database server")
    (True, False)
    """
    words = set(stems(text))
    return bool(words & _general()) and words <= _general() | _quiet()


@cache
def _general() -> frozenset[str]:
    return frozenset(stem(word) for word in GENERAL_WORDS)


@cache
def _quiet() -> frozenset[str]:
    return frozenset(stem(word) for word in STOP_WORDS)
