"""The session's end of the guard, against a real guard process on a machine made of files."""

import os
import signal
import sys
import time

import pytest

from sealtune.errors import BusyError, GuardError, JournalError, KnobError
from sealtune.guard import Guard, recovery
from sealtune.guard.link import Process

VM = "/proc/sys/vm/"
PROGRAM = """
import sys
sys.path.insert(0, {source!r})
from sealtune.catalogue.limits import LIMITS
from sealtune.guard.kernel import Places
from sealtune.guard.server import Server
Server(Places(*{places!r}), LIMITS, 0, 1, silence_seconds={silence}).run()
"""


@pytest.fixture
def start(machine):
    """Start a guard for the fake machine; all that still run are ended after the test."""
    source = os.path.dirname(os.path.dirname(os.path.dirname(recovery.__file__)))
    guards = []

    def start(silence=8.0, **options):
        program = PROGRAM.format(source=source, places=tuple(machine.places), silence=silence)
        command = [sys.executable, "-I", "-S", "-c", program]
        guards.append(Guard(Process(command, machine.places), **options))
        return guards[-1]

    yield start
    for guard in guards:
        guard.close()


def _comes_back(machine, seconds=2.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if machine.value(VM + "swappiness") == "60":
            return True
        time.sleep(0.01)
    return False


def test_a_session_applies_restores_and_closes(machine, start):
    """
    Originals, what the kernel made, and the log all reach the session.
    """
    with start(knobs=["vm.swappiness"]) as guard:
        assert {"vm.swappiness": "60"} == guard.originals
        assert {"vm.swappiness": "10"} == guard.apply({"vm.swappiness": 10})
        assert {"vm.swappiness": "10"} == guard.values()
        assert [("vm.swappiness", "10", "60")] == guard.restore().restored
        guard.apply({"vm.swappiness": 20})
    assert "60" == machine.value(VM + "swappiness")
    assert ["10", "60", "20", "60"] == [entry.after for entry in guard.log]
    with pytest.raises(GuardError, match="closed"):
        guard.values()


def test_further_parameters_can_be_watched(start):
    """
    Originals of a device's parameters are there before the first setting names them.
    """
    guard = start(knobs=[])
    assert {} == guard.originals
    guard.watch(["block/vda/scheduler", "vm.swappiness"])
    assert {"block/vda/scheduler": "mq-deadline", "vm.swappiness": "60"} == guard.originals


def test_errors_keep_their_class_and_message(start):
    """
    What the guard refuses is raised in the session as the same error.
    """
    guard = start()
    with pytest.raises(KnobError, match="999 is outside 1 to 150"):
        guard.apply({"vm.swappiness": 999})
    with pytest.raises(KnobError, match="cannot be read"):
        start(knobs=["vm.vfs_cache_pressure"]) if guard.close() else None


def test_a_second_guard_is_refused_while_one_lives(start):
    """
    One machine has one guard; the error names the process that holds the lock.
    """
    guard = start()
    with pytest.raises(BusyError, match=str(guard.pid)):
        start()


def test_a_closed_pipe_restores(machine, start):
    """
    A session that is gone without a word leaves the machine as found within 2 s.
    """
    guard = start()
    guard.apply({"vm.swappiness": 10})
    guard._closed.set()
    guard._link.hang_up()
    assert _comes_back(machine)


def test_a_silent_session_restores(machine, start):
    """
    A session whose heartbeat stops is taken for dead although its pipe is open.
    """
    guard = start(silence=1.2)
    guard.apply({"vm.swappiness": 10})
    time.sleep(2.5)
    assert "10" == machine.value(VM + "swappiness"), "the heartbeat keeps a quiet session alive"
    guard._send = lambda line: None
    assert _comes_back(machine, 4)


@pytest.mark.parametrize("call", [True, False], ids=["at the next call", "by the heartbeat"])
def test_the_session_restores_when_its_guard_is_killed(machine, start, call):
    """
    The death is noticed, the journal undone in-process, the callback told once.
    """
    told = []
    guard = start(on_guard_death=told.append)
    guard.apply({"vm.swappiness": 10})
    os.kill(guard.pid, signal.SIGKILL)
    if call:
        with pytest.raises(GuardError, match=r"has ended.*vm\.swappiness"):
            guard.apply({"vm.swappiness": 20})
    assert _comes_back(machine)
    time.sleep(0.2)
    assert [[("vm.swappiness", "10", "60")]] == [report.restored for report in told]
    with pytest.raises(GuardError, match="has ended"):
        guard.apply({"vm.swappiness": 20})


def test_starting_undoes_what_an_earlier_run_left(machine, start):
    """
    An unfinished journal is restored before the originals are read.
    """
    machine.keeper().apply({"vm.swappiness": 10})
    guard = start()
    assert [("vm.swappiness", "10", "60")] == guard.recovered.restored
    assert "60" == guard.originals["vm.swappiness"]


def test_a_damaged_journal_keeps_the_guard_from_starting(machine, start):
    """
    Nothing new is started over a record that cannot be read.
    """
    os.makedirs(os.path.dirname(machine.places.journal))
    with open(machine.places.journal, "w") as file:
        file.write("someone else's file\n")
    with pytest.raises(JournalError, match="not ours"):
        start()


def test_committed_values_outlive_the_guard(machine, start):
    """
    Commit accepts the present values for good.
    """
    with start() as guard:
        guard.apply({"vm.swappiness": 10})
        guard.commit()
    assert "10" == machine.value(VM + "swappiness")


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("vmstat", "oom_kill 3", "killed 3 processes"),
        ("meminfo", "MemTotal: 8388608 kB\nMemAvailable: 1000 kB", "memory available"),
    ],
)
def test_a_breached_guard_rail_restores_at_once(machine, start, file, text, reason):
    """
    The originals come back within 2 s, and the session learns why.
    """
    guard = start()
    guard.apply({"vm.swappiness": 10})
    assert guard.breach is None
    path = machine.root / "proc" / file
    kept, _ = path.read_text(), path.write_text(f"pgfault 1\n{text}\n")
    assert _comes_back(machine, 2.5)
    path.write_text(kept)
    with pytest.raises(GuardError, match=reason):
        guard.apply({"vm.swappiness": 20})
    assert reason in (guard.breach or "")
    assert guard.breach is None
    assert {"vm.swappiness": "20"} == guard.apply({"vm.swappiness": 20})


def test_an_answer_that_ctrl_c_left_unread_is_not_taken_for_the_next_one(start):
    """
    A call that was cut short while it waited does not shift the answers after it.
    """
    guard = start()
    guard._send(b'{"do": "values", "id": 0}\n')
    assert {"vm.swappiness": "10"} == guard.apply({"vm.swappiness": 10})
    assert [("vm.swappiness", "10", "60")] == guard.restore().restored
