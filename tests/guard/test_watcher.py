"""The watcher process, beside a guard that is killed, frozen or slow, on a machine of files."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sealtune.guard import recovery
from sealtune.guard.kernel import take_lock

SWAPPINESS = "/proc/sys/vm/swappiness"
GUARD = """
import signal, sys, time
sys.path.insert(0, {source!r})
from sealtune.catalogue.limits import LIMITS
from sealtune.guard import watcher as module
from sealtune.guard.journal import Journal
from sealtune.guard.keeper import Keeper
from sealtune.guard.kernel import Kernel, Places, take_lock
from sealtune.guard.rules import Rules
module.GRACE_SECONDS = module._LOCK_SECONDS = 0.05
module.STUCK_BEATS, module.FROZEN_BEATS = {stuck}, {frozen}
places = Places(*{places!r})
lock, kernel = take_lock(places), Kernel(places.root)
watcher = module.Watcher(places, beat_seconds=0.05)
keeper = Keeper(kernel, Journal(places.journal, kernel.boot_id()), Rules(LIMITS, kernel))
keeper.apply({{"vm.swappiness": 10}})
signal.signal(signal.SIGUSR1, lambda *_: watcher.dismiss() or sys.exit())
pid, end = 0, time.monotonic() + 20
while time.monotonic() < end:
    if watcher.pid != pid:
        pid = watcher.pid
        print(pid, flush=True)
    time.sleep(0.02)
    {beat}
