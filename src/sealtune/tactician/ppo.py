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

_PRACTICE = 64
_GATE = 0.1
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
    ) -> None:
        self.name = name
        self.options = options or PolicyOptions()
        self._space = space
        self._start = space.encode(start)
        self._generator = np.random.default_rng([seed, 0])
        self._policy = Policy(len(space), self.options, seed) if self.options.policy else None
        self._model = SettingModel(space) if self.options.model else None
        self._queue = self._opening(start, trials)
        self._tried: list[Setting] = []
        self._scores: list[float | None] = []
        self._learnt = 0

    def _opening(self, start: Setting, trials: int) -> list[Setting]:
        """Return the start and a batch spread over the space (a Latin hypercube)."""
        count = max(1, min(len(self._space) + 4, trials // 4))
        cells = np.stack([self._generator.permutation(count) for _ in self._space.knobs], axis=1)
        spread = (cells + self._generator.random(cells.shape)) / count
        return [start, *(self._space.decode(row) for row in spread)]

    def ask(self) -> Setting:
        """Return the setting to try next."""
        if self._queue:
            return self._queue.pop(0)
        if self._model is None or not self._trusted():
            return self._space.decode(self._proposals(1)[0])
        proposals = self._proposals(self.options.pool)
        mean, deviation = self._model.predict_at(proposals)
        boldness = self._generator.uniform(*_BOLDNESS)
        return self._space.decode(proposals[int(np.argmax(mean + boldness * deviation))])

    def tell(self, setting: Setting, score: float | None) -> None:
        """Learn that `setting` got `score`, higher is better; ``None`` if it failed."""
        self._tried.append(setting)
        self._scores.append(score)
        if setting in self._queue:
            self._queue.remove(setting)
        if self._queue or not any(known is not None for known in self._scores):
            return
        if len(self._tried) - self._learnt >= self.options.n_steps or self._learnt == 0:
            self._practise_on_trials()
        if self._model is not None:
            self._model.fit(self._tried, self._scores, 20)
            if self._policy is not None and self._trusted():
                self._practise_on_model()

    def _trusted(self) -> bool:
        return self._model is not None and self._model.process.rank_correlation() > _GATE

    def _practise_on_trials(self) -> None:
        """Update the policy on the trials since the last update, with normalised scores."""
        fresh = slice(self._learnt, None)
        self._learnt = len(self._tried)
        if self._policy is None:
            return
        actions = np.array([self._action(setting) for setting in self._tried[fresh]])
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
        """Return the positions of the three trials the model thinks best, ``(3, n)``."""
        if not self._tried:
            return np.tile(self._start, (3, 1))
        tried = np.array([self._space.encode(setting) for setting in self._tried])
        if self._model is not None and any(score is not None for score in self._scores):
            tried = tried[np.argsort(-self._model.predict_at(tried)[0], kind="stable")]
        return np.resize(tried[:3], (3, len(self._space)))

    def _positions(self, actions: Vector) -> Vector:
        """Return the positions of `actions`: 0 is the start, -1 and 1 the ends of the range."""
        move = np.clip(actions, -1.0, 1.0)
        room = np.where(move < 0, self._start, 1.0 - self._start)
        return np.asarray(self._start + move * room)

    def _action(self, setting: Setting) -> Vector:
        """Return the action of `setting`, ``(n,)`` in [-1, 1]: the inverse of `_positions`."""
        away = self._space.encode(setting) - self._start
        room = np.where(away < 0, self._start, 1.0 - self._start)
        return np.asarray(away / np.maximum(room, 1e-9))
