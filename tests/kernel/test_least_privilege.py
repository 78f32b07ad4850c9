"""Sessions of ordinary users on this kernel: through sudo, and through the service.

Makes two users and installs what `sealtune doctor --privileges` prints; removes all of it again.
"""

import grp
import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from contextlib import suppress
from pathlib import Path

import pytest

import sealtune
from sealtune.guard.kernel import Kernel
from sealtune.guard.link import SERVICE_SOCKET

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes users: needs root"),
    pytest.mark.skipif(
        not os.access("/proc/sys/vm/swappiness", os.W_OK), reason="/proc/sys is read-only here"
    ),
]
PYTHON = f"/usr/bin/python3.{sys.version_info[1]}"
SUDOERS = Path("/etc/sudoers.d/sealtune-test")
SWAPPINESS = "/proc/sys/vm/swappiness"
SESSION = """
import sys, time
from sealtune.guard import Guard
from sealtune.errors import SealtuneError
def tell(outcome):
    print("died", [name for name, _, _ in getattr(outcome, "restored", [])], outcome, flush=True)
try:
    guard = Guard.start(knobs=["vm.swappiness"], on_guard_death=tell)
    guard.apply({"vm.swappiness": int(sys.argv[1])})
    print("applied", guard.pid, flush=True)
    for line in sys.stdin:
        if line == "commit\\n":
            guard.commit()
        if line == "close\\n":
            guard.close()
            print("closed", flush=True)
except SealtuneError as error:
    print(type(error).__name__, error, "FIX", error.fix, flush=True)
"""


def _run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


