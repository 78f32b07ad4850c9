"""Guard rails relative to the baseline: what they are set to, and which runs they fail."""

from dataclasses import replace

import pytest

from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.trial import MachineTrial, Rails

CALM = {"memory_full": 0.0, "io_full": 0.05, "swap_mebibytes": 0.0, "memory_used": 0.2}


def run(value=1000.0, *, p99=None, p95=None, errors=0, unit="1/s", seconds=10.0, **more):
    """One run of ten intervals of a second."""
    waits = {"p99": p99, "p95": p95}
    latency = {name: wait for name, wait in waits.items() if wait is not None}
    return Measurement(
        value, unit=unit, errors=errors, latency_ms=latency, seconds=seconds,
        intervals=(value,) * 10, **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "name", "limit"),
    [
        ({}, "memory_full", 0.25),
        ({"memory_full": 0.2}, "memory_full", 0.35),
        ({"io_full": 0.05}, "io_full", 0.8),
        ({"io_full": 0.85}, "io_full", 0.95),
        ({}, "swap_mebibytes", 64.0),
        ({"swap_mebibytes": 100.0}, "swap_mebibytes", 400.0),
        ({"memory_used": 0.5}, "memory_used", 0.95),
        ({"memory_used": 0.97}, "memory_used", 0.98),
        ({"hung_tasks": 1.0}, "hung_tasks", 1.0),
    ],
)
def test_limits_follow_what_the_baseline_did(seen, name, limit):
    """
    Each of the guard's limits leaves room beyond the baseline, and never less than is harmless.
    """
    assert Rails.from_baselines([run()], {**CALM, **seen}).limits[name] == pytest.approx(limit)


@pytest.mark.parametrize(
    ("usual", "found", "breach"),
    [(20.0, 200.0, False), (20.0, 201.0, True), (0.2, 50.1, False), (0.2, 51.0, True)],
)
def test_a_tail_far_beyond_the_baseline_is_a_breach(usual, found, breach):
    """
    Ten times the worst baseline run, and at least 50 ms more: a run with less counts.
    """
    rails = Rails.from_baselines([run(p99=usual / 2), run(p99=usual)], CALM)
    said = rails.judge(run(p99=found))
    assert (said is not None) == breach
    if said:
        assert said.startswith(f"p99 latency was {found:g} ms, the baseline's worst is {usual:g}")


def test_the_longest_percentile_that_both_report_is_compared():
    """
    A run that was cut short may lack p99: p95 is then held against p95, never against p99.
    """
    rails = Rails.from_baselines([run(p99=500.0, p95=10.0)], CALM)
    assert "p95 latency was 400 ms" in (rails.judge(run(p95=400.0)) or "")
    assert rails.judge(run(p99=400.0, p95=400.0)) is None
    assert rails.judge(run()) is None


def test_a_tail_that_is_long_in_some_parts_only_is_a_breach():
    """
    Parts are held against parts: the bad tenth of a run, however short its ordinary tail is.
    """
    rails = Rails.from_baselines([run(p99=2.0, tails_ms={"p99": 30.0})], CALM)
    assert rails.judge(run(p99=2.0, tails_ms={"p99": 299.0})) is None
    assert (rails.judge(run(p99=2.0, tails_ms={"p99": 301.0})) or "") == (
        "p99 latency was 301 ms in the bad tenth of its parts, the baseline's worst is 30 ms "
        "(limit 300)"
    )
    assert Rails.from_baselines([run(p99=2.0)], CALM).judge(run(tails_ms={"p99": 301.0})) is None


@pytest.mark.parametrize(("trial", "cut_short", "breach"),
    [(20, False, True), (5, False, True), (20, True, False), (5, True, False)])  # fmt: skip
def test_the_bad_part_of_a_stopped_run_is_not_held_against_that_of_a_whole_one(
    trial, cut_short, breach
):
    """
    The worst of five is no match for the third worst of twenty, unless the five took as long.
    """

    def of(parts, wait, **more):
        made = run(p99=2.0, tails_ms={"p99": wait}, **more)
        return replace(made, intervals=(1000.0,) * parts)

    rails = Rails.from_baselines([of(20, 30.0)], CALM)
    assert bool(rails.judge(of(trial, 301.0, cut_short=cut_short))) == breach


def test_what_is_left_of_a_run_that_was_stopped_is_judged():
    """
    Its ordinary tail is held against the baseline's, whatever its bad part says.
    """
    rails = Rails.from_baselines([run(p99=2.0, tails_ms={"p99": 30.0})], CALM)
    said = rails.judge(run(p99=400.0, tails_ms={"p99": 900.0}, cut_short=True))
    assert "p99 latency was 400 ms, the baseline's worst is 2 ms" in (said or "")


