"""The simulated machine: repeatable, noisy, honest about being simulated."""

import statistics

import pytest

from sealtune.space.knobs import ChoiceKnob, IntKnob
from sealtune.space.space import Space
from sealtune.tactician import SimulatedMachine
from sealtune.tactician.simulated import BASELINE

SPACE = Space(
    [IntKnob(f"k{i}", 0, 100, start=50) for i in range(6)] + [ChoiceKnob("c", ["x", "y", "z"])]
)


def test_the_same_seed_is_the_same_machine():
    """Surface and noise repeat; another seed, or other names, give another surface."""
    setting = {"k0": 10, "k1": 90, "k2": 30, "k3": 70, "k4": 0, "k5": 100, "c": "z"}
    first, second = (SimulatedMachine(SPACE, 3) for _ in range(2))

    assert [first.measure(setting) for _ in range(5)] == [
        second.measure(setting) for _ in range(5)
    ]
    assert first.speed(setting) != SimulatedMachine(SPACE, 4).speed(setting)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_originals_are_the_baseline(direction):
    """Whatever the originals are, the empty setting measures about the baseline."""
    originals = {"k0": 3, "c": "y"}
    machine = SimulatedMachine(SPACE, 1, originals=originals, direction=direction)
    runs = [run for run in (machine.measure({}) for _ in range(60)) if run.ok]

    assert BASELINE == machine.speed({}) == machine.speed(originals)
    assert pytest.approx(BASELINE, rel=0.03) == statistics.median(run.value for run in runs)
    assert {direction} == {run.direction for run in runs}


def test_few_knobs_matter():
    """Some knob changes the speed by several percent, and at least half of them do nothing."""
    for seed in range(5):
        machine = SimulatedMachine(SPACE, seed)
        reach = [
            max(abs(machine.speed({name: value}) / BASELINE - 1.0) for value in values)
            for name, values in [(f"k{i}", range(0, 101, 5)) for i in range(6)]
            + [("c", ["x", "y", "z"])]
        ]

        assert max(reach) > 0.03
        assert sum(one < 1e-9 for one in reach) >= 4


def test_some_runs_fail_and_say_so():
    """About one run in a hundred gives no value."""
    machine = SimulatedMachine(SPACE, 0)
    failures = [run for run in (machine.measure({}) for _ in range(1000)) if run.value is None]

    assert 1 <= len(failures) <= 30
    assert all("simulated" in run.failure for run in failures)


def test_a_run_says_that_it_is_simulated_and_shows_its_intervals():
    """Metric name says simulated; the intervals average to the value."""
    run = SimulatedMachine(SPACE, 0).measure({})

    assert "simulated" in run.metric
    assert run.value == pytest.approx(statistics.fmean(run.intervals))
    assert {"cpu_usage", "io_wait_percent"} <= set(run.state)


def test_a_hopeless_run_is_cut_short():
    """The rule sees every interval so far, and ends the run."""
    seen = []

    def stop(intervals):
        seen.append(len(intervals))
        return len(intervals) == 4

    run = SimulatedMachine(SPACE, 0, seconds=5.0).measure({}, should_stop=stop)

    assert (True, False, 4, 2.0) == (run.cut_short, run.ok, len(run.intervals), run.seconds)
    assert [1, 2, 3, 4] == seen


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("k0", 0, True),
        ("k0", 101, False),
        ("k0", "x", False),
        ("c", "z", True),
        ("c", "w", False),
        ("unknown", 1, False),
    ],
)
def test_only_what_is_in_the_space_is_valid(name, value, allowed):
    """Values outside the range, of another type, or of unknown knobs are refused."""
    assert allowed == SimulatedMachine(SPACE).validate(name, value)
