"""The Gymnasium face: passes Gymnasium's own checker, puts back, never scores a failure."""

import os
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import sealtune
from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.errors import BenchmarkFailedError
from sealtune.space.knobs import ChoiceKnob, IntKnob
from sealtune.space.space import Space
from sealtune.tactician import OSTuningEnv, Reward, register

SPACE = Space([IntKnob("a", 0, 100, start=50), ChoiceKnob("c", ["x", "y"])])
MIDDLE = np.array([0.5, 0.5], dtype=np.float32)


class Recorder:
    """A machine that notes what is done to it and answers from a list."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = []

    def measure(self, setting):
        self.calls.append(dict(setting))
        answer = self.answers.pop(0) if self.answers else 100.0
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Measurement) else Measurement(answer)

    def reset(self):
        self.calls.append("reset")

    def validate(self, name, value):
        return (name, value) != ("a", 13)


def made(*answers, **options):
    """Return a reset environment on a recorder, and the recorder."""
    machine = Recorder(*answers)
    env = OSTuningEnv(SPACE, machine, reward=Reward(Measurement(100.0)), **options)
    env.reset(seed=0)
    return env, machine


@pytest.mark.filterwarnings("ignore:.*alternative render modes")
def test_it_passes_the_checker():
    """Gymnasium's contract holds, spaces, seeding and render modes included."""
    register()
    check_env(gymnasium.make("sealtune/OSTuning-v0").unwrapped)
    check_env(OSTuningEnv(SPACE, render_mode="ansi"))


def test_it_is_registered_under_its_id():
    """The id without arguments drives the simulated machine, and says so."""
    register()
    register()
    env = gymnasium.make("sealtune/OSTuning-v0", render_mode="ansi")
    env.reset(seed=1)

    _, reward, *_ = env.step(env.action_space.sample())

    assert reward > 0
    assert "SIMULATED" in env.render()


def test_importing_the_package_after_gymnasium_is_enough():
    """A fresh process that imports both can make the environment."""
    code = (
        "import gymnasium, sealtune.tactician; "
        "print(gymnasium.make('sealtune/OSTuning-v0').reset(seed=0)[0].shape)"
    )
    path = str(Path(sealtune.__file__).parents[1])

    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )

    assert "(7,)" == found.stdout.strip()


def test_reset_puts_the_originals_back():
    """The runner is reset, and the observation shows the originals again."""
    env, machine = made(originals={"a": 70})
    env.step(np.array([0.0, 1.0], dtype=np.float32))

    observation, info = env.reset()

    assert "reset" == machine.calls[-1]
    assert {"a": 70, "c": "x"} == info["setting"]
    np.testing.assert_allclose(observation[-2:], [0.7, 0.25])


def test_a_step_decodes_measures_observes_and_rewards():
    """Metrics come first, scaled to [0, 1], then the knobs as they are now."""
    run = Measurement(120.0, state={"cpu_usage": 80.0, "io_wait_percent": 5.0})
    env, machine = made(run)

    observation, reward, terminated, truncated, info = env.step(
        np.array([0.2, 0.9], dtype=np.float32)
    )

    assert {"a": 20, "c": "y"} == machine.calls[-1] == info["setting"]
    np.testing.assert_allclose(observation, [0.8, 0.0, 0.05, 0.2, 0.75], rtol=1e-6)
    assert 110.0 == pytest.approx(reward)
    assert (False, False, None) == (terminated, truncated, info["failure"])


@pytest.mark.parametrize("failure", [failed("it hung"), BenchmarkFailedError("it hung")])
def test_a_failure_is_the_worst_reward_and_flagged(failure):
    """Returned or raised, a failed run earns 0 and is named in info."""
    env, _ = made(failure)

    _, reward, _, _, info = env.step(MIDDLE)

    assert (0.0, "it hung") == (reward, info["failure"])


def test_a_failure_earns_no_more_than_the_worst_raw_reward():
    """Where rewards are negative, a failure is as bad as the worst of them, not better."""
    env, _ = made(Measurement(900.0, direction="minimize"), failed("no"))
    env._reward = Reward(Measurement(100.0, direction="minimize"), scale="raw")

    rewards = [env.step(MIDDLE)[1] for _ in range(2)]

    assert rewards[1] <= rewards[0] < 0


def test_a_refused_value_never_reaches_the_machine():
    """What the validator refuses is a failed step; nothing is applied."""
    env, machine = made()
    before = len(machine.calls)

    _, reward, _, _, info = env.step(np.array([0.13, 0.0], dtype=np.float32))

    assert before == len(machine.calls)
    assert (0.0, "refused: a = 13") == (reward, info["failure"])


def test_more_than_three_failures_in_a_row_end_the_episode():
    """The fourth one terminates; a success in between starts the count again."""
    no = failed("no")
    env, _ = made(no, no, 100.0, no, no, no, no)

    ends = [env.step(MIDDLE)[2] for _ in range(7)]

    assert [False] * 6 + [True] == ends


def test_the_last_step_truncates():
    """After max_steps the episode is over without being terminated."""
    env, _ = made(max_steps=2)

    assert [(False, False), (False, True)] == [env.step(MIDDLE)[2:4] for _ in range(2)]


def test_without_a_reward_the_originals_are_measured_first():
    """The baseline is one run of the originals, repeated if it fails, never a default."""
    machine = Recorder(failed("cold"), 200.0, 300.0)
    env = OSTuningEnv(SPACE, machine)
    env.reset()

    _, reward, *_ = env.step(MIDDLE)

    assert [{"a": 50, "c": "x"}] * 2 == machine.calls[1:3]
    assert 125.0 == pytest.approx(reward)


def test_render_shows_the_current_state():
    """Knobs and the last result, and no word of a simulation on a given machine."""
    env, _ = made(120.0, render_mode="ansi")
    env.step(np.array([0.2, 0.9], dtype=np.float32))

    text = env.render()

    assert "a = 20" in text
    assert "120" in text
    assert "SIMULATED" not in text


def test_stepping_before_reset_is_refused():
    """The order is Gymnasium's: reset first."""
    with pytest.raises(gymnasium.error.ResetNeeded):
        OSTuningEnv(SPACE).step(MIDDLE)