@pytest.mark.parametrize(
    ("usual", "found", "breach"),
    [(0, 500, False), (0, 600, True), (300, 900, False), (300, 1200, True), (9000, 12000, True)],
)
def test_many_failed_operations_are_a_breach(usual, found, breach):
    """
    One in twenty, or three times the baseline's share; half of them always, whatever the baseline.
    """
    rails = Rails.from_baselines([run(errors=usual)], CALM)
    assert (rails.judge(run(errors=found)) is not None) == breach


def test_the_share_of_errors_is_of_what_was_measured():
    """
    Seconds of restart and warm-up do not thin errors out: ten measured seconds of 60 are all.
    """
    rails = Rails.from_baselines([run()], CALM)
    assert "9.1% of the operations failed" in (rails.judge(run(errors=1000, seconds=60.0)) or "")


def test_errors_without_a_rate_are_counted_by_the_second():
    """
    A benchmark that is judged by its latency does not say how many operations there were.
    """
    rails = Rails.from_baselines([run(5.0, unit="ms", direction="minimize")], CALM)
    judged = [
        rails.judge(run(5.0, unit="ms", direction="minimize", errors=errors))
        for errors in (0, 99, 150)
    ]
    assert judged[:2] == [None, None]
    assert "15 operations a second failed" in (judged[2] or "")


def test_a_failed_run_breaches_nothing():
    """
    It is a failed trial already; and as a baseline it says nothing.
    """
    rails = Rails.from_baselines([failed("gone"), run(p99=1.0)], CALM)
    assert rails.judge(failed("gone")) is None
    assert rails.tails_ms == {"p99": 1.0}


def test_a_later_baseline_that_does_worse_loosens_the_rails():
    """
    When the machine itself has a bad hour, its settings are not blamed for it.
    """
    rails = Rails.from_baselines([run(p99=20.0)], CALM)
    assert rails.judge(run(p99=300.0))
    later = rails.beside(run(p99=100.0, errors=300))
    assert later.judge(run(p99=300.0, errors=600)) is None
    assert later.beside(failed("gone")) == later


@pytest.mark.parametrize(
    ("seen", "baseline", "says"),
    [
        ({"memory_used": 0.99}, run(), "only 1.0% of the memory was available"),
        ({"memory_full": 0.7}, run(), "all work stood still for memory 70% of the time"),
        ({}, run(errors=40000), "80% of the benchmark's operations failed"),
    ],
)
def test_a_machine_beyond_a_rail_from_the_start_is_told(seen, baseline, says):
    """
    Every trial would fail: the person learns why before it does, and what to do.
    """
    (advice,) = Rails.from_baselines([baseline], {**CALM, **seen}).advice
    assert advice.startswith(f"Before anything was changed, {says}: every trial will count as")
    assert Rails.from_baselines([run()], CALM).advice == ()


class Kernel:
    """Takes everything, breaches nothing."""

    breach = None

    def apply(self, setting):
        return {}


class Benchmark:
    """Gives these runs, one after another."""

    def __init__(self, *runs):
        self.runs = iter(runs)

    def refresh(self, *, restart=True):
        pass

    def run(self, seconds, *, should_stop=None):
        return next(self.runs)


@pytest.fixture(autouse=True)
def _no_settling(monkeypatch):
    monkeypatch.setattr("sealtune.trial.machine.SETTLE_SECONDS", 0.0)


def trial_of(*runs):
    """A trial whose baseline had a p99 of 20 ms."""
    trial = MachineTrial(Kernel(), Benchmark(*runs), 1.0, fresh=False)
    trial.rails = Rails.from_baselines([run(p99=20.0)], CALM)
    return trial


def test_a_trial_beyond_a_rail_is_unsafe_and_has_no_value():
    """
    However fast it was, a run whose tail is catastrophic does not count.
    """
    found = trial_of(run(9999.0, p99=5000.0)).measure({"vm.swappiness": 10})
    assert found.unsafe
    assert found.value is None
    assert (found.failure or "").startswith("unsafe: p99 latency was 5000 ms")


def test_runs_of_the_originals_are_not_judged_and_count_as_baseline():
    """
    What the originals do is no setting's doing; a trial after them is held against them too.
    """
    trial = trial_of(run(p99=900.0), run(p99=5000.0))
    assert trial.measure({}).ok
    assert trial.measure({"vm.swappiness": 10}).ok
