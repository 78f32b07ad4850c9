"""The guard is killed at every change of a file in turn; the next start must undo everything."""

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


def test_a_crash_while_restoring_is_undone_by_the_restore_after_it(machine):
    """
    Restoring may die at any change, too, also twice.
    """
    before, machine.how = machine.values(), "after"
    for step in range(1, 40):
        keeper = machine.keeper()
        keeper.look_at(None)
        keeper.apply(SETTINGS[1])
        keeper.apply(SETTINGS[3])
        for _ in range(2):
            machine.dies_in(lambda machine: recovery.restore(places=machine.places), step)
        report = recovery.restore(places=machine.places)
        assert ([], []) == (report.foreign, report.failed), f"step {step}"
        assert before == machine.values(), f"step {step}"
        machine.writes.clear()


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
