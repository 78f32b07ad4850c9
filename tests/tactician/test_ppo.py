"""PPO: it learns within a few dozen trials, stays finite, and leaves no trace in global state."""

import random
import tempfile

import numpy as np
import pytest
import torch

from sealtune.errors import ConfigError
from sealtune.space.knobs import IntKnob
from sealtune.space.space import Space
from sealtune.tactician.policy import Policy, PolicyOptions
from sealtune.tactician.ppo import PolicySampler

OPTIONS = PolicyOptions(learning_rate=0.03)


def sampler(space, start, options=None):
    """Return a sampler whose opening is as short as it gets."""
    return PolicySampler("ppo", space, start, trials=4, seed=0, options=options)


def test_the_untrained_policy_proposes_the_start():
    """Mean 0 is the start, with the small spread that was asked for."""
    mean, deviation = Policy(3, PolicyOptions(spread=0.25), 0).gaussian()

    assert [0.0, 0.0, 0.0] == mean.tolist()
    assert [0.25] * 3 == pytest.approx(deviation.tolist())


@pytest.mark.parametrize("wrong", [{"n_steps": 1}, {"learning_rate": 0.0}, {"spread": -1.0}])
def test_options_that_could_not_learn_are_refused(wrong):
    """The message names the option."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        PolicyOptions(**wrong)


def test_the_policy_moves_to_where_the_reward_is():
    """40 trials in batches of 8, rewarded for a high first action, move its mean there."""
    policy = Policy(2, OPTIONS, 0)
    for _ in range(5):
        actions = policy.propose(8)
        policy.learn(actions, actions[:, 0])

    mean, _ = policy.gaussian()

    assert mean[0] > 0.25
    assert abs(mean[1]) < mean[0] / 2


def test_a_reward_that_says_nothing_moves_nothing():
    """Equal rewards have no advantage: the policy stays where it was."""
    policy = Policy(2, OPTIONS, 0)
    policy.learn(policy.propose(8), np.ones(8))

    assert [0.0, 0.0] == pytest.approx(policy.gaussian()[0].tolist(), abs=1e-3)


def test_trials_far_outside_the_policy_do_no_harm():
    """Actions many deviations away, with extreme rewards, leave the policy finite and bounded."""
    policy = Policy(2, PolicyOptions(learning_rate=0.1), 0)
    generator = np.random.default_rng(0)
    for step in range(40):
        actions = generator.choice([-1.0, 1.0], (8, 2)) if step % 2 else policy.propose(8) * 0.01
        policy.learn(actions, generator.normal(0.0, 100.0, 8))

        mean, deviation = policy.gaussian()
        assert np.isfinite(mean).all()
        assert ((deviation > 0.09) & (deviation < 0.81)).all()


def test_a_policy_leaves_nothing_in_the_temporary_directory(tmp_path, monkeypatch):
    """stable-baselines3 makes a directory there for its logs; a search writes none."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    policy = Policy(2, OPTIONS, 0)
    actions = policy.propose(8)
    policy.learn(actions, actions[:, 0])

    assert list(tmp_path.iterdir()) == []


def test_the_global_random_state_is_left_alone():
    """Building and training draw from generators of their own."""
    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)
    expected = random.random(), np.random.random(), torch.rand(1).item()
    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)

    policy = Policy(2, OPTIONS, 0)
    policy.learn(policy.propose(8), np.arange(8.0))

    assert expected == (random.random(), np.random.random(), torch.rand(1).item())


@pytest.mark.parametrize("start", [0, 3, 50, 100])
def test_the_whole_range_is_reachable_from_any_start(start):
    """Wherever the start is, actions -1, 0 and 1 are the low end, the start and the high end."""
    made = sampler(Space([IntKnob("a", 0, 100, start=start)]), {"a": start})

    places = made._positions(np.array([[-1.0], [0.0], [1.0]]))

    assert [0.0, start / 100, 1.0] == pytest.approx(places[:, 0].tolist())


