"""Root's guard as a unit of systemd, with a systemd-run that only starts what it is told to."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from sealtune.errors import GuardError
from sealtune.guard import Guard, access, recovery, transient
from sealtune.guard.watcher import _state

SWAPPINESS = "/proc/sys/vm/swappiness"
GUARD = """
import os, socket, sys
sys.path.insert(0, {source!r})
from sealtune.catalogue.limits import LIMITS
from sealtune.guard.kernel import Places
from sealtune.guard.server import Server
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[2])
Server(Places(*{places!r}), LIMITS, line.fileno(), line.fileno()).run()
"""
SYSTEMD_RUN = """#!/bin/sh
printf '%s\\n' "$@" > {asked}
while [ "$1" != -- ]; do shift; done
shift
"$@" < /dev/null > /dev/null 2>&1 &
"""


@pytest.fixture
def systemd_run(tmp_path, monkeypatch):
    """Return a function that puts a program in the place of systemd-run."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    run = tempfile.mkdtemp(prefix="r")  # the way to a socket may be 107 bytes long
    monkeypatch.setattr(transient, "RUN", run)
    monkeypatch.setattr(transient, "_START_SECONDS", 5.0)

    def put(text):
        program = folder / "systemd-run"
        program.write_text(text)
        program.chmod(0o755)

    yield put
    shutil.rmtree(run)


@pytest.fixture
def unit(machine, systemd_run, tmp_path):
    """A guard of a machine made of files, as a unit; and what systemd-run was asked for."""
    source = os.path.dirname(os.path.dirname(os.path.dirname(recovery.__file__)))
    program = tmp_path / "guard.py"
    program.write_text(GUARD.format(source=source, places=tuple(machine.places)))
    systemd_run(SYSTEMD_RUN.format(asked=tmp_path / "asked"))
    link = transient.Unit([sys.executable, "-I", "-S", str(program)], machine.places)
    with Guard(link, knobs=["vm.swappiness"]) as guard:
        yield guard, (tmp_path / "asked").read_text().splitlines()


def test_a_session_works_with_a_guard_that_is_no_child_of_it(unit, machine):
    """
    It applies and closes over the socket, knows the guard's own process, and waits for its end.
    """
    guard, _ = unit
    guard.apply({"vm.swappiness": 10})
    assert "10" == machine.value(SWAPPINESS)
    with open(f"/proc/{guard.pid}/cmdline") as file:
        assert "guard.py" in file.read()
    guard.close()
    assert _state(guard.pid) in "XZ"
    assert "60" == machine.value(SWAPPINESS)


def test_whatever_ends_the_unit_its_end_restores(unit, tmp_path):
    """
    It asks systemd to restore afterwards by the same program, and to forget the unit.
    """
    _, asked = unit
    program = tmp_path / "guard.py"
    restore = f"--property=ExecStopPost={sys.executable} -I -S {program} restore"
    assert {"--collect", restore, "--property=OOMScoreAdjust=-1000"} <= {*asked}
    assert any(one.startswith(f"--unit=sealtune-guard-{os.getpid()}-") for one in asked)


def test_a_killed_unit_is_noticed_at_once_and_undone(unit, machine):
    """
    The session puts the value back in its place, within 2 s.
    """
    guard, _ = unit
    guard.apply({"vm.swappiness": 10})
    os.kill(guard.pid, signal.SIGKILL)
    deadline = time.monotonic() + 2.0
    while machine.value(SWAPPINESS) != "60" and time.monotonic() < deadline:
        time.sleep(0.005)
    assert "60" == machine.value(SWAPPINESS)
    with pytest.raises(GuardError, match=r"this one put back: vm\.swappiness"):
        guard.values()


def test_a_unit_that_hangs_is_killed(unit):
    """
    Breaking off ends a guard that is frozen, as root may.
    """
    guard, _ = unit
    os.kill(guard.pid, signal.SIGSTOP)
    guard._link.break_off()
    assert b"" == guard._link.receive(1)


def test_nothing_is_left_of_the_meeting(unit):
    """
    The socket was for the guard alone: once it has come, there is none.
    """
    assert not list(Path(transient.RUN).glob("sealtune-guard-*"))


@pytest.mark.parametrize(
    ("program", "reason"),
    [("exit 1", "failed: no bus"), ("exit 0", "timed out"), ("exec sleep 9", "did not answer")],
)
def test_without_an_answering_systemd_the_guard_is_a_child(
    systemd_run, monkeypatch, program, reason
):
    """
    systemd-run refuses, starts nothing, or hangs: root gets a guard all the same, and no rest.
    """
    systemd_run(f"#!/bin/sh\necho no bus >&2\n{program}\n")
    monkeypatch.setattr(transient, "_START_SECONDS", 0.2)
    monkeypatch.setattr(transient, "obstacle", lambda: "")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(access, "Process", lambda command: ("child", *command))
    command = access.guard_command()
    assert ("child", *command) == access.connect()
    with pytest.raises((GuardError, OSError), match=reason):
        transient.Unit(command)
    assert not list(Path(transient.RUN).glob("sealtune-guard-*"))


