"""Keeping and undoing parameters that exist only under one scheduler."""

import pytest

from sealtune.apply import apply_setting, plan_files, revert, status
from sealtune.catalogue import load_catalogue
from sealtune.catalogue.knob import ABSENT
from sealtune.errors import ApplyError, KnobError
from sealtune.toolbox.keeping import revert_preview

QUEUE = "/sys/block/vda/queue/"
SCHEDULER, READ_EXPIRE = "block/vda/scheduler", "block/vda/iosched/read_expire"
READ_LATENCY = "block/vda/iosched/read_lat_nsec"
KNOBS = {name: load_catalogue().resolve(name) for name in (SCHEDULER, READ_EXPIRE, READ_LATENCY)}
COMES_WITH = {
    "none": {},
    "mq-deadline": {"iosched/read_expire": "500", "iosched/front_merges": "1"},
    "kyber": {"iosched/read_lat_nsec": "2000000"},
}


class Disk:
    """A disk's queue as the kernel has it, and a `LiveWriter` for it."""

    def __init__(self):
        self.values = {}
        self.commits = True
        self.switch("none")

    def switch(self, scheduler):
        self.values = {"scheduler": scheduler, **COMES_WITH[scheduler]}

    def read(self, path):
        return self.values.get(path.removeprefix(QUEUE))

    def apply(self, setting):
        for name in sorted(setting, key=lambda name: KNOBS[name].order):
            file = KNOBS[name].path.removeprefix(QUEUE)
            if file == "scheduler" and setting[name] != self.values[file]:
                self.switch(setting[name])
            elif file not in self.values:
                raise KnobError(f"{name}: exists only {KNOBS[name].under}")
            self.values[file] = str(setting[name])
        return {name: self.read(KNOBS[name].path) for name in setting}

    def commit(self):
        if not self.commits:
            raise OSError("the guard is gone")


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def plan(tmp_path, disk):
    def make(setting):
        previous = {name: disk.read(KNOBS[name].path) or ABSENT for name in setting}
        return plan_files(setting, KNOBS, previous, {}, "x1.1", "disk", tmp_path)

    return make


@pytest.fixture
def undo(tmp_path, disk):
    return lambda: revert("disk", tmp_path, disk, disk.read)


def writes(plan):
    """Return what the files of `plan` set at boot, in order."""
    lines = [line for _, content in plan.files for line in content.splitlines()]
    fields = [line.split() for line in lines if line.startswith("w-")]
    return [(field[1].removeprefix(QUEUE), field[-1]) for field in fields]


def test_the_scheduler_is_set_before_what_exists_under_it(plan):
    """
    The files have the order that the kernel needs, and say that there was nothing before.
    """
    made = plan({READ_EXPIRE: 100, SCHEDULER: "mq-deadline"})

    assert [("scheduler", "mq-deadline"), ("iosched/read_expire", "100")] == writes(made)
    assert "# before: absent" in made.files[0][1]


@pytest.mark.parametrize(
    "setting",
    [{READ_EXPIRE: 100}, {READ_EXPIRE: 100, SCHEDULER: "kyber"}],
)
def test_what_would_not_exist_is_refused(plan, setting):
    """
    A parameter without its scheduler is not kept, for at the next boot it would not be there.
    """
    with pytest.raises(KnobError, match="read_expire: exists only under block/vda/scheduler mq"):
        plan(setting)


def test_undoing_takes_away_what_the_scheduler_brought(plan, disk, undo):
    """
    The scheduler goes back and its parameters with it: nothing else is written.
    """
    before = dict(disk.values)
    apply_setting(plan({SCHEDULER: "mq-deadline", READ_EXPIRE: 100}), disk, disk.read)

    assert "100" == disk.values["iosched/read_expire"]
    assert {SCHEDULER: "none"} == undo().restored
    assert before == disk.values


