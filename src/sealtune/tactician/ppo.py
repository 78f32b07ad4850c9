"""PPO of stable-baselines3 as an ask/tell sampler that learns inside 30 to 120 trials.

The episode is one trial: an action is a whole setting, its score is the return (gamma 0). The
policy is a Gaussian on [-1, 1]^n around the start. What makes it learn from so few trials
(DyNA-PPO, ICLR 2020, is the model):

* updates every 8 trials, advantages normalised, rates made for tiny batches;
* the first trials are spread over the space, and their scores train the policy too;
* a pool of models of all trials so far (`sealtune.tactician.surrogates`) lets the policy practise
  on imagined trials between real ones; a model is used only while it foretells the real trials;
* the next trial is the one that the models expect most of (`sealtune.tactician.acquisition`):
  among what the policy proposes, variations of the best trials, places in a trust region around
  the incumbent, and the best trials once more.

Learning happens inside `PolicySampler.tell` and `ask`, never while a benchmark runs. Every draw
depends on the seed and the trials told so far alone: a search that is told the trials of an
interrupted one goes on as that one would have.
"""

import math
from collections.abc import Sequence

import numpy as np

from sealtune.space.knobs import Setting
from sealtune.space.space import Space
from sealtune.tactician.candidates import Candidates
from sealtune.tactician.policy import Policy, PolicyOptions, Vector
from sealtune.tactician.prior import FocusBox
from sealtune.tactician.region import TrustRegion
from sealtune.tactician.surrogates import Surrogates

_PRACTICE = 64
_PER_KNOB = 0.5
"""Size of the first batch without a focus: four, and so many for each knob."""
_FEWEST = 6
"""Size of the first batch around a focus, with fewer knobs than this."""
_OUTSIDE = 0.34
"""Share of the first batch that is spread over the whole space, whatever the focus."""


