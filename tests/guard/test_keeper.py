"""Batches on a machine made of files; see conftest for how its kernel behaves."""

import os

import pytest

from sealtune.errors import JournalError, KnobError, WriteRefusedError

VM, QUEUE = "/proc/sys/vm/", "/sys/block/vda/queue/"


@pytest.fixture
def keeper(machine):
    keeper = machine.keeper()
    keeper.look_at(None)
    return keeper


def test_a_setting_is_the_originals_plus_what_it_names(machine, keeper):
    """
    A parameter of an earlier setting that the next one does not name goes back to its original.
    """
    assert {"vm.swappiness": "10"} == keeper.apply({"vm.swappiness": 10})
    assert {"vm.dirty_ratio": "30"} == keeper.apply({"vm.dirty_ratio": "30"})
    assert ("60", "30") == (machine.value(VM + "swappiness"), machine.value(VM + "dirty_ratio"))


def test_nothing_is_written_that_does_not_differ(machine, keeper):
    """
    A setting equal to the present values reaches neither the kernel nor the journal.
    """
    keeper.apply({"vm.swappiness": 60})
    assert [] == machine.writes
    assert 0 == os.stat(machine.places.journal).st_size


def test_the_old_value_is_on_disk_before_the_new_one_reaches_the_kernel(machine, keeper):
    """
    When the journal cannot be synced, the kernel is not touched, and it stays usable after.
    """
    machine.full_disk = True
    with pytest.raises(JournalError, match="No space left"):
        keeper.apply({"vm.swappiness": 10})
    assert [] == machine.writes
    machine.full_disk = False
    keeper.apply({"vm.swappiness": 10})
    assert "10" == machine.value(VM + "swappiness")
    assert [("vm.swappiness", "10", "60")] == keeper.restore().restored


def test_a_session_that_never_restores_does_not_fill_the_disk(machine, keeper, monkeypatch):
    """
    A long journal begins anew from the originals, which stay the true ones.
    """
    monkeypatch.setattr("sealtune.guard.keeper.MOST_BYTES", 2000)
    for number in range(1, 31):
        assert {"vm.swappiness": str(number)} == keeper.apply({"vm.swappiness": number})
        assert os.stat(machine.places.journal).st_size < 4000
    keeper.restore()
    assert "60" == machine.value(VM + "swappiness")


def test_a_removed_journal_stops_all_writing(machine, keeper):
    """
    A journal that somebody deleted protects nothing, so nothing more is written.
    """
    os.unlink(machine.places.journal)
    with pytest.raises(JournalError, match="removed"):
        keeper.apply({"vm.swappiness": 10})
    assert [] == machine.writes


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"vm.swappiness": 151}, "151 is outside 1 to 150"),
        ({"vm.swappiness": "0x10"}, "no whole number"),
        ({"vm.swappiness": 1.5}, "no whole number"),
        ({"vm.swappiness": True}, "no whole number"),
        ({"vm.swappiness": "+5"}, "no whole number"),
        ({"vm.swappiness": "10\n20"}, "no whole number"),
        ({"kernel.panic": 1}, "may be tuned"),
        ({"block/nvme9n9/scheduler": "none"}, "may be tuned"),
        ({"block/../scheduler": "none"}, "may be tuned"),
        ({"block/{dev}/scheduler": "none"}, "may be tuned"),
        ({"block/vda/scheduler": "deadline"}, "not one of none, mq-deadline"),
        ({"vm.dirty_bytes": 4096}, "outside 33554432"),
        ({"vm.dirty_bytes": 2**40}, "to 2147483648"),
        ({"vm.dirty_background_ratio": 20}, "must stay below vm.dirty_ratio, which is 20"),
        ({"vm.dirty_ratio": 10}, "must stay below"),
        ({"vm.dirty_ratio": 30, "vm.dirty_bytes": 2**26}, "other form"),
    ],
)
def test_what_is_not_allowed_is_refused_before_anything_is_written(
    machine, keeper, setting, message
):
    """
    Unknown, forbidden, out of range, malformed and contradictory settings leave no trace.
    """
    with pytest.raises(KnobError, match=message):
        keeper.apply({"vm.swappiness": 10, **setting})
    assert [] == machine.writes


def test_the_range_includes_the_value_found(machine):
    """
    A machine found outside our range may be set to anything between the two.
    """
    machine.put(VM + "swappiness", 180)
    keeper = machine.keeper()
    assert {"vm.swappiness": "170"} == keeper.apply({"vm.swappiness": 170})


def test_a_refused_value_undoes_its_whole_batch(machine, keeper):
    """
    The values of the batch before stay, those of the refused one go, and the error names it.
    """
    keeper.apply({"vm.swappiness": 30})
    before = machine.values()
    with pytest.raises(WriteRefusedError, match=r"block/vda/scheduler.*'bfq'.*EINVAL"):
        keeper.apply({"vm.swappiness": 10, "vm.dirty_bytes": 2**26, "block/vda/scheduler": "bfq"})
    assert before == machine.values()