"""


@pytest.fixture
def start(machine):
    """Start a guard that holds vm.swappiness at 10; return it and the pid of its watcher."""
    source = os.path.dirname(os.path.dirname(os.path.dirname(recovery.__file__)))
    guards = []

    def start(beat="watcher.beat()", stuck=10**6, frozen=4):
        places = tuple(machine.places)
        program = GUARD.format(source=source, places=places, beat=beat, stuck=stuck, frozen=frozen)
        command = [sys.executable, "-I", "-S", "-c", program]
        guards.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return guards[-1], int(guards[-1].stdout.readline())

    yield start
    for guard in guards:
        guard.kill()
        guard.communicate()


def _is_there(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _wait_until(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_a_killed_guard_is_undone_by_its_watcher(machine, start):
    """
    Nobody else is left, and the original comes back; then the watcher ends.
    """
    guard, watcher = start()
    assert "10" == machine.value(SWAPPINESS)
    guard.kill()
    assert _wait_until(lambda: machine.value(SWAPPINESS) == "60")
    assert _wait_until(lambda: not _is_there(watcher))
    assert [] == recovery.pending(machine.places)


def test_a_frozen_guard_is_ended_and_undone(machine, start):
    """
    A stopped guard restores nothing and holds the lock: it is killed after four missed beats.
    """
    guard, _ = start()
    guard.send_signal(signal.SIGSTOP)
    assert -signal.SIGKILL == guard.wait(5)
    assert _wait_until(lambda: machine.value(SWAPPINESS) == "60")


def test_a_machine_that_stood_still_is_no_frozen_guard(machine, start):
    """
    Guard and watcher stopped together and continued one after the other: silence is counted in
    waits, so the time in between is nobody's.
    """
    guard, watcher = start(frozen=12)  # 0.6 s
    for process in (guard.pid, watcher):
        os.kill(process, signal.SIGSTOP)
    time.sleep(0.8)
    os.kill(watcher, signal.SIGCONT)
    time.sleep(0.1)
    guard.send_signal(signal.SIGCONT)
    time.sleep(0.2)
    assert guard.poll() is None
    assert "10" == machine.value(SWAPPINESS)
    assert _is_there(watcher)


def test_a_slow_guard_has_five_times_as_long(machine, start):
    """
    One that waits for its disk is left alone at first, and ended when it never comes back.
    """
    guard, _ = start(beat="time.sleep(60)", stuck=20)
    begin = time.monotonic()
    assert -signal.SIGKILL == guard.wait(5)
    assert time.monotonic() - begin > 0.8  # of 20 beats; four are 0.2
    assert _wait_until(lambda: machine.value(SWAPPINESS) == "60")


@pytest.mark.parametrize("frozen", [False, True])
def test_a_guard_that_ends_in_order_takes_its_watcher_along(machine, start, frozen):
    """
    Told good-bye it writes nothing, and is gone and reaped when the guard goes on, frozen or not.
    """
    guard, watcher = start()
    if frozen:
        os.kill(watcher, signal.SIGSTOP)
    guard.send_signal(signal.SIGUSR1)
    assert 0 == guard.wait(5)
    assert not os.path.exists(f"/proc/{watcher}")
    assert "10" == machine.value(SWAPPINESS)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_killed_or_frozen_watcher_is_replaced(machine, start, number):
    """
    The guard notices, leaves no zombie, and the new one does what the old one would have done.
    """
    guard, watcher = start()
    os.kill(watcher, number)
    assert int(guard.stdout.readline()) != watcher
    assert not os.path.exists(f"/proc/{watcher}")
    guard.kill()
    assert _wait_until(lambda: machine.value(SWAPPINESS) == "60")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_usual_signals_do_not_end_it(machine, start, number):
    """
    Whoever ends "everything called sealtune" politely leaves the machine watched.
    """
    guard, watcher = start()
    _wait_until(lambda: _ignores(watcher, number))
    os.kill(watcher, number)
    guard.kill()
    assert _wait_until(lambda: machine.value(SWAPPINESS) == "60")


def _ignores(process, number):
    status = Path(f"/proc/{process}/status").read_text()
    mask = int(status.partition("SigIgn:")[2].split()[0], 16)
    return bool(mask >> (number - 1) & 1)


def test_it_holds_one_pipe_and_is_nobody_s_child_to_signal(start):
    """
    Neither the lock, nor the journal, nor the session's pipes; in a session of its own, by name.
    """
    guard, watcher = start()
    folder = f"/proc/{watcher}/fd"
    assert _wait_until(lambda: Path(f"/proc/{watcher}/comm").read_text() == "sealtune-watch\n")
    held = [os.readlink(f"{folder}/{name}") for name in sorted(os.listdir(folder), key=int)]
    assert ["/dev/null"] * 3 == held[:3]
    assert ["pipe"] == [target.partition(":")[0] for target in held[3:]]
    assert os.getsid(watcher) == watcher != os.getsid(guard.pid)


def test_a_restore_that_fails_is_tried_again(machine, start):
    """
    A parameter that cannot be written now is put back when it can be.
    """
    guard, watcher = start()
    path = machine.root / SWAPPINESS[1:]
    path.rename(path.with_name("away"))
    path.mkdir()
    guard.kill()
    time.sleep(0.2)
    assert _is_there(watcher)
    path.rmdir()
    path.with_name("away").rename(path)
    assert _wait_until(lambda: machine.value(SWAPPINESS) == "60")
    assert _wait_until(lambda: not _is_there(watcher))


def test_a_new_guard_is_left_to_do_its_work(machine, start):
    """
    When somebody else holds the lock, who restores before anything else, the watcher goes.
    """
    guard, watcher = start()
    os.kill(watcher, signal.SIGSTOP)
    guard.kill()
    guard.wait()
    lock = take_lock(machine.places, 1.0)
    os.kill(watcher, signal.SIGCONT)
    assert _wait_until(lambda: not _is_there(watcher))
    assert "10" == machine.value(SWAPPINESS)
    os.close(lock)


def test_without_a_process_for_it_no_guard_begins():
    """
    The session is told in one line, before anything was looked at or changed.
    """
    source = os.path.dirname(os.path.dirname(os.path.dirname(recovery.__file__)))
    program = (
        f"import os, sys; sys.path.insert(0, {source!r})\n"
        "def fork(): raise OSError(11, 'Resource temporarily unavailable')\n"
        "os.fork = fork\n"
        "from sealtune.guard.server import guard_machine\n"
        "guard_machine(0, 1)"
    )
    run = [sys.executable, "-I", "-S", "-c", program]
    done = subprocess.run(run, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    said = "error: no process is to be had for the watcher: Resource temporarily unavailable\n"
    assert (1, said) == (done.returncode, done.stderr)
