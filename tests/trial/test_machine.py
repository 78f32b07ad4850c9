"""One trial, driven through stand-ins for the guard and the benchmark."""

from collections.abc import Mapping

import pytest

from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.errors import BenchmarkFailedError, GuardError, KnobError, WriteRefusedError
from sealtune.trial import MachineTrial


class FakeKernel:
    """Remembers what was applied."""

    def __init__(self, breach: str | None = None, refuses: bool = False):
        self.applied: list[dict] = []
        self.breach = breach
        self.refuses = refuses

    def apply(self, setting: Mapping) -> dict[str, str]:
        if self.refuses:
            raise WriteRefusedError("vm.swappiness: 60 refused")
        self.applied.append(dict(setting))
        return {name: str(value) for name, value in setting.items()}


class FakeBenchmark:
    """Gives one fixed measurement."""

    def __init__(self, outcome=None, error: Exception | None = None):
        self.outcome = outcome or Measurement(100.0)
        self.error = error
        self.refreshed: list[bool] = []

    def refresh(self, *, restart: bool = True) -> None:
        self.refreshed.append(restart)

    def run(self, seconds, *, should_stop=None):
        if self.error:
            raise self.error
        return self.outcome


@pytest.fixture(autouse=True)
def _no_settling(monkeypatch):
    monkeypatch.setattr("sealtune.trial.machine.SETTLE_SECONDS", 0.0)


def test_a_trial_applies_refreshes_and_measures():
    """
    The setting reaches the kernel, the benchmark starts afresh, the value comes back.
    """
    kernel, benchmark = FakeKernel(), FakeBenchmark()
    run = MachineTrial(kernel, benchmark, 1.0, fresh=True).measure({"vm.swappiness": 10})
    assert run.value == 100.0
    assert kernel.applied == [{"vm.swappiness": 10}]
    assert benchmark.refreshed == [True]


def test_every_trial_begins_at_the_originals():
    """
    Between two settings the values as found are in force: what the first one leaves in the kernel
    is not measured with the second. Nothing is washed out where nothing was changed.
    """
    kernel = FakeKernel()
    trial = MachineTrial(kernel, FakeBenchmark(), 1.0, fresh=False)
    one, other = {"vm.swappiness": 10}, {"vm.dirty_ratio": 5}
    for setting in ({}, one, other, {}, {}, one):
        trial.measure(setting)
    assert kernel.applied == [{}, one, {}, other, {}, {}, {}, one]


def test_a_refused_value_is_a_failed_trial():
    """
    A value that the kernel refuses costs one failed trial and is never scored.
    """
    run = MachineTrial(FakeKernel(refuses=True), FakeBenchmark(), 1.0, fresh=False).measure({})
    assert run.value is None
    assert "refused" in (run.failure or "")


class Picky(FakeKernel):
    """Refuses a combination, as the guard does with an uncoupled pair."""

    def apply(self, setting: Mapping) -> dict[str, str]:
        raise KnobError("vm.dirty_background_ratio must stay below vm.dirty_ratio")


def test_a_combination_the_guard_refuses_is_a_failed_trial():
    """
    A setting that must not be written is a failed trial, and does not end the session.
    """
    run = MachineTrial(Picky(), FakeBenchmark(), 1.0, fresh=False).measure({})
    assert run.value is None
    assert not run.unsafe


class Breached(FakeKernel):
    """Answers the next apply with the breach that came before it."""

    def apply(self, setting: Mapping) -> dict[str, str]:
        raise GuardError("guard rail: memory pressure")


def test_a_breach_found_late_is_an_unsafe_trial_and_a_dead_guard_is_an_error():
    """
    A breach that shows only at the next apply fails that trial; without one the guard is broken.
    """
    late = MachineTrial(Breached(breach="memory pressure"), FakeBenchmark(), 1.0, fresh=False)
    assert late.measure({}).unsafe
    with pytest.raises(GuardError):
        MachineTrial(Breached(), FakeBenchmark(), 1.0, fresh=False).measure({})


@pytest.mark.parametrize(
    "benchmark",
    [FakeBenchmark(failed("printed nothing")), FakeBenchmark(error=BenchmarkFailedError("gone"))],
)
def test_a_broken_benchmark_is_a_failed_trial(benchmark):
    """
    Whether the benchmark reports a failure or raises one, there is no score.
    """
    run = MachineTrial(FakeKernel(), benchmark, 1.0, fresh=False).measure({})
    assert run.value is None
    assert not run.unsafe


def test_a_breached_guard_rail_makes_the_trial_unsafe():
    """
    When the guard restored by itself during the run, its value does not count.
    """
    kernel = FakeKernel(breach="memory pressure")
    run = MachineTrial(kernel, FakeBenchmark(), 1.0, fresh=False).measure({})
    assert run.value is None
    assert run.unsafe
    assert "memory pressure" in (run.failure or "")


def test_an_out_of_memory_kill_is_the_guards_to_judge():
    """
    A process that was killed in somebody else's container, of which the guard says nothing, does
    not make a trial unsafe.
    """
    benchmark = FakeBenchmark(Measurement(100.0, state={"oom_kills": 1.0}))
    assert MachineTrial(FakeKernel(), benchmark, 1.0, fresh=False).measure({"x": 1}).ok


def test_only_what_exists_under_a_setting_is_written():
    """
    What the scheduler in force does not have reaches neither the kernel nor the read-back.
    """
    kernel = FakeKernel()
    trial = MachineTrial(
        kernel,
        FakeBenchmark(),
        1.0,
        fresh=False,
        existing=lambda setting: {k: v for k, v in setting.items() if k == "scheduler"},
    )
    trial.measure({"scheduler": "none", "read_expire": 100})
    assert [{"scheduler": "none"}] == kernel.applied
    assert {"scheduler": "none"} == trial.read_back
