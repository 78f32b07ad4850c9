"""Parameters that exist only under one scheduler; see conftest for what a switch does to them."""

import pytest

from sealtune.errors import JournalError, KnobError, WriteRefusedError
from sealtune.guard import recovery
from sealtune.guard.journal import Entry, encode, replay

QUEUE = "/sys/block/vda/queue/"
SCHEDULER, READ_EXPIRE = "block/vda/scheduler", "block/vda/iosched/read_expire"
READ_LATENCY = "block/vda/iosched/read_lat_nsec"
KYBER = {SCHEDULER: "kyber", READ_LATENCY: 10**6}


@pytest.fixture
def keeper(machine):
    return machine.keeper()


@pytest.fixture
def plain(machine):
    """A machine whose disk has no scheduler, so that nothing conditional exists."""
    machine.switch("none")
    return machine


def test_a_parameter_comes_with_its_scheduler_and_goes_with_it(machine, keeper):
    """
    Both are set in one batch, and afterwards everything is as it was found, its directory too.
    """
    before = machine.values()
    assert {SCHEDULER: "kyber", READ_LATENCY: "1000000"} == keeper.apply(KYBER)
    report = keeper.restore()
    assert ([], []) == (report.foreign, report.failed)
    assert before == machine.values()


def test_the_scheduler_is_written_first_and_the_rest_after_the_switch(machine, keeper):
    """
    Nothing of the new directory is written before the switch, and of the old one nothing at all.
    """
    keeper.apply(KYBER)
    paths = [path for path, _ in machine.writes]
    assert [QUEUE + "scheduler", QUEUE + "iosched/read_lat_nsec"] == [
        path for path in paths if not path.endswith("nr_requests")
    ]


def test_what_the_switch_brought_is_durable_before_it_is_changed(machine, keeper, monkeypatch):
    """
    When its old value cannot be journalled after the switch, it is not written, and the switch
    is undone.
    """
    before, switch = machine.values(), machine.switch

    def fills_the_disk(name):
        switch(name)
        machine.full_disk = name == "kyber"

    monkeypatch.setattr(machine, "switch", fills_the_disk)
    with pytest.raises(JournalError, match="No space left"):
        keeper.apply(KYBER)
    assert before == machine.values()
    assert QUEUE + "iosched/read_lat_nsec" not in [path for path, _ in machine.writes]
    assert [] == keeper.restore().failed
    assert before == machine.values()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({SCHEDULER: "none", READ_EXPIRE: 200}, "only under block/vda/scheduler mq-deadline, whi"),
        ({SCHEDULER: "none", READ_EXPIRE: 100}, "which is none"),
        ({READ_LATENCY: 10**6}, "which is mq-deadline"),
        ({SCHEDULER: "kyber", READ_LATENCY: 1}, "1 is outside 100000 to 10000000"),
        ({SCHEDULER: "kyber", READ_LATENCY: ""}, "no whole number"),
    ],
)
def test_what_does_not_exist_under_the_setting_is_refused(machine, keeper, setting, message):
    """
    A parameter without its scheduler, and a value outside its range, leave no trace.
    """
    with pytest.raises(KnobError, match=message):
        keeper.apply(setting)
    assert [] == machine.writes


def test_the_condition_is_judged_by_the_originals_and_the_setting(machine, keeper):
    """
    What an earlier setting switched to does not count: every setting starts from the originals.
    """
    keeper.apply(KYBER)
    with pytest.raises(KnobError, match="which is mq-deadline"):
        keeper.apply({READ_LATENCY: 2 * 10**6})
    assert {READ_EXPIRE: "200"} == keeper.apply({READ_EXPIRE: 200})
    assert machine.value(QUEUE + "scheduler") == "none [mq-deadline] kyber"


def test_going_back_to_the_scheduler_brings_its_own_values_back(machine, keeper):
    """
    What somebody had set in the directory of their scheduler is there again for the next
    baseline, not only at the end, ours to tune or not.
    """
    before = machine.values()
    for setting in ({SCHEDULER: "none"}, KYBER):
        keeper.apply(setting)
        keeper.apply({})
        assert before == machine.values()


def test_a_setting_without_it_has_the_value_that_the_switch_brings(plain):
    """
    Under our own switch, too, a setting is what it names: nothing stays of the one before.
    """
    before, keeper = plain.values(), plain.keeper()
    keeper.apply({SCHEDULER: "mq-deadline", READ_EXPIRE: 50})
    keeper.apply({SCHEDULER: "mq-deadline"})
    assert "500" == plain.value(QUEUE + "iosched/read_expire")
    keeper.apply({SCHEDULER: "mq-deadline", READ_EXPIRE: 60})
    assert READ_EXPIRE not in keeper.originals
    report = keeper.restore()
    assert ([], []) == (report.foreign, report.failed)
    assert before == plain.values()


