"""A Gaussian process for few and noisy trials: what a search believes of what it has not measured.

Written for 5 to 200 trials of up to 20 knobs. The target is a sum of one effect per knob, learnt
from few trials because each lies on a line, and of one joint effect of all, which holds what the
knobs do together. Relevances and noise are learnt, outliers weighted down.

Sources: Rasmussen & Williams, "Gaussian Processes for Machine Learning", 2006, chapters 4 and 5
(5.4.2 for leave-one-out); sums of effects: Duvenaud, Nickisch & Rasmussen, "Additive Gaussian
processes", NeurIPS 2011; the prior that lets unused knobs fade: Hvarfner et al., ICML 2024.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_LENGTH = 0.3
"""Usual length scale of the joint effect, times the 0.4th power of the number of knobs."""
_LENGTH_SPREAD = 1.2
_OWN_LENGTH = 0.35
"""Length scale of a knob's own effect."""
_SHARE = 1.0
"""Usual variance of all own effects together, against 1 of the joint one."""
_SHARE_SPREAD = 1.5
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
        count = self._count = int(self._groups.max()) + 1
        self._prior = np.repeat(
            [math.log(_LENGTH * count**0.4), math.log(_SHARE / count)], [count, count]
        )
        self._spread = np.repeat([_LENGTH_SPREAD, _SHARE_SPREAD], [count, count])
        self._theta = np.append(self._prior, _NOISE_PRIOR[0])
        """Logarithms of the length scales, of the variances of own effects, of the noise."""
        self._inputs: Matrix = np.zeros((0, len(groups)))
        self._outcome = self._left_out = np.zeros(0)

    def fit(self, inputs: Matrix, targets: Matrix, iterations: int = 40) -> "GaussianProcess":
        """Learn from `inputs` ``(n, f)`` and `targets` ``(n,)``; starts from the last fit.

        Args:
            inputs: Features, about the size of [0, 1].
            targets: Higher is better; at least one, finite.
            iterations: Most steps of the optimiser over relevances and noise; 0 keeps those of
                the last fit.
        """
        self._inputs = inputs
        self._centre = float(np.median(targets))
        self._unit = float(np.std(targets)) or 1.0
        outcome = (targets - self._centre) / self._unit
        squares = self._squares(inputs, inputs)
        own = _matern(squares / _OWN_LENGTH**2)[0]
        if len(targets) > 3 and iterations:
            found = self._minimise(
                self._loss,
                self._theta,
                args=(squares, own, outcome),
                jac=True,
                method="L-BFGS-B",
                bounds=[(-2.5, 4.0)] * self._count + [(-9.0, 4.0)] * self._count + [(-7.0, 3.0)],
                options={"maxiter": iterations},
            )
            self._theta = found.x
        self._settle(outcome)
        return self

    @property
    def lengths(self) -> Matrix:
        """Length scale per knob of the joint effect, ``(knobs,)``: long ones matter little."""
        return np.asarray(np.exp(self._theta[: self._count]))

    @property
    def shares(self) -> Matrix:
        """Variance of each knob's own effect, ``(knobs,)``; the joint effect's is 1."""
        return np.asarray(np.exp(self._theta[self._count : -1]))

    @property
    def noise(self) -> float:
        """Variance of one run in the squared unit of the targets."""
        return float(self._unit**2 * self._variance * math.exp(self._theta[-1]))

    def _squares(self, left: Matrix, right: Matrix) -> Matrix:
        """Return squared distances per knob, ``(knobs, n, m)``."""
        squares = np.zeros((self._count, len(left), len(right)))
        for feature, group in enumerate(self._groups):
            squares[group] += (left[:, feature, None] - right[None, :, feature]) ** 2
        return squares

    def _loss(
        self, theta: Matrix, squares: Matrix, own: Matrix, outcome: Matrix
    ) -> tuple[float, Matrix]:
        """Return the negative log posterior of `theta` and its gradient."""
        count = len(outcome)
        lengths, shares = np.exp(-2.0 * theta[: self._count]), np.exp(theta[self._count : -1])
        joint, factor = _matern(np.tensordot(lengths, squares, 1))
        correlation = joint + np.tensordot(shares, own, 1)
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
        shift = (theta[:-1] - self._prior) / self._spread
        noise_shift = (theta[-1] - _NOISE_PRIOR[0]) / _NOISE_PRIOR[1]
        loss = 0.5 * (count + 2.0) * math.log(variance) + np.log(np.diag(lower)).sum()
        loss += 0.5 * (shift @ shift) + 0.5 * noise_shift**2
        slopes = np.concatenate(
            [
                lengths * np.tensordot(squares, outer * factor, 2),
                shares * np.tensordot(own, outer, 2),
            ]
        )
        gradient = np.append(
            0.5 * slopes + shift / self._spread,
            0.5 * noise * np.trace(outer) + noise_shift / _NOISE_PRIOR[1],
        )
        return float(loss), gradient

    def _settle(self, outcome: Matrix) -> None:
        """Solve for the weights; trust a trial less the less its neighbours can explain it."""
        correlation = self._correlation(self._inputs, self._inputs)
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

    def _correlation(self, left: Matrix, right: Matrix) -> Matrix:
        """Return the covariance of noise-free targets, ``(n, m)``, in units of the joint one."""
        squares = self._squares(left, right)
        joint = _matern(np.tensordot(self.lengths**-2.0, squares, 1))[0]
        felt = np.flatnonzero(self.shares > _UNFELT)
        own = _matern(squares[felt] / _OWN_LENGTH**2)[0]
        return np.asarray(joint + np.tensordot(self.shares[felt], own, 1))

    def predict(self, inputs: Matrix) -> tuple[Matrix, Matrix]:
        """Return mean and standard deviation of the noise-free target at `inputs`, ``(m,)``."""
        mean, deviation, _ = self.posterior(inputs, inputs[:0])
        return mean, deviation

    def posterior(self, inputs: Matrix, others: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        """Return mean and deviation at `inputs` ``(m,)``, covariance with `others` ``(m, k)``."""
        cross = self._correlation(inputs, self._inputs)
        weighted = cross @ self._inverse
        felt = self.shares[self.shares > _UNFELT].sum()
        left = 1.0 + felt - np.einsum("ij,ij->i", weighted, cross)
        deviation = np.sqrt(self._variance * np.maximum(left, 1e-9))
        mean = self._centre + self._unit * (cross @ self._alpha)
        covariance = np.zeros((len(inputs), 0))
        if len(others):
            explained = weighted @ self._correlation(self._inputs, others)
            covariance = self._correlation(inputs, others) - explained
        return mean, self._unit * deviation, self._unit**2 * self._variance * covariance

    @property
    def left_out(self) -> Matrix:
        """What each trial would be expected to give, had it not been run, ``(n,)``."""
        return self._centre + self._unit * self._left_out

    def rank_correlation(self) -> float:
        """Return how well each trial is foretold by the others: Spearman's, -1 to 1."""
        return rank_correlation(self._left_out, self._outcome)


_UNFELT = 0.01
"""An own effect of less variance than this is left out of predictions, to save time."""


def rank_correlation(foretold: Matrix, happened: Matrix) -> float:
    """Return Spearman's correlation of two arrays ``(n,)``; 0 for fewer than 4 trials."""
    if len(happened) < 4:
        return 0.0
    ranks = [array.argsort().argsort() for array in (foretold, happened)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _matern(scaled: Matrix) -> tuple[Matrix, Matrix]:
    """Return Matern 5/2 at squared scaled distances, and the factor of its derivatives."""
    root = np.sqrt(5.0 * scaled)
    decay = np.exp(-root)
    return (1.0 + root + root**2 / 3.0) * decay, (5.0 / 3.0) * (1.0 + root) * decay
