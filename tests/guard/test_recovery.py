"""What `sealtune restore` does with a journal that a killed guard left behind."""

import os
import shutil
import subprocess
import sys

import pytest

from sealtune.errors import BusyError, JournalError, KnobError, NotRootError
from sealtune.guard import recovery
from sealtune.guard.kernel import take_lock

VM = "/proc/sys/vm/"


@pytest.fixture
def killed(machine):
    """A guard was killed while a setting was in force."""
    machine.keeper().apply({"vm.swappiness": 10, "block/vda/scheduler": "kyber"})
    return machine


def test_an_unfinished_journal_is_restored_and_emptied(killed):
    """
    Every parameter reads as before, and a second restore finds nothing to do.
    """
    assert "vm.swappiness" in recovery.pending(killed.places)
    report = recovery.restore(places=killed.places)
    assert ("vm.swappiness", "10", "60") in report.restored
    assert "none [mq-deadline] kyber" == killed.value("/sys/block/vda/queue/scheduler")
    assert ([], [], [], None) == recovery.restore(places=killed.places)
    assert [] == recovery.pending(killed.places)


def test_a_journal_of_an_earlier_boot_is_archived_and_nothing_is_written(killed):
    """
    The reboot has rolled the values back; the setting is remembered as a crash.
    """
    killed.put("/proc/sys/kernel/random/boot_id", "33333333-4444")
    killed.put(VM + "swappiness", 77)
    killed.writes.clear()
    report = recovery.restore(places=killed.places)
    setting = {"vm.swappiness": "10", "block/vda/scheduler": "kyber"}
    assert report.crash is not None
    assert ("11111111-2222", setting) == (report.crash.boot_id, report.crash.setting)
    assert [report.crash] == recovery.crashes(killed.places)
    assert [] == killed.writes + recovery.pending(killed.places)


def test_a_live_guard_is_left_to_do_its_work(killed):
    """
    While another process holds the lock nothing is touched, and its process id is told.
    """
    lock = take_lock(killed.places)
    with pytest.raises(BusyError, match=str(os.getpid())):
        recovery.restore(places=killed.places)
    assert "10" == killed.value(VM + "swappiness")
    os.close(lock)
    assert [] == recovery.restore(places=killed.places).failed


def test_a_disk_that_is_gone_is_kept_in_the_journal_until_it_is_given_up_by_name(killed):
    """
    The rest is restored; the missing one is reported again and again, and then abandoned, and with
    its scheduler what existed under that one.
    """
    shutil.rmtree(killed.root / "sys/block/vda")
    for _ in range(2):
        report = recovery.restore(places=killed.places)
        assert {"block/vda/scheduler", "block/vda/nr_requests"} <= {f[0] for f in report.failed}
    assert "60" == killed.value(VM + "swappiness")
    with pytest.raises(KnobError, match="block/vdb/scheduler is not in the journal"):
        recovery.restore(places=killed.places, abandon=["block/vdb/scheduler"])
    others = recovery.given_up_with("block/vda/scheduler", killed.places)
    assert others
    assert all("/iosched/" in name for name in others)
    assert [] == recovery.given_up_with("block/vda/nr_requests", killed.places)
    with pytest.raises(KnobError, match="block/vdb/scheduler is not in the journal"):
        recovery.given_up_with("block/vdb/scheduler", killed.places)
    names = ["block/vda/scheduler", "block/vda/nr_requests"]
    assert [] == recovery.restore(places=killed.places, abandon=names).failed
    assert 0 == os.stat(killed.places.journal).st_size


def test_a_damaged_journal_stops_the_restore_and_is_kept(killed):
    """
    Values are never guessed from a journal that does not add up.
    """
    with open(killed.places.journal, "r+b") as file:
        file.write(b"x")
    killed.writes.clear()
    with pytest.raises(JournalError):
        recovery.restore(places=killed.places)
    with pytest.raises(JournalError):
        recovery.pending(killed.places)
    assert [] == killed.writes


def test_only_root_restores(monkeypatch):
    """
    Anybody else is told, before anything is opened.
    """
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NotRootError):
        recovery.restore()


def test_restoring_imports_no_more_than_it_needs():
    """
    With nothing to do, not even the journal's reader or the limits are loaded.
    """
    code = (
        "import sys; from sealtune.guard import recovery\n"
        "heavy = {'json', 'subprocess', 'logging', 'argparse', 'dataclasses', 'ctypes', 'pathlib',"
        " 'numpy', 'pydantic', 'sealtune.catalogue.limits', 'sealtune.guard.journal'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    source = os.path.dirname(os.path.dirname(os.path.dirname(recovery.__file__)))
    run = [sys.executable, "-S", "-c", code]
    environment = {"PYTHONPATH": source}
    assert "[]" == subprocess.check_output(run, text=True, env=environment).strip()