def test_what_our_switch_brought_is_nobodys_original(plain):
    """
    A directory that came with one trial's scheduler is not put back when the next one goes on.
    """
    before, keeper = plain.values(), plain.keeper()
    keeper.apply({SCHEDULER: "mq-deadline"})
    keeper.apply({SCHEDULER: "kyber"})
    assert not any("/iosched/" in name for name in recovery.pending(plain.places))
    report = keeper.restore()
    assert ([], []) == (report.foreign, report.failed)
    assert before == plain.values()


def test_a_refused_value_takes_the_switch_back_with_it(machine, keeper):
    """
    The batch is undone as a whole, the old directory with its values included.
    """
    before = machine.values()
    machine.refused = {QUEUE + "iosched/read_lat_nsec"}
    with pytest.raises(WriteRefusedError, match="read_lat_nsec: the kernel refuses '1000000'"):
        keeper.apply(KYBER)
    assert before == machine.values()


def test_a_kernel_without_the_file_is_told(machine, keeper):
    """
    A scheduler that does not bring the file is undone; a file missing under the present one is
    refused before anything is written.
    """
    before = machine.values()
    machine.comes_with["kyber"] = {}
    with pytest.raises(WriteRefusedError, match="read_lat_nsec: there is no /sys"):
        keeper.apply(KYBER)
    assert before == machine.values()
    (machine.root / QUEUE[1:] / "iosched/read_expire").unlink()
    machine.writes.clear()
    with pytest.raises(KnobError, match=r"read_expire: .* cannot be read"):
        keeper.apply({READ_EXPIRE: 200})
    assert [] == machine.writes


def test_somebody_elses_switch_is_left_alone_with_all_that_went_with_it(machine, keeper):
    """
    When they choose another scheduler during the run, what is gone with the old one is theirs.
    """
    keeper.apply(KYBER)
    machine.switch("none")
    report = keeper.restore()
    assert [] == report.failed
    assert {SCHEDULER, READ_EXPIRE} <= {name for name, _, _ in report.foreign}
    assert READ_LATENCY not in {name for name, _, _ in report.foreign}
    assert "[none] mq-deadline kyber" == machine.value(QUEUE + "scheduler")
    assert [] == recovery.pending(machine.places)


def test_committed_values_are_the_originals_from_then_on(machine, keeper):
    """
    After commit the new scheduler's parameter is found like any other, and the old one's is not.
    """
    keeper.apply(KYBER)
    keeper.commit()
    assert "1000000" == keeper.originals[READ_LATENCY]
    assert READ_EXPIRE not in keeper.originals
    keeper.apply({READ_LATENCY: 2 * 10**6})
    keeper.restore()
    assert "1000000" == machine.value(QUEUE + "iosched/read_lat_nsec")


def test_a_killed_guard_leaves_enough_to_put_it_back(machine, keeper):
    """
    The next process knows nothing but the journal, and restores the scheduler and its values.
    """
    before = machine.values()
    keeper.apply(KYBER)
    assert {SCHEDULER, READ_EXPIRE, READ_LATENCY} <= set(recovery.pending(machine.places))
    report = recovery.restore(places=machine.places)
    assert ([], []) == (report.foreign, report.failed)
    assert before == machine.values()


def test_a_journal_without_conditions_is_still_read():
    """
    A record as an earlier version wrote it, without the two newest fields, is understood.
    """
    entry = list(Entry("/proc/sys/vm/swappiness", "vm.swappiness", 0, "", (), "60", "10"))[:7]
    record = {"v": 1, "boot": "1-2", "kind": "batch", "time": 1.0, "setting": {}, "files": [entry]}
    state, _ = replay(encode(record), "journal")
    held = state.held["/proc/sys/vm/swappiness"]
    assert ("60", "", False) == (held.old, held.decider, held.born)


@pytest.mark.parametrize("setting", [{READ_EXPIRE: 200}, {"block/vda/nr_requests": 32}])
def test_somebody_elses_switch_does_not_hold_up_what_was_tuned_without_it(
    machine, keeper, setting
):
    """
    The scheduler was never ours: what went with their switch is theirs, and nothing is stuck.
    """
    keeper.apply(setting)
    machine.switch("none")
    report = keeper.restore()
    assert [] == report.failed
    assert [] == recovery.pending(machine.places)
    assert "[none] mq-deadline kyber" == machine.value(QUEUE + "scheduler")
