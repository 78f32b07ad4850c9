"""The session's own socket: who may talk to it, what it understands, and what it leaves behind."""

import json
import os
import socket
import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sealtune import control
from sealtune.errors import BusyError, InputError
from sealtune.session import tune
from sealtune.store import SqliteStore

SESSION = "20261122-1200-a7"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


def listening(path, doing="running", **actions):
    return control.listening(path, SESSION, doing, actions, real=False)


def test_a_command_reaches_the_session_and_the_answer_comes_back(path):
    """
    The session says what it is doing and runs the one action that was asked for.
    """
    with listening(path, stop=lambda: {"says": "it stops"}) as there:
        assert there
        assert control.is_there(path, SESSION)
        assert control.status(path, SESSION) == "running"
        assert control.ask(path, SESSION, "stop")["says"] == "it stops"


def test_nothing_is_left_when_it_is_over(path):
    """
    Afterwards there is no thread, no socket and no directory, and asking says so.
    """

    def listeners():
        return [thread for thread in threading.enumerate() if thread.name == "control"]

    with listening(path):
        assert len(listeners()) == 1
    assert listeners() == []
    assert list(path.parent.iterdir()) == []
    assert not control.is_there(path, SESSION)
    assert control.status(path, SESSION) is None
    with pytest.raises(InputError, match="listens nowhere"):
        control.ask(path, SESSION, "stop")


def test_only_its_owner_can_reach_it(path):
    """
    The socket has mode 0600 and lies in a directory of mode 0700.
    """
    with listening(path):
        socket = control.places(path, SESSION)[1]
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_a_directory_that_others_may_enter_is_not_used(path, mode):
    """
    A directory that somebody else prepared gets no socket; the session runs without.
    """
    directory = control.places(path, SESSION)[1].parent
    directory.mkdir()
    directory.chmod(mode)
    with listening(path) as there:
        assert not there
    assert directory.exists()


def test_a_link_is_not_followed(path, tmp_path):
    """
    A link in the place of the directory is no directory of ours.
    """
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    control.places(path, SESSION)[1].parent.symlink_to(tmp_path / "elsewhere")
    with listening(path) as there:
        assert not there
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_another_user_is_refused_by_both_ends(path, monkeypatch):
    """
    Whoever is neither this user nor root is told no, although the socket let them in.
    """
    stopped = []
    monkeypatch.setattr(control, "peer_of", lambda _connection: os.geteuid() + 12345)
    monkeypatch.setattr(control, "_is_root", lambda: False)
    with (
        listening(path, stop=lambda: stopped.append(1) or {}),
        pytest.raises(InputError, match="another user"),
    ):
        control.ask(path, SESSION, "stop")
    answer = control._answer(None, {"stop": lambda: stopped.append(1) or {}}, {})
    assert "only" in answer["error"]
    assert stopped == []


def test_root_and_the_same_user_are_trusted():
    """
    Nobody else is.
    """
    assert control.trusted(0)
    assert control.trusted(os.geteuid())
    assert not control.trusted(os.geteuid() + 1)


def test_the_kernel_says_who_is_there(path):
    """
    The user id comes from the kernel, not from what the other end claims.
    """
    with listening(path), control._connected(path, SESSION) as connection:
        assert control.peer_of(connection) == os.geteuid()
        connection.sendall(b'{"do": "status", "session": "%s"}\n' % SESSION.encode())
        assert json.loads(connection.recv(4096))["session"] == SESSION


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"[]\n",
        b"{}\n",
        b"stop\n",
        b'{"do": "stop"}\n',
        b'{"do": ["stop"], "session": "%s"}\n' % SESSION.encode(),
        b"[" * 4000 + b"\n",
        b"x" * 9000 + b"\n",
        b"{",
    ],
)
def test_what_is_no_command_does_nothing(path, line):
    """
    Rubbish is answered with an error, and the next one is heard all the same.
    """
    stopped = []
    with listening(path, stop=lambda: stopped.append(1) or {}):
        with control._connected(path, SESSION) as connection:
            connection.sendall(line)
            connection.shutdown(control.socket.SHUT_WR)
            try:
                answer = connection.recv(4096)
            except ConnectionResetError:  # it hung up on what it did not want to read
                answer = b'{"error": ""}'
        assert "error" in json.loads(answer)
        assert control.status(path, SESSION) == "running"
    assert stopped == []


def test_what_cannot_be_done_now_is_said(path):
    """
    Keeping is refused while it runs, with what is allowed; so is the name of another session.
    """
    with listening(path, stop=dict):
        with pytest.raises(BusyError, match="running and cannot apply") as refused:
            control.ask(path, SESSION, "apply")
        assert "stop" in refused.value.fix
        other = SESSION[:-1] + "8"
        os.rename(*(control.places(path, one)[1] for one in (SESSION, other)))
        with pytest.raises(BusyError, match="this is session"):
            control.ask(path, other, "stop")
        os.rename(*(control.places(path, one)[1] for one in (other, SESSION)))


def test_an_error_of_ours_is_the_answer(path):
    """
    What goes wrong in the session reaches who asked, with what to do now.
    """

    def fail():
        raise InputError("no room", fix="Free space.")

    with listening(path, stop=fail), pytest.raises(BusyError, match="no room") as told:
        control.ask(path, SESSION, "stop")
    assert told.value.fix == "Free space."


def test_a_long_path_is_no_obstacle(tmp_path):
    """
    A socket's name may have 107 bytes; that of the store may be longer.
    """
    deep = tmp_path.joinpath(*["d" * 60] * 4)
    deep.mkdir(parents=True)
    with listening(deep / "sessions.db"):
        assert control.status(deep / "sessions.db", SESSION) == "running"


def test_a_killed_session_s_socket_is_replaced(path):
    """
    What a killed process left behind does not keep its resumed session from listening.
    """
    left = control.places(path, SESSION)[1]
    left.parent.mkdir(mode=0o700)
    left.touch()
    with listening(path) as there:
        assert there
        assert control.status(path, SESSION) == "running"


def test_sockets_of_killed_sessions_are_removed_and_those_of_live_ones_are_not(path, monkeypatch):
    """
    A session that begins clears away what killed ones left behind, and nothing else.
    """
    other = "20261122-1201-bb"
    with control.listening(path, other, "running", {}, real=False):
        directory = control.places(path, other)[1].parent
        dead = socket.socket(socket.AF_UNIX)
        monkeypatch.chdir(directory)  # the whole path may be too long for an address
        dead.bind("20261122-1100-cc.sock")
        dead.close()
        with listening(path):
            left = {one.name for one in directory.iterdir()}
            assert control.status(path, other) == "running"
    assert left == {f"{other}.sock", f"{SESSION}.sock"}


def test_only_the_main_thread_takes_commands(tmp_path):
    """
    A session in another thread of a program has no socket: it could not be interrupted.
    """
    from tests.web.client import request

    from sealtune.planning import make_plan
    from sealtune.report.events import RunFinished

    there = []

    def run():
        with SqliteStore(tmp_path / "x.db") as store:

            def notify(event):
                if isinstance(event, RunFinished):
                    there.append(control.is_there(store.path, store.session().id))
                    raise KeyboardInterrupt

            return tune(make_plan(request()), store, notify)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run).result().verdict == "interrupted"
    assert there == [False]
