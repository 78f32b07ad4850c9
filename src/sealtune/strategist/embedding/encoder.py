"""From sentences to vectors of meaning: all-MiniLM-L6-v2 with 8-bit weights, in numpy."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from sealtune.strategist.embedding.tokens import tokenize

WEIGHTS = Path(__file__).with_name("minilm.npz")
"""Layers, scales and the vocabulary."""

WORDS = Path(__file__).with_name("words.npy")
"""Table of word vectors; mapped, so that only the rows in use come into memory."""

SIZE = 384
"""Length of a sentence's vector."""

_LAYERS, _MIDDLE, _HEADS = 6, 3, 12
_EPSILON = 1e-12
_BATCH = 32

Array = npt.NDArray[np.float32]


def embed(texts: Sequence[str]) -> Array:
    """Return one unit vector for each text, ``float32 (len(texts), 384)``.

    Nearness of meaning is their dot product. Only the first 126 word pieces of a text are read.
    """
    return encode(texts)[:, :SIZE]


def encode(texts: Sequence[str]) -> Array:
    """Return meaning and wording of each text, ``float32 (len(texts), 2 * 384)``.

    The first half is the unit vector of its meaning, as from `embed`; the second one, also of
    length 1, is taken half-way through the layers, where single words still count.
    """
    return encoder().encode(texts)


class Encoder:
    """The transformer: 6 layers of 12 heads, mean over the pieces, length 1.

    The matrices stay 8-bit in memory and are widened one at a time, for each product.

    Args:
        arrays: What `build` wrote, by name.
    """

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        lines = arrays["vocabulary"].tobytes().decode("utf-8").split("\n")
        self._vocabulary = {piece: number for number, piece in enumerate(lines) if piece}
        self._matrices = {name: array for name, array in arrays.items() if array.dtype == np.int8}
        self._vectors = {
            name: array.astype(np.float32)
            for name, array in arrays.items()
            if array.dtype in (np.float16, np.float32)
        }

    def encode(self, texts: Sequence[str]) -> Array:
        """Return meaning and wording of each text, ``float32 (len(texts), 2 * 384)``."""
        vectors = np.zeros((len(texts), 2, SIZE), np.float32)
        with one_thread():
            for start in range(0, len(texts), _BATCH):
                pieces = [self.tokenize(text) for text in texts[start : start + _BATCH]]
                vectors[start : start + _BATCH] = self._means(pieces)
        vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
        return vectors.reshape(len(texts), 2 * SIZE)

    def tokenize(self, text: str) -> list[int]:
        """Return the numbers of the word pieces of `text`, marks included."""
        return tokenize(text, self._vocabulary)

    def _means(self, pieces: Sequence[Sequence[int]]) -> Array:
        """Return the mean of the last and of the middle states of each text, (texts, 2, 384).

        The texts stand one after another in one matrix: no padding, so no mask.
        """
        ends = np.cumsum([len(text) for text in pieces])
        places = [slice(end - len(text), end) for end, text in zip(ends, pieces, strict=True)]
        words = self._rows("words", [number for text in pieces for number in text])
        order = self._rows("positions", [at for text in pieces for at in range(len(text))])
        states = middle = self._norm("embedded", words + order)
        for layer in range(_LAYERS):
            states = self._layer(f"{layer}.", states, places)
            middle = states if layer < _MIDDLE else middle
        means = [(states[place].mean(axis=0), middle[place].mean(axis=0)) for place in places]
        return np.array(means, np.float32)

    def _layer(self, layer: str, states: Array, places: Sequence[slice]) -> Array:
        triples = self._dense(layer + "attend", states)
        mixed = np.concatenate([_attend(triples[place]) for place in places])
        states = self._norm(layer + "attended", states + self._dense(layer + "output", mixed))
        wide = _gelu(self._dense(layer + "widen", states))
        return self._norm(layer + "fed", states + self._dense(layer + "narrow", wide))

    def _rows(self, name: str, numbers: Sequence[int]) -> Array:
        scale = self._vectors[f"{name}.scale"][numbers, None]
        rows: Array = self._matrices[name][numbers] * scale
        return rows

    def _dense(self, name: str, states: Array) -> Array:
        product: Array = states @ self._matrices[name].astype(np.float32).T
        product *= self._vectors[f"{name}.scale"]
        product += self._vectors[f"{name}.bias"]
        return product

    def _norm(self, name: str, states: Array) -> Array:
        centred = states - states.mean(axis=1, keepdims=True)
        variance = (centred * centred).mean(axis=1, keepdims=True)
        gain, bias = self._vectors[f"{name}.gain"], self._vectors[f"{name}.bias"]
        normal: Array = centred / np.sqrt(variance + _EPSILON) * gain + bias
        return normal


def _attend(triples: Array) -> Array:
    """Return the values mixed by attention; `triples` holds query, key, value side by side."""
    count, width = len(triples), SIZE // _HEADS
    query, key, value = triples.reshape(count, 3, _HEADS, width).transpose(1, 2, 0, 3)
    scores = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(width))
    scores = np.exp(scores - scores.max(axis=2, keepdims=True))
    shares = scores / scores.sum(axis=2, keepdims=True)
    mixed: Array = (shares @ value).transpose(1, 0, 2).reshape(count, SIZE)
    return mixed


def _gelu(x: Array) -> Array:
    # The tanh form; it differs from the exact one by less than 8-bit weights do.
    inner = np.float32(0.7978845608) * (x + np.float32(0.044715) * x * x * x)
    curved: Array = np.float32(0.5) * x * (1 + np.tanh(inner))
    return curved


def one_thread() -> AbstractContextManager[Any]:
    """Hold numpy's matrix products to one thread for the body of the ``with``.

    On a busy machine two threads wait for each other: one is up to thirty times as fast.
    """
    limit: AbstractContextManager[Any] = _products().limit(limits=1, user_api="blas")
    return limit


@cache
def _products() -> ThreadpoolController:
    return ThreadpoolController()


@cache
def encoder() -> Encoder:
    """Return the encoder, read from the package once."""
    with np.load(WEIGHTS) as arrays:
        return Encoder({**arrays, "words": np.load(WORDS, mmap_mode="r")})
