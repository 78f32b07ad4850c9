"""A session gives its guard rails that follow from its own baseline."""

import math
import time
from types import SimpleNamespace

import pytest

from sealtune import workbench
from sealtune.benchmarks.measurement import Measurement
from sealtune.guard import RestoreReport
from sealtune.ledger import Ledger


class Guard:
    """A guard that has seen something, and remembers what it was asked."""

    def __init__(self, seen):
        self.originals, self.recovered, self.log = {}, RestoreReport([], [], []), []
        self.breach, self.seen, self.asked = None, seen, []

    def rails(self, limits):
        self.asked.append(dict(limits))
        return self.seen

    def apply(self, setting):
        self.asked.append(dict(setting))
        return {}

    def restore(self):
        return RestoreReport([], [], [])

    def close(self):
        pass


class Benchmark:
    """Gives the same run whenever it is asked, its tail as long as the test says."""

    tail = 10.0

    def __init__(self):
        self.done = []

    def prepare(self, workdir):
        self.done.append("prepared")

    def refresh(self, *, restart=True):
        pass

    def run(self, seconds, *, should_stop=None):
        return Measurement(100.0, unit="1/s", latency_ms={"p99": self.tail})

    def teardown(self):
        self.done.append("removed")


@pytest.fixture
def benchmark():
    return Benchmark()


@pytest.fixture
def machine(benchmark, monkeypatch):
    """Return the machine of a session, and its guard."""

    def machine_of(seen):
        guard = Guard(seen)
        monkeypatch.setattr(workbench.Guard, "start", lambda knobs: guard)
        monkeypatch.setattr("sealtune.trial.machine.SETTLE_SECONDS", 0.0)
        plan = SimpleNamespace(
            originals={}, adapter=benchmark, workdir=None, run_seconds=1.0, fresh=False,
            facts=SimpleNamespace(disk=None), existing=dict, in_force=dict,
        )  # fmt: skip
        ledger = Ledger(None, "x", lambda event: None, time.monotonic, math.inf)
        return guard, workbench.real_machine(plan, ledger, lambda report: None)

    return machine_of


def test_the_guard_gets_limits_that_follow_from_what_it_saw(machine):
    """
    What preparing did is forgotten, what the baseline did is asked for, and limits come of it.
    """
    guard, context = machine({"memory_full": 0.2, "io_full": 0.85})
    with context as here:
        baselines = [here.measure({}) for _ in range(2)]
        assert here.set_rails(baselines) == ()
    assert guard.asked[0] == {}
    limits = guard.asked[-1]
    assert limits["memory_full"] == pytest.approx(0.35)
    assert limits["io_full"] == pytest.approx(0.95)


def test_a_trial_with_a_catastrophic_tail_is_unsafe_and_undone_at_once(machine, benchmark):
    """
    From then on trials are judged, and what breaches a rail is put back before anything else.
    """
    guard, context = machine({})
    with context as here:
        here.set_rails([here.measure({})])
        benchmark.tail = 500.0
        run = here.measure({"vm.swappiness": 10})
    assert run.unsafe
    assert guard.asked[-2:] == [{"vm.swappiness": 10}, {}]


def test_what_the_person_should_know_is_returned(machine):
    """
    A machine beyond a rail from the start says so before any trial fails for it.
    """
    _, context = machine({"memory_used": 0.995})
    with context as here:
        (advice,) = here.set_rails([here.measure({})])
    assert "only 0.5% of the memory was available" in advice
