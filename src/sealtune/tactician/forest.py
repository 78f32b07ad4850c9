"""A forest of extremely randomised trees, grown level by level and all trees at once.

For what a Gaussian process is poor at: cliffs, plateaus, thresholds. Each tree sees a bootstrap
sample, so that the trials it has not seen say how well the forest foretells.

Own arrays rather than scikit-learn, which adds some 40 MB and a second of import to a program that
needs one class of it. Source: Geurts, Ernst and Wehenkel, "Extremely randomized trees", 2006.
"""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Indices = NDArray[np.int64]

_TREES = 48
_LEAF = 2.0
"""Fewest trials in a leaf, repeated ones of the bootstrap counted."""


class Forest:
    """Regression of one number on vectors by the mean of many random trees.

    Args:
        seed: Same seed and same trials, same forest.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def fit(self, inputs: Matrix, targets: Matrix) -> "Forest":
        """Learn from `inputs` ``(n, f)`` and `targets` ``(n,)``, at least one."""
        generator = np.random.default_rng([self._seed, 12, len(targets)])
        count = len(targets)
        weights = generator.multinomial(count, np.full(count, 1.0 / count), _TREES).astype(float)
        self._grow(inputs, targets, weights, generator)
        leaves = self._value[self._leaves(inputs)]
        unseen = (weights == 0).astype(float)
        known = unseen.sum(axis=0)
        foretold = (leaves * unseen.T).sum(axis=1) / np.maximum(known, 1.0)
        self.left_out = np.where(known > 0, foretold, float(targets.mean()))
        return self

    def predict(self, inputs: Matrix) -> Matrix:
        """Return the mean of the trees at `inputs`, ``(m,)``."""
        return np.asarray(self._value[self._leaves(inputs)].mean(axis=1))

    def _leaves(self, inputs: Matrix) -> Indices:
        """Return the leaf of each row in each tree, ``(m, trees)``."""
        node = np.tile(np.arange(_TREES), (len(inputs), 1))
        row = np.arange(len(inputs))[:, None]
        while True:
            left = self._left[node]
            if not (left >= 0).any():
                return node
            right = inputs[row, self._feature[node]] > self._threshold[node]
            node = np.where(left >= 0, left + right, node)

    def _grow(
        self, inputs: Matrix, targets: Matrix, weights: Matrix, generator: np.random.Generator
    ) -> None:
        """Grow every tree one level at a time; node ``t`` is the root of tree ``t``."""
        node, member = np.nonzero(weights)
        weight = weights[node, member]
        grown: list[tuple[Indices, Matrix, Indices, Matrix]] = []
        first = 0
        width = _TREES
        while width:
            order = np.argsort(node, kind="stable")
            node, member, weight = node[order], member[order], weight[order]
            rows, values = inputs[member], targets[member]
            starts = np.searchsorted(node, np.arange(first, first + width))
            place = node - first
            feature, cut, value = _cuts(rows, values, weight, starts, place, generator)
            split = feature >= 0
            left = np.full(width, -1)
            left[split] = first + width + 2 * np.arange(int(split.sum()))
            grown.append((np.maximum(feature, 0), cut, left, value))
            kept = split[place]
            above = rows[np.arange(len(rows)), feature[place]] > cut[place]
            node = (left[place] + above)[kept]
            member, weight = member[kept], weight[kept]
            first, width = first + width, 2 * int(split.sum())
        self._feature, self._threshold, self._left, self._value = (
            np.concatenate(part) for part in zip(*grown, strict=True)
        )


def _cuts(
    rows: Matrix,
    values: Matrix,
    weight: Matrix,
    starts: Indices,
    place: Indices,
    generator: np.random.Generator,
) -> tuple[Indices, Matrix, Matrix]:
    """Return each node's best of one random cut per feature: feature (-1: a leaf), cut, mean."""
    low = np.minimum.reduceat(rows, starts, axis=0)
    high = np.maximum.reduceat(rows, starts, axis=0)
    cut = low + generator.random(low.shape) * (high - low)
    below = np.where(rows <= cut[place], weight[:, None], 0.0)
    total = np.add.reduceat(weight, starts)
    amount = np.add.reduceat(weight * values, starts)
    count = np.add.reduceat(below, starts, axis=0)
    part = np.add.reduceat(below * values[:, None], starts, axis=0)
    rest = total[:, None] - count
    allowed = (count >= _LEAF) & (rest >= _LEAF)
    # What the squared error falls by, up to a constant: sums of squares of the two means.
    fall = part**2 / np.maximum(count, 1.0) + (amount[:, None] - part) ** 2 / np.maximum(rest, 1.0)
    fall = np.where(allowed, fall, -np.inf)
    best = fall.argmax(axis=1)
    node = np.arange(len(best))
    # A cut between equal values tells nothing apart.
    worth = fall[node, best] > amount**2 / total + 1e-12
    return np.where(worth, best, -1), cut[node, best], amount / total
