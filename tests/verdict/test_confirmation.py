import numpy as np
import pytest

from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.errors import TooManyFailuresError
from sealtune.verdict import confirm, looks_within

CANDIDATE = {"a": 1}


def speeds(ratio):
    return lambda setting: ratio if setting else 1.0


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_a_large_gain_is_confirmed_at_the_first_look(machine, direction):
    """
    A threefold gain at 15 % noise ends "improved" after six pairs, as a ratio above 1 whichever
    way the metric points, with the truth inside the interval.
    """
    fake = machine(speeds(3.0), noise=0.15, direction=direction)

    found = confirm(fake.measure, CANDIDATE, direction=direction, looks=(6, 9))

    assert "improved" == found.outcome
    assert 6 == found.gain.pairs == len(found.pairs)
    assert 2 < found.gain.ci_low < 3 < found.gain.ci_high
    assert found.gain.confirmed
    assert 12 == len(fake.runs)
    assert found.checks.wilcoxon_p == pytest.approx(2 / 64)
    assert found.gain.ci_low < found.checks.bootstrap_low


def test_no_difference_ends_none_when_the_looks_are_used_up(machine):
    """
    Equal settings at 10 % noise use every pair and are not confirmed.
    """
    found = confirm(machine(speeds(1.0), noise=0.1, seed=3).measure, CANDIDATE, looks=(6, 9, 12))

    assert "none" == found.outcome
    assert 12 == found.gain.pairs
    assert not found.gain.confirmed
    assert found.checks.detectable > 1.05


def test_an_excluded_gain_ends_none_early(machine):
    """
    When even 1 % is excluded the confirmation stops at the first look.
    """
    found = confirm(machine(speeds(1.0), noise=0.001).measure, CANDIDATE)

    assert ("none", 6) == (found.outcome, found.gain.pairs)
    assert "excluded" in found.reason


def test_a_gain_below_the_smallest_worthwhile_one_is_not_improved(machine):
    """
    A certain gain of half a percent is "none"; with a lower threshold it is "improved".
    """
    tiny = machine(speeds(1.005), noise=0.0001)

    assert "none" == confirm(tiny.measure, CANDIDATE).outcome
    assert "improved" == confirm(tiny.measure, CANDIDATE, minimum_gain=0.001).outcome


def test_a_certain_gain_of_uncertain_worth_is_said_to_be_one(machine):
    """
    An interval from above 1 to both sides of the least worthwhile gain is "none", and says why.
    """
    found = confirm(machine(speeds(1.01), noise=0.003).measure, CANDIDATE, looks=(6,))

    assert "none" == found.outcome
    assert 1 < found.gain.ci_low < 1.01 < found.gain.ci_high
    assert "some gain is certain, but not that it is 1%" in found.reason


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_a_slower_setting_is_worse(machine, direction):
    """
    A certain loss is named "worse" whichever way the metric points.
    """
    fake = machine(speeds(0.7), noise=0.02, direction=direction)

    assert "worse" == confirm(fake.measure, CANDIDATE, direction=direction).outcome


def test_arms_alternate_at_random_and_the_baseline_is_the_empty_setting(machine):
    """
    Every pair has one run of the originals and one of the candidate; both orders occur.
    """
    fake = machine(speeds(1.0), noise=0.1)
    found = confirm(fake.measure, CANDIDATE, seed=1)

    orders = [pair.order for pair in found.pairs]
    expected = [arm for order in orders for arm in ({"A": {}, "B": CANDIDATE}[x] for x in order)]
    assert {"AB", "BA"} == set(orders)
    assert expected == fake.runs


def test_a_failing_candidate_is_unsafe_and_never_a_win(machine):
    """
    A candidate that fails again and again while the baseline works ends "unsafe", without gain.
    """
    fake = machine(lambda setting: None if setting else 1.0)

    found = confirm(fake.measure, CANDIDATE)

    assert ("unsafe", None) == (found.outcome, found.gain)
    assert 3 == len(found.failed_pairs)
    assert "the benchmark broke" in found.reason


def test_a_tripped_guard_rail_is_unsafe_at_once(machine):
    """
    One run that endangered the machine is enough.
    """
    measure = machine(speeds(9.0)).measure

    found = confirm(
        lambda setting: failed("out of memory", unsafe=True) if setting else measure(setting),
        CANDIDATE,
    )

    assert "unsafe" == found.outcome
    assert 1 == len(found.failed_pairs)


def test_a_broken_benchmark_is_an_error_and_not_the_candidates_fault():
    """
    When both arms fail, it ends after four failures in a row with an error.
    """
    with pytest.raises(TooManyFailuresError, match="no server"):
        confirm(lambda setting: failed("no server"), CANDIDATE)


def test_a_baseline_that_never_works_is_an_error(machine):
    """
    A candidate that works beside a baseline that does not is no gain and no endless loop.
    """
    fake = machine(lambda setting: 5.0 if setting else None)

    with pytest.raises(TooManyFailuresError, match="the benchmark broke"):
        confirm(fake.measure, CANDIDATE)


def test_a_failed_pair_is_repeated(machine):
    """
    A single failed arm costs one more pair and leaves the verdict as it was.
    """
    fake = machine(speeds(2.0), noise=0.02)
    seen = []

    def measure(setting):
        run = fake.measure(setting)
        return failed("hiccup") if len(fake.runs) == 4 else run

    found = confirm(measure, CANDIDATE, on_pair=seen.append)

    assert ("improved", 6, 1) == (found.outcome, len(found.pairs), len(found.failed_pairs))
    assert [0, 1, 2, 3, 4, 5, 6] == [pair.index for pair in seen]


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_a_value_that_has_no_ratio_is_a_failure(machine, value):
    """
    Zero and negative values never become a ratio.
    """
    fake = machine(speeds(1.0))

    found = confirm(
        lambda setting: Measurement(value) if setting else fake.measure(setting), CANDIDATE
    )

    assert "unsafe" == found.outcome


