"""The names that the project promises to Python programs."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "stable_baselines3", "gymnasium", "optuna", "scipy", "numpy", "pydantic", "rich")


@pytest.mark.parametrize("module", ["sealtune", "sealtune.strategist", "sealtune.tactician"])
def test_importing_loads_none_of_the_heavy_libraries(module):
    """
    Importing the package costs next to nothing; what is heavy loads with the name that needs it.
    """
    code = f"import {module}, sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {name.split(".")[0] for name in done.stdout.split()} & set(HEAVY)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (
            "sealtune",
            "OSTuningEnv SafetyValidator run_rl_optimization optimize_workload search Space"
            " IntKnob ChoiceKnob",
        ),
        ("sealtune.strategist", "TuningConfig classify get_optimization_strategy_prompt"),
    ],
)
def test_every_public_name_is_there(module, names):
    """
    Each name of the architecture can be imported from where it says.
    """
    imported = __import__(module, fromlist=names.split())
    assert all(hasattr(imported, name) for name in names.split())


def test_a_search_works_on_any_function():
    """
    The example of the README: a space built by hand, a plain float as measurement.
    """
    from sealtune import ChoiceKnob, IntKnob, Space, search

    space = Space(
        [
            IntKnob("a", 0, 100, start=60),
            IntKnob("b", 1, 10**6, scale="log"),
            ChoiceKnob("c", "xy"),
        ]
    )
    result = search(space, lambda setting: -abs(setting["a"] - 20), 25, tactician="tpe", seed=1)
    assert abs(result.best_setting["a"] - 20) < abs(60 - 20)
    assert len(result.trials) == 25
    assert set(result.recommended(5)) == {"a", "b", "c"}


def test_the_environment_is_registered_and_passes_the_checker():
    """
    ``gymnasium.make`` finds the environment by its id, and Gymnasium's own checker accepts it.
    """
    import gymnasium
    from gymnasium.utils.env_checker import check_env

    import sealtune

    assert sealtune.OSTuningEnv is not None
    check_env(gymnasium.make("sealtune/OSTuning-v0").unwrapped, skip_render_check=True)
