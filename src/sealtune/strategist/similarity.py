"""How like a description is to the example sentences of each class: tf-idf over word pieces."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from sealtune.strategist.words import GENERAL_WORDS, STOP_WORDS, stem

_PIECE = 4
_QUIET = frozenset(stem(word) for word in STOP_WORDS | GENERAL_WORDS)


class Similarity:
    """Compares a list of stems with the examples of each class.

    Pieces are whole stems and runs of four letters, so that an unseen ending or a typing mistake
    costs part of the likeness and not all of it.

    Args:
        examples: Class name to its examples, each a sequence of stems.

    >>> alike = Similarity({"a": [("red", "apple")], "b": [("blue", "berry")]})
    >>> alike.nearest(("red", "apples"))["a"] > alike.nearest(("red", "apples"))["b"]
    True
    """

    def __init__(self, examples: Mapping[str, Sequence[Sequence[str]]]) -> None:
        bags = [(name, _pieces(words)) for name, lines in examples.items() for words in lines]
        seen = Counter(piece for _, bag in bags for piece in bag)
        self._rarity = {piece: math.log(1 + len(bags) / n) for piece, n in seen.items()}
        self._unseen = math.log(1 + len(bags))
        self._examples = [(name, self._weigh(bag)) for name, bag in bags]

    def nearest(self, words: Sequence[str]) -> dict[str, float]:
        """Return the cosine in [0, 1] of `words` with the nearest example of each class."""
        query = self._weigh(_pieces(words))
        best = dict.fromkeys((name for name, _ in self._examples), 0.0)
        for name, example in self._examples:
            cosine = sum(weight * example.get(piece, 0.0) for piece, weight in query.items())
            best[name] = max(best[name], cosine)
        return best

    def _weigh(self, bag: Mapping[str, int]) -> dict[str, float]:
        weights = {
            piece: (1 + math.log(n)) * self._rarity.get(piece, self._unseen)
            for piece, n in bag.items()
        }
        length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        return {piece: weight / length for piece, weight in weights.items()}


def _pieces(words: Sequence[str]) -> Counter[str]:
    bag: Counter[str] = Counter()
    for word in words:
        if word in _QUIET:
            continue
        bag[f" {word} "] += 2
        bag.update(word[i : i + _PIECE] for i in range(len(word) - _PIECE + 1))
    return bag
