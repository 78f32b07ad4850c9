import pytest

from sealtune.benchmarks.measurement import failed
from sealtune.space import IntKnob, Space
from sealtune.verdict import confirm, minimise, rank_suspects

NAMES = [f"k{i}" for i in range(8)]
CANDIDATE = dict.fromkeys(NAMES, 1)


def product(**effects):
    def speed(setting):
        result = 1.0
        for name in setting:
            result *= effects.get(name, 1.0)
        return result

    return speed


def confirmed(fake, candidate=CANDIDATE):
    confirmation = confirm(fake.measure, candidate, looks=(6, 9), clock=fake.clock)
    assert "improved" == confirmation.outcome
    return confirmation


def run(fake, runs, candidate=CANDIDATE, **options):
    confirmation = confirmed(fake, candidate)
    deadline = None if runs is None else fake.now + runs * fake.seconds
    return minimise(
        fake.measure, candidate, confirmation, deadline=deadline, clock=fake.clock, **options
    )


@pytest.mark.parametrize("carrier", NAMES)
@pytest.mark.parametrize(("ratio", "noise", "runs"), [(3, 0.08, 12), (4, 0.15, 16), (3, 0.15, 40)])
def test_a_big_carrier_is_named_in_a_short_budget(machine, carrier, ratio, noise, runs):
    """
    Whichever of eight knobs carries a gain of three or four times, it is the only one left, and
    named with its effect, within a few dozen runs, without a hint from the search.
    """
    fake = machine(product(**{carrier: ratio}), noise=noise, seed=NAMES.index(carrier))

    found = run(fake, runs)

    assert {carrier: 1} == found.setting
    effect = next(effect for effect in found.effects if effect.knob == carrier)
    assert "carries" == effect.status
    assert effect.ratio == pytest.approx(ratio, rel=0.4)
    assert effect.ci_low < ratio < effect.ci_high
    assert {"no effect found"} == {e.status for e in found.effects if e.knob != carrier}
    assert () == found.untested


def test_the_right_suspect_is_named_in_one_or_two_pairs(machine):
    """
    With the carrier as first suspect, six runs are enough to drop the seven others.
    """
    found = run(machine(product(k5=3.0), noise=0.1), 6, suspects=("k5", "k1"))

    assert {"k5": 1} == found.setting
    assert 1 == len(found.steps)


def test_a_wrong_suspect_costs_one_step(machine):
    """
    A suspect that does nothing is found out, and the carrier is still named.
    """
    found = run(machine(product(k5=3.0), noise=0.1), 20, suspects=("k0",))

    assert {"k5": 1} == found.setting
    assert "loses" == found.steps[0].outcome


def test_two_carriers_are_both_kept_with_their_own_effects(machine):
    """
    Two knobs that double the speed each stay, each with an effect of about two.
    """
    found = run(machine(product(k1=2.0, k6=2.0), noise=0.05), None)

    assert {"k1": 1, "k6": 1} == found.setting
    for effect in found.effects:
        if effect.knob in found.setting:
            assert "carries" == effect.status
            assert effect.ratio == pytest.approx(2.0, rel=0.15)


def test_knobs_that_only_work_together_stay_together(machine):
    """
    When the gain needs both of two knobs, neither is dropped.
    """

    def speed(setting):
        return 2.5 if {"k0", "k7"} <= set(setting) else 1.0

    assert {"k0": 1, "k7": 1} == run(machine(speed, noise=0.05), None).setting


def test_with_time_the_smaller_setting_is_measured_against_the_baseline(machine):
    """
    Fresh pairs of the minimal setting give the published gain, which says whose it is.
    """
    fake = machine(product(k3=1.4, k1=1.001), noise=0.03)

    found = run(fake, 80)

    assert ({"k3": 1}, "minimal") == (found.setting, found.gain_of)
    assert found.gain is found.recheck.gain
    assert found.gain.ci_low < 1.4 < found.gain.ci_high


def test_without_time_for_that_the_gain_is_the_candidates(machine):
    """
    In a short budget the published gain stays the full candidate's, and says so.
    """
    found = run(machine(product(k3=3.0), noise=0.05), 10)

    assert ("candidate", None) == (found.gain_of, found.recheck)


