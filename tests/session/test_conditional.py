"""A session with parameters of schedulers: nothing is said of what did not exist."""

import math
import time

import pytest

from sealtune import workbench
from sealtune.errors import MachineBusyError
from sealtune.guard import RestoreReport
from sealtune.ledger import Ledger
from sealtune.planning import make_plan
from sealtune.report.events import RunFinished
from sealtune.request import Request
from sealtune.session import tune
from sealtune.space.config import load_config
from sealtune.space.imagined import imagined_knobs

SCHEDULER, READ_EXPIRE = "block/sda/scheduler", "block/sda/iosched/read_expire"
READ_LATENCY = "block/sda/iosched/read_lat_nsec"
HOME = {READ_EXPIRE: "mq-deadline", READ_LATENCY: "kyber"}
CONFIG = load_config(
    {
        "workload_name": "schedulers",
        "reward_metric": "transactions_per_second",
        "benchmark_command": "sealtune-sqlite --mix write",
        "action_space": [
            {"param": "scheduler", "choices": ["none", "mq-deadline", "kyber"]},
            {"param": "read_expire", "start": 100},
            {"param": "read_lat_nsec"},
            {"param": "vm.swappiness"},
        ],
    }
)


@pytest.fixture(autouse=True)
def _untouched_linux(monkeypatch):
    """The same disk wherever the tests run: its scheduler is none."""
    monkeypatch.setattr("sealtune.planning.available_knobs", imagined_knobs)


@pytest.fixture
def plan():
    wishes = {"dry_run": True, "tactician": "random", "seed": 1003, "minutes": 6}
    return make_plan(Request(config=CONFIG, **wishes))


def real(setting) -> bool:
    """Whether everything in `setting` exists under the scheduler that it sets."""
    scheduler = setting.get(SCHEDULER, "none")
    return all(HOME.get(name, scheduler) == scheduler for name in setting)


def test_nothing_is_shown_stored_or_concluded_of_what_did_not_exist(plan, store):
    """
    Events, stored runs and the result name a parameter only beside its scheduler.
    """
    events = []
    result = tune(plan, store, events.append)
    shown = [event for event in events if isinstance(event, RunFinished)]
    rows = store.trials(result.session)
    tried = [row.setting for row in rows if row.phase == "search"]
    assert all(map(real, [event.setting for event in shown]))
    assert all(map(real, [row.setting for row in rows]))
    assert all(map(real, [result.best_config, result.full_config]))
    assert {"none", "mq-deadline", "kyber"} == {setting[SCHEDULER] for setting in tried}
    assert any(READ_EXPIRE in setting for setting in tried)
    for event in shown:
        there = event.live[SCHEDULER] == "mq-deadline"
        if not there or event.phase == "search":
            assert (event.live[READ_EXPIRE] == "absent") != there


def test_an_interrupted_session_goes_on(plan, store):
    """
    What was left out of the stored runs is filled in again for the tactician.
    """

    def impatient(event):
        if isinstance(event, RunFinished) and event.phase == "search" and event.index == 8:
            raise KeyboardInterrupt

    first = tune(plan, store, impatient)
    assert "interrupted" == first.verdict
    second = tune(plan, store, lambda event: None, resume=first.session)
    assert second.success
    assert second.total_episodes > 8


def test_the_original_of_what_is_not_there_is_absent(plan):
    """
    The plan says so, and takes the start in its place where a value is needed.
    """
    assert {"none", "absent", "60"} == {
        plan.originals[name] for name in (SCHEDULER, READ_EXPIRE, "vm.swappiness")
    }
    assert 100 == {item.name: item.present for item in plan.built.plan}[READ_EXPIRE]


def test_only_what_exists_of_a_setting_is_written(plan):
    """
    A setting is taken on top of the present values, whole or in part.
    """
    whole = {SCHEDULER: "kyber", READ_EXPIRE: 200, READ_LATENCY: 10**6, "vm.swappiness": 10}
    assert {SCHEDULER, READ_LATENCY, "vm.swappiness"} == set(plan.existing(whole))
    assert {} == plan.existing({READ_EXPIRE: 200})
    assert {"none", "absent"} == set(plan.in_force({}).values()) - {"60"}


def test_what_a_scheduler_brings_unasked_is_shown_as_the_kernel_makes_it(plan):
    """
    A setting that names the scheduler alone: its files are there, at their defaults; others not.
    """
    (expire,) = [item for item in plan.built.plan if item.name == READ_EXPIRE]
    shown = plan.in_force({SCHEDULER: "mq-deadline"})
    assert ("500", "absent") == (shown[READ_EXPIRE], shown[READ_LATENCY])
    assert "500" == expire.available.knob.default
    assert 200 == plan.in_force({SCHEDULER: "mq-deadline", READ_EXPIRE: 200})[READ_EXPIRE]


class Guard:
    """A guard that finds what it is given."""

    def __init__(self, originals):
        self.originals, self.recovered = originals, RestoreReport([], [], [])
        self.log = []

    def restore(self):
        return RestoreReport([], [], [])

    def close(self):
        pass


@pytest.mark.parametrize(
    ("planned", "now"),
    [({}, {READ_EXPIRE: "500"}), ({READ_EXPIRE: "500"}, {}), ({READ_EXPIRE: "9"}, {})],
    ids=["appeared", "disappeared", "disappeared with its value"],
)
def test_a_plan_made_under_another_scheduler_is_refused(plan, monkeypatch, planned, now):
    """
    Somebody switched the scheduler between plan and yes: what came or went with it says so.
    """
    originals = {"vm.swappiness": "60"}
    monkeypatch.setattr(type(plan), "originals", {READ_EXPIRE: "absent", **originals, **planned})
    monkeypatch.setattr(workbench.Guard, "start", lambda knobs: Guard({**originals, **now}))
    ledger = Ledger(None, "x", lambda event: None, time.monotonic, math.inf)
    with (
        pytest.raises(MachineBusyError, match=r"read_expire was .* when the plan was made"),
        workbench.real_machine(plan, ledger, lambda report: None),
    ):
        pytest.fail("it measures")


def test_a_part_of_a_setting_without_its_scheduler_may_not_be_set(plan):
    """
    Minimising cannot take a parameter and its scheduler apart, in one direction only.
    """
    assert plan.may_be_set({})
    assert plan.may_be_set({SCHEDULER: "mq-deadline", READ_EXPIRE: 200})
    assert plan.may_be_set({SCHEDULER: "mq-deadline"})
    assert not plan.may_be_set({READ_EXPIRE: 200})
    assert not plan.may_be_set({SCHEDULER: "kyber", READ_EXPIRE: 200, "vm.swappiness": 10})