def test_doctor_tells_why_systemd_does_not_hold_the_guard(systemd_run, monkeypatch, tmp_path):
    """
    Another first process, no systemd-run or one that fails, other namespaces, a path with a space.
    """
    monkeypatch.setattr(transient, "BOOTED", str(tmp_path / "booted"))
    assert "systemd is not the first process" == transient.attempt()
    (tmp_path / "booted").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "systemd-run is not installed" == transient.attempt()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    systemd_run("#!/bin/sh\necho no bus >&2\nexit 1\n")
    monkeypatch.setattr(transient, "_is_at_home", lambda: False)
    assert "this process has namespaces of its own" == transient.attempt()
    monkeypatch.setattr(transient, "_is_at_home", lambda: True)
    assert "systemd-run failed: no bus" == transient.attempt()
    systemd_run("#!/bin/sh\nexit 0\n")
    assert "" == transient.attempt()
    monkeypatch.setattr("sys.executable", "/opt/a b/python")
    assert "sealtune's own path would have to be quoted in a unit" == transient.attempt()


def test_doctor_asks_for_what_a_session_asks_for(systemd_run, unit, monkeypatch, tmp_path):
    """
    The same properties and interpreter, for a systemd may refuse them; and nothing is restored.
    """
    _, of_session = unit
    monkeypatch.setattr(transient, "obstacle", lambda: "")
    systemd_run(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {tmp_path}/asked\n")
    assert "" == transient.attempt()
    asked = (tmp_path / "asked").read_text().splitlines()
    begin, nothing = asked.index("--"), [sys.executable, "-I", "-S", "-c", "0"]
    assert nothing == asked[begin + 1 :]
    assert f"--property=ExecStopPost={' '.join(nothing)}" in asked
    kept = {one for one in of_session if one.startswith("--property=") and "StopPost" not in one}
    assert {*transient.PROPERTIES} == {one.removeprefix("--property=") for one in kept}
    assert kept < {*asked}


@pytest.mark.parametrize("module", [os, signal])
def test_a_python_that_cannot_hold_a_process_has_its_guard_as_a_child(monkeypatch, module):
    """
    Builds for old C libraries lack pidfd_open or its signal: no traceback, and doctor says why.
    """
    name = "pidfd_open" if module is os else "pidfd_send_signal"
    monkeypatch.delattr(module, name, raising=False)
    _is_a_child_for_want_of_pidfds(monkeypatch)


def test_a_kernel_that_cannot_hold_a_process_has_its_guard_as_a_child(monkeypatch):
    """
    Before Linux 5.3, or where a filter of system calls refuses it.
    """

    def refuse(_pid):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)
    _is_a_child_for_want_of_pidfds(monkeypatch)


def _is_a_child_for_want_of_pidfds(monkeypatch):
    monkeypatch.setattr(transient, "BOOTED", "/")
    monkeypatch.setattr("shutil.which", lambda _name: "/usr/bin/systemd-run")
    monkeypatch.setattr(transient, "_is_at_home", lambda: True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(access, "Process", lambda command: ("child", *command))
    assert "child" == access.connect()[0]
    assert "cannot hold a process (no pidfd_open)" in transient.attempt()


def test_what_a_killed_session_left_is_removed_by_the_next(systemd_run, monkeypatch):
    """
    Its socket goes; those of living sessions, other users and modes, and links are left alone.
    """
    run = Path(transient.RUN)
    child = subprocess.Popen(["true"])
    child.wait()
    dead, alive = f"sealtune-guard-{child.pid}-abcd_123", f"sealtune-guard-{os.getpid()}-abcd_123"
    opened, link = f"sealtune-guard-{child.pid}-opened12", f"sealtune-guard-{child.pid}-linked12"
    other = f"sealtune-guard-{child.pid}"
    for name in (dead, alive, opened, other):
        (run / name).mkdir(mode=0o700)
        (run / name / "socket").touch()
    (run / opened).chmod(0o755)
    (run / link).symlink_to(run / alive)
    systemd_run("#!/bin/sh\nexit 1\n")
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 4711)
        with pytest.raises(GuardError):
            transient.Unit([sys.executable])
    assert (run / dead / "socket").exists()
    with pytest.raises(GuardError):
        transient.Unit([sys.executable])
    left = {path.name for path in run.glob("sealtune-guard-*")}
    assert {alive, opened, link, other} == left
    assert (run / alive / "socket").exists()


def test_the_place_of_meeting_names_its_session(unit, tmp_path):
    """
    By that the next session knows whether it still lives.
    """
    _, asked = unit
    folder = os.path.basename(os.path.dirname(asked[-1]))
    assert transient.MEETING.fullmatch(folder)
    assert folder.startswith(f"sealtune-guard-{os.getpid()}-")


@pytest.mark.parametrize("is_there", [True, False])
def test_a_guard_that_comes_too_late_says_so_and_ends(tmp_path, is_there):
    """
    The session died between asking and meeting: one line, no guard, and its socket is gone.
    """
    path = tmp_path / "meeting/socket"
    if is_there:
        path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    command = [sys.executable, "-I", "-S", access.PROGRAM, "meet", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 1
    reason = "Connection refused" if is_there else "No such file or directory"
    assert f"error: the session that this guard is for has ended: {reason}\n" == done.stderr
    assert not path.parent.exists()
