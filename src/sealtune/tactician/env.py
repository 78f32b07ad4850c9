"""The Gymnasium face of tuning: one machine, one workload, one benchmark run per step."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.errors import MeasurementError
from sealtune.space.knobs import IntKnob, Setting, Value
from sealtune.space.space import Space
from sealtune.tactician.registration import register
from sealtune.tactician.reward import Reward
from sealtune.tactician.simulated import SimulatedMachine

WORST_REWARD = 0.0
METRICS = ("cpu_usage", "memory_used_percent", "io_wait_percent")

Array = NDArray[np.float32]


class TrialRunner(Protocol):
    """What the environment needs of a machine: apply and measure, put back, and refuse."""

    def measure(self, setting: Setting) -> Measurement:
        """Apply `setting`, run the benchmark, read the metrics."""

    def reset(self) -> None:
        """Put the original values back."""

    def validate(self, name: str, value: Value) -> bool:
        """Return whether `value` may be written to `name`."""


class OSTuningEnv(gymnasium.Env[Array, Array]):
    """Each step sets every knob and runs the benchmark once.

    Action: ``float32 (n,)`` in [0, 1], decoded by the space, so the agent never sees units.

    Observation: ``float32 (m + n,)`` in [0, 1]

    | index    | meaning                                                     |
    |----------|-------------------------------------------------------------|
    | 0 .. m-1 | state metrics of the last run in percent, divided by 100    |
    | m .. end | every knob's current value, scaled over its range           |

    Reward: see `sealtune.tactician.reward`, 100 for the baseline; without a reward function the
    first `step` measures a baseline first. A run that failed, or that the validator refused, gets
    the worst reward there is and says so in ``info["failure"]``: never a score.

    End: ``truncated`` after `max_steps`; ``terminated`` after more than 3 failures in a row.

    Side effects: those of the runner. Without one, a simulated machine: none at all.

    Args:
        space: What may be set; 4 made-up knobs without.
        runner: Applies, measures, resets, validates.
        reward: Measurement to reward, ``None`` for a failure.
        originals: The present values, which `reset` returns to; the space's start without.
        state_metrics: Names looked up in a measurement's state; one that is missing reads 0.
        max_steps: Steps of one episode, at least 1.
        max_failures_in_row: One more than this ends the episode.
        render_mode: ``ansi`` returns the current state as text, ``human`` prints it.
    """

    metadata = {"render_modes": ["ansi", "human"], "render_fps": 1}  # noqa: RUF012 - their contract

    def __init__(
        self,
        space: Space | None = None,
        runner: TrialRunner | None = None,
        *,
        reward: Callable[[Measurement], float | None] | None = None,
        originals: Mapping[str, Value] | None = None,
        state_metrics: Sequence[str] = METRICS,
        max_steps: int = 60,
        max_failures_in_row: int = 3,
        render_mode: str | None = None,
    ) -> None:
        self.space = space or _made_up_space()
        self._originals: Setting = {**self.space.start, **(originals or {})}
        self._runner = runner
        self._is_simulated = runner is None
        self._given_reward = reward
        self._reward = reward
        self._metrics = tuple(state_metrics)
        self._max_steps = max_steps
        self._max_failures = max_failures_in_row
        self.render_mode = render_mode
        self.action_space = spaces.Box(0.0, 1.0, (len(self.space),), np.float32)
        size = len(self._metrics) + len(self.space)
        self.observation_space = spaces.Box(0.0, 1.0, (size,), np.float32)
        self._setting = dict(self._originals)
        self._last: Measurement | None = None
        self._steps = self._failures = 0
        self._worst = WORST_REWARD

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Put the original values back.

        Args:
            seed: Seed of the simulated machine; a given runner is not touched by it.
            options: Not used.

        Returns:
            Observation of the originals, and ``{"setting": ...}``.
        """
        super().reset(seed=seed)
        if self._runner is None or (seed is not None and self._is_simulated):
            self._runner = SimulatedMachine(self.space, seed or 0, originals=self._originals)
            self._reward = self._given_reward
        self._runner.reset()
        self._setting = dict(self._originals)
        self._last = None
        self._steps = self._failures = 0
        return self._observe(), {"setting": dict(self._setting)}

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Decode `action`, validate, apply, run the benchmark, read the metrics, reward.

        Args:
            action: ``(n,)`` in [0, 1]; what lies outside is clipped.

        Returns:
            Observation, reward, terminated, truncated, and ``info`` with ``setting``,
            ``measurement`` and ``failure`` (``None``, or one sentence).
        """
        if self._runner is None:
            raise gymnasium.error.ResetNeeded("call reset before the first step")
        if self._reward is None:
            self._reward = self._baseline_reward(self._runner)
        setting = self.space.decode(np.asarray(action, dtype=np.float64))
        measurement = self._measure(self._runner, setting)
        score = self._reward(measurement)
        is_failure = measurement.value is None or score is None
        self._last = measurement
        self._steps += 1
        self._failures = self._failures + 1 if is_failure else 0
        info = {
            "setting": dict(setting),
            "measurement": measurement,
            "failure": (measurement.failure or "no reward") if is_failure else None,
        }
        # Raw rewards of a lower-is-better metric are negative: the worst so far is worse than 0.
        self._worst = min(self._worst, score if score is not None else self._worst)
        earned = self._worst if score is None or is_failure else float(score)
        terminated = self._failures > self._max_failures
        return self._observe(), earned, terminated, self._steps >= self._max_steps, info

    def _measure(self, runner: TrialRunner, setting: Setting) -> Measurement:
        """Return the measurement of `setting`, which becomes the current one if it is allowed."""
        refused = [name for name, value in setting.items() if not runner.validate(name, value)]
        if refused:
            return failed(f"refused: {refused[0]} = {setting[refused[0]]}")
        self._setting = setting
        try:
            return runner.measure(dict(setting))
        except MeasurementError as error:
            return failed(str(error))

    def _baseline_reward(self, runner: TrialRunner) -> Reward:
        """Measure the originals, and reward against them; a failed run is repeated twice."""
        for _ in range(3):
            baseline = runner.measure(dict(self._originals))
            if baseline.value is not None:
                return Reward(baseline)
        raise MeasurementError(f"the baseline cannot be measured: {baseline.failure}")

    def _observe(self) -> Array:
        state = self._last.state if self._last is not None else {}
        metrics = [state.get(name, 0.0) / 100.0 for name in self._metrics]
        row = np.concatenate([metrics, self.space.encode(self._setting)])
        return np.asarray(np.clip(row, 0.0, 1.0), dtype=np.float32)

    def render(self) -> str | None:
        """Return the current state as text in mode ``ansi``, print it in mode ``human``."""
        lines = ["SIMULATED"] if self._is_simulated else []
        lines.append(f"step {self._steps} of {self._max_steps}")
        lines += [f"  {name} = {value}" for name, value in self._setting.items()]
        if self._last is not None:
            told = self._last.failure or f"{self._last.value:g} {self._last.unit}"
            lines.append(f"{self._last.metric}: {told}")
        text = "\n".join(lines)
        if self.render_mode == "human":
            print(text)
            return None
        return text if self.render_mode == "ansi" else None

    def close(self) -> None:
        """Put the original values back."""
        if self._runner is not None:
            self._runner.reset()


def _made_up_space() -> Space:
    """Return the space of the environment that was made without arguments."""
    return Space([IntKnob(f"simulated.{letter}", 0, 100, start=50) for letter in "abcd"])


register()