class Person:
    """A user of this machine, and how to run something as him."""

    def __init__(self, name, place):
        self.entry, self._place = pwd.getpwnam(name), place

    def start(self, *arguments):
        """Start python with `arguments` as this user."""
        path = f"{self._place}:{sysconfig.get_paths()['purelib']}"
        name, home = self.entry.pw_name, self.entry.pw_dir
        return subprocess.Popen(
            [PYTHON, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            cwd="/",
            user=self.entry.pw_uid,
            group=self.entry.pw_gid,
            extra_groups=os.getgrouplist(name, self.entry.pw_gid),
            env={"PYTHONPATH": path, "HOME": home, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )

    def remove(self):
        """Remove the user, of whose sessions nothing may be left."""
        alive = _until(lambda: not self._processes(), 10.0) or self._processes()
        subprocess.run(
            ["userdel", "-f", "-r", self.entry.pw_name], capture_output=True, check=False
        )
        assert alive is True, alive

    def _processes(self):
        done = subprocess.run(
            ["ps", "-U", str(self.entry.pw_uid), "-o", "args="],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout


@pytest.fixture(scope="module")
def place():
    """A copy of this package that every user can read and only root can write."""
    if not os.path.exists(PYTHON):
        pytest.skip(f"{PYTHON} is not installed, and users cannot read the one in use")
    place = Path(f"/opt/sealtune-test-{os.getpid()}")
    package = Path(sealtune.__file__).parent
    shutil.copytree(package, place / "sealtune", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["chown", "-R", "root:root", place], check=True)
    subprocess.run(["chmod", "-R", "u=rwX,go=rX", place], check=True)
    yield place
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def member(place):
    """A user in the group; the group goes with him if it was not there before."""
    had_group = any(one.gr_name == "sealtune" for one in grp.getgrall())
    if not had_group:
        _run("groupadd", "--system", "sealtune")
    try:
        _run("useradd", "-r", "-m", "-G", "sealtune", "sealtune-member")
        person = Person("sealtune-member", place)
        yield person
        person.remove()
    finally:
        if not had_group:
            _run("groupdel", "sealtune")


@pytest.fixture(scope="module")
def stranger(place):
    """A user who is not in the group."""
    _run("useradd", "-r", "-m", "sealtune-stranger")
    person = Person("sealtune-stranger", place)
    yield person
    person.remove()


@pytest.fixture
def printed(place):
    """What doctor prints to be pasted, for the copy."""
    path = f"{place}:{sysconfig.get_paths()['purelib']}"
    command = [PYTHON, "-m", "sealtune", "doctor", "--privileges"]
    return _run(*command, env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin"}, cwd="/")


@pytest.fixture
def sudo(printed, member):
    """The sudoers file in place."""
    if shutil.which("sudo") is None:
        pytest.skip("sudo is not installed")
    text = printed.split("/etc/sudoers.d/sealtune <<'END'\n")[1].split("END")[0]
    SUDOERS.write_text(text)
    SUDOERS.chmod(0o440)
    _run("visudo", "-c", "-f", str(SUDOERS))
    yield text
    SUDOERS.unlink()


@pytest.fixture
def service(place, member):
    """The service at work, as its unit would start it."""
    if os.path.exists(SERVICE_SOCKET):
        pytest.skip("the service of this machine is at work")
    program = str(place / "sealtune/guard/__main__.py")
    with subprocess.Popen([PYTHON, "-I", "-S", program, "serve"]) as process:
        assert _until(lambda: os.path.exists(SERVICE_SOCKET))
        yield process
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5.0)
        process.kill()
    Path(SERVICE_SOCKET).unlink(missing_ok=True)
    Path(SERVICE_SOCKET).parent.rmdir()


@pytest.fixture
def swappiness():
    """Value of vm.swappiness, put back after the test whatever happens."""
    value = Kernel().read(SWAPPINESS)
    yield value
    Kernel().write(SWAPPINESS, value)


@pytest.fixture
def other(swappiness):
    """Another value for vm.swappiness."""
    return "30" if swappiness != "30" else "40"


def _until(condition, seconds=2.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.005)
    return False


def _reads(value):
    return lambda: Kernel().read(SWAPPINESS) == value


def _session(person, value):
    process = person.start("-c", SESSION, value)
    said = process.stdout.readline()
    assert said.startswith("applied"), said
    assert Kernel().read(SWAPPINESS) == value
    return process, int(said.split()[1])


def _children(pid):
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _guard_below(pid):
    """Return the guard's own process among those below `pid`, which may be its sudo."""
    line = Path(f"/proc/{pid}/cmdline").read_bytes()
    return _guard_below(_children(pid)[0]) if line.startswith(b"sudo") else pid


def _end(process):
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        pipe.close()


def test_a_member_tunes_through_sudo_and_a_killed_session_is_undone(
    sudo, member, swappiness, other
):
    """
    With the printed lines a member's session changes the kernel; kill -9, and it is back in 2 s.
    """
    process, _ = _session(member, other)
    _end(process)
    assert _until(_reads(swappiness))


def test_a_guard_killed_below_sudo_is_undone(sudo, member, swappiness, other):
    """
    The session that is not root has the machine restored all the same, and is told so.
    """
    process, pid = _session(member, other)
    os.kill(_guard_below(pid), signal.SIGKILL)
    assert _until(_reads(swappiness))
    assert process.stdout.readline().startswith("died")  # the watcher may have come first
    _end(process)


@pytest.mark.parametrize("way", ["sudo", "service"])
def test_what_is_lent_cannot_be_kept(request, way, member, swappiness, other):
    """
    A member cannot leave a value in force: that takes root.
    """
    request.getfixturevalue(way)
    process, _ = _session(member, other)
    process.stdin.write("commit\n")
    assert process.stdout.readline().startswith("NotRootError this guard is lent")
    _end(process)
    assert _until(_reads(swappiness))


def test_the_lines_let_nothing_else_be_run(sudo, member, place):
    """
    Other arguments, other programs and other settings of the interpreter are not allowed.
    """
    program = place / "sealtune/guard/__main__.py"
    for line in (
        [PYTHON, "-I", "-S", program, "serve"],
        [PYTHON, "-I", "-S", program],
        [PYTHON, "-I", "-S", program, "lend", "x"],
        [PYTHON, "-S", program, "lend"],
        [PYTHON, "-c", "print('free')"],
        ["PYTHONPATH=/tmp", PYTHON, "-I", "-S", program, "lend"],
        ["/bin/true"],
    ):
        ask = "import subprocess, sys; sys.exit(subprocess.call(['sudo', '-n', *sys.argv[1:]]))"
        process = member.start("-c", ask, *map(str, line))
        said, _ = process.communicate(timeout=10)
        assert process.returncode != 0, line
        assert "password is required" in said or "not allowed" in said, said


@pytest.mark.parametrize("way", ["sudo", "service"])
def test_a_stranger_is_refused_and_told_both_ways(request, way, stranger, swappiness):
    """
    Who is not in the group gets an error that names the reason and the way out.
    """
    request.getfixturevalue(way)
    process = stranger.start("-c", SESSION, "30")
    said, _ = process.communicate(timeout=10)
    assert said.startswith("NotRootError"), said
    assert "doctor --privileges" in said
    assert Kernel().read(SWAPPINESS) == swappiness


def test_restoring_as_a_user_says_what_to_do(member):
    """
    `sealtune restore` is root's: anybody else is told, without a traceback.
    """
    process = member.start("-m", "sealtune", "restore")
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 21, said
    assert "fix:" in said


def test_a_member_tunes_through_the_service(service, member, swappiness, other):
    """
    Without sudo: parameters change, come back at the end, and 2 s after kill -9.
    """
    process, pid = _session(member, other)
    assert pid == service.pid
    process.stdin.write("close\n")
    assert process.stdout.readline() == "closed\n"
    assert Kernel().read(SWAPPINESS) == swappiness
    _end(process)
    process, _ = _session(member, other)
    _end(process)
    assert _until(_reads(swappiness))


def test_killing_the_services_guards_is_undone(service, member, swappiness, other):
    """
    A guard of the service and its watcher killed at once: the service restores.
    """
    process, _ = _session(member, other)
    guard = _children(service.pid)[0]
    for pid in (*_children(guard), guard):
        os.kill(pid, signal.SIGKILL)
    assert _until(_reads(swappiness))
    assert process.stdout.readline().startswith("died")
    _end(process)
    process, _ = _session(member, other)
    _end(process)
    assert _until(_reads(swappiness))


def test_killing_the_service_itself_is_survived(service, member, swappiness, other):
    """
    The session at work goes on to its end, which restores.
    """
    process, _ = _session(member, other)
    service.kill()
    service.wait()
    process.stdin.write("close\n")
    assert process.stdout.readline() == "closed\n"
    assert Kernel().read(SWAPPINESS) == swappiness
    _end(process)


def test_a_whole_session_of_a_member_is_undone_when_killed(sudo, member):
    """
    A real `sealtune optimize` as an ordinary user changes parameters; kill -9, back in 2 s.
    """
    before = {name: Kernel().read(path) for name, path in KNOBS.items()}
    process = member.start(
        "-m", "sealtune", "optimize", "a write-heavy database on this disk", "--benchmark",
        "sqlite", "--trials", "4", "--run-seconds", "1", "--tactician", "random", "--seed", "1",
        "--yes", "--no-apply", "--only", ",".join(KNOBS), "--no-memory",
    )  # fmt: skip
    try:
        changed = _until(lambda: _differs(before) or process.poll() is not None, 30.0)
        assert process.poll() is None, process.stdout.read()
        assert changed
    finally:
        _end(process)
    assert _until(lambda: not _differs(before))
    assert Path(member.entry.pw_dir, ".local/state/sealtune/sessions.db").exists()


KNOBS = {
    "vm.swappiness": SWAPPINESS,
    "vm.dirty_ratio": "/proc/sys/vm/dirty_ratio",
    "vm.dirty_expire_centisecs": "/proc/sys/vm/dirty_expire_centisecs",
}


def _differs(before):
    return any(Kernel().read(KNOBS[name]) != value for name, value in before.items())
