"""The peers: what each is shown of a knob, told of a failure, and does with what others found."""

import gc
import tempfile

import numpy as np
import pytest

from sealtune.errors import ConfigError
from sealtune.space.knobs import ChoiceKnob, IntKnob
from sealtune.space.space import Below, Space
from sealtune.tactician import names
from sealtune.tactician.axes import FEW, Axis, axes
from sealtune.tactician.names import PEERS, how_to_install
from sealtune.tactician.samplers import OptunaSampler, build_peer

SPACE = Space(
    [
        IntKnob("low", 0, 100, start=10),
        IntKnob("high", 20, 200, start=150),
        IntKnob("switch", 0, 1, start=0),
        IntKnob("bytes", 0, 2**20, start=4096, scale="log", step=4096),
        ChoiceKnob("scheduler", ["none", "bfq", "kyber"], start="none"),
        IntKnob("fixed", 7, 7),
        IntKnob("expire", 50, 1000, start=500, when=("scheduler", ("bfq",))),
    ],
    [Below("low", "high")],
)
LINE = Space([IntKnob("a", 0, 1000, start=500)])


def installed(*wanted):
    """Return `wanted`: marked as slow where they are, and skipped where a package is missing."""
    parameters = []
    for name in wanted:
        line = how_to_install(name)
        marks = [pytest.mark.skipif(line is not None, reason=f"needs: {line}")]
        marks += [pytest.mark.slow] if name in ("gp", "smac", "hebo") else []
        parameters.append(pytest.param(name, marks=marks))
    return parameters


def climb(sampler, score, trials):
    """Ask and tell so many trials; return the settings."""
    settings = []
    for _ in range(trials):
        setting = sampler.ask()
        sampler.tell(setting, score(setting))
        settings.append(setting)
    return settings


def goodness(setting):
    return (
        100.0 - abs(setting["low"] - 30) + 20 * setting["switch"] + (setting["scheduler"] == "bfq")
    )


@pytest.mark.parametrize("name", installed(*PEERS))
def test_every_peer_begins_at_the_start_and_proposes_only_what_may_be_set(name):
    """
    The start comes first; every proposal is a value of its knob and keeps the couplings.
    """
    settings = climb(build_peer(name, SPACE, SPACE.start, trials=14, seed=1001), goodness, 14)
    assert settings[0] == SPACE.start
    for setting in settings:
        assert set(setting) == set(SPACE.names)
        assert SPACE.repair(setting) == setting
        assert setting["switch"] in (0, 1)
        assert setting["bytes"] % 4096 == 0
        assert setting["scheduler"] in ("none", "bfq", "kyber")
        assert setting["fixed"] == 7
        assert setting["scheduler"] == "bfq" or setting["expire"] == 500
    if name != "grid":  # which has no room for the later knobs in so few trials
        assert len({setting["scheduler"] for setting in settings}) > 1


@pytest.mark.parametrize("name", installed(*(name for name in PEERS if name != "gp")))
def test_one_seed_one_sequence(name):
    """
    Same seed and same scores, same proposals; another seed proposes others.
    """
    runs = [
        climb(build_peer(name, SPACE, SPACE.start, trials=16, seed=seed), goodness, 14)
        for seed in (1001, 1001, 1002)
    ]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


@pytest.mark.parametrize("name", installed("tpe", "gp", "cmaes", "smac", "hebo"))
def test_a_learning_peer_leaves_the_region_that_fails(name):
    """
    Where every trial fails, a peer soon tries less than the half of its trials that chance would.
    """

    def score(setting):
        return None if setting["a"] > 500 else 100.0 + setting["b"] / 100

    space = Space([IntKnob("a", 0, 1000, start=400), IntKnob("b", 0, 1000)])
    settings = climb(build_peer(name, space, space.start, trials=36, seed=1003), score, 36)
    assert sum(setting["a"] > 500 for setting in settings[-12:]) <= 3


@pytest.mark.parametrize("name", installed("tpe", "cmaes", "smac", "hebo"))
def test_failures_before_any_score_are_survived(name):
    """
    The first trials may all fail: the peer goes on proposing, and learns once something works.
    """
    outcomes = iter([None, None, None, 5.0, None, 6.0, 7.0, None])
    settings = climb(
        build_peer(name, SPACE, SPACE.start, trials=20, seed=1004), lambda _: next(outcomes), 8
    )
    assert len(settings) == 8


@pytest.mark.parametrize("name", installed("tpe", "gp", "cmaes", "random", "sobol", "grid"))
def test_what_an_earlier_search_tried_is_no_first_proposal(name):
    """
    Told of the start before it is asked, a peer does not try the start again at once.
    """
    sampler = build_peer(name, LINE, LINE.start, trials=20, seed=1005)
    sampler.tell(LINE.start, 1.0)
    assert sampler.ask() != LINE.start


def test_cmaes_goes_on_from_the_best_that_is_known():
    """
    CMA-ES ignores trials that are not its own; told of some, it begins at the best of them.
    """
    sampler = build_peer("cmaes", LINE, LINE.start, trials=30, seed=1006)
    for place, score in ((100, 1.0), (500, 2.0), (950, 9.0), (400, None)):
        sampler.tell({"a": place}, score)
    assert np.mean([sampler.ask()["a"] for _ in range(24)]) > 650


