"""Keeping away from where the machine suffered, with a tactician that climbs regardless."""

import pytest

from sealtune import ChoiceKnob, IntKnob, Space, search
from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.tactician.relearning import Relearns
from sealtune.trial import Avoiding

SPACE = Space([IntKnob("a", 0, 100, start=20), IntKnob("b", 0, 100, start=20)])
ORIGINALS = {"a": 20, "b": 20}


class Climber:
    """Proposes what it is given; remembers what it is told."""

    name = "climber"

    def __init__(self, *proposals):
        self.proposals = iter(proposals)
        self.told = []

    def ask(self):
        return next(self.proposals)

    def tell(self, setting, score):
        self.told.append((setting, score))


def at(a, b):
    return {"a": a, "b": b}


def avoiding(*proposals, unsafe=lambda setting: True):
    return Avoiding(Climber(*proposals), SPACE, ORIGINALS, unsafe)


def test_without_an_unsafe_trial_proposals_pass_as_they_are():
    """
    A search that never breaches a rail is the tactician's own, failures or not.
    """
    tactician = avoiding(at(90, 90), at(91, 90), unsafe=lambda setting: False)
    assert tactician.ask() == at(90, 90)
    tactician.tell(at(90, 90), None)
    assert tactician.ask() == at(91, 90)


@pytest.mark.parametrize("proposal", [at(90, 90), at(88, 93), at(100, 100), at(60, 70)])
def test_the_neighbourhood_of_an_unsafe_trial_is_not_tried_again(proposal):
    """
    A proposal near it, or beyond it, is drawn back towards what worked.
    """
    tactician = avoiding(at(90, 90), proposal)
    tactician.tell(tactician.ask(), None)
    tried = tactician.ask()
    assert tried != proposal
    assert tried["a"] <= 45
    assert tried["b"] <= 45


def test_what_is_clearly_nearer_to_a_good_trial_is_tried():
    """
    One unsafe trial does not close what lies beside a setting that worked.
    """
    tactician = avoiding(at(90, 20), at(90, 90), at(95, 25))
    tactician.tell(tactician.ask(), 120.0)
    tactician.tell(tactician.ask(), None)
    assert tactician.ask() == at(95, 25)


def test_after_two_in_a_row_it_goes_back_towards_the_originals():
    """
    Half of the way, then three quarters, so that a search does not end by failures in a row.
    """
    tactician = avoiding(*[at(100, 100)] * 4)
    tactician.tell(at(80, 80), None)
    tactician.tell(at(60, 60), None)
    assert tactician.ask() == at(60, 60)
    tactician.tell(at(60, 60), None)
    assert tactician.ask() == at(40, 40)
    tactician.tell(at(40, 40), 100.0)
    assert tactician.ask()["a"] < 50


def test_the_tactician_learns_of_what_was_tried_instead():
    """
    What was measured is what it is told, and a failure that was no breach as well.
    """
    tactician = avoiding(at(90, 90), at(92, 92))
    tactician.tell(at(90, 90), None)
    tried = tactician.ask()
    tactician.tell(tried, 105.0)
    assert tactician._tactician.told == [(at(90, 90), None), (tried, 105.0)]


def test_choices_and_what_does_not_exist_are_no_obstacle():
    """
    An unsafe choice is left for one that worked; a knob that is absent makes no distance.
    """
    space = Space(
        [
            ChoiceKnob("scheduler", ["none", "kyber"]),
            IntKnob("expire", 0, 100, start=50, when=("scheduler", ("kyber",))),
        ]
    )
    tried = {"scheduler": "kyber", "expire": 50}
    tactician = Avoiding(Climber(tried, tried), space, {"scheduler": "none"}, lambda setting: True)
    tactician.tell(tactician.ask(), None)
    assert tactician.ask()["scheduler"] == "none"


def test_relearning_is_passed_on_where_there_is_any():
    """
    Corrected scores reach a tactician that takes them, and do not trouble one that does not.
    """
    tactician = avoiding()
    assert isinstance(tactician, Relearns)
    tactician.retell([(at(1, 1), 1.0)])
    seen = []
    tactician._tactician.retell = seen.extend
    tactician.retell([(at(1, 1), 1.0)])
    assert seen == [(at(1, 1), 1.0)]


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_a_search_beside_a_cliff_goes_on_and_falls_less_often(name):
    """
    With the best values at the edge of a region that breaches a rail, few trials breach it.
    """
    plain, _ = falls(name, avoid=False)
    careful, trials = falls(name, avoid=True)
    assert len(trials) == 60
    assert len(careful) < len(plain)
    assert trials[careful[0]].setting != trials[careful[0] + 1].setting


def falls(name, *, avoid):
    """Return the numbers of the trials that were unsafe, and all trials, of three searches."""
    from sealtune.tactician import prepare_tactician

    unsafe, found, trials = [], [], []

    def measure(setting):
        if setting["a"] > 60 and setting["b"] > 40:
            unsafe.append(setting)
            return failed("unsafe: it suffered", unsafe=True)
        return Measurement(100.0 + setting["a"] + 0.3 * setting["b"])

    for seed in range(3):
        sampler = prepare_tactician(name, SPACE, 20, seed=seed)
        if avoid:
            sampler = Avoiding(sampler, SPACE, ORIGINALS, unsafe.__contains__)
        result = search(SPACE, measure, 20, tactician=sampler, seed=seed)
        found += [len(trials) + t.index for t in result.trials if t.measurement.unsafe]
        trials += result.trials
    return found, trials
