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
import threading
import time
from contextlib import suppress

import pytest

from sealtune.catalogue.limits import LIMITS
from sealtune.errors import BusyError, GuardError, NotRootError
from sealtune.guard import Guard, link, recovery, server, service

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


def test_only_so_many_of_one_user_may_wait(machine, serving, path):
    """
    A user's connections beyond the limit are refused with a reason, those before are not
    disturbed, and the place of one that ends is free again.
    """
    with Guard(link.Service(path), knobs=["vm.swappiness"]) as guard:
        lines = [link.Service(path) for _ in range(service.MOST_EACH - 1)]
        with pytest.raises(BusyError, match="3 sessions of yours"):
            Guard(link.Service(path))
        assert {"vm.swappiness": "10"} == guard.apply({"vm.swappiness": 10})
        assert all("has not been started" in _said(line) for line in lines)
        lines.pop().end()
        assert _until(lambda: "has not been started" in _said(link.Service(path)))
        for line in lines:
            line.end()
    assert "60" == machine.value(SWAPPINESS)


def _said(line):
    with suppress(OSError):  # refused, and closed already
        line.send(b'{"do": "values", "id": 1}\n')
    return line.receive(4096).decode()


def test_one_user_leaves_places_for_others(monkeypatch):
    """
    Whoever asks without end has three places of eight; when all are taken, nobody gets another.
    """
    forked = []
    for user in (1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3):
        said = _asked(monkeypatch, user, forked)
        assert said == (
            "too many sessions ask for a guard at once" if len(forked) == 8
            else "3 sessions of yours ask for a guard" if forked.count(user) == 3 else ""
        ), forked  # fmt: skip
        forked += [] if said else [user]
    assert [1, 1, 1, 2, 2, 2, 3, 3] == forked


def _asked(monkeypatch, user, guards):
    """What a service with guards of these users answers another connection of `user`."""
    monkeypatch.setattr(service, "may_tune", lambda user, group: True)
    monkeypatch.setattr(service, "peer_of", lambda connection: (1, user, user))
    ours, theirs = socket.socketpair()
    serving = service.Service(ours, lambda session: None, lambda: None)
    serving._guards = dict(enumerate(guards))
    monkeypatch.setattr(serving, "_fork", lambda connection, user: None)
    monkeypatch.setattr(serving, "_listener", _Accepting(ours))
    serving._accept()
    with theirs:
        answer = theirs.recv(4096)
    return json.loads(answer)["message"] if answer else ""


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


def test_a_guard_that_is_never_started_ends(machine, monkeypatch):
    """
    A session that beats and asks without ever starting loses its guard when its time is over, and
    one that has started keeps it.
    """
    monkeypatch.setattr(server, "START_SECONDS", 0.2)
    began = time.monotonic()
    assert not _serve(machine, b"\n" + b'{"do": "values", "id": 1}\n')
    assert time.monotonic() - began < 2.0
    assert _serve(machine, b'{"do": "start", "id": 1, "knobs": []}\n')


def _serve(machine, asked):
    """Whether a guard still serves after half a second of hearing `asked` again and again."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        guard = server.Server(machine.places, LIMITS, theirs.fileno(), theirs.fileno())
        thread = threading.Thread(target=guard.run)
        thread.start()
        deadline = time.monotonic() + 0.5
        while thread.is_alive() and time.monotonic() < deadline:
            ours.send(asked)
            ours.recv(1 << 16)
            thread.join(0.05)
        serves = thread.is_alive()
        ours.shutdown(socket.SHUT_RDWR)
        thread.join(3.0)
    return serves
