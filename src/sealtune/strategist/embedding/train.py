"""Trains the layer on examples.toml: ``python -m sealtune.strategist.embedding.train``.

Always ends in the same layer. Run it after a change of the examples or of the terms in
workloads.toml; it takes half a minute, most of it for the encoder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sealtune.strategist.embedding.build import quantise
from sealtune.strategist.embedding.encoder import SIZE, encode, one_thread
from sealtune.strategist.embedding.examples import Example, digest, load_examples
from sealtune.strategist.embedding.features import (
    Array,
    class_names,
    join,
    likeness,
    term_scores,
)
from sealtune.strategist.embedding.layer import LAYER, Layer, softmax
from sealtune.strategist.words import described

_PENALTY = 3.0
_ROUNDS = 150
_SHARPENINGS = np.arange(0.8, 2.01, 0.05)


@dataclass(frozen=True, slots=True)
class Material:
    """Examples with what the encoder and the vocabulary make of them.

    Attributes:
        vectors: From `encode`, shape (examples, 2 * 384).
        terms: From `term_scores`.
        kinds: Index of each example's class, shape (examples,).
        hands: Who wrote each, shape (examples,).
    """

    vectors: Array
    terms: Array
    kinds: npt.NDArray[np.uint8]
    hands: npt.NDArray[np.str_]

    def only(self, chosen: npt.NDArray[np.bool_]) -> "Material":
        """Return the chosen examples."""
        return Material(
            self.vectors[chosen], self.terms[chosen], self.kinds[chosen], self.hands[chosen]
        )


def material(examples: Sequence[Example]) -> Material:
    """Return `examples` encoded."""
    return Material(
        encode([described(example.text) for example in examples]),
        term_scores([example.text for example in examples]),
        np.array([class_names().index(example.kind) for example in examples], np.uint8),
        np.array([example.hand for example in examples]),
    )


def fit(known: Material, sharpening: float = 1.0) -> Layer:
    """Return the layer that fits `known` best under the penalty.

    Args:
        known: What to learn from.
        sharpening: Factor on the scores, so that 0.8 means right eight times in ten.
    """
    from scipy.optimize import minimize

    meanings = known.vectors[:, :SIZE]
    cosines = meanings @ meanings.T
    np.fill_diagonal(cosines, -1)  # an example must not be its own neighbour
    features = join(known.vectors, known.terms, likeness(cosines, known.kinds))
    wanted = np.eye(len(class_names()), dtype=np.float32)[known.kinds]
    count, shape = len(features), (features.shape[1], wanted.shape[1])

    def loss(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        weights, bias = _unpack(flat, shape)
        shares = softmax((features @ weights + bias).astype(np.float32))
        error = (shares - wanted) / count
        slope = features.T @ error + _PENALTY / count * weights
        surprise = -np.log((shares * wanted).sum(axis=1) + 1e-12).mean()
        penalty = _PENALTY / count * float((weights * weights).sum()) / 2
        flat_slope = np.concatenate([slope.ravel(), error.sum(axis=0)])
        return float(surprise) + penalty, flat_slope.astype(np.float64)

    start = np.zeros(shape[0] * shape[1] + shape[1])
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _ROUNDS})
    weights, bias = _unpack(best.x * sharpening, shape)
    whole, scale = quantise(meanings)
    return Layer(weights, bias, whole, scale, known.kinds, digest())


def _unpack(flat: npt.NDArray[np.float64], shape: tuple[int, int]) -> tuple[Array, Array]:
    narrow = flat.astype(np.float32)
    return narrow[: shape[0] * shape[1]].reshape(shape), narrow[shape[0] * shape[1] :]


def cross_validate(known: Material) -> Array:
    """Return probabilities for each example from a layer that saw no example of its hand."""
    shares = np.zeros((len(known.kinds), len(class_names())), np.float32)
    for hand in sorted(set(known.hands)):
        unseen = known.hands == hand
        tested = known.only(unseen)
        shares[unseen] = fit(known.only(~unseen)).probabilities(tested.vectors, tested.terms)
    return shares


def sharpen(shares: Array, kinds: npt.NDArray[np.uint8]) -> float:
    """Return the factor on the scores that makes `shares` say how often they are right."""
    scores = np.log(shares + 1e-9)

    def surprise(factor: float) -> float:
        sharper = softmax((factor * scores).astype(np.float32))
        return float(-np.log(sharper[np.arange(len(kinds)), kinds] + 1e-12).mean())

    return float(min(_SHARPENINGS, key=surprise))


def train(target: Path = LAYER) -> None:
    """Train on all examples and write the layer to `target`."""
    known = material(load_examples())
    with one_thread():  # sums in one order: always the same layer
        layer = fit(known, sharpen(cross_validate(known), known.kinds))
    np.savez_compressed(
        target,
        weights=layer.weights,
        bias=layer.bias,
        examples=layer.examples,
        scale=layer.scale,
        kinds=layer.kinds,
        digest=np.array(layer.digest),
    )


if __name__ == "__main__":
    train()
