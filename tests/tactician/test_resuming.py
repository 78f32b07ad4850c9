"""A tactician that is built again after an interruption: as if there had been none."""

import math

import pytest

from sealtune.space.knobs import ChoiceKnob, IntKnob
from sealtune.space.space import Space
from sealtune.tactician import TACTICIANS, TrialRecord, prepare_tactician, search
from sealtune.tactician.names import how_to_install
from sealtune.tactician.prior import Prior
from sealtune.tactician.resuming import rebuilt

SPACE = Space(
    [
        IntKnob("a", 0, 100, start=60),
        IntKnob("b", 1, 10**6, scale="log"),
        ChoiceKnob("c", ["x", "y"]),
    ]
)
TRIALS = 24
HERE = [name for name in TACTICIANS if how_to_install(name) is None]
SLOW = [name for name in ("gp", "smac", "hebo") if name in HERE]


def hill(setting):
    """Best at a=20, b=100, c=y; some trials fail."""
    if setting["a"] % 17 == 5:
        return math.nan
    a = (setting["a"] - 20) / 40
    b = math.log10(setting["b"] / 100) / 2
    return 200.0 * math.exp(-(a**2) - b**2) + (20.0 if setting["c"] == "y" else 0.0)


def builder(name, *, trials=TRIALS, prior=None, seed=7):
    def build(resumed):
        return prepare_tactician(name, SPACE, trials, prior=prior, seed=seed, resumed=resumed)

    return build


def settings_of(result):
    return [trial.setting for trial in result.trials]


@pytest.fixture(scope="module")
def uninterrupted():
    """The whole search of each tactician, run once."""
    known = {}

    def whole(name, prior=None):
        key = name, prior is None
        if key not in known:
            known[key] = search(SPACE, hill, TRIALS, tactician=name, prior=prior, seed=7)
        return known[key]

    return whole


@pytest.mark.parametrize("done", [1, 6, 12, 20])
@pytest.mark.parametrize("name", [name for name in HERE if name not in SLOW])
def test_a_search_that_is_resumed_is_the_uninterrupted_one(uninterrupted, name, done):
    """Opening, population and place in a sequence come back: every later trial is the same."""
    whole = uninterrupted(name)
    known = whole.trials[:done]
    resumed = search(
        SPACE, hill, TRIALS, tactician=rebuilt(builder(name), known), history=known, told=done
    )

    assert settings_of(resumed) == settings_of(whole)


@pytest.mark.slow
@pytest.mark.parametrize("done", [1, 12, 20])
@pytest.mark.parametrize("name", SLOW)
def test_a_slow_search_that_is_resumed_is_the_uninterrupted_one(uninterrupted, name, done):
    """The same for those that take long over each proposal."""
    whole = uninterrupted(name)
    known = whole.trials[:done]
    resumed = search(
        SPACE, hill, TRIALS, tactician=rebuilt(builder(name), known), history=known, told=done
    )

    assert settings_of(resumed) == settings_of(whole)


@pytest.mark.parametrize("done", [1, 6, 14, 20])
def test_proposals_and_stages_of_a_prior_come_back_too(uninterrupted, done):
    """Interrupted in a curriculum, a search goes on in the same stage from the same best."""
    prior = Prior(SPACE.start, proposals=({**SPACE.start, "a": 30},), stages=(("a",), ("b",)))
    whole = uninterrupted("tpe", prior)
    known = whole.trials[:done]
    again = rebuilt(builder("tpe", prior=prior), known)
    resumed = search(SPACE, hill, TRIALS, tactician=again, prior=prior, history=known, told=done)

    assert settings_of(resumed) == settings_of(whole)


class Spy:
    """Proposes the trials of a list, and keeps what it is told."""

    def __init__(self, proposals):
        self.name, self.told, self._left = "spy", [], list(proposals)

    def ask(self):
        return dict(self._left.pop(0))

    def tell(self, setting, score):
        self.told.append((setting["a"], score))


def trials_at(*places):
    run = search(SPACE, lambda setting: 1.0, 1, tactician="random").trials[0]
    return tuple(
        TrialRecord(index, {**SPACE.start, "a": place}, run.measurement, float(place))
        for index, place in enumerate(places)
    )


def test_each_trial_is_told_once_and_in_order():
    """Whatever it is asked meanwhile, a rebuilt tactician has learnt each trial exactly once."""
    known = trials_at(5, 6, 7)
    again = rebuilt(lambda resumed: Spy(trial.setting for trial in known), known)

    assert again.told == [(5, 5.0), (6, 6.0), (7, 7.0)]


def test_one_that_proposes_something_else_is_told_all_of_it():
    """After a change of version the trials count all the same, and are not proposed again."""
    known, built = trials_at(5, 6, 7), []

    def build(resumed):
        built.append(resumed)
        return Spy({**SPACE.start, "a": place} for place in (5, 99, 7))

    again = rebuilt(build, known)

    assert built == [0, 3]
    assert again.told == [(5, 5.0), (6, 6.0), (7, 7.0)]


@pytest.mark.parametrize("name", [name for name in HERE if name not in (*SLOW, "grid")])
def test_another_budget_does_not_repeat_the_finished_trials(name):
    """A search that is resumed with more trials proposes new settings, few of them known ones."""
    first = search(SPACE, hill, 10, tactician=name, seed=7)
    again = rebuilt(builder(name, trials=60), first.trials)
    asked = []
    for _ in range(5):
        asked.append(again.ask())
        again.tell(asked[-1], 1.0)

    assert sum(setting in settings_of(first) for setting in asked) <= 1