def test_the_deadline_cuts_the_schedule_before_the_first_look(machine):
    """
    With time for 13 pairs the schedule is 6, 9, 12, its interval the one calibrated for it, and
    the confirmation ends in time.
    """
    fake = machine(speeds(1.0), noise=0.1, seed=3)
    deadline = 13 * 14.0

    found = confirm(fake.measure, CANDIDATE, deadline=deadline, clock=fake.clock)

    assert (6, 9, 12) == found.looks
    assert fake.now <= deadline
    assert found.seconds_per_pair == pytest.approx(14)


def test_the_first_look_is_reached_even_past_the_deadline(machine):
    """
    Without six pairs there is no verdict, so a deadline that is over does not stop them.
    """
    fake = machine(speeds(2.0), noise=0.02)

    found = confirm(fake.measure, CANDIDATE, deadline=-1, clock=fake.clock)

    assert ("improved", 6, (6,)) == (found.outcome, found.gain.pairs, found.looks)


def test_runs_that_take_longer_than_the_first_stop_at_an_earlier_look(machine):
    """
    When pairs get slower than the first one promised, the last look that fits decides.
    """
    fake = machine(speeds(1.0), noise=0.1, seed=3)

    def measure(setting):
        fake.seconds = 5 if len(fake.runs) < 2 else 20
        return fake.measure(setting)

    found = confirm(measure, CANDIDATE, deadline=300, clock=fake.clock)

    assert (6, 9, 12, 18, 24) == found.looks
    assert 6 == found.gain.pairs


def tail(p99):
    rng = np.random.default_rng(4)

    def extra(setting):
        return {
            "latency_ms": {"p99": (p99 if setting else 1.0) * float(np.exp(rng.normal(0, 0.1)))}
        }

    return extra


@pytest.mark.parametrize(("p99", "outcome"), [(2.0, "worse"), (1.05, "improved")])
def test_a_gain_paid_for_by_the_tail_is_worse(machine, p99, outcome):
    """
    Twice the p99 latency turns a gain into "worse"; 5 % more is within the margin.
    """
    fake = machine(speeds(1.5), noise=0.03, extra=tail(p99))

    found = confirm(fake.measure, CANDIDATE)

    assert outcome == found.outcome
    assert found.checks.guards[0].worsening == pytest.approx(p99, rel=0.15)
    assert found.gain.confirmed is (outcome == "improved")


@pytest.mark.parametrize(
    "extra",
    [
        lambda setting: {"errors": 50 if setting else 0},
        lambda setting: {"state": {"memory_pressure": 30.0 if setting else 1.0}},
    ],
)
def test_errors_and_pressure_are_unsafe(machine, extra):
    """
    A gain that comes with errors or memory pressure is "unsafe" and not confirmed.
    """
    found = confirm(machine(speeds(1.5), noise=0.03, extra=extra).measure, CANDIDATE)

    assert "unsafe" == found.outcome
    assert not found.gain.confirmed


def test_equal_guards_and_missing_ones_say_nothing(machine):
    """
    A guard metric that is the same is no violation, and one that is not reported is left out.
    """
    fake = machine(speeds(1.5), noise=0.03, extra=lambda setting: {"errors": 3})

    found = confirm(fake.measure, CANDIDATE, guard_margins={"errors": 0.0, "p99": 0.1})

    assert "improved" == found.outcome
    assert ["errors"] == [guard.metric for guard in found.checks.guards]


def test_same_seed_same_verdict(machine):
    """
    Nothing in a confirmation depends on anything but the runs and the seed.
    """
    fakes = [machine(speeds(1.1), noise=0.05, seed=8) for _ in range(2)]

    first, second = (confirm(f.measure, CANDIDATE, seed=2, clock=f.clock) for f in fakes)

    assert first == second


def test_a_ten_percent_gain_at_five_percent_noise_is_found(machine):
    """
    Of 60 such settings at least 80 % end "improved", and at most a few of 60 useless ones.
    """
    looks = looks_within(18)

    def share(ratio):
        found = [
            confirm(machine(speeds(ratio), noise=0.05, seed=i).measure, CANDIDATE, looks=looks)
            for i in range(60)
        ]
        return sum(one.outcome == "improved" for one in found) / 60

    assert share(1.10) >= 0.80
    assert share(1.0) <= 0.05


def test_a_machine_on_which_any_run_may_fail_does_not_make_the_candidate_unsafe(machine):
    """
    Three failures of the candidate beside one of the originals are no proof against it: those
    pairs are repeated, and the verdict is reached.
    """
    fake = machine(speeds(1.0), noise=0.05)
    runs = {"originals": 0, "candidate": 0}

    def measure(setting):
        arm = "candidate" if setting else "originals"
        runs[arm] += 1
        if (arm, runs[arm]) in {("originals", 1), ("candidate", 2), ("candidate", 4)}:
            return failed("the network hiccuped")
        return failed("again") if (arm, runs[arm]) == ("candidate", 6) else fake.measure(setting)

    found = confirm(measure, CANDIDATE, looks=(6,))

    assert "unsafe" != found.outcome
    assert (6, 4) == (len(found.pairs), len(found.failed_pairs))
