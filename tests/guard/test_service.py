"""The guard as a service, over a real socket, on a machine made of files."""

import grp
import json
import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from sealtune.errors import BusyError, GuardError, NotRootError
from sealtune.guard import Guard, link, recovery, service

SWAPPINESS = "/proc/sys/vm/swappiness"
PROGRAM = """
import os, sys
sys.path.insert(0, {source!r})
from sealtune.catalogue.limits import LIMITS
from sealtune.guard import recovery
from sealtune.guard.kernel import Places
from sealtune.guard.server import Server
from sealtune.guard.service import Service, listen
places = Places(*{places!r})
def guard(session):
    Server(places, LIMITS, session, session, silence_seconds=2.0, may_keep=False).run()
listener = listen({path!r}, {group!r})
print(os.getpid(), flush=True)
Service(listener, guard, lambda: recovery.restore(places=places), group={group!r}).run()
"""


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "run/socket")


@pytest.fixture
def serving(machine, path):
    """The service's process, on the fake machine."""
    source = os.path.dirname(os.path.dirname(os.path.dirname(recovery.__file__)))
    group = grp.getgrgid(os.getgid()).gr_name
    program = PROGRAM.format(source=source, places=tuple(machine.places), path=path, group=group)
    command = [sys.executable, "-I", "-S", "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline()
        yield process
        process.terminate()
        try:
            process.wait(5.0)
        finally:
            process.kill()


def _child_of(process):
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
        return int(file.read().split()[0])


def _until(condition, seconds=2.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


def _is_back(machine):
    return _until(lambda: machine.value(SWAPPINESS) == "60")


def test_a_session_is_served_over_the_socket(machine, serving, path):
    """
    The same protocol as over pipes: originals, values made, everything back at the end.
    """
    with Guard(link.Service(path), knobs=["vm.swappiness"]) as guard:
        assert {"vm.swappiness": "60"} == guard.originals
        assert {"vm.swappiness": "10"} == guard.apply({"vm.swappiness": 10})
        assert serving.pid == guard.pid
    assert "60" == machine.value(SWAPPINESS)


def test_the_socket_is_closed_to_others_than_the_group(serving, path):
    """
    Its directory and itself belong to the group, and others have no right to either.
    """
    directory, itself = os.stat(os.path.dirname(path)), os.stat(path)
    assert 0o750 == stat.S_IMODE(directory.st_mode)
    assert 0o660 == stat.S_IMODE(itself.st_mode)
    assert os.getgid() == directory.st_gid == itself.st_gid


def test_a_second_session_is_told_that_the_machine_is_busy(serving, path):
    """
    One machine has one guard; the second session ends cleanly and the first goes on.
    """
    with Guard(link.Service(path), knobs=["vm.swappiness"]) as guard:
        with pytest.raises(BusyError):
            Guard(link.Service(path), knobs=["vm.swappiness"])
        assert {"vm.swappiness": "10"} == guard.apply({"vm.swappiness": 10})


def test_a_lent_guard_keeps_nothing_for_good(machine, serving, path):
    """
    Who is not root cannot leave a value in force.
    """
    with Guard(link.Service(path), knobs=["vm.swappiness"]) as guard:
        guard.apply({"vm.swappiness": 10})
        with pytest.raises(NotRootError, match="only root keeps"):
            guard.commit()
    assert "60" == machine.value(SWAPPINESS)


def test_a_session_that_hangs_up_is_undone(machine, serving, path):
    """
    A closed socket restores within 2 s, also with answers in it that nobody has read.
    """
    guard = Guard(link.Service(path), knobs=["vm.swappiness"])
    guard.apply({"vm.swappiness": 10})
    guard._send(b'{"do": "values", "id": 0}\n' * 3)
    guard._closed.set()
    guard._link.end()
    assert _is_back(machine)
    assert _until(lambda: not os.path.exists(f"/proc/{guard.pid}") or _is_idle(serving))


def _is_idle(process):
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
        return not file.read().split()


def test_a_session_that_asks_and_never_listens_is_undone(machine, serving, path):
    """
    Answers that nobody reads fill the socket; the guard gives up on them and restores.
    """
    line = link.Service(path)
    line.send(b'{"do": "start", "id": 1, "knobs": null}\n')
    line.send(b'{"do": "apply", "id": 2, "setting": {"vm.swappiness": 10}}\n')
    assert _until(lambda: machine.value(SWAPPINESS) == "10")
    with suppress(OSError):  # no room for more, or a guard that has given up already
        for _ in range(2000):
            line._socket.send(b'{"do": "values", "id": 3}\n', socket.MSG_DONTWAIT)
    assert _until(lambda: machine.value(SWAPPINESS) == "60", 5.0)
    line.end()


def test_a_killed_guard_is_undone_and_the_session_told(machine, serving, path):
    """
    The service restores for its dead child, the session learns what was put back or that all is.
    """
    guard = Guard(link.Service(path), knobs=["vm.swappiness"])
    guard.apply({"vm.swappiness": 10})
    os.kill(_child_of(serving), signal.SIGKILL)
    assert _is_back(machine)
    with pytest.raises(GuardError, match="has ended"):
        guard.values()
    with Guard(link.Service(path), knobs=["vm.swappiness"]) as another:
        assert {"vm.swappiness": "60"} == another.originals


def test_a_killed_guard_is_undone_without_its_session(machine, serving, path):
    """
    The service restores by itself, also for a session that asks for nothing any more.
    """
    line = link.Service(path)
    line.send(b'{"do": "start", "id": 1, "knobs": null}\n')
    line.send(b'{"do": "apply", "id": 2, "setting": {"vm.swappiness": 10}}\n')
    assert _until(lambda: machine.value(SWAPPINESS) == "10")
    os.kill(_child_of(serving), signal.SIGKILL)
    assert _is_back(machine)
    line.end()


def test_ending_the_service_ends_its_sessions(machine, serving, path):
    """
    On SIGTERM every guard restores before the service is gone.
    """
    guard = Guard(link.Service(path), knobs=["vm.swappiness"])
    guard.apply({"vm.swappiness": 10})
    serving.terminate()
    assert 0 == serving.wait(3.0)
    assert "60" == machine.value(SWAPPINESS)
    guard._closed.set()
    guard._link.end()


def test_a_session_outlives_a_service_that_is_killed(machine, serving, path):
    """
    Killing the service changes nothing for the session at work; its end is still undone.
    """
    guard = Guard(link.Service(path), knobs=["vm.swappiness"])
    serving.kill()
    serving.wait()
    assert {"vm.swappiness": "10"} == guard.apply({"vm.swappiness": 10})
    guard.close()
    assert "60" == machine.value(SWAPPINESS)


def test_only_so_many_may_wait(serving, path):
    """
    Connections beyond the limit are refused with a reason, and those before are not disturbed.
    """
    lines = [link.Service(path) for _ in range(service.MOST_GUARDS)]
    for line in lines:
        line.send(b"\n")
    with pytest.raises(GuardError, match="too many sessions"):
        Guard(link.Service(path))
    for line in lines:
        line.end()


def test_a_member_is_known_by_any_of_its_groups(monkeypatch):
    """
    Root and members may tune, whether the group is their first or a further one; nobody else.
    """
    nobody = pwd.getpwnam("nobody")
    own = grp.getgrgid(nobody.pw_gid).gr_name
    root = grp.getgrgid(0).gr_name
    assert service.may_tune(0, "no such group")
    assert service.may_tune(nobody.pw_uid, own)
    assert not service.may_tune(nobody.pw_uid, root)
    assert not service.may_tune(nobody.pw_uid, "no such group")
    assert not service.may_tune(987654321, own)
    monkeypatch.setattr(os, "getgrouplist", lambda name, gid: [gid, 0])
    assert service.may_tune(nobody.pw_uid, root)


def test_who_is_no_member_is_refused_by_the_kernels_word(monkeypatch, machine):
    """
    A connection of somebody else is answered with an error and closed; no guard is forked.
    """
    monkeypatch.setattr(service, "may_tune", lambda uid, group: False)
    ours, theirs = socket.socketpair()
    forked = []
    serving = service.Service(ours, forked.append, lambda: None, group="sealtune")
    monkeypatch.setattr(serving, "_fork", forked.append)
    monkeypatch.setattr(serving, "_listener", _Accepting(ours))
    serving._accept()
    answer = json.loads(theirs.recv(4096))
    assert ("NotRootError", None) == (answer["error"], answer["id"])
    assert b"" == theirs.recv(1)
    assert [] == forked


class _Accepting:
    def __init__(self, connection):
        self._connection = connection

    def accept(self):
        return self._connection, ""
