"""A small Gaussian process over settings: what a search believes about what it has not measured.

Written for 5 to 200 noisy trials of up to 20 knobs: Matern 5/2, one relevance per knob, noise
learnt, outliers weighted down. Every tactician's recommendation comes from this one model, so
that a comparison of tacticians compares what they tried.

Source: Rasmussen & Williams, "Gaussian Processes for Machine Learning", 2006, chapters 4 and 5
(5.4.2 for leave-one-out); the prior that lets unused knobs fade: Hvarfner et al., ICML 2024.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sealtune.space.knobs import ChoiceKnob, Setting
from sealtune.space.space import Space

Matrix = NDArray[np.float64]

_LENGTH = 0.3
"""Usual length scale before any trial, times the 0.4th power of the number of knobs."""
_LENGTH_SPREAD = 1.2
_NOISE_PRIOR = (-2.0, 1.5)
_OUTLIER = 3.0


class GaussianProcess:
    """Regression of one number on vectors, with uncertainty.

    Args:
        groups: ``(f,)`` for each feature the number of the knob it belongs to; features of one
            knob share one length scale.
    """

    def __init__(self, groups: Sequence[int]) -> None:
        # Takes a second to load: now, while a tactician is built, and not between two trials.
        from scipy.optimize import minimize

        self._minimise = minimize
        self._groups = np.asarray(groups)
        self._count = int(self._groups.max()) + 1
        self._prior = math.log(_LENGTH * self._count**0.4)
        self._theta = np.append(np.full(self._count, self._prior), _NOISE_PRIOR[0])
        self._inputs: Matrix = np.zeros((0, len(groups)))
        self._outcome = self._left_out = np.zeros(0)

    def fit(self, inputs: Matrix, targets: Matrix, iterations: int = 40) -> "GaussianProcess":
        """Learn from `inputs` ``(n, f)`` and `targets` ``(n,)``; starts from the last fit.

        Args:
            inputs: Features, about the size of [0, 1].
            targets: Higher is better; at least one, finite.
            iterations: Most steps of the optimiser over length scales and noise.
        """
        self._inputs = inputs
        self._centre = float(np.median(targets))
        self._unit = float(np.std(targets)) or 1.0
        outcome = (targets - self._centre) / self._unit
        squares = self._squares(inputs, inputs)
        if len(targets) > 3:
            found = self._minimise(
                self._loss,
                self._theta,
                args=(squares, outcome),
                jac=True,
                method="L-BFGS-B",
                bounds=[(-2.5, 4.0)] * self._count + [(-7.0, 2.0)],
                options={"maxiter": iterations},
            )
            self._theta = found.x
        self._settle(squares, outcome)
        return self

    def _squares(self, left: Matrix, right: Matrix) -> Matrix:
        """Return squared distances per knob, ``(knobs, n, m)``."""
        squares = np.zeros((self._count, len(left), len(right)))
        for feature, group in enumerate(self._groups):
            squares[group] += (left[:, feature, None] - right[None, :, feature]) ** 2
        return squares

    def _kernel(self, squares: Matrix) -> tuple[Matrix, Matrix]:
        """Return the correlation and the common factor of its derivatives."""
        weights = np.exp(-2.0 * self._theta[:-1])
        root = np.sqrt(5.0 * np.tensordot(weights, squares, 1))
        decay = np.exp(-root)
        return (1.0 + root + root**2 / 3.0) * decay, (5.0 / 3.0) * (1.0 + root) * decay

    def _loss(self, theta: Matrix, squares: Matrix, outcome: Matrix) -> tuple[float, Matrix]:
        """Return the negative log posterior of `theta` and its gradient."""
        self._theta = theta
        count = len(outcome)
        correlation, factor = self._kernel(squares)
        noise = math.exp(theta[-1])
        try:
            lower = np.linalg.cholesky(correlation + (noise + 1e-8) * np.eye(count))
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(theta)
        whitener = np.linalg.inv(lower)
        inverse = whitener.T @ whitener
        alpha = inverse @ outcome
        variance = (outcome @ alpha + 2.0) / (count + 2.0)
        outer = inverse - np.outer(alpha, alpha) / variance
        shift = theta[:-1] - self._prior
        noise_shift = (theta[-1] - _NOISE_PRIOR[0]) / _NOISE_PRIOR[1]
        loss = 0.5 * (count + 2.0) * math.log(variance) + np.log(np.diag(lower)).sum()
        loss += 0.5 * (shift @ shift) / _LENGTH_SPREAD**2 + 0.5 * noise_shift**2
        slopes = np.exp(-2.0 * theta[:-1]) * np.tensordot(squares, outer * factor, 2)
        gradient = np.append(
            0.5 * slopes + shift / _LENGTH_SPREAD**2,
            0.5 * noise * np.trace(outer) + noise_shift / _NOISE_PRIOR[1],
        )
        return float(loss), gradient

    def _settle(self, squares: Matrix, outcome: Matrix) -> None:
        """Solve for the weights; trust a trial less the less its neighbours can explain it."""
        correlation, _ = self._kernel(squares)
        noise = np.full(len(outcome), math.exp(self._theta[-1]) + 1e-8)
        for _ in range(2):
            inverse = np.linalg.inv(correlation + np.diag(noise))
            self._alpha = inverse @ outcome
            self._variance = (outcome @ self._alpha + 2.0) / (len(outcome) + 2.0)
            surprise = np.abs(self._alpha) / np.sqrt(np.diag(inverse) * self._variance)
            noise = noise * np.maximum(1.0, surprise / _OUTLIER) ** 4
        self._inverse = inverse
        self._left_out = outcome - self._alpha / np.diag(inverse)
        self._outcome = outcome

    def predict(self, inputs: Matrix) -> tuple[Matrix, Matrix]:
        """Return mean and standard deviation of the noise-free target at `inputs`, ``(m,)``."""
        cross, _ = self._kernel(self._squares(inputs, self._inputs))
        mean = cross @ self._alpha
        explained = np.einsum("ij,jk,ik->i", cross, self._inverse, cross, optimize=True)
        deviation = np.sqrt(self._variance * np.maximum(1.0 - explained, 1e-9))
        return self._centre + self._unit * mean, self._unit * deviation

    def rank_correlation(self) -> float:
        """Return how well each trial is foretold by the others: Spearman's, -1 to 1."""
        if len(self._outcome) < 4:
            return 0.0
        ranks = [array.argsort().argsort() for array in (self._left_out, self._outcome)]
        return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


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
        known = np.array([merit for merit in merits if merit is not None])
        middle, high = np.quantile(known, [0.5, 0.9])
        # How bad a bad region is matters little; as it is, it would flatten the good one.
        floor = middle - 3.0 * max(high - middle, 1e-12)
        worst = max(float(known.min()), floor)
        targets = np.array([worst if merit is None else max(merit, floor) for merit in merits])
        self.process.fit(self.features(self._positions(settings)), targets, iterations)
        return self

    def predict(self, settings: Sequence[Setting]) -> tuple[Matrix, Matrix]:
        """Return mean and standard deviation of the merit of each setting, ``(m,)`` each."""
        return self.predict_at(self._positions(settings))

    def predict_at(self, positions: Matrix) -> tuple[Matrix, Matrix]:
        """Return the same for positions in [0, 1]^n, ``(m, n)``."""
        return self.process.predict(self.features(positions))

    def _positions(self, settings: Sequence[Setting]) -> Matrix:
        return np.array([self._space.encode(setting) for setting in settings])
