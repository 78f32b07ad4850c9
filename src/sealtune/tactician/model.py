"""What a search believes about settings: one Gaussian process spoken to in settings.

Every tactician's recommendation comes from this one model, so that a comparison of tacticians
compares what they tried.
"""

from collections.abc import Sequence

import numpy as np

from sealtune.space.knobs import ChoiceKnob, Setting
from sealtune.space.space import Space
from sealtune.tactician.process import GaussianProcess, Matrix

_FLOOR = 3.0
"""How many times further below the middle than the best tenth lies above it a score may count."""


class SettingModel:
    """The Gaussian process spoken to in settings and, inside a tactician, in positions.

    Args:
        space: Encodes integers to [0, 1]; a choice becomes one feature per alternative.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        groups: list[int] = []
        for number, knob in enumerate(space.knobs):
            groups += [number] * (len(knob.choices) if isinstance(knob, ChoiceKnob) else 1)
        self.process = GaussianProcess(groups)

    def features(self, positions: Matrix) -> Matrix:
        """Return one row of features per position in [0, 1]^n, ``(m, f)``; clipped."""
        columns: list[Matrix] = []
        for position, knob in zip(np.clip(positions, 0.0, 1.0).T, self._space.knobs, strict=True):
            if isinstance(knob, ChoiceKnob):
                count = len(knob.choices)
                chosen = np.minimum((position * count).astype(int), count - 1)
                columns += list(0.7 * np.eye(count)[chosen].T)
            else:
                columns.append(position)
        return np.stack(columns, axis=1)

    def fit(
        self, settings: Sequence[Setting], merits: Sequence[float | None], iterations: int = 40
    ) -> "SettingModel":
        """Learn from trials; a failed one (``None``) counts as bad as the worst that worked."""
        features = self.features(self._positions(settings))
        self.process.fit(features, targets(merits), iterations)
        return self

    def predict(self, settings: Sequence[Setting]) -> tuple[Matrix, Matrix]:
        """Return mean and standard deviation of the merit of each setting, ``(m,)`` each."""
        return self.predict_at(self._positions(settings))

    def predict_at(self, positions: Matrix) -> tuple[Matrix, Matrix]:
        """Return the same for positions in [0, 1]^n, ``(m, n)``."""
        return self.process.predict(self.features(positions))

    def _positions(self, settings: Sequence[Setting]) -> Matrix:
        return np.array([self._space.encode(setting) for setting in settings])


def targets(merits: Sequence[float | None]) -> Matrix:
    """Return what a model learns from `merits`, ``(n,)``: no failure, nothing endlessly bad.

    A failed trial (``None``) counts as bad as the worst that worked; at least one must have.
    """
    known = np.array([merit for merit in merits if merit is not None])
    middle, high = np.quantile(known, [0.5, 0.9])
    # How bad a bad region is matters little; as it is, it would flatten the good one.
    floor = middle - _FLOOR * max(high - middle, 1e-12)
    worst = max(float(known.min()), floor)
    return np.array([worst if merit is None else max(merit, floor) for merit in merits])
