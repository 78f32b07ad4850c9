"""The models of a search: what each is good at, and when it loses its say."""

import numpy as np
import pytest

from sealtune.space.knobs import ChoiceKnob, IntKnob
from sealtune.space.space import Space
from sealtune.tactician.forest import Forest
from sealtune.tactician.process import GaussianProcess, rank_correlation
from sealtune.tactician.ridge import QuadraticRidge
from sealtune.tactician.surrogates import Surrogates

PLANE = Space([IntKnob("a", 0, 1000), IntKnob("b", 0, 1000)])


def places(count, size=2, seed=0):
    """Return random positions."""
    return np.random.default_rng(seed).random((count, size))


def cliff(rows):
    """Return 1 beyond a threshold of the first column, 0 before it."""
    return (rows[:, 0] > 0.6).astype(float)


def bowl(rows):
    """Return a quadratic hill with its top at 0.7, 0.3."""
    return -((rows[:, 0] - 0.7) ** 2) - (rows[:, 1] - 0.3) ** 2


def error(predicted, happened):
    """Return the mean squared error as a share of the variance."""
    return float(np.mean((predicted - happened) ** 2) / np.var(happened))


def test_a_forest_learns_a_cliff():
    """From 60 places of a step it foretells fresh ones with less than a fifth of the variance."""
    forest = Forest(3).fit(places(60), cliff(places(60)))

    assert error(forest.predict(places(200, seed=1)), cliff(places(200, seed=1))) < 0.2


def test_what_a_forest_has_not_seen_tells_how_good_it_is():
    """Left-out predictions correlate with the outcome for a function and not for chance."""
    rows, chance = places(80), np.random.default_rng(5).normal(size=80)

    assert rank_correlation(Forest().fit(rows, bowl(rows)).left_out, bowl(rows)) > 0.6
    assert rank_correlation(Forest().fit(rows, chance).left_out, chance) < 0.35


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_forest_of_a_few_trials_is_finite(count):
    """One trial and more give finite predictions within the range of what was seen."""
    rows = places(count)
    found = Forest().fit(rows, rows[:, 0]).predict(places(20, seed=2))

    assert np.isfinite(found).all()
    assert rows[:, 0].min() - 1e-9 <= found.min() <= found.max() <= rows[:, 0].max() + 1e-9


def test_equal_trials_make_a_flat_forest():
    """Where every trial gave the same, every prediction is the same."""
    found = Forest().fit(places(20), np.full(20, 7.0)).predict(places(30, seed=2))

    assert found.tolist() == pytest.approx([7.0] * 30)


def test_a_ridge_learns_a_bowl_from_few_trials():
    """A quadratic hill is known from 15 noisy places nearly everywhere."""
    rows = places(15)
    noise = np.random.default_rng(1).normal(0.0, 0.01, 15)
    ridge = QuadraticRidge().fit(rows, bowl(rows) + noise)

    assert error(ridge.predict(places(200, seed=1)), bowl(places(200, seed=1))) < 0.1


def test_a_ridge_of_chance_stays_near_the_mean():
    """With nothing to learn the penalty keeps predictions closer together than the noise."""
    rows, chance = places(30, 8), np.random.default_rng(2).normal(size=30)
    found = QuadraticRidge().fit(rows, chance).predict(places(100, 8, seed=1))

    assert found.std() < chance.std()


def test_covariance_agrees_with_the_deviation():
    """The covariance of a place with itself is the square of its standard deviation."""
    process = GaussianProcess([0, 1]).fit(places(20), bowl(places(20)))
    rows = places(5, seed=9)

    _, deviation, covariance = process.posterior(rows, rows)
    assert np.diag(covariance) == pytest.approx(deviation**2, rel=1e-3, abs=1e-7)


def test_nothing_to_foretell_is_not_trusted():
    """Of 40 pools that saw pure chance most trust no model or few; every pool trusts a hill."""
    rows = places(24)
    hill = Surrogates(PLANE, seed=0).fit(rows, list(bowl(rows)))
    trusted = 0
    for seed in range(20):
        chance = np.random.default_rng([3, seed]).normal(size=24)
        trusted += Surrogates(PLANE, ("process",), seed).fit(rows, list(chance)).trusted

    assert hill.trusted
    assert trusted <= 12


def test_the_better_model_has_the_larger_say():
    """On a cliff the forest counts more than the quadratic surface."""
    rows = places(80)
    pool = Surrogates(PLANE, ("forest", "ridge"), 0).fit(rows, list(cliff(rows)))

    assert pool.weights["forest"] > pool.weights.get("ridge", 0.0)
    assert sum(pool.weights.values()) == pytest.approx(1.0)


def test_disagreement_of_the_models_is_uncertainty():
    """The pool is at least as unsure as its Gaussian process."""
    rows = places(40)
    pool = Surrogates(PLANE, seed=1).fit(rows, list(cliff(rows)))

    _, together = pool.predict_at(places(50, seed=4))
    _, alone = pool.model.predict_at(places(50, seed=4))
    assert (together >= alone - 1e-12).all()


def test_failures_are_a_risk_and_no_value():
    """A choice under which every trial failed is risky; what is expected there is not lowered."""
    space = Space([ChoiceKnob("c", ["good", "bad"]), IntKnob("a", 0, 100)])
    rows = places(40)
    merits = [None if row[0] > 0.5 else 1.0 + row[1] for row in rows]
    pool = Surrogates(space).fit(rows, merits)

    good, bad = pool.risk_at(np.array([[0.25, 0.5], [0.75, 0.5]]))
    mean, _ = pool.predict_at(np.array([[0.25, 0.1], [0.25, 0.9]]))
    assert good < 0.1 < 0.8 < bad
    assert mean[0] < mean[1]


def test_without_a_failure_there_is_no_risk():
    """Nothing failed: the risk is 0 everywhere."""
    pool = Surrogates(PLANE).fit(places(12), list(bowl(places(12))))

    assert not pool.risk_at(places(9, seed=3)).any()