def test_undoing_brings_back_what_was_set_under_the_old_scheduler(plan, disk, undo):
    """
    A parameter that somebody had set, and that the switch took away, has its value again.
    """
    disk.switch("mq-deadline")
    disk.values["iosched/read_expire"] = "123"
    apply_setting(plan({SCHEDULER: "kyber", READ_LATENCY: 10**6}), disk, disk.read)

    assert {SCHEDULER: "mq-deadline", READ_EXPIRE: "123"} == undo().restored
    assert "123" == disk.values["iosched/read_expire"]


def test_a_later_scheduler_leaves_out_what_existed_under_an_earlier_one(
    plan, disk, undo, tmp_path
):
    """
    What was kept under one scheduler is no part of the files of the next; undoing still leads
    back to the very beginning.
    """
    before = dict(disk.values)
    apply_setting(plan({SCHEDULER: "mq-deadline", READ_EXPIRE: 100}), disk, disk.read)
    second = plan({SCHEDULER: "kyber", READ_LATENCY: 10**6})
    apply_setting(second, disk, disk.read)

    assert [("scheduler", "kyber"), ("iosched/read_lat_nsec", "1000000")] == writes(second)
    (now,) = status(tmp_path, disk.read)
    assert now.holds
    assert {SCHEDULER, READ_LATENCY} == {one.name for one in now.parameters}
    undo()
    assert before == disk.values


def test_an_earlier_value_of_ours_is_undone_to_what_was_before_it(plan, disk, undo, tmp_path):
    """
    Kept first under the scheduler found, then replaced by another: the first original counts.
    """
    disk.switch("mq-deadline")
    disk.values["iosched/read_expire"] = "123"
    apply_setting(plan({READ_EXPIRE: 100}), disk, disk.read)
    apply_setting(plan({SCHEDULER: "kyber"}), disk, disk.read)
    (now,) = status(tmp_path, disk.read)
    assert [SCHEDULER] == [one.name for one in now.parameters]  # no file sets the other any more
    undo()

    assert ("mq-deadline", "123") == (
        disk.values["scheduler"],
        disk.values["iosched/read_expire"],
    )


SEQUENCES = [
    ("none", [{SCHEDULER: "mq-deadline", READ_EXPIRE: 100}]),
    ("mq-deadline", [{SCHEDULER: "kyber", READ_LATENCY: 10**6}]),
    ("mq-deadline", [{READ_EXPIRE: 100}, {SCHEDULER: "kyber"}]),
    ("mq-deadline", [{SCHEDULER: "none"}]),
]


@pytest.mark.parametrize(("found", "settings"), SEQUENCES)
@pytest.mark.parametrize("meddled", [False, True])
def test_the_preview_of_undoing_says_exactly_what_undoing_does(
    plan, disk, undo, tmp_path, found, settings, meddled
):
    """
    What comes back, goes or is left alone under schedulers: each line is what happens then.
    """
    disk.switch(found)
    if found == "mq-deadline":
        disk.values["iosched/read_expire"] = "123"
    for setting in settings:
        apply_setting(plan(setting), disk, disk.read)
    if meddled:
        disk.switch("mq-deadline" if disk.values["scheduler"] != "mq-deadline" else "kyber")
    before = dict(disk.values)
    shown = revert_preview("disk", tmp_path, disk.read)
    assert before == disk.values
    done = undo()

    for name, text in done.restored.items():
        assert f"-> {text}" in next(line for line in shown.splitlines() if name in line)
    for name in done.left:
        assert "left alone" in next(line for line in shown.splitlines() if name in line)
    assert len(done.restored) == shown.count("->")
    assert "-> absent" not in shown


def test_a_failed_keeping_puts_the_scheduler_back(plan, disk):
    """
    When the last step fails, only what was there before is written back.
    """
    before = dict(disk.values)
    disk.commits = False
    made = plan({SCHEDULER: "mq-deadline", READ_EXPIRE: 100})

    with pytest.raises(ApplyError, match="the guard is gone"):
        apply_setting(made, disk, disk.read)
    assert before == disk.values
