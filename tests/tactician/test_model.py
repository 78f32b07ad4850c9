"""The model: interpolates, knows what it does not know, fades idle knobs, distrusts outliers."""

import numpy as np
import pytest

from sealtune.space.knobs import ChoiceKnob, IntKnob
from sealtune.space.space import Space
from sealtune.tactician import SettingModel

LINE = Space([IntKnob("a", 0, 100)])


def bell(a):
    """A smooth hill at 30."""
    return float(np.exp(-(((a - 30) / 25) ** 2)))


def test_it_foretells_a_smooth_function():
    """Between the trials of a smooth function the prediction is close to it."""
    settings = [{"a": a} for a in range(0, 101, 10)]
    model = SettingModel(LINE).fit(settings, [bell(s["a"]) for s in settings])

    mean, _ = model.predict([{"a": a} for a in (25, 45, 65)])

    assert [bell(25), bell(45), bell(65)] == pytest.approx(mean.tolist(), abs=0.05)
    assert model.process.rank_correlation() > 0.7


def test_it_is_less_sure_far_from_the_trials():
    """Uncertainty grows with the distance to what was measured."""
    model = SettingModel(LINE).fit(
        [{"a": a} for a in (0, 5, 10, 15, 20)], [0.1, 0.4, 0.3, 0.6, 0.5]
    )

    _, deviation = model.predict([{"a": 10}, {"a": 40}, {"a": 90}])

    assert deviation[0] < deviation[1] < deviation[2]


def test_an_idle_knob_fades():
    """With 40 noisy trials of which one knob decides, the other one hardly moves the mean."""
    space = Space([IntKnob("a", 0, 100), IntKnob("idle", 0, 100)])
    generator = np.random.default_rng(0)
    settings = [{"a": int(a), "idle": int(i)} for a, i in generator.integers(0, 101, (40, 2))]
    merits = [bell(s["a"]) + generator.normal(0, 0.05) for s in settings]

    mean, _ = (
        SettingModel(space)
        .fit(settings, merits)
        .predict([{"a": 30, "idle": 5}, {"a": 30, "idle": 95}, {"a": 90, "idle": 50}])
    )

    assert abs(mean[0] - mean[1]) < 0.25 * (mean[0] - mean[2])


def test_one_outlier_hardly_moves_the_mean():
    """A single wild run among steady neighbours is not believed."""
    settings = [{"a": a} for a in range(0, 101, 4)]
    merits = [0.01 * (index % 3) for index in range(len(settings))]
    merits[10] = 3.0

    mean, _ = SettingModel(LINE).fit(settings, merits).predict([settings[10]])

    assert mean[0] < 1.0


def test_a_failure_counts_as_bad_as_the_worst():
    """Where trials failed, the model expects nothing good."""
    settings = [{"a": a} for a in range(0, 101, 10)]
    merits = [None if s["a"] > 60 else 0.01 * s["a"] for s in settings]

    mean, _ = SettingModel(LINE).fit(settings, merits).predict([{"a": 50}, {"a": 85}])

    assert mean[1] < mean[0]


def test_choices_have_no_order():
    """The first and the last choice may be alike, and the one in the middle different."""
    space = Space([ChoiceKnob("c", ["x", "y", "z"])])
    settings = [{"c": choice} for choice in "xyzxyzxyzxyz"]
    merits = [1.0 if s["c"] == "y" else 0.0 for s in settings]

    mean, _ = SettingModel(space).fit(settings, merits).predict([{"c": c} for c in "xyz"])

    assert mean[1] > 0.8
    assert mean[0] == pytest.approx(mean[2], abs=0.05)


def test_its_gradient_is_the_slope_of_its_loss():
    """The analytic gradient agrees with finite differences."""
    model = SettingModel(Space([IntKnob("a", 0, 9), IntKnob("b", 0, 9)])).process
    generator = np.random.default_rng(1)
    squares = model._squares(*[generator.random((12, 2))] * 2)
    own = np.exp(-squares)
    outcome, theta = generator.normal(size=12), np.array([-0.3, 0.4, -0.5, 0.2, -1.5])

    _, gradient = model._loss(theta, squares, own, outcome)
    steps = 1e-5 * np.eye(5)
    slopes = [
        (
            model._loss(theta + s, squares, own, outcome)[0]
            - model._loss(theta - s, squares, own, outcome)[0]
        )
        / 2e-5
        for s in steps
    ]

    assert gradient.tolist() == pytest.approx(slopes, rel=1e-4, abs=1e-6)