class PolicySampler:
    """The ``ppo`` tactician. See the module's text for how it learns.

    Args:
        name: What to call it in reports.
        space: Where to search.
        start: First setting to propose, and the centre of the first policy.
        trials: Planned number of trials; sizes the first, spread-out batch.
        seed: Same seed and scores, same proposals.
        options: How the policy learns; switches its parts off for comparisons.
        focus: Where most of the first batch goes and how wide the first policy is; forgotten
            when the best of that batch lies elsewhere.
    """

    def __init__(
        self,
        name: str,
        space: Space,
        start: Setting,
        *,
        trials: int,
        seed: int,
        options: PolicyOptions | None = None,
        focus: FocusBox | None = None,
    ) -> None:
        self.name = name
        self.options = options or PolicyOptions()
        self._space = space
        self._start = space.encode(start)
        self._seed = seed
        self._focus = focus
        self._policy = self._new_policy()
        self._models: Surrogates | None = None
        if self.options.model:
            self._models = Surrogates(space, self.options.surrogates, seed)
        self._region = TrustRegion(len(space)) if self.options.trust_region else None
        self._candidates = Candidates(space, self.options, self._region)
        self._queue = self._opening(start, trials)
        # A belief stands and falls with its start, and one run is one noisy number.
        self._again = start if self._focus is not None else None
        self._tried: list[Setting] = []
        self._scores: list[float | None] = []
        self._learnt = 0
        self._open = 0
        self._best: Setting | None = None

    def _new_policy(self) -> Policy | None:
        """Return a policy around the start, as wide as the focus."""
        if not self.options.policy:
            return None
        spread = None
        if self._focus is not None:
            # Half of the focus, on the scale of actions, is one standard deviation.
            ends = np.abs([self._move(self._focus.low), self._move(self._focus.high)])
            spread = np.clip(ends.mean(axis=0), 1e-3, self.options.spread)
        return Policy(len(self._space), self.options, self._seed, spread)

    def _opening(self, start: Setting, trials: int) -> list[Setting]:
        """Return the start and a batch spread over the space.

        With a focus it is smaller, and only its last third is spread over the whole space.
        """
        generator = np.random.default_rng([self._seed, 0])
        if self._focus is None:
            count = max(1, min(int(_PER_KNOB * len(self._space)) + 4, trials // 4))
            rows = _hypercube(generator, count, len(self._space))
        else:
            count = max(3, min(max(_FEWEST, len(self._space)), trials // 4))
            outside = int(count * _OUTSIDE)
            near = self._focus.fill(_hypercube(generator, count - outside, len(self._space)))
            rows = np.concatenate([near, _hypercube(generator, outside, len(self._space))])
        return [start, *(self._space.decode(row) for row in rows)]

    def ask(self) -> Setting:
        """Return the setting to try next."""
        if self._queue:
            return self._queue.pop(0)
        if self._again is not None:
            again, self._again = self._again, None
            return again
        generator = np.random.default_rng([self._seed, 2, len(self._tried), self._open])
        self._open += 1
        if self._models is None or not self._models.trusted:
            return self._space.decode(self._own(1, generator)[0])
        proposals = self._own(self.options.pool // 2, generator) if self._policy else None
        chosen = self._candidates.choose(self._models, self._worked(), proposals, generator)
        return self._space.decode(chosen)

    def tell(self, setting: Setting, score: float | None) -> None:
        """Learn that `setting` got `score`, higher is better; ``None`` if it failed."""
        if setting == self._again and setting in self._tried:
            self._again = None
        is_new = setting not in self._tried
        self._tried.append(setting)
        self._scores.append(score)
        self._open = 0
        if setting in self._queue:
            self._queue.remove(setting)
        waits = self._queue or self._again is not None
        if waits or not any(known is not None for known in self._scores):
            return
        self._fit()
        if self._region is not None and self._best is not None and is_new:
            self._region.judge(setting == self._best)
        self._doubt_focus()
        if len(self._tried) - self._learnt >= self.options.n_steps or self._learnt == 0:
            self._practise_on_trials()
        self._practise_on_models()

    def retell(self, trials: Sequence[tuple[Setting, float | None]]) -> None:
        """Replace all that was told: the same trials in their order, with corrected scores."""
        self._tried = [setting for setting, _ in trials]
        self._scores = [score for _, score in trials]
        if any(score is not None for score in self._scores):
            self._fit()

    def _fit(self) -> None:
        """Teach the models all trials, and see which one is the best now."""
        if self._models is None:
            return
        self._models.fit(self._positions_tried(), _merits(self._scores))
        worked = [
            one for one, score in zip(self._tried, self._scores, strict=True) if score is not None
        ]
        self._best = worked[int(self._models.predict_at(self._worked())[0].argmax())]

    def _doubt_focus(self) -> None:
        """Judge the focus once, when the first batch is in: start afresh if the best is outside.

        The batch itself has the evidence: some of it lies outside for this very purpose.
        """
        focus, self._focus = self._focus, None
        if focus is None:
            return
        best = self._space.encode(self._best or self._tried[int(np.argmax(self._rewards()))])
        if not focus.holds(best[None])[0]:
            self._start = best
            self._policy = self._new_policy()

    def _practise_on_trials(self) -> None:
        """Update the policy on the trials since the last update, with normalised scores."""
        fresh = slice(self._learnt, None)
        self._learnt = len(self._tried)
        actions = self._move(self._positions_tried()[fresh])
        if self._policy is not None and len(actions) > 1:
            self._policy.learn(actions, self._rewards()[fresh])

    def _practise_on_models(self) -> None:
        """Update the policy on imagined trials: what the models expect, and what they hope."""
        if self._policy is None or self._models is None or not self._models.trusted:
            return
        for _ in range(self.options.imagined):
            actions = self._policy.propose(_PRACTICE)
            places = self._positions(actions)
            mean, deviation = self._models.predict_at(places)
            hope = mean + 0.5 * deviation
            # A failure earns as little as the worst that is imagined.
            self._policy.learn(actions, hope - self._models.risk_at(places) * np.ptp(hope))

    def _rewards(self) -> Vector:
        """Return all scores on one scale; a failure is as bad as the worst there was."""
        merits = _merits(self._scores)
        known = np.array([merit for merit in merits if merit is not None])
        scale = float(known.std()) or 1.0
        filled = [float(known.min()) if merit is None else merit for merit in merits]
        return np.clip((np.array(filled) - float(known.mean())) / scale, -2.0, 2.0)

    def _own(self, count: int, generator: np.random.Generator) -> Vector:
        """Return the policy's own proposals, ``(count, n)``; without one, places anywhere."""
        if self._policy is None:
            return generator.random((count, len(self._space)))
        return self._positions(self._policy.propose(count, generator))

    def _positions_tried(self) -> Vector:
        return np.array([self._space.encode(setting) for setting in self._tried])

    def _worked(self) -> Vector:
        """Return the positions of the trials that gave a score, ``(k, n)``."""
        return self._positions_tried()[[score is not None for score in self._scores]]

    def _positions(self, actions: Vector) -> Vector:
        """Return the positions of `actions`: 0 is the start, -1 and 1 the ends of the range."""
        move = np.clip(actions, -1.0, 1.0)
        room = np.where(move < 0, self._start, 1.0 - self._start)
        return np.asarray(self._start + move * room)

    def _move(self, positions: Vector) -> Vector:
        """Return the actions of `positions`, in [-1, 1]: the inverse of `_positions`."""
        away = positions - self._start
        room = np.where(away < 0, self._start, 1.0 - self._start)
        return np.asarray(away / np.maximum(room, 1e-9))


def _hypercube(generator: np.random.Generator, count: int, size: int) -> Vector:
    """Return a Latin hypercube of positions, ``(count, size)``."""
    cells = [generator.permutation(count) for _ in range(size)]
    drawn = generator.random((count, size))
    return np.asarray((np.stack(cells, axis=1) + drawn) / max(1, count))


def _merits(scores: Sequence[float | None]) -> list[float | None]:
    """Return scores as models learn them: logarithms, as noise grows with the value."""
    if any(score is not None and score <= 0 for score in scores):
        return list(scores)
    return [None if score is None else math.log(score) for score in scores]
