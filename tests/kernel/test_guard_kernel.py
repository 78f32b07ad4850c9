"""The guard on this machine's own kernel. Every parameter is put back."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.kernel.guards import SWAPPINESS, holding, seconds_until, start_guard

from sealtune.catalogue.bounds import Limit
from sealtune.catalogue.limits import LIMITS
from sealtune.errors import BusyError, WriteRefusedError
from sealtune.guard import Guard, recovery
from sealtune.guard.journal import Journal
from sealtune.guard.keeper import Keeper
from sealtune.guard.kernel import Kernel, take_lock
from sealtune.guard.rules import Rules

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="writes kernel parameters: needs root"),
    pytest.mark.skipif(
        not os.access("/proc/sys/vm/swappiness", os.W_OK), reason="/proc/sys is read-only here"
    ),
]


@pytest.fixture
def swappiness():
    """Value of vm.swappiness, put back after the test whatever happens."""
    kernel = Kernel()
    value = kernel.read(SWAPPINESS)
    yield value
    kernel.write(SWAPPINESS, value)


@pytest.fixture
def other(swappiness):
    """Another value for vm.swappiness."""
    return 30 if swappiness != "30" else 40


@pytest.fixture
def session(other):
    """A process of its own that holds another vm.swappiness; yields it and its guard's pid."""
    with holding(other) as running:
        yield running


def test_the_guard_has_no_capability_left_and_still_writes(swappiness, other):
    """
    Uid 0 with an empty capability set is enough for ordinary parameters, in a session of its own.
    """
    with start_guard(knobs=["vm.swappiness"]) as guard:
        status = Path(f"/proc/{guard.pid}/status").read_text()
        for line in ("CapPrm", "CapEff", "CapBnd"):
            assert f"{line}:\t{'0' * 16}" in status
        assert os.getsid(guard.pid) == guard.pid != os.getsid(0)
        assert {"vm.swappiness": str(other)} == guard.apply({"vm.swappiness": other})
    assert swappiness == Kernel().read(SWAPPINESS)


def test_the_guard_takes_no_cpu_worth_measuring(swappiness, other):
    """
    While a benchmark would run, the guard uses under half a percent of one CPU.
    """
    with start_guard(knobs=["vm.swappiness"]) as guard:
        guard.apply({"vm.swappiness": other})
        ticks = [
            sum(map(int, Path(f"/proc/{guard.pid}/stat").read_text().split()[13:15]))
            for _ in (time.sleep(0.1), time.sleep(4))
        ]
        assert ticks[1] - ticks[0] <= 2  # of 400


def test_a_killed_session_is_undone(session, swappiness):
    """
    Killing the session with -9 closes the pipe: restored within 2 s.
    """
    process, _ = session
    process.kill()
    assert seconds_until(swappiness, 2.0) < 2.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_guard_restores_at_once(session, swappiness, number):
    """
    The guard restores and ends on the usual signals.
    """
    _, guard = session
    os.kill(guard, number)
    assert seconds_until(swappiness, 1.0) < 1.0


@pytest.mark.slow
def test_a_frozen_session_is_undone_within_ten_seconds(session, swappiness):
    """
    A session that is stopped, its pipe open, is taken for dead by its silence.
    """
    process, _ = session
    process.send_signal(signal.SIGSTOP)
    assert seconds_until(swappiness, 10.0) < 10.0


def test_the_lock_is_for_the_whole_machine(session):
    """
    A second guard, and a restore, are refused while one lives; the descriptor is not inherited.
    """
    _, guard = session
    with pytest.raises(BusyError, match=str(guard)):
        Guard.start()
    with pytest.raises(BusyError, match=str(guard)):
        recovery.restore()


def test_a_foreign_change_is_left_alone(swappiness, other):
    """
    What the owner of the machine sets meanwhile stays.
    """
    with start_guard(knobs=["vm.swappiness"]) as guard:
        guard.apply({"vm.swappiness": other})
        Kernel().write(SWAPPINESS, "55")
        report = guard.restore()
    assert [("vm.swappiness", "55", swappiness)] == report.foreign
    assert "55" == Kernel().read(SWAPPINESS)


