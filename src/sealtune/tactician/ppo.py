"""PPO of stable-baselines3 as an ask/tell sampler that learns inside 30 to 200 trials.

The episode is one trial: an action is a whole setting, its score is the return (gamma 0). The
policy is a Gaussian on [-1, 1]^n around the start. What makes it learn from so few trials:

* updates every 8 trials, advantages normalised, rates made for tiny batches;
* the first trials are spread over the space, and their scores train the policy too;
* a Gaussian process of all trials so far (`sealtune.tactician.model`) lets the policy practise on
  imagined trials between real ones, and picks among the policy's proposals; it is used only while
  it foretells the real trials (rank correlation, left one out), as in DyNA-PPO, ICLR 2020.

Training happens inside `PolicySampler.tell` and `ask`, never while a benchmark runs.
"""

import numpy as np

from sealtune.space.knobs import Setting
from sealtune.space.space import Space
from sealtune.tactician.model import SettingModel
from sealtune.tactician.policy import Policy, PolicyOptions, Vector
from sealtune.tactician.prior import FocusBox

_PRACTICE = 64
_GATE = 0.1
_FEWEST = 6
"""Size of the first batch around a focus, with fewer knobs than this."""
_OUTSIDE = 0.34
"""Share of the first batch that is spread over the whole space, whatever the focus."""
_SHARE = 0.7
"""Share of the pool that the policy proposes; the rest varies the best trials."""
_BOLDNESS = (0.3, 1.5)
"""Standard deviations of the model that count as hope, drawn anew for each trial."""


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
        resumed: Trials of an earlier run that it will be told first; they stand for as many of
            the first batch.
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
        resumed: int = 0,
    ) -> None:
        self.name = name
        self.options = options or PolicyOptions()
        self._space = space
        self._start = space.encode(start)
        self._seed = seed
        self._generator = np.random.default_rng([seed, 0])
        self._focus = focus
        self._policy = self._new_policy()
        self._model = SettingModel(space) if self.options.model else None
        self._queue = self._opening(start, trials)[resumed:]
        # A belief stands and falls with its start, and one run is one noisy number.
        self._again = start if self._focus is not None and not resumed else None
        self._tried: list[Setting] = []
        self._scores: list[float | None] = []
        self._learnt = 0

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
        if self._focus is None:
            rows = self._spread(max(1, min(len(self._space) + 4, trials // 4)))
        else:
            count = max(3, min(max(_FEWEST, len(self._space)), trials // 4))
            outside = int(count * _OUTSIDE)
            near = self._focus.fill(self._spread(count - outside))
            rows = np.concatenate([near, self._spread(outside)])
        return [start, *(self._space.decode(row) for row in rows)]

    def _spread(self, count: int) -> Vector:
        """Return a Latin hypercube of positions, ``(count, n)``."""
        cells = [self._generator.permutation(count) for _ in self._space.knobs]
        drawn = self._generator.random((count, len(cells)))
        return np.asarray((np.stack(cells, axis=1) + drawn) / max(1, count))

    def ask(self) -> Setting:
        """Return the setting to try next."""
        if self._queue:
            return self._queue.pop(0)
        if self._again is not None:
            again, self._again = self._again, None
            return again
        if self._model is None or not self._trusted():
            return self._space.decode(self._proposals(1)[0])
        proposals = self._proposals(self.options.pool)
        mean, deviation = self._model.predict_at(proposals)
        boldness = self._generator.uniform(*_BOLDNESS)
        return self._space.decode(proposals[int(np.argmax(mean + boldness * deviation))])

    def tell(self, setting: Setting, score: float | None) -> None:
        """Learn that `setting` got `score`, higher is better; ``None`` if it failed."""
        if setting == self._again and setting in self._tried:
            self._again = None
        self._tried.append(setting)
        self._scores.append(score)
        if setting in self._queue:
            self._queue.remove(setting)
        if (
            self._queue
            or self._again is not None
            or not any(known is not None for known in self._scores)
        ):
            return
        if self._model is not None:
            self._model.fit(self._tried, self._scores, 20)
        self._doubt_focus()
        if len(self._tried) - self._learnt >= self.options.n_steps or self._learnt == 0:
            self._practise_on_trials()
        if self._policy is not None and self._trusted():
            self._practise_on_model()

    def _doubt_focus(self) -> None:
        """Judge the focus once, when the first batch is in: start afresh if the best is outside.

        The batch itself has the evidence: some of it lies outside for this very purpose.
        """
        focus, self._focus = self._focus, None
        if focus is None:
            return
        best = self._elite()[:1]
        if not focus.holds(best)[0]:
            self._start = best[0]
            self._policy = self._new_policy()

    def _trusted(self) -> bool:
        return self._model is not None and self._model.process.rank_correlation() > _GATE

    def _practise_on_trials(self) -> None:
        """Update the policy on the trials since the last update, with normalised scores."""
        fresh = slice(self._learnt, None)
        self._learnt = len(self._tried)
        if self._policy is None:
            return
        actions = self._move(np.array([self._space.encode(one) for one in self._tried[fresh]]))
        if len(actions) > 1:
            self._policy.learn(actions, self._rewards()[fresh])

    def _practise_on_model(self) -> None:
        """Update the policy on imagined trials: what the model expects, and what it hopes."""
        if self._policy is None or self._model is None:
            return
        for _ in range(self.options.imagined):
            actions = self._policy.propose(_PRACTICE)
            mean, deviation = self._model.predict_at(self._positions(actions))
            self._policy.learn(actions, mean + 0.5 * deviation)

    def _rewards(self) -> Vector:
        """Return all scores on one scale; a failure is as bad as the worst there was."""
        known = np.array([score for score in self._scores if score is not None])
        scale = float(known.std()) or 1.0
        filled = [float(known.min()) if score is None else score for score in self._scores]
        return np.clip((np.array(filled) - float(known.mean())) / scale, -2.0, 2.0)

    def _proposals(self, count: int) -> Vector:
        """Return positions, ``(count, n)``: most are the policy's, some near the best trials."""
        if self._policy is None:
            return self._variations(count)
        own = max(1, int(_SHARE * count))
        ours = self._positions(self._policy.propose(own))
        return np.concatenate([ours, self._variations(count - own)]) if count > own else ours

    def _variations(self, count: int) -> Vector:
        """Return variations of the most promising trials in a few knobs each, and random ones."""
        size = len(self._space)
        row = self._elite()[np.arange(count) % 3]
        drawn = self._generator.random((4, count, size))
        near = row + self._generator.normal(0.0, 0.12, (count, size))
        moved = drawn[0] < max(0.3, 1.5 / size)
        found = np.where(moved, np.where(drawn[1] < 0.3, drawn[2], near), row)
        anywhere = np.arange(count) % 4 == 3
        return np.clip(np.where(anywhere[:, None], drawn[3], found), 0.0, 1.0)

    def _elite(self) -> Vector:
        """Return the positions of the three trials thought best, ``(3, n)``: by the model if any.

        Before anything worked they are the start, or the first that were tried.
        """
        if not self._tried:
            return np.tile(self._start, (3, 1))
        tried = np.array([self._space.encode(setting) for setting in self._tried])
        if any(score is not None for score in self._scores):
            known = self._model.predict_at(tried)[0] if self._model else self._rewards()
            tried = tried[np.argsort(-known, kind="stable")]
        return np.resize(tried[:3], (3, len(self._space)))

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
