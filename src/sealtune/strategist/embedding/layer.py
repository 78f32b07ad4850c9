"""The learned layer: from the features of a description to a probability for each class."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sealtune.strategist.embedding.encoder import SIZE, encode, one_thread
from sealtune.strategist.embedding.features import (
    Array,
    class_names,
    join,
    likeness,
    term_scores,
)
from sealtune.strategist.words import described

LAYER = Path(__file__).with_name("layer.npz")

_REMEMBERED, _BLOCKS = 64, 8


@dataclass(frozen=True, slots=True)
class Layer:
    """Multinomial logistic regression over `features`.

    Attributes:
        weights: Shape (features, classes).
        bias: Shape (classes,).
        examples: Meanings of the examples as int8, shape (examples, 384).
        scale: Size of one step of each example, shape (examples,).
        kinds: Class of each example, shape (examples,).
        digest: Of the examples it was trained on.
    """

    weights: Array
    bias: Array
    examples: npt.NDArray[np.int8]
    scale: Array
    kinds: npt.NDArray[np.uint8]
    digest: str

    def probabilities(self, vectors: Array, terms: Array) -> Array:
        """Return the probability of each class, ``(texts, classes)``; rows add up to 1."""
        with one_thread():
            blocks = np.array_split(self.examples, _BLOCKS)  # few are wide at any time
            widened = (block.astype(np.float32) for block in blocks)
            cosines = np.hstack([vectors[:, :SIZE] @ block.T for block in widened]) * self.scale
            features = join(vectors, terms, likeness(cosines, self.kinds))
            return softmax(features @ self.weights + self.bias)


def softmax(scores: Array) -> Array:
    """Return the rows of `scores` as probabilities."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares


@lru_cache(maxsize=_REMEMBERED)
def probabilities(text: str) -> dict[str, float]:
    """Return how probable each class is for `text`, `NONE` included; they add up to 1."""
    row = _layer().probabilities(encode([described(text)]), term_scores([text]))[0]
    return dict(zip(class_names(), map(float, row), strict=True))


def loudest(passages: Sequence[str], kind: str) -> str:
    """Return which of `passages` speaks most for the class `kind` when it stands alone."""
    shares = _layer().probabilities(encode(passages), term_scores(passages))
    return passages[int(shares[:, class_names().index(kind)].argmax())]


@cache
def _layer() -> Layer:
    return load_layer()


def load_layer(path: Path = LAYER) -> Layer:
    """Return the layer that `train` stored at `path`."""
    with np.load(path) as stored:
        return Layer(
            weights=stored["weights"],
            bias=stored["bias"],
            examples=stored["examples"],
            scale=stored["scale"],
            kinds=stored["kinds"],
            digest=str(stored["digest"]),
        )
