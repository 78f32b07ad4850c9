"""Extra-trees regression in numpy: what a recorded surface is between its points.

Trees, and never a Gaussian process: searches that model the surface by one would be judged on
their own assumption. Written here because scikit-learn, with what it needs, is 60 MB for one class
of a bench; whole-array steps make a prediction of one row as quick as is needed.

Source: Geurts, Ernst and Wehenkel, "Extremely randomized trees", 2006.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sealtune.space.knobs import ChoiceKnob, Setting
from sealtune.space.space import Space

Array = NDArray[np.float64]

LEAVES = (2, 4, 8, 16)
"""Sizes of a leaf to choose from: the noisier the measurements, the larger."""
_FOLDS = 5


class Forest:
    """Extremely randomised trees over a space; a choice is a feature for each of its values.

    Args:
        space: Of the settings.
        settings: Where the values were measured, ``n`` of them, at least 1.
        values: ``(n,)`` numbers to predict.
        seed: Seed of the trees.
        trees: How many; their mean is the prediction.
        leaf: Fewest measurements in a leaf.
    """

    def __init__(
        self,
        space: Space,
        settings: Sequence[Setting],
        values: Array,
        *,
        seed: int = 0,
        trees: int = 100,
        leaf: int = 2,
    ) -> None:
        self._space, self._leaf = space, leaf
        self._generator = np.random.default_rng([seed, 11])
        rows, values = self.features(settings), np.asarray(values, dtype=float)
        grown = [self._grow(rows, values) for _ in range(trees)]
        most = max(len(tree) for tree in grown)
        nodes = np.array([tree + [(0, 0.0, 0, 0, 0.0)] * (most - len(tree)) for tree in grown])
        self._feature, self._left, self._right = (
            nodes[:, :, column].astype(int) for column in (0, 2, 3)
        )
        self._threshold, self._value = nodes[:, :, 1], nodes[:, :, 4]

    def features(self, settings: Sequence[Setting]) -> Array:
        """Return ``(n, features)``: numbers by their position, choices one column a value."""
        return np.array([self._row(setting) for setting in settings])

    def _row(self, setting: Setting) -> list[float]:
        row: list[float] = []
        for knob in self._space.knobs:
            if isinstance(knob, ChoiceKnob):
                row += [float(setting[knob.name] == choice) for choice in knob.choices]
            else:
                row.append(knob.encode(setting[knob.name]))
        return row

    def predict(self, settings: Sequence[Setting]) -> Array:
        """Return the mean of the trees at each of `settings`, ``(n,)``."""
        rows = self.features(settings)
        tree = np.arange(len(self._feature))
        node = np.zeros((len(rows), len(tree)), dtype=int)
        line = np.arange(len(rows))[:, None]
        while True:
            left = self._left[tree, node]
            below = rows[line, self._feature[tree, node]] <= self._threshold[tree, node]
            following = np.where(below, left, self._right[tree, node])
            inner = left > 0  # the root is nobody's child: 0 marks a leaf
            if not inner.any():
                return np.asarray(self._value[tree, node].mean(axis=1))
            node = np.where(inner, following, node)

    def _grow(self, rows: Array, values: Array) -> list[tuple[int, float, int, int, float]]:
        """Return a tree: for each node its feature, threshold, two children and value."""
        nodes: list[tuple[int, float, int, int, float]] = [(0, 0.0, 0, 0, 0.0)]
        waiting = [(0, np.arange(len(rows)))]
        while waiting:
            place, members = waiting.pop()
            split = self._split(rows[members], values[members])
            if split is None:
                nodes[place] = (0, 0.0, 0, 0, float(values[members].mean()))
                continue
            feature, threshold, below = split
            nodes[place] = (feature, threshold, len(nodes), len(nodes) + 1, 0.0)
            waiting += [(len(nodes), members[below]), (len(nodes) + 1, members[~below])]
            nodes += [(0, 0.0, 0, 0, 0.0)] * 2
        return nodes

    def _split(self, rows: Array, values: Array) -> tuple[int, float, NDArray[np.bool_]] | None:
        """Return the best of one random cut of each feature, ``None`` for a leaf."""
        if len(rows) < 2 * self._leaf or np.ptp(values) == 0:
            return None
        low, high = rows.min(axis=0), rows.max(axis=0)
        cuts = low + self._generator.random(len(low)) * (high - low)
        below = rows <= cuts
        count = below.sum(axis=0)
        allowed = (count >= self._leaf) & (len(rows) - count >= self._leaf)
        if not allowed.any():
            return None
        total, part = values.sum(), values @ below
        # What the squared error falls by, up to a constant: sums of squares of the two means.
        with np.errstate(divide="ignore", invalid="ignore"):
            fall = part**2 / count + (total - part) ** 2 / (len(rows) - count)
        feature = int(np.argmax(np.where(allowed, fall, -np.inf)))
        return feature, float(cuts[feature]), below[:, feature]


def chosen_leaf(space: Space, measured: Sequence[tuple[Setting, Sequence[float]]]) -> int:
    """Return which of `LEAVES` predicts left-out settings best, by squared error over five folds.

    Leaves that are too small learn the noise, and a search would be sent after it.

    Args:
        space: Of the settings.
        measured: Distinct settings, each with the values of its runs.
    """
    if len(measured) < 2 * _FOLDS:
        return LEAVES[0]
    order = np.random.default_rng(0).permutation(len(measured))
    folds = [set(order[fold::_FOLDS].tolist()) for fold in range(_FOLDS)]
    errors = [sum(_left_out(space, measured, fold, leaf) for fold in folds) for leaf in LEAVES]
    return LEAVES[int(np.argmin(errors))]


def _left_out(
    space: Space,
    measured: Sequence[tuple[Setting, Sequence[float]]],
    fold: set[int],
    leaf: int,
) -> float:
    """Return the squared error on the settings of `fold` of a forest that has not seen them."""
    seen = [one for at, one in enumerate(measured) if at not in fold]
    rows = [setting for setting, values in seen for _ in values]
    learnt = np.array([value for _, values in seen for value in values])
    forest = Forest(space, rows, learnt, trees=12, leaf=leaf)
    wanted = np.array([np.mean(measured[at][1]) for at in sorted(fold)])
    predicted = forest.predict([measured[at][0] for at in sorted(fold)])
    return float(((wanted - predicted) ** 2).sum())
