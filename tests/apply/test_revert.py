import pytest

from sealtune.apply import apply_setting, revert, status
from sealtune.errors import KeepingError, RestoreError

SWAPPINESS = "/proc/sys/vm/swappiness"
HUGE = "/sys/kernel/mm/transparent_hugepage/enabled"


@pytest.fixture
def applied(plan, kernel):
    return apply_setting(plan(), kernel, kernel.read)


def undo(tmp_path, kernel, name=None):
    return revert(name, root=tmp_path, guard=kernel, read=kernel.read)


def test_everything_is_as_before(tmp_path, applied, kernel):
    """
    Files and record are gone and the previous values are back, committed.
    """
    done = undo(tmp_path, kernel)

    assert set(applied.files) == set(done.removed)
    assert not any(file.exists() for file in (*applied.files, applied.record))
    assert ("60", "madvise") == (kernel.read(SWAPPINESS), kernel.read(HUGE))
    assert {"vm.swappiness": "60", "thp/enabled": "madvise"} == done.restored
    assert {} == kernel.before


def test_reverting_twice_does_nothing_more(tmp_path, applied, kernel):
    """
    The second time there is nothing to undo: no write, no error; a name is then unknown.
    """
    undo(tmp_path, kernel)
    writes = kernel.writes

    assert ("", (), ()) == (lambda r: (r.name, r.removed, r.kept))(undo(tmp_path, kernel))
    assert writes == kernel.writes
    with pytest.raises(KeepingError, match="not applied; applied: nothing"):
        undo(tmp_path, kernel, applied.name)


def test_a_value_that_is_not_ours_is_left_and_reported(tmp_path, applied, kernel):
    """
    Somebody changed it since: it stays, and the others go back.
    """
    kernel.values[SWAPPINESS] = "33"

    done = undo(tmp_path, kernel)

    assert ("33", "madvise") == (kernel.read(SWAPPINESS), kernel.read(HUGE))
    assert {"vm.swappiness": "33"} == done.left
    assert {"thp/enabled": "madvise"} == done.restored


def test_a_value_that_is_back_already_is_neither_written_nor_reported(tmp_path, applied, kernel):
    """
    After a restart without the file, or an interrupted revert, there is nothing left to do.
    """
    kernel.values |= {SWAPPINESS: "60", HUGE: "madvise"}
    writes = kernel.writes

    done = undo(tmp_path, kernel)

    assert (writes, {}, {}) == (kernel.writes, done.restored, done.left)


def test_what_the_kernel_made_of_our_value_is_ours(tmp_path, plan, kernel):
    """
    A value that the kernel rounded is recognised by its read-back.
    """
    real = kernel.apply

    def rounding(setting):
        found = real(setting)
        kernel.values[SWAPPINESS] = "8"
        return found | {"vm.swappiness": "8"}

    kernel.apply = rounding
    apply_setting(plan(), kernel, kernel.read)
    kernel.apply = real

    assert status(tmp_path, kernel.read)[0].holds
    undo(tmp_path, kernel)
    assert "60" == kernel.read(SWAPPINESS)


def test_a_changed_file_is_kept_and_named(tmp_path, applied, kernel):
    """
    What a person wrote into our file is not thrown away.
    """
    file = applied.files[0]
    file.write_text(file.read_text() + "# mine\n")

    done = undo(tmp_path, kernel)

    assert (file,) == done.kept
    assert (applied.files[1],) == done.removed
    assert file.read_text().endswith("# mine\n")
    assert () == status(tmp_path)


def test_a_restore_that_fails_can_be_tried_again(tmp_path, applied, kernel):
    """
    While a value does not read back the record stays, and the next revert ends it.
    """
    real = kernel.apply
    kernel.apply = lambda setting: real(setting) | {"vm.swappiness": "10"}
    with pytest.raises(RestoreError, match=r"vm\.swappiness"):
        undo(tmp_path, kernel)
    assert applied.record.exists()
    kernel.apply = real

    undo(tmp_path, kernel)

    assert "60" == kernel.read(SWAPPINESS)
    assert not applied.record.exists()