def test_without_the_model_it_is_ppo_alone():
    """`ppo-only` has no model to screen with, and still climbs a plain slope."""
    space = Space([IntKnob("a", 0, 1000, start=300)])
    made = sampler(space, {"a": 300}, PolicyOptions(model=False, learning_rate=0.03))
    tried = []
    for _ in range(80):
        setting = made.ask()
        tried.append(setting["a"])
        made.tell(setting, float(setting["a"]))

    assert np.mean(tried[-20:]) > np.mean(tried[2:22]) + 100


@pytest.mark.parametrize("policy", [True, False])
def test_it_goes_on_when_nothing_has_worked_yet(policy):
    """Failures alone teach nothing, and every proposal is still a valid setting."""
    space = Space([IntKnob("a", 0, 9), IntKnob("b", 0, 9)])
    made = sampler(space, space.start, PolicyOptions(policy=policy))

    for _ in range(12):
        setting = made.ask()
        made.tell(setting, None)
        assert setting == space.decode(space.encode(setting))


def test_several_may_be_asked_for_before_one_is_told():
    """Late results, in any order, and results of settings never asked for are learnt from."""
    space = Space([IntKnob("a", 0, 1000), IntKnob("b", 0, 1000)])
    made = sampler(space, space.start)
    for _ in range(6):
        asked = [made.ask() for _ in range(4)]
        for setting in reversed(asked):
            made.tell(setting, float(setting["a"]))
        made.tell({"a": 1000, "b": 0}, 1000.0)

    assert made.ask().keys() == {"a", "b"}


def slope_sampler():
    space = Space([IntKnob("a", 0, 1000), IntKnob("b", 0, 1000)])
    return PolicySampler("ppo", space, space.start, trials=24, seed=3)


@pytest.fixture(scope="module")
def slope_trials():
    """The trials of one whole search."""
    whole, trials = slope_sampler(), []
    for _ in range(24):
        setting = whole.ask()
        score = 1000.0 - abs(setting["a"] - 700) - 0.5 * abs(setting["b"] - 200)
        trials.append((setting, score))
        whole.tell(*trials[-1])
    return trials


@pytest.mark.parametrize("interrupted", [3, 9])
def test_told_the_trials_of_another_it_goes_on_as_that_one_would_have(slope_trials, interrupted):
    """In the opening and after it: same seed and same trials, same next proposals."""
    trials, resumed = slope_trials, slope_sampler()
    for trial in trials[:interrupted]:
        resumed.tell(*trial)
    for trial in trials[interrupted:]:
        assert trial[0] == resumed.ask()
        resumed.tell(*trial)


def test_corrected_scores_are_learnt_in_place_of_the_first_ones():
    """Once told that low is good and not high, it no longer looks high."""
    space = Space([IntKnob("a", 0, 1000)])
    made = PolicySampler("ppo", space, space.start, trials=16, seed=1)
    trials = []
    for _ in range(16):
        setting = made.ask()
        trials.append((setting, 1000.0 + setting["a"]))
        made.tell(*trials[-1])

    made.retell([(setting, 3000.0 - score) for setting, score in trials])

    assert made.ask()["a"] < 500


def test_a_contender_is_run_again_and_a_loser_is_not():
    """Of 40 noisy trials some repeat a setting, and those repeated are among the better half."""
    space = Space([IntKnob("a", 0, 3), IntKnob("b", 0, 3)])
    generator = np.random.default_rng(0)
    made = PolicySampler("ppo", space, space.start, trials=40, seed=2)
    tried = []
    for _ in range(40):
        setting = made.ask()
        tried.append((setting["a"], setting["b"]))
        truth = 100.0 + 5.0 * setting["a"] + 3.0 * setting["b"]
        made.tell(setting, truth * float(np.exp(generator.normal(0.0, 0.03))))
    most = max(set(tried), key=tried.count)

    assert tried.count(most) >= 3
    assert 5 * most[0] + 3 * most[1] >= 18
