"""The guard is killed at every change of a file in turn; the next start must undo everything."""

import itertools
from contextlib import suppress

import pytest

from sealtune.errors import SealtuneError
from sealtune.guard import recovery

SETTINGS = [
    {"vm.swappiness": 10, "vm.dirty_bytes": 2**26, "vm.overcommit_kbytes": 2**21},
    {
        "vm.dirty_ratio": 30,
        "block/vda/scheduler": "kyber",
        "block/vda/nr_requests": 128,
        "block/vda/iosched/read_lat_nsec": 10**6,
    },
    {"vm.swappiness": 20, "block/vda/scheduler": "bfq"},  # refused: the batch is rolled back
    {"block/vda/scheduler": "none"},
    {"block/vda/iosched/read_expire": 200},  # under the original scheduler, which comes back
    {"block/vda/scheduler": "kyber"},
    {"block/vda/scheduler": "kyber", "block/vda/iosched/read_lat_nsec": 10**6},
]


def _session(machine):
    keeper = machine.keeper()
    keeper.look_at(None)
    for setting in SETTINGS:
        with suppress(SealtuneError):
            keeper.apply(setting)
    keeper.restore()


def _steps_of_a_whole_session(machine):
    machine.steps_left = 10**6
    _session(machine)
    steps, machine.steps_left = 10**6 - machine.steps_left, None
    return steps


@pytest.mark.parametrize("how", ["before", "half", "after"])
def test_the_next_start_undoes_a_crash_at_any_step(machine, how):
    """
    Whichever change the guard dies at, every parameter is put back, nothing is taken for
    somebody else's, and the journal ends empty.
    """
    before, machine.how = machine.values(), how
    steps = _steps_of_a_whole_session(machine)
    assert before == machine.values()
    for step in range(1, steps + 1):
        assert machine.dies_in(_session, step)
        report = recovery.restore(places=machine.places)
        assert ([], []) == (report.foreign, report.failed), f"step {step} of {steps}"
        assert before == machine.values(), f"step {step} of {steps}"
        assert [] == recovery.pending(machine.places)


@pytest.mark.parametrize("how", ["before", "half", "after"])
@pytest.mark.parametrize("kept", ["by the same guard", "from the journal"])
def test_a_crash_while_restoring_is_undone_by_the_restore_after_it(machine, how, kept):
    """
    Restoring may die at any change, too, also twice: the guard's own, and that of its watcher.
    """

    def applied(machine):
        keeper = machine.keeper()
        keeper.look_at(None)
        keeper.apply(SETTINGS[1])
        keeper.apply(SETTINGS[3])
        return keeper

    def die(machine, step):
        keeper = applied(machine)
        if kept == "by the same guard":
            return machine.dies_in(lambda _: keeper.restore(), step)
        died = machine.dies_in(lambda _: recovery.restore(places=machine.places), step)
        machine.dies_in(lambda _: recovery.restore(places=machine.places), step)
        return died

    before, machine.how = machine.values(), how
    steps = itertools.takewhile(lambda step: die(machine, step), itertools.count(1))
    for step in steps:
        report = recovery.restore(places=machine.places)
        assert ([], []) == (report.foreign, report.failed), f"step {step}"
        assert before == machine.values(), f"step {step}"
        machine.writes.clear()
    assert step >= 7, "each write, the record before them, and the truncation after them"
    assert before == machine.values()


@pytest.mark.parametrize("step", range(1, 5))
def test_no_memory_while_restoring_is_tried_again(machine, monkeypatch, step):
    """
    Where an allocation fails, restoring ends with the error, the journal intact, and can go on.
    """
    before, keeper = machine.values(), machine.keeper()
    keeper.apply(SETTINGS[0])
    write, left = machine.write, [step]

    def starved(descriptor, data):
        left[0] -= 1
        if left[0] == 0:
            raise MemoryError
        return write(descriptor, data)

    monkeypatch.setattr(machine, "write", starved)
    with suppress(MemoryError):
        keeper.restore()
    assert left[0] <= 0
    assert recovery.pending(machine.places) or before == machine.values()
    assert ([], []) == keeper.restore()[1:3]
    assert before == machine.values()


def test_no_memory_while_journalling_leaves_no_record_of_what_was_not_written(
    machine, monkeypatch
):
    """
    A record that was begun when memory ran out is gone after the restore: the next start would
    take a change that somebody made since for ours.
    """
    keeper = machine.keeper()
    with monkeypatch.context() as patch:
        patch.setattr(machine, "fsync", _no_memory)
        with pytest.raises(MemoryError):
            keeper.apply(SETTINGS[0])
    assert [] == machine.writes
    keeper.restore()
    machine.put("/proc/sys/vm/swappiness", 42)
    recovery.restore(places=machine.places)
    assert "42" == machine.value("/proc/sys/vm/swappiness")
    assert {"vm.swappiness": "20"} == keeper.apply({"vm.swappiness": 20})


def _no_memory(*_):
    raise MemoryError


def test_a_disk_that_fills_up_at_any_batch_leaves_the_batch_before(machine):
    """
    A batch whose journal record does not fit is not written, and what is there stays undoable.
    """
    before = machine.values()
    keeper = machine.keeper()
    keeper.apply(SETTINGS[0])
    held = machine.values()
    machine.full_disk = True
    with pytest.raises(SealtuneError, match="No space left"):
        keeper.apply(SETTINGS[1])
    assert held == machine.values()
    assert [] == keeper.restore().failed  # needs no room
    assert before == machine.values()
