"""Choosing the next trial: worth of a run, the trust region, and the places that exist."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtune.space.knobs import ChoiceKnob, IntKnob
from sealtune.space.space import Space
from sealtune.tactician.acquisition import knowledge_gradient
from sealtune.tactician.candidates import Candidates
from sealtune.tactician.lattice import Lattice
from sealtune.tactician.policy import PolicyOptions
from sealtune.tactician.process import GaussianProcess
from sealtune.tactician.region import TrustRegion
from sealtune.tactician.surrogates import Surrogates

MIXED = Space(
    [
        IntKnob("few", 0, 3),
        ChoiceKnob("choice", ["x", "y", "z"]),
        IntKnob("many", 0, 100_000, scale="log"),
        IntKnob("steps", 0, 60, step=10),
    ]
)


def worth(process, candidates, tried):
    """Return the knowledge gradient of `candidates`, with the means of the process."""
    mean, _ = process.predict(candidates)
    return knowledge_gradient(process, candidates, mean, tried, process.predict(tried)[0])


def test_a_run_can_only_help():
    """The gradient is never negative, and finite."""
    rows = np.random.default_rng(0).random((20, 2))
    process = GaussianProcess([0, 1]).fit(rows, rows[:, 0])

    gain = worth(process, np.random.default_rng(1).random((50, 2)), rows)

    assert np.isfinite(gain).all()
    assert gain.min() > -1e-9


def test_a_well_known_loser_is_worth_nothing():
    """What was run ten times, and is far behind, is worth less than the unknown."""
    rows = np.array([[0.1]] * 10 + [[0.9]] * 2)
    noise = np.random.default_rng(0).normal(0.0, 0.05, 12)
    process = GaussianProcess([0]).fit(rows, np.where(rows[:, 0] < 0.5, 0.0, 1.0) + noise)

    loser, unknown, contender = worth(process, np.array([[0.1], [0.75], [0.9]]), rows[[0, 11]])

    assert loser < 0.1 * unknown
    assert loser < 0.1 * contender


def test_of_two_rivals_the_poorly_known_one_is_run_again():
    """Of two settings thought equally good, one more run of the less known one tells more."""
    rows = np.array([[0.0]] * 12 + [[1.0]])
    generator = np.random.default_rng(3)
    values = np.append(generator.normal(1.0, 0.3, 12), 1.0)
    spread = np.concatenate([rows, np.linspace(0.2, 0.8, 6)[:, None]])
    process = GaussianProcess([0]).fit(spread, np.append(values, generator.normal(0.0, 0.3, 6)))
    known, unknown = worth(process, np.array([[0.0], [1.0]]), np.array([[0.0], [1.0]]))

    assert unknown > known


def test_the_region_grows_on_success_and_shrinks_on_failure():
    """Two successes in a row widen it; as many failures as knobs, four at least, narrow it."""
    region = TrustRegion(3)
    first = region.side
    for _ in range(4):
        region.judge(is_success=False)
    narrowed = region.side
    region.judge(is_success=True)
    region.judge(is_success=True)

    assert narrowed < first
    assert narrowed < region.side


def test_a_region_with_nothing_left_to_find_opens_again():
    """Failures without end never close it."""
    region = TrustRegion(2)
    sides = []
    for _ in range(200):
        region.judge(is_success=False)
        sides.append(region.side)

    assert min(sides) > 0.02
    assert sides[-1] <= max(sides) == TrustRegion(2).side


def test_a_knob_that_matters_little_gets_a_longer_side():
    """The box is longer along the long length scale, and stays inside [0, 1]."""
    low, high = TrustRegion(2).box(np.array([0.5, 0.5]), np.array([0.1, 10.0]))

    assert (high - low)[0] < (high - low)[1]
    assert low.min() >= 0.0
    assert high.max() <= 1.0


@given(st.lists(st.floats(-0.5, 1.5), min_size=4, max_size=4))
def test_a_snapped_place_is_the_place_of_its_setting(row):
    """Knobs of few values land exactly where their decoded value lies; others stay put."""
    snapped = Lattice(MIXED).snap(np.array([row]))[0]
    exact = MIXED.encode(MIXED.decode(np.clip(row, 0.0, 1.0)))

    assert snapped[[0, 1, 3]].tolist() == pytest.approx(exact[[0, 1, 3]].tolist())
    assert snapped[2] == pytest.approx(min(1.0, max(0.0, row[2])))


def test_the_best_place_is_found_by_climbing():
    """With a model of a hill in four knobs the choice lies near its top."""
    space = Space([IntKnob(name, 0, 10_000) for name in "abcd"])
    rows = np.random.default_rng(0).random((60, 4))
    top = np.array([0.8, 0.2, 0.6, 0.4])
    merits = [float(-((row - top) ** 2).sum()) for row in rows]
    models = Surrogates(space, ("process",)).fit(rows, merits)
    choose = Candidates(space, PolicyOptions(), None).choose

    chosen = choose(models, rows, None, np.random.default_rng(1))

    assert np.abs(chosen - top).max() < 0.15