@pytest.mark.parametrize("name", ["tpe", "gp"])
def test_a_small_budget_is_not_spent_on_random_trials(name):
    """
    Of few trials a third is random; from 30 on it is Optuna's own ten.
    """
    for trials, startup in ((30, 10), (18, 6), (12, 5), (120, 10)):
        sampler = OptunaSampler(name, LINE, LINE.start, 1007, trials)
        sampler.ask()
        assert sampler._study.sampler._n_startup_trials == startup


def test_a_sobol_sequence_covers_every_axis_evenly():
    """
    Sixteen proposals after the start have four in each quarter of a range, and of four choices.
    """
    space = Space([IntKnob("a", 0, 9999), ChoiceKnob("c", ["w", "x", "y", "z"])])
    sampler = build_peer("sobol", space, space.start, trials=17, seed=1008)
    settings = climb(sampler, lambda _: 1.0, 17)[1:]
    assert np.bincount([setting["a"] // 2500 for setting in settings]).tolist() == [4, 4, 4, 4]
    assert {name: 4 for name in "wxyz"} == {
        name: sum(setting["c"] == name for setting in settings) for name in "wxyz"
    }


def test_a_resumed_sobol_sequence_goes_on_where_it_was():
    """
    Told of the trials that are done, it proposes the rest of the sequence, none twice.
    """
    whole = climb(build_peer("sobol", SPACE, SPACE.start, trials=12, seed=1009), goodness, 12)
    resumed = build_peer("sobol", SPACE, SPACE.start, trials=12, seed=1009)
    for setting in whole[:5]:
        resumed.tell(setting, 1.0)
    assert climb(resumed, goodness, 7) == whole[5:]


@pytest.mark.parametrize("name", ["smac", "hebo"])
def test_a_missing_package_is_an_error_that_says_how_to_install_it(name, monkeypatch):
    """
    Without its package a peer is refused by name, and the fix is a line to copy.
    """
    monkeypatch.setattr(names, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=f"{name}: its package is not installed") as caught:
        build_peer(name, SPACE, SPACE.start, trials=20, seed=1)
    assert f"pip install 'sealtune[{name}]'" in caught.value.fix


@pytest.mark.parametrize("name", installed("smac"))
def test_smac_leaves_no_file_behind(name, tmp_path, monkeypatch):
    """
    What SMAC writes lies in a directory of its own, and is gone with the sampler.
    """
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    sampler = build_peer(name, SPACE, SPACE.start, trials=12, seed=1010)
    climb(sampler, goodness, 4)
    del sampler
    gc.collect()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", installed("hebo"))
def test_hebo_leaves_the_global_generators_alone(name):
    """
    HEBO draws from numpy's global generator; others who draw from it see no difference.
    """
    sampler = build_peer(name, SPACE, SPACE.start, trials=20, seed=1011)
    np.random.seed(5)
    expected = np.random.random(3).tolist()
    np.random.seed(5)
    climb(sampler, goodness, 9)
    assert np.random.random(3).tolist() == expected


def test_few_values_are_shown_as_what_they_are():
    """
    Switches and short ranges are whole numbers, long and logarithmic ones positions.
    """
    kinds = {axis.knob.name: axis.kind for axis in axes(SPACE)}
    assert kinds == {
        "low": "position",
        "high": "position",
        "switch": "index",
        "bytes": "position",
        "scheduler": "category",
        "fixed": "index",
        "expire": "position",
    }
    assert {axis.kind for axis in axes(SPACE, whole=False)} == {"position"}
    assert axes(Space([IntKnob("a", 0, FEW - 1), IntKnob("b", 0, FEW)]))[0].kind == "index"
    assert axes(Space([IntKnob("a", 0, FEW - 1), IntKnob("b", 0, FEW)]))[1].kind == "position"


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        (Axis(IntKnob("a", 0, 1), "index"), [0, 1]),
        (Axis(IntKnob("a", 100, 1000, step=300), "index"), [100, 400, 700, 1000]),
        (Axis(IntKnob("a", 0, 10, step=4), "index"), [0, 4, 8]),
        (Axis(ChoiceKnob("c", ["x", "y"]), "position"), ["x", "y"]),
        (Axis(ChoiceKnob("c", ["x", "y"]), "category"), ["x", "y"]),
        (Axis(IntKnob("a", 1, 10**6, scale="log"), "position"), [1, 1000, 10**6]),
    ],
)
def test_a_value_survives_its_axis(axis, values):
    """
    Every value that a knob can have comes back from where it lies on its axis.
    """
    assert [axis.value(axis.place(value)) for value in values] == values
    if axis.kind == "index":
        assert [axis.place(value) for value in values] == list(range(axis.count))


def test_a_value_between_two_steps_lies_at_the_nearer():
    """
    The present value of a parameter need not be one that would be tried.
    """
    axis = Axis(IntKnob("a", 0, 10, step=4), "index")
    assert [axis.place(value) for value in (3, 5, 10)] == [1, 1, 2]


@pytest.mark.parametrize("name", installed("tpe", "gp", "smac", "hebo"))
def test_a_peer_learns_anew_from_corrected_scores(name):
    """
    When the machine turns out to have changed, what was told before counts no more.
    """
    sampler = build_peer(name, LINE, LINE.start, trials=40, seed=1012)
    tried = climb(sampler, lambda setting: setting["a"], 16)
    sampler.retell([(setting, 1000.0 - setting["a"]) for setting in tried])
    later = climb(sampler, lambda setting: 1000.0 - setting["a"], 6)
    assert np.mean([setting["a"] for setting in later]) < 450