def test_what_the_kernel_made_of_a_value_is_returned(machine, keeper):
    """
    A value that the kernel ignores in silence is reported as what the file reads.
    """
    machine.ignored = {VM + "swappiness"}
    assert {"vm.swappiness": "60"} == keeper.apply({"vm.swappiness": 10})


def test_no_intermediate_state_breaks_a_coupling(machine, keeper):
    """
    Raising a pair writes the upper one first, lowering it the lower one first.
    """
    names = ["vm.dirty_ratio", "vm.dirty_background_ratio"]
    for high, low in ((60, 25), (8, 3), (40, 30), (20, 10)):
        keeper.apply(dict(zip(names, (high, low), strict=True)))
    ratio, background = 20, 10
    for path, value in machine.writes:
        ratio = int(value) if path == VM + "dirty_ratio" else ratio
        background = int(value) if path == VM + "dirty_background_ratio" else background
        assert background < ratio


@pytest.mark.parametrize("name", ["vm.dirty_bytes", "vm.overcommit_kbytes"])
def test_a_pair_is_restored_by_the_form_that_was_in_use(machine, keeper, name):
    """
    The other form, at 0, is never written: the kernel refuses it, or switches the first off.
    """
    before = machine.values()
    keeper.apply({name: 2**26})
    assert before != machine.values()
    report = keeper.restore()
    assert before == machine.values()
    assert [] == report.failed + report.foreign
    assert not [value for _, value in machine.writes if value == "0"]


def test_the_scheduler_goes_before_what_it_resets(machine, keeper):
    """
    nr_requests is as asked, or as found, whatever writing the scheduler made of it.
    """
    keeper.apply({"block/vda/scheduler": "kyber", "block/vda/nr_requests": 128})
    assert "128" == machine.value(QUEUE + "nr_requests")
    keeper.apply({"block/vda/scheduler": "none"})
    assert "64" == machine.value(QUEUE + "nr_requests")
    keeper.restore()
    assert "64" == machine.value(QUEUE + "nr_requests")
    assert "none [mq-deadline] kyber" == machine.value(QUEUE + "scheduler")


def test_a_foreign_change_is_left_alone(machine, keeper):
    """
    What somebody else set since our write stays, is reported, and is the original from then on.
    """
    keeper.apply({"vm.swappiness": 10, "vm.dirty_ratio": 30})
    machine.put(VM + "swappiness", 42)
    report = keeper.restore()
    assert [("vm.dirty_ratio", "30", "20")] == report.restored
    assert [("vm.swappiness", "42", "60")] == report.foreign
    assert "42" == machine.value(VM + "swappiness") == keeper.originals["vm.swappiness"]


def test_a_foreign_change_survives_the_next_setting_that_does_not_name_it(machine, keeper):
    """
    Going back to the originals between two settings compares first, as restoring does.
    """
    keeper.apply({"vm.swappiness": 10})
    machine.put(VM + "swappiness", 42)
    keeper.apply({"vm.dirty_ratio": 30})
    assert "42" == machine.value(VM + "swappiness")


def test_restoring_does_not_switch_off_what_somebody_set_in_the_other_form(machine, keeper):
    """
    A ratio that reads 0 because somebody else set the bytes is theirs too.
    """
    keeper.apply({"vm.dirty_bytes": 2**26})
    machine.put(VM + "dirty_bytes", 2**27)
    report = keeper.restore()
    assert str(2**27) == machine.value(VM + "dirty_bytes")
    assert {"vm.dirty_bytes", "vm.dirty_ratio"} == {name for name, _, _ in report.foreign}


def test_an_untouched_parameter_is_read_afresh(machine, keeper):
    """
    The original is what was there before our first write, not what was there at the start.
    """
    machine.put(VM + "swappiness", 42)
    keeper.apply({"vm.swappiness": 10})
    keeper.restore()
    assert "42" == machine.value(VM + "swappiness")


def test_committed_values_stay(machine, keeper):
    """
    After commit nothing is restored, and later settings start from the accepted values.
    """
    keeper.apply({"vm.swappiness": 10})
    keeper.commit()
    keeper.apply({"vm.swappiness": 30})
    keeper.restore()
    assert "10" == machine.value(VM + "swappiness")


def test_the_log_tells_every_value_written(machine, keeper):
    """
    Each write is logged with name, old and new value, restoring included.
    """
    keeper.apply({"vm.swappiness": 10})
    keeper.restore()
    assert [("vm.swappiness", "60", "10"), ("vm.swappiness", "10", "60")] == [
        entry[1:] for entry in keeper.log
    ]
