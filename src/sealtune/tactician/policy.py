"""The policy of the ``ppo`` tactician: stable-baselines3's PPO on episodes of one step.

Its own small contract keeps torch out of the rest: propose actions, learn from their rewards.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealtune.errors import ConfigError

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
        policy: Whether the policy proposes; without, the models and maximisers are alone.
        model: Whether models of the trials choose among proposals and train the policy.
        surrogates: Which models, of `sealtune.tactician.surrogates.SURROGATES`.
        trust_region: Whether half of the trials are looked for around the incumbent.
        repeats: Whether a promising setting may be run again.
        imagined: Practice updates on the models after each trial.
        pool: Proposals among which the models pick.

    Raises:
        ConfigError: An update of fewer than 2 trials, or a rate or spread that is not positive.
    """

    n_steps: int = 8
    learning_rate: float = 0.01
    n_epochs: int = 6
    clip_range: float = 0.2
    spread: float = 0.4
    policy: bool = True
    model: bool = True
    surrogates: tuple[str, ...] = ("process", "forest", "ridge")
    trust_region: bool = True
    repeats: bool = True
    imagined: int = 2
    pool: int = 500

    def __post_init__(self) -> None:
        if self.n_steps < 2:
            raise ConfigError(f"n_steps: {self.n_steps}, an update needs at least 2 trials")
        if not (self.learning_rate > 0 and self.spread > 0):
            raise ConfigError(
                f"learning_rate: {self.learning_rate}, spread: {self.spread}, need more than 0"
            )


PLAIN = PolicyOptions(model=False, learning_rate=0.03)
"""PPO alone, ``ppo-only``: with no model to practise on, few updates have to move it further."""

_SPREADS = (0.1, 0.8)
"""The policy's standard deviation stays between these."""
_LARGEST_MOVE = 0.2


class Policy:
    """The networks and the learning rule: stable-baselines3's PPO on a one-step problem.

    Building the first one of a process takes up to ten seconds (torch and its compiler are
    imported). No use is made of, nor any trace left in, the process's global random state.

    Args:
        size: Number of knobs.
        options: How it learns.
        seed: Same seed and same scores, same policy.
        spread: First standard deviation per knob, ``(size,)``; `options` has the usual one.
    """

    def __init__(
        self, size: int, options: PolicyOptions, seed: int, spread: Vector | None = None
    ) -> None:
        import torch
        from stable_baselines3 import PPO
        from stable_baselines3.common.logger import Logger

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
            # Not `configure`: without a folder it makes an empty one in /tmp for every policy.
            self._ppo.set_logger(Logger(folder=None, output_formats=[]))
            # A fresh policy proposes exactly the start on average.
            policy: Any = self._ppo.policy
            torch.nn.init.zeros_(policy.action_net.weight)
            torch.nn.init.zeros_(policy.action_net.bias)
            if spread is not None:
                narrow = torch.as_tensor(np.log(spread), dtype=torch.float32)
                with torch.no_grad():
                    policy.log_std.copy_(narrow.clamp(*np.log(_SPREADS)))

    def propose(self, count: int, generator: np.random.Generator | None = None) -> Vector:
        """Return `count` actions of the present policy, ``(count, size)``, not clipped.

        Args:
            count: How many.
            generator: Where chance comes from; the policy's own without.
        """
        mean, deviation = self.gaussian()
        return mean + deviation * (generator or self._generator).standard_normal(
            (count, len(mean))
        )

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
