"""The models that a search may practise on, each with the say that it has earned.

Three that err in different ways: a Gaussian process (smooth, knows what it does not know), a
forest (cliffs and plateaus) and a quadratic surface (few trials). One has a say only while it
foretells the trials that it has not seen: rank correlation above a gate, as in DyNA-PPO
(Angermueller et al., "Model-based reinforcement learning for biological sequence design", ICLR
2020).
"""

from collections.abc import Sequence

import numpy as np

from sealtune.space.space import Space
from sealtune.tactician.forest import Forest
from sealtune.tactician.model import SettingModel, targets
from sealtune.tactician.process import Matrix, rank_correlation
from sealtune.tactician.ridge import QuadraticRidge

SURROGATES = ("process", "forest", "ridge")
GATE = 0.1
_SHARPNESS = 3.0
"""How much a model that errs less counts for more: power of the ratio of squared errors."""
_ITERATIONS = 20
_EVERY = (0, 40, 80)
"""From so many trials on, relevances are learnt anew each trial, each second, each third."""


class Surrogates:
    """A pool of models of the same trials.

    Args:
        space: Where is searched.
        names: Which of `SURROGATES` to use; the process is always fitted, for its uncertainty.
        seed: Of the forest.
    """

    def __init__(self, space: Space, names: Sequence[str] = SURROGATES, seed: int = 0) -> None:
        self.model = SettingModel(space)
        self._forest = Forest(seed) if "forest" in names else None
        self._ridge = QuadraticRidge() if "ridge" in names else None
        self._risk = Forest(seed)
        self._has_failed = False
        self.weights: dict[str, float] = {}
        """Share of each trusted model's say; empty when none passes the gate."""

    @property
    def trusted(self) -> bool:
        """Whether any model foretells the trials."""
        return bool(self.weights)

    def fit(self, positions: Matrix, merits: Sequence[float | None]) -> "Surrogates":
        """Learn from trials at `positions` ``(n, knobs)``; a failed one is ``None``.

        Failures are learnt by themselves: as a bad value they would drag down what lies beside the
        cliff, which is where the best often is.
        """
        everything = self.model.features(positions)
        failed = np.array([merit is None for merit in merits])
        features, outcome = everything[~failed], targets([m for m in merits if m is not None])
        self._has_failed = bool(failed.any())
        if self._has_failed:
            self._risk.fit(everything, failed.astype(float))
        process = self.model.process
        every = sum(len(outcome) >= limit for limit in _EVERY)
        process.fit(features, outcome, 0 if len(outcome) % every else _ITERATIONS)
        foretold = {"process": process.left_out}
        if self._forest is not None:
            foretold["forest"] = self._forest.fit(features, outcome).left_out
        if self._ridge is not None:
            foretold["ridge"] = self._ridge.fit(features, outcome).left_out
        self.weights = _earned(foretold, outcome)
        return self

    def predict_at(self, positions: Matrix) -> tuple[Matrix, Matrix]:
        """Return mean and standard deviation at `positions` ``(m, knobs)``, ``(m,)`` each."""
        features = self.model.features(positions)
        mean, deviation = self.model.process.predict(features)
        means = {"process": mean}
        if self._forest is not None and "forest" in self.weights:
            means["forest"] = self._forest.predict(features)
        if self._ridge is not None and "ridge" in self.weights:
            means["ridge"] = self._ridge.predict(features)
        if not self.weights:
            return mean, deviation
        say = np.array([self.weights.get(name, 0.0) for name in means])
        each = np.array(list(means.values()))
        middle = say @ each
        apart = say @ (each - middle) ** 2
        return middle, np.sqrt(deviation**2 + apart)

    def risk_at(self, positions: Matrix) -> Matrix:
        """Return the chance that a trial fails at `positions` ``(m, knobs)``, ``(m,)``."""
        if not self._has_failed:
            return np.zeros(len(positions))
        return self._risk.predict(self.model.features(positions))


def _earned(foretold: dict[str, Matrix], outcome: Matrix) -> dict[str, float]:
    """Return the share of each model that passes the gate."""
    errors = {
        name: max(float(np.mean((one - outcome) ** 2)), 1e-12)
        for name, one in foretold.items()
        if rank_correlation(one, outcome) > GATE
    }
    if not errors:
        return {}
    least = min(errors.values())
    say = {name: (least / error) ** _SHARPNESS for name, error in errors.items()}
    return {name: one / sum(say.values()) for name, one in say.items()}