def test_congestion_control_leaves_the_allowed_list_as_found():
    """
    The list of allowed ones, which the kernel extends as a side effect, is restored with it.
    """
    kernel, folder = Kernel(), "/proc/sys/net/ipv4/tcp_"
    names = ("congestion_control", "allowed_congestion_control")
    before = [kernel.read(folder + name) for name in names]
    available = kernel.read(folder + "available_congestion_control").split()
    choices = [n for n in available if n != before[0] and n in ("reno", "cubic", "bbr")]
    if not choices:
        pytest.skip("this kernel offers one congestion control only")
    with start_guard(knobs=["net.ipv4.tcp_congestion_control"]) as guard:
        for choice in choices:
            try:
                guard.apply({"net.ipv4.tcp_congestion_control": choice})
            except WriteRefusedError:
                assert before == [kernel.read(folder + name) for name in names]
    assert before == [kernel.read(folder + name) for name in names]


def test_scheduler_and_its_queue_come_back_together():
    """
    Every scheduler of a disk, with another nr_requests, then all as found.
    """
    disks = [d for d in sorted(os.listdir("/sys/block")) if not d.startswith(("loop", "zram"))]
    if not disks:
        pytest.skip("no disk here")
    kernel, queue, disk = Kernel(), f"/sys/block/{disks[0]}/queue/", disks[0]
    files = [queue + n for n in ("scheduler", "nr_requests") if os.path.exists(queue + n)]
    before = [kernel.read(path) for path in files]
    choices = Path(files[0]).read_text().replace("[", "").replace("]", "").split()
    with start_guard(knobs=[f"block/{disk}/scheduler"]) as guard:
        for choice in choices:
            made = guard.apply(
                {f"block/{disk}/scheduler": choice, f"block/{disk}/nr_requests": 128}
            )
            assert choice == made[f"block/{disk}/scheduler"]
        report = guard.restore()
    assert ([], []) == (report.foreign, report.failed)
    assert before == [kernel.read(path) for path in files]


@pytest.mark.parametrize(
    ("form", "partner", "value"),
    [("dirty_bytes", "dirty_ratio", 2**30), ("overcommit_kbytes", "overcommit_ratio", 2**24)],
)
def test_a_pair_comes_back_in_the_form_that_was_in_use(tmp_path, form, partner, value):
    """
    Bytes set where a percentage was: the percentage returns, also after the guard was killed.
    """
    path = {name: f"/proc/sys/vm/{name}" for name in (form, partner)}
    limit = Limit(path[form], "int", 1, 2**40, (), 1, 0, (path[partner],), None)
    kernel = Kernel()
    before = {name: kernel.read(file) for name, file in path.items()}
    lock = take_lock(recovery.PLACES, 20)  # a journal of its own, but never beside another guard
    try:
        for killed in (False, True):
            rules = Rules({**LIMITS, f"vm.{form}": limit}, kernel)
            keeper = Keeper(kernel, Journal(str(tmp_path / "journal"), kernel.boot_id()), rules)
            keeper.apply({f"vm.{form}": value})
            assert (str(value), "0") == (kernel.read(path[form]), kernel.read(path[partner]))
            if killed:
                again = Journal(str(tmp_path / "journal"), kernel.boot_id())
                keeper = Keeper(kernel, again, Rules({}, kernel))
            report = keeper.restore()
            assert ([], []) == (report.foreign, report.failed)
            assert before == {name: kernel.read(file) for name, file in path.items()}
    finally:
        os.close(lock)


def test_a_user_without_root_is_told(tmp_path):
    """
    Without root and without sudo neither a guard nor a restore starts.
    """
    source = os.path.dirname(os.path.dirname(os.path.dirname(recovery.__file__)))
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from sealtune.guard import Guard, recovery\n"
        "from sealtune.errors import NotRootError\n"
        "import sealtune.guard.client, json\n"
        "os.environ['PATH'] = '/nonexistent'; os.setuid(65534)\n"
        "for call in (Guard.start, recovery.restore):\n"
        "    try: call()\n"
        "    except NotRootError as error: print('told')\n"
    )
    run = [sys.executable, "-c", program, source]
    assert "told\ntold\n" == subprocess.check_output(run, text=True, cwd=tmp_path)
