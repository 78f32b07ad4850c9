"""Another tool that sets a parameter while the guard sets others."""

from tests.kernel.power_cut.machine import stands_in

from sealtune.guard import keeper as keeper_module
from sealtune.guard.undo import write_until_settled

RATIO = "/proc/sys/vm/dirty_ratio"
OVERCOMMIT = "/proc/sys/vm/overcommit_ratio"


def test_what_somebody_sets_within_a_batch_is_not_taken_for_the_kernels_answer(
    machine, monkeypatch
):
    """
    Set after our last write and before the end of the batch, the value is theirs: left alone and
    told.
    """

    def settle(*arguments):
        write_until_settled(*arguments)
        machine.put(RATIO, "37")

    monkeypatch.setattr(keeper_module, "write_until_settled", settle)
    keeper = machine.keeper()
    keeper.look_at(None)
    keeper.apply({"vm.dirty_ratio": 30, "vm.swappiness": 10})
    assert "37" == machine.value(RATIO)
    monkeypatch.undo()
    with stands_in(machine):
        report = keeper.restore()
    assert [("vm.dirty_ratio", "37", "20")] == report.foreign
    assert ("37", "60") == (machine.value(RATIO), machine.value("/proc/sys/vm/swappiness"))


def test_what_the_kernel_makes_of_a_value_is_ours(machine):
    """
    A file that changes because we wrote another one goes back with it.
    """
    before = machine.values()
    keeper = machine.keeper()
    keeper.look_at(None)
    keeper.apply({"vm.overcommit_kbytes": 2**21, "block/vda/scheduler": "kyber"})
    assert "0" == machine.value(OVERCOMMIT)
    assert [] == keeper.restore().foreign
    assert before == machine.values()
