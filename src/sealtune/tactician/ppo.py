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

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealtune.space.knobs import Setting
from sealtune.space.space import Space
from sealtune.tactician.model import SettingModel

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PolicyOptions:
    """How the policy learns.

    Attributes:
        n_steps: Trials between two updates of the policy, at least 2.
        learning_rate: Step of the optimiser.
        n_epochs: Passes over each batch.
        clip_range: How far one update may move the policy.
        spread: Standard deviation of the first proposals, on [-1, 1].
        policy: Whether proposals come from the policy; without, from around the best trials.
        model: Whether the model of the trials screens proposals and trains the policy.
        imagined: Practice updates on the model after each trial.
        pool: Proposals among which the model picks.
    """

    n_steps: int = 8
    learning_rate: float = 0.01
    n_epochs: int = 6
    clip_range: float = 0.2
    spread: float = 0.4
    policy: bool = True
    model: bool = True
    imagined: int = 2
    pool: int = 500


_SPREADS = (0.1, 0.8)
"""The policy's standard deviation stays between these."""
_LARGEST_MOVE = 0.2
_PRACTICE = 64
_GATE = 0.1
_SHARE = 0.7
"""Share of the pool that the policy proposes; the rest varies the best trials."""
_BOLDNESS = (0.3, 1.5)
"""Standard deviations of the model that count as hope, drawn anew for each trial."""


class Policy:
    """The networks and the learning rule: stable-baselines3's PPO on a one-step problem.

    Building the first one of a process takes up to ten seconds (torch and its compiler are
    imported). No use is made of, nor any trace left in, the process's global random state.

    Args:
        size: Number of knobs.
        options: How it learns.
        seed: Same seed and same scores, same policy.
    """

    def __init__(self, size: int, options: PolicyOptions, seed: int) -> None:
        import torch
        from stable_baselines3 import PPO
        from stable_baselines3.common.logger import configure

        torch.set_num_threads(1)
        self._generator = np.random.default_rng([seed, 1])
        self._options = options
        with _own_randomness(self._generator):
            self._ppo = PPO(
                "MlpPolicy",
                _one_step_env(size),
                learning_rate=options.learning_rate,
                n_steps=options.n_steps,
                batch_size=options.n_steps,
                n_epochs=options.n_epochs,
                gamma=0.0,
                gae_lambda=1.0,
                clip_range=options.clip_range,
                normalize_advantage=True,
                ent_coef=0.0,
                max_grad_norm=1.0,
                target_kl=_LARGEST_MOVE,
                policy_kwargs={"net_arch": [], "log_std_init": float(np.log(options.spread))},
                device="cpu",
                verbose=0,
            )
            self._ppo.set_logger(configure(None, []))
            # A fresh policy proposes exactly the start on average.
            policy: Any = self._ppo.policy
            torch.nn.init.zeros_(policy.action_net.weight)
            torch.nn.init.zeros_(policy.action_net.bias)

    def propose(self, count: int) -> Vector:
        """Return `count` actions of the present policy, ``(count, size)``, not clipped."""
        mean, deviation = self.gaussian()
        return mean + deviation * self._generator.standard_normal((count, len(mean)))

    def gaussian(self) -> tuple[Vector, Vector]:
        """Return mean and standard deviation of the actions, ``(size,)`` each."""
        import torch

        with torch.no_grad():
            policy: Any = self._ppo.policy
            normal = policy.get_distribution(torch.ones((1, 1))).distribution
        return (
            normal.mean.numpy()[0].astype(np.float64),
            normal.stddev.numpy()[0].astype(np.float64),
        )

    def learn(self, actions: Vector, rewards: Vector) -> None:
        """Make one PPO update on `actions` ``(n, size)`` with `rewards` ``(n,)``.

        The old probabilities are those of the policy as it is now, so actions of an earlier
        policy, or of none, weigh by their advantage alone.
        """
        import torch

        mean, deviation = self.gaussian()
        # What lies far outside the present policy would move it without bound.
        actions = np.clip(actions, mean - 3.0 * deviation, mean + 3.0 * deviation)
        count = len(rewards)
        buffer = self._ppo.rollout_buffer
        buffer.buffer_size = self._ppo.n_steps = self._ppo.batch_size = count
        buffer.reset()
        with torch.no_grad():
            observation = torch.ones((count, 1))
            moves = torch.as_tensor(actions, dtype=torch.float32)
            values, log_probability, _ = self._ppo.policy.evaluate_actions(observation, moves)
        buffer.observations[:] = 1.0
        buffer.actions[:, 0] = actions
        buffer.rewards[:, 0] = rewards
        buffer.values[:, 0] = values.numpy()[:, 0]
        buffer.log_probs[:, 0] = log_probability.numpy()
        buffer.episode_starts[:] = 1.0
        buffer.pos, buffer.full = count, True
        buffer.compute_returns_and_advantage(torch.zeros(1), np.ones(1))
        with _own_randomness(self._generator):
            self._ppo.train()
        with torch.no_grad():
            policy: Any = self._ppo.policy
            policy.log_std.clamp_(*np.log(_SPREADS))


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


def _one_step_env(size: int) -> Any:  # noqa: ANN401 - gymnasium loads late
    """Return an environment that only carries the shapes; it is never stepped."""
    import gymnasium

    class Shapes(gymnasium.Env[Any, Any]):
        observation_space = gymnasium.spaces.Box(0.0, 1.0, (1,))
        action_space = gymnasium.spaces.Box(-1.0, 1.0, (size,))

    return Shapes()


@contextmanager
def _own_randomness(generator: np.random.Generator) -> Iterator[None]:
    """Seed every global source of randomness for the body, and put its state back after it."""
    import torch

    kept = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seed = int(generator.integers(2**31))
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        torch.set_rng_state(kept[2])
