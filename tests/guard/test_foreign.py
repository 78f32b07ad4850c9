"""Another tool that sets a parameter once, while a session goes on trying values of it."""

import pytest

from sealtune.errors import JournalError, KnobError

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


def test_a_trial_of_the_original_value_is_one(machine, keeper):
    """
    Somebody has set another value since: the trial is what it says, not theirs under its name.
    """
    keeper.apply({"vm.swappiness": 10})
    machine.put(SWAPPINESS, 37)
    assert {"vm.swappiness": "60"} == keeper.apply({"vm.swappiness": 60})
    assert "60" == machine.value(SWAPPINESS)
    keeper.restore()
    assert "37" == machine.value(SWAPPINESS)


def test_a_trial_of_the_value_that_somebody_has_set_is_one_too(machine, keeper):
    """
    It is the present value then: nothing of it is written, and it is what is told.
    """
    keeper.apply({"vm.swappiness": 10})
    machine.put(SWAPPINESS, 37)
    assert {"vm.swappiness": "37"} == keeper.apply({"vm.swappiness": 37})
    assert "37" == machine.value(SWAPPINESS)


def test_what_is_not_allowed_changes_nothing_beside_others_either(machine, keeper):
    """
    The setting is checked before anything gives way.
    """
    keeper.apply({"vm.swappiness": 10, "vm.dirty_ratio": 30})
    machine.put(RATIO, 37)
    with pytest.raises(KnobError):
        keeper.apply({"vm.dirty_ratio": 25, "vm.swappiness": 999})
    assert ("37", "10") == (machine.value(RATIO), machine.value(SWAPPINESS))


@pytest.mark.parametrize(
    ("now", "foreign"),
    [(20, []), (30, [("vm.dirty_ratio", "30", "20")]), (41, [("vm.dirty_ratio", "41", "20")])],
)
def test_the_report_tells_what_the_machine_reads_now(machine, keeper, now, foreign):
    """
    Nothing when they have undone it themselves, and else what is there: be it a trial's value that
    a tool has brought back.
    """
    keeper.apply({"vm.dirty_ratio": 30})
    machine.put(RATIO, 37)
    keeper.apply({"vm.dirty_ratio": 25})
    keeper.restore()
    machine.put(RATIO, now)
    assert foreign == keeper.restore().foreign
    assert str(now) == machine.value(RATIO) == keeper.originals["vm.dirty_ratio"]


def test_a_value_of_theirs_that_cannot_be_put_back_is_told_as_theirs(machine, keeper):
    """
    What the machine reads then is ours, and a failure; the report of it names what they had set.
    """
    keeper.apply({"vm.dirty_ratio": 30})
    machine.put(RATIO, 37)
    keeper.apply({"vm.dirty_ratio": 25})
    machine.ignored.add(RATIO)
    report = keeper.restore()
    assert [("vm.dirty_ratio", "25", "37")] == report.failed
    assert [("vm.dirty_ratio", "37", "20")] == report.foreign


def test_after_a_commit_nothing_of_before_is_told(machine, keeper):
    """
    What is accepted is the original, whoever has set it.
    """
    keeper.apply({"vm.dirty_ratio": 30})
    machine.put(RATIO, 37)
    keeper.apply({"vm.dirty_ratio": 25})
    keeper.commit()
    assert [] == keeper.restore().foreign
