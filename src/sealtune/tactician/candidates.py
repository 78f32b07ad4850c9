"""Where the next trial could go, and which of these places is worth most."""

from collections.abc import Callable

import numpy as np

from sealtune.space.knobs import ChoiceKnob
from sealtune.space.space import Space
from sealtune.tactician.acquisition import knowledge_gradient
from sealtune.tactician.lattice import Lattice
from sealtune.tactician.policy import PolicyOptions
from sealtune.tactician.process import Matrix
from sealtune.tactician.region import TrustRegion
from sealtune.tactician.surrogates import Surrogates

_ELITE = 5
_RIVALS = 30
"""Of the settings tried, so many of the most promising count as what could be recommended."""
_LOCAL = 0.5
"""How often the trust region bounds where the next trial may lie."""
_CLIMBERS = 5
_STEPS = (0.12, 0.04, 0.015)
"""Step lengths of the climb from the best candidates, on [0, 1]."""
_TRIES = 20


class Candidates:
    """Chooses the place of the next trial.

    Args:
        space: Where is searched.
        options: Size of the pool, and which parts are switched off.
        region: The trust region, judged by its owner.
    """

    def __init__(self, space: Space, options: PolicyOptions, region: TrustRegion | None) -> None:
        self._options, self._region = options, region
        self._lattice = Lattice(space)
        self._choices = np.array([isinstance(knob, ChoiceKnob) for knob in space.knobs])

    def choose(
        self,
        models: Surrogates,
        tried: Matrix,
        proposals: Matrix | None,
        generator: np.random.Generator,
    ) -> Matrix:
        """Return the position of which the models expect most, ``(n,)``.

        Args:
            models: Fitted to the trials.
            tried: Positions of the trials that worked, ``(k, n)``.
            proposals: The policy's, ``(m, n)``.
            generator: All randomness comes from here.
        """
        known = np.unique(tried, axis=0)
        mean, deviation = models.predict_at(known)
        elite = known[np.argsort(-mean, kind="stable")[:_ELITE]]
        known = known[np.argsort(-(mean + deviation), kind="stable")]
        low, high = self._bounds(elite[0], models, generator)
        worth = self._worth(models, known[:_RIVALS])
        pool = self._pool(elite, proposals, low, high, generator)
        again = elite if self._options.repeats else elite[:0]
        places = np.concatenate([np.clip(self._lattice.snap(pool), 0.0, 1.0), again])
        values = worth(places)
        for step in _STEPS:
            top = places[np.argsort(-values, kind="stable")[:_CLIMBERS]]
            near = self._lattice.snap(np.clip(self._vary(top, step, generator), low, high))
            places = np.concatenate([top, near])
            values = worth(places)
        return np.asarray(places[int(values.argmax())])

    def _bounds(
        self, centre: Matrix, models: Surrogates, generator: np.random.Generator
    ) -> tuple[Matrix, Matrix]:
        """Return the corners of where to look now: the trust region, or everywhere."""
        low, high = np.zeros(len(centre)), np.ones(len(centre))
        if self._region is None or generator.random() >= _LOCAL:
            return low, high
        low, high = self._region.box(centre, models.model.process.lengths)
        # A choice is not near or far.
        return np.where(self._choices, 0.0, low), np.where(self._choices, 1.0, high)

    def _worth(self, models: Surrogates, rivals: Matrix) -> Callable[[Matrix], Matrix]:
        """Return the function that values places, ``(m, n)`` to ``(m,)``."""
        features = models.model.features(rivals)
        rival_means = models.predict_at(rivals)[0]

        def worth(places: Matrix) -> Matrix:
            means, deviation = models.predict_at(places)
            gain = knowledge_gradient(
                models.model.process, models.model.features(places), means, features, rival_means
            )
            # Where no gain is in sight at all, hope decides.
            risk = models.risk_at(places)
            hope = 1e-6 * (means + deviation - risk * np.ptp(means))
            return np.asarray((1.0 - risk) * gain + hope)

        return worth

    def _pool(
        self,
        elite: Matrix,
        proposals: Matrix | None,
        low: Matrix,
        high: Matrix,
        generator: np.random.Generator,
    ) -> Matrix:
        """Return candidates within the bounds: the policy's, variations of the best, any."""
        size = elite.shape[1]
        count = self._options.pool - (0 if proposals is None else len(proposals))
        anywhere = low + generator.random((count // 3, size)) * (high - low)
        base = elite[np.arange(count - count // 3) % len(elite)]
        drawn = generator.random((3, *base.shape))
        near = base + generator.normal(0.0, 0.12, base.shape)
        fresh = low + drawn[0] * (high - low)
        moved = drawn[1] < max(0.3, 1.5 / size)
        varied = np.where(moved, np.where(drawn[2] < 0.3, fresh, near), base)
        parts = [anywhere, varied] if proposals is None else [proposals, anywhere, varied]
        return np.asarray(np.clip(np.concatenate(parts), low, high))

    def _vary(self, top: Matrix, step: float, generator: np.random.Generator) -> Matrix:
        """Return neighbours of each of `top`: one or two knobs a step away, a choice anywhere."""
        base = np.repeat(top, _TRIES, axis=0)
        size = base.shape[1]
        moved = generator.random(base.shape) < min(1.0, 1.5 / size)
        moved[np.arange(len(base)), generator.integers(size, size=len(base))] = True
        near = base + generator.normal(0.0, step, base.shape)
        jump = generator.random(base.shape)
        return np.asarray(np.where(moved, np.where(self._choices, jump, near), base))
