"""The watcher on this machine's own kernel: what is left when the guard itself is gone."""

import os
import resource
import signal
import time
from pathlib import Path

import pytest
from tests.kernel import guard_figures, guard_squeeze, guard_steps
from tests.kernel.guards import SWAPPINESS, holding, seconds_until, start_guard

from sealtune.guard import recovery
from sealtune.guard.kernel import Kernel

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="writes kernel parameters: needs root"),
    pytest.mark.skipif(
        not os.access("/proc/sys/vm/swappiness", os.W_OK), reason="/proc/sys is read-only here"
    ),
]


@pytest.fixture
def before():
    """Value of vm.swappiness, put back after the test whatever happens."""
    value = Kernel().read(SWAPPINESS)
    yield value
    recovery.restore(wait_seconds=15)
    Kernel().write(SWAPPINESS, value)


@pytest.fixture
def session(before):
    """A process of its own that holds another vm.swappiness; yields it and its guard's pid."""
    with holding(30 if before != "30" else 40) as running:
        yield running


def test_session_and_guard_killed_at_once_are_undone_unaided(session, before):
    """
    Only the watcher is left, and all is back within 2 s.
    """
    process, guard = session
    assert before != Kernel().read(SWAPPINESS)
    process.send_signal(signal.SIGSTOP)  # so that it cannot be the one that restores
    os.kill(guard, signal.SIGKILL)
    process.kill()
    assert seconds_until(before, 2.0) < 2.0


@pytest.mark.parametrize("frozen", ["guard", "guard and session"])
def test_a_frozen_guard_is_undone_within_ten_seconds(session, before, frozen):
    """
    A session in the middle of a benchmark learns that its guard is gone, and what was put back.
    """
    process, guard = session
    if frozen == "guard and session":
        process.send_signal(signal.SIGSTOP)
    os.kill(guard, signal.SIGSTOP)
    assert 2.0 < seconds_until(before, 10.0) < 10.0
    if frozen == "guard":
        told = process.stdout.readline()
        assert told.startswith("the guard's process has ended; this one put back: vm.swappiness")


def test_a_killed_watcher_is_replaced_and_the_new_one_restores(session, before):
    """
    The machine is unwatched for a second or two at most, with capabilities dropped as before.
    """
    process, guard = session
    first = guard_figures.watcher_of(guard)
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 3.0
    while guard_figures.watcher_of(guard) in (0, first) and time.monotonic() < deadline:
        time.sleep(0.01)
    second = guard_figures.watcher_of(guard)
    assert second not in (0, first)
    scores = [Path(f"/proc/{pid}/oom_score_adj").read_text() for pid in (guard, second)]
    assert scores[0] == scores[1]
    if resource.prlimit(guard, resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
        time.sleep(0.2)  # without CAP_SYS_RESOURCE, as in many containers, it cannot
        assert guard_figures.memory(second)["VmLck"] > 5000
    os.kill(guard, signal.SIGKILL)
    process.kill()
    assert seconds_until(before, 2.0) < 2.0


def test_a_session_that_ignores_its_children_has_a_guard_that_minds_its_own():
    """
    An ignored SIGCHLD is inherited, and would make every look for a dead watcher fail.
    """
    kept = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        guard = start_guard(knobs=["vm.swappiness"])
        os.kill(guard_figures.watcher_of(guard.pid), signal.SIGKILL)
        time.sleep(2.2)
        assert guard_figures.watcher_of(guard.pid)
        guard.close()
    finally:
        signal.signal(signal.SIGCHLD, kept)


def test_an_orderly_end_leaves_no_watcher(before):
    """
    When the guard is closed, its watcher is gone before it, on a signal as well.
    """
    for end in ("close", "SIGTERM"):
        guard = start_guard(knobs=["vm.swappiness"])
        watcher = guard_figures.watcher_of(guard.pid)
        assert watcher
        if end == "SIGTERM":
            os.kill(guard.pid, signal.SIGTERM)
        guard.close()
        assert not os.path.exists(f"/proc/{watcher}")


def test_a_guard_killed_at_any_step_is_undone_by_its_watcher():
    """
    Every third write, fsync and truncation of batches and their restore, on the real kernel.
    """
    start_guard(knobs=[]).close()
    outcome = guard_steps.run(every=3)
    assert outcome.steps > 7
    assert outcome.steps == outcome.restored


@pytest.mark.skipif(guard_squeeze.parent() is None, reason="no memory cgroup can be made here")
@pytest.mark.parametrize("hog", guard_squeeze.HOGS)
def test_the_guard_outlives_a_lack_of_memory(hog):
    """
    The kernel kills what eats the memory, never the guard beside it, and all is put back.
    """
    start_guard(knobs=[]).close()
    outcome = guard_squeeze.run(hog)
    assert outcome.kills
    assert outcome.guard_lived
    assert outcome.seconds < guard_squeeze.LIMIT_SECONDS


def test_guard_and_watcher_are_small_and_locked(before):
    """
    At most 24 MB each with the memory locked, after every parameter was looked at and many set.
    """
    start_guard(knobs=[]).close()
    for row in guard_figures.measure(batches=50):
        assert row.resident_kilobytes <= 24_000, row
        assert row.locked_kilobytes >= 0.9 * row.resident_kilobytes, row