def test_no_time_at_all_keeps_everything_and_names_it_untested(machine):
    """
    Without time for a pair nothing is run, dropped or claimed.
    """
    fake = machine(product(k3=3.0), noise=0.05)
    confirmation = confirmed(fake)
    before = len(fake.runs)

    found = minimise(
        fake.measure, CANDIDATE, confirmation, deadline=fake.now + 1, clock=fake.clock
    )

    assert before == len(fake.runs)
    assert CANDIDATE == found.setting
    assert tuple(NAMES) == found.untested
    assert {"not tested"} == {effect.status for effect in found.effects}


def test_the_deadline_is_kept(machine):
    """
    Whatever the budget, minimising never starts a pair that does not fit.
    """
    for runs in range(2, 60, 3):
        fake = machine(product(k2=1.2, k4=1.1), noise=0.08, seed=2)
        confirmation = confirm(fake.measure, CANDIDATE, clock=fake.clock)
        if confirmation.outcome != "improved":
            continue
        deadline = fake.now + runs * fake.seconds
        minimise(fake.measure, CANDIDATE, confirmation, deadline=deadline, clock=fake.clock)
        assert fake.now <= deadline


def test_a_smaller_setting_that_is_not_confirmed_gives_way_to_the_full_one(machine):
    """
    When the last check does not confirm the smaller setting, the full candidate stays.
    """
    fake = machine(product(k3=1.5), noise=0.03)
    confirmation = confirmed(fake)
    steps = []

    def measure(setting):
        # After the last step the machine has lost the gain of the smaller setting.
        gone = len(steps) == 4 and len(setting) == 1
        return fake.measure({} if gone else setting)

    found = minimise(measure, CANDIDATE, confirmation, clock=fake.clock, on_step=steps.append)

    assert 4 == len(found.steps)
    assert found.recheck.outcome != "improved"
    assert (CANDIDATE, "candidate") == (found.setting, found.gain_of)
    assert "no effect found" not in {effect.status for effect in found.effects}


def test_a_setting_that_fails_without_a_knob_keeps_the_knob(machine):
    """
    If the benchmark breaks once a knob is put back, that knob is kept.
    """
    fake = machine(lambda setting: 2.0 if "k2" in setting else (None if setting else 1.0))

    assert {"k2": 1} == run(fake, None).setting


def test_a_benchmark_that_breaks_keeps_what_is_known(machine):
    """
    Four failures in a row end the minimising, not the session.
    """
    fake = machine(product(k2=2.0), noise=0.01)
    confirmation = confirmed(fake)

    found = minimise(lambda setting: failed("no server"), CANDIDATE, confirmation)

    assert CANDIDATE == found.setting
    assert "no server" in found.reason


def test_one_knob_needs_no_steps(machine):
    """
    A candidate of one knob is its own minimal setting.
    """
    fake = machine(product(k0=2.0), noise=0.02)
    found = run(fake, None, {"k0": 1})

    assert ({"k0": 1}, ()) == (found.setting, found.steps)
    assert () == found.untested


def test_only_a_confirmed_gain_can_be_minimised(machine):
    """
    A candidate that was not confirmed is refused.
    """
    fake = machine(product(), noise=0.05)

    with pytest.raises(ValueError, match="confirmed"):
        minimise(fake.measure, CANDIDATE, confirm(fake.measure, CANDIDATE))


def test_the_search_points_at_the_knob_that_works_like_a_switch():
    """
    A knob that does nothing below a threshold and all above it is the first suspect, from 16
    trials of six knobs.
    """
    import numpy as np

    space = Space([IntKnob(f"n{i}", 0, 1000) for i in range(6)])
    rng = np.random.default_rng(0)
    settings = [space.decode(rng.random(6)) for _ in range(16)]
    ratios = [
        (3.0 if setting["n4"] > 300 else 1.0) * np.exp(rng.normal(0, 0.15)) for setting in settings
    ]

    assert "n4" == rank_suspects(settings, ratios, space)[0]
    assert set(space.names) == set(rank_suspects(settings, ratios, space))
    assert () == rank_suspects(settings[:3], ratios[:3], space)


def test_a_coupled_pair_is_never_taken_apart_where_it_may_not_be(machine):
    """
    A part of the candidate that must not be written is never measured; what it holds stays in.
    """
    asked = []

    def valid(setting):
        asked.append(dict(setting))
        return "k1" in setting or "k0" not in setting  # k0 only together with k1

    fake = machine(product(k0=3.0), noise=0.05)
    tried = []
    measure = fake.measure
    fake.measure = lambda setting: tried.append(dict(setting)) or measure(setting)

    found = run(fake, None, valid=valid)

    assert asked
    assert all(valid(setting) for setting in tried)
    assert {"k0": 1, "k1": 1} == found.setting