def test_a_value_that_the_guard_forbids_does_not_hold_up_the_others(tmp_path, applied, kernel):
    """
    A previous value outside today's range is named; set by hand, the next revert ends it.
    """
    kernel.forbid = "vm.swappiness"

    with pytest.raises(RestoreError, match=r"vm\.swappiness to 60: .*outside"):
        undo(tmp_path, kernel)

    assert ("10", "madvise") == (kernel.read(SWAPPINESS), kernel.read(HUGE))
    assert applied.record.exists()
    kernel.values[SWAPPINESS] = "60"
    assert {} == undo(tmp_path, kernel).restored
    assert not applied.record.exists()


def test_the_one_of_a_pair_that_was_in_force_is_put_back(tmp_path, plan, kernel):
    """
    dirty_ratio was 0 because dirty_bytes ruled: dirty_bytes is written, never the 0.
    """
    dirty, dirty_bytes = "/proc/sys/vm/dirty_ratio", "/proc/sys/vm/dirty_bytes"
    kernel.values |= {dirty: "0", dirty_bytes: "268435456"}
    apply_setting(
        plan({"vm.dirty_ratio": 40}, previous={"vm.dirty_ratio": "0"}), kernel, kernel.read
    )
    kernel.values[dirty_bytes] = "0"  # the kernel does this by itself

    assert {"vm.dirty_bytes": "268435456"} == undo(tmp_path, kernel).restored


def test_one_of_several_must_be_named(tmp_path, plan, kernel):
    """
    With two settings applied only the named one goes.
    """
    apply_setting(plan({"vm.swappiness": 10}, name="one"), kernel, kernel.read)
    apply_setting(plan({"thp/enabled": "never"}, name="two"), kernel, kernel.read)

    with pytest.raises(KeepingError, match="one, two"):
        undo(tmp_path, kernel)
    undo(tmp_path, kernel, "two")

    assert ["one"] == [found.name for found in status(tmp_path)]
    assert ("10", "madvise") == (kernel.read(SWAPPINESS), kernel.read(HUGE))


@pytest.mark.parametrize("order", [("under", "over"), ("over", "under")])
def test_two_settings_of_one_parameter_are_undone_in_any_order(tmp_path, plan, kernel, order):
    """
    Whichever goes first, in the end the parameter has the value from before both.
    """
    apply_setting(plan({"vm.swappiness": 10}, name="under"), kernel, kernel.read)
    second = plan({"vm.swappiness": 20}, name="over", previous={"vm.swappiness": "10"})
    apply_setting(second, kernel, kernel.read)

    undo(tmp_path, kernel, order[0])
    between = kernel.read(SWAPPINESS)
    undo(tmp_path, kernel, order[1])

    assert {"under": "20", "over": "10"}[order[0]] == between
    assert "60" == kernel.read(SWAPPINESS)
    assert () == status(tmp_path)


def test_status_holds_right_after_applying(tmp_path, applied, kernel):
    """
    Nothing has drifted; with another root the live values are not even read.
    """
    (found,) = status(tmp_path, kernel.read)
    (offline,) = status(tmp_path)

    assert found.holds
    assert {"as written"} == {file.state for file in found.files}
    assert {"as applied"} == {parameter.state for parameter in found.parameters}
    assert {"not read"} == {parameter.state for parameter in offline.parameters}


def test_status_shows_drift(tmp_path, applied, kernel):
    """
    A changed value, an edited and a missing file and a file that wins are each told.
    """
    kernel.values[SWAPPINESS] = "33"
    applied.files[0].write_text("")
    applied.files[1].unlink()
    (tmp_path / "etc/sysctl.d/zzz.conf").write_text("vm.swappiness = 77\n")

    (found,) = status(tmp_path, kernel.read)

    assert ["changed", "missing"] == [file.state for file in found.files]
    assert {"vm.swappiness": ("10", "33", "drifted")} == {
        p.name: (p.applied, p.live, p.state) for p in found.parameters if p.state == "drifted"
    }
    assert "77" == found.conflicts[0].value
    assert found.conflicts[0].wins
    assert not found.holds


def test_a_damaged_record_is_an_error_and_stays(tmp_path, applied, kernel):
    """
    Without a readable record nothing is guessed.
    """
    applied.record.write_text('{"format": 1}')

    with pytest.raises(KeepingError, match="no record of sealtune"):
        status(tmp_path)
    with pytest.raises(KeepingError, match="no record of sealtune"):
        undo(tmp_path, kernel)
    assert applied.files[0].exists()
