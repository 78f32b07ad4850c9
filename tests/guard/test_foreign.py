"""Another tool that sets a parameter once, while a session goes on trying values of it."""

import pytest

from sealtune.errors import JournalError

SWAPPINESS, RATIO = "/proc/sys/vm/swappiness", "/proc/sys/vm/dirty_ratio"


@pytest.fixture
def keeper(machine):
    keeper = machine.keeper()
    keeper.look_at(None)
    return keeper


def test_what_somebody_set_between_two_trials_outlives_the_next_trial_of_it(machine, keeper):
    """
    Their value comes back, not the one from before the session, and is told with both.
    """
    keeper.apply({"vm.dirty_ratio": 30, "vm.swappiness": 10})
    machine.put(RATIO, 37)
    assert {"vm.dirty_ratio": "25"} == keeper.apply({"vm.dirty_ratio": 25})
    assert "60" == machine.value(SWAPPINESS)
    report = keeper.restore()
    assert ("37", "60") == (machine.value(RATIO), machine.value(SWAPPINESS))
    assert ([("vm.dirty_ratio", "37", "20")], []) == (report.foreign, report.failed)


def test_a_crash_after_it_restores_their_value_too(machine, keeper):
    """
    What the journal holds then is what they set: whoever restores from it writes no older value.
    """
    keeper.apply({"vm.dirty_ratio": 30})
    machine.put(RATIO, 37)
    keeper.apply({"vm.dirty_ratio": 25})
    report = machine.keeper().restore()  # as the watcher does, with nothing but the journal
    assert [("vm.dirty_ratio", "25", "37")] == report.restored
    assert "37" == machine.value(RATIO)


def test_a_value_set_twice_is_told_with_the_one_before_the_session(machine, keeper):
    """
    However often it is set, the report names the last value found and the very first original.
    """
    for number in (37, 41):
        keeper.apply({"vm.dirty_ratio": 30})
        machine.put(RATIO, number)
        keeper.apply({"vm.dirty_ratio": 25})
    assert [("vm.dirty_ratio", "41", "20")] == keeper.restore().foreign
    assert [("vm.dirty_ratio", "41", "20")] == keeper.restore().foreign
    assert "41" == machine.value(RATIO)


def test_nothing_is_tried_while_other_values_cannot_be_put_back(machine, keeper):
    """
    To begin anew everything of ours has to be back: otherwise nothing of the new trial is written.
    """
    keeper.apply({"vm.dirty_ratio": 30, "vm.swappiness": 10})
    machine.put(RATIO, 37)
    machine.ignored.add(SWAPPINESS)
    with pytest.raises(JournalError, match="not back"):
        keeper.apply({"vm.dirty_ratio": 25})
    assert "37" == machine.value(RATIO)
    machine.ignored.clear()
    assert [] == keeper.restore().failed
    assert ("37", "60") == (machine.value(RATIO), machine.value(SWAPPINESS))
