"""What confines a benchmark: told in one line, and held for an ordinary user too."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.contracts.adapter import heirs_of

from sealtune import landlock
from sealtune.benchmarks import cgroup, create_adapter, parse_command
from sealtune.benchmarks.base import BenchmarkSpec
from sealtune.benchmarks.confinement import Room, describe, orders
from sealtune.benchmarks.disk_watch import Disk
from sealtune.benchmarks.namespaces import kept_visible
from sealtune.benchmarks.tool import ToolAdapter
from sealtune.benchmarks.workplace import Workplace, choose_account, delete
from sealtune.errors import BenchmarkFailedError, ConfigError

MOUNTS = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
HYBRID = (
    "29 23 0:25 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
    "30 29 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
    "31 29 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)
Confined = Callable[[str], dict[str, object]]


@pytest.mark.parametrize(
    ("mounts", "membership", "expected"),
    [
        (MOUNTS, "0::/user.slice/mine\n", "/sys/fs/cgroup/user.slice/mine"),
        (HYBRID, "1:cpu:/\n0::/\n", "/sys/fs/cgroup/unified"),
        (MOUNTS.replace(" / /sys", " /docker/1 /sys"), "0::/docker/1/x\n", "/sys/fs/cgroup/x"),
        (MOUNTS.replace(" / /sys", " /docker/1 /sys"), "0::/../2\n", None),
        (HYBRID, "1:cpu:/\n", None),
        ("30 29 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n", "0::/\n", None),
    ],
)
def test_groups_are_made_below_our_own(mounts: str, membership: str, expected: str | None) -> None:
    """The version 2 group we are in is found, also in a container and beside version 1."""
    found = cgroup.own_group(mounts, membership)
    assert found == (Path(expected) if expected else None)


@pytest.mark.parametrize(
    ("handed_down", "why"),
    [("", None), ("pids hugetlb", None), ("cpu pids io", "hands cpu, io down"), (None, "No such")],
)
def test_no_group_where_it_would_change_what_is_measured(
    tmp_path: Path, handed_down: str | None, why: str | None
) -> None:
    """A group that hands CPU shares, memory or I/O down gets no child of ours, and says so."""
    if handed_down is not None:
        (tmp_path / "cgroup.subtree_control").write_text(handed_down)
    said = cgroup.obstacle(tmp_path)
    assert (said is None) == (why is None)
    assert why is None or why in str(said)


def test_it_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doctor's line names what confines here; what is missing is named with what that means."""
    assert "\n" not in describe()
    monkeypatch.setattr(landlock, "version", lambda: 0)
    monkeypatch.setattr(cgroup, "own_group", lambda: None)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "MISSING Landlock: it may write wherever its user may" in describe()
    assert "fence around the network: no control groups of version 2 here" in describe()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "root: no control group, no private /tmp, the network is open" in describe()


def test_only_your_own_server_opens_the_network(workdir: Path) -> None:
    """An approved command that names the person's database may reach it; nothing else may."""
    for spec, own in (
        (parse_command("pgbench -c 2 -h db.example.org shop"), False),
        (parse_command("pgbench -c 2 -h db.example.org shop").approved(), True),
        (parse_command("redis-benchmark"), False),
    ):
        adapter = create_adapter(spec)
        assert isinstance(adapter, ToolAdapter)
        adapter._workplace = Workplace(workdir, choose_account())
        assert (adapter.room.network, adapter.room.own_temporary) == (own, not own)


def test_a_command_of_your_own_is_allowed_more_only_in_its_text(workdir: Path) -> None:
    """Allowances are words of the command, are part of what is approved, and go no further."""
    results = workdir / "results"
    results.mkdir()
    text = f"./mine.sh --sealtune-network --sealtune-writable={results} --fast"
    spec = parse_command(text)
    assert spec.options["argv"] == "./mine.sh --fast"
    assert "allowed to reach other machines, allowed to write in" in str(spec.approval)
    assert str(results) in str(spec.approval)
    adapter = create_adapter(spec.approved())
    assert isinstance(adapter, ToolAdapter)
    adapter._workplace = Workplace(workdir, choose_account())
    assert (adapter.room.network, adapter.room.writable) == (True, (results,))
    results.rmdir()
    with pytest.raises(BenchmarkFailedError, match="is no directory"):
        _ = adapter.room


@pytest.mark.parametrize("text", ["./a --sealtune-writable=relative", "./a --sealtune-writable"])
def test_an_allowance_names_a_whole_path(text: str) -> None:
    """A directory that depends on where one stands is refused."""
    with pytest.raises(ConfigError, match="needs a directory"):
        parse_command(text)


def test_what_lies_in_tmp_and_is_named_stays_visible() -> None:
    """Program, arguments, working directory and home below /tmp are seen, by their entry there."""
    account = choose_account()
    room = Room(Path("/srv/w"), Path("/srv/w/.tmp"))
    argv = ["/tmp/tools/run.sh", "--data=x", "../var/tmp/set/rows.csv", "plain"]
    given = orders(argv, room, account, Path("/tmp"), stop=(9, 0.0), path="/usr/bin")
    assert given.visible == ["/tmp/tools", "/var/tmp/set"]
    assert (given.temporary, given.network) == ("/srv/w/.tmp", False)
    assert kept_visible([Path("/tmp"), Path("/opt/x")]) == []


def test_whatever_somebody_made_of_it_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deeper than Python recurses, closed to its owner, a link to elsewhere: gone, alone."""

    def too_deep(*_: object, **__: object) -> None:
        raise RecursionError

    monkeypatch.setattr("sealtune.benchmarks.workplace.shutil.rmtree", too_deep)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    place = tmp_path / "place"
    place.mkdir()
    (place / "link").symlink_to(elsewhere)
    (place / "closed" / "below").mkdir(parents=True)
    (place / "closed").chmod(0)
    delete(place)
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]
    link = tmp_path / "other"
    link.symlink_to(elsewhere)
    delete(link)
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]


def test_what_must_stay_free_is_settled_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program started on a fuller disk keeps to the same reserve, and may use the rest."""
    account = replace(choose_account(), uid=os.geteuid(), gid=os.getegid())
    place = Workplace.create(tmp_path, "mine", account, needed=0, on_disk=False)
    reserve_bytes, reserve_files = place.room.reserve
    for beside, crowded in ((1 << 20, False), (-1, True)):
        left = SimpleNamespace(
            f_bavail=reserve_bytes + beside, f_frsize=1, f_favail=max(1, 2 * reserve_files)
        )
        monkeypatch.setattr("sealtune.benchmarks.disk_watch.os.statvfs", lambda _, left=left: left)
        disk = Disk(str(place.path), place.room.reserve)
        assert disk.spare == max(0, beside)
        assert (disk.eaten() is not None) == crowded


def test_a_directory_put_in_place_of_a_new_one_is_not_given_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever owns the workplace cannot have another directory given to it through a link."""
    account = replace(choose_account(), uid=os.geteuid(), gid=os.getegid())
    place = Workplace.create(tmp_path, "mine", account, needed=0, on_disk=False)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(0o755)
    make = os.mkdir

    def swap(path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        make(path, mode, dir_fd=dir_fd)
        os.rmdir(place.temporary)
        place.temporary.symlink_to(elsewhere)

    monkeypatch.setattr("sealtune.benchmarks.workplace.os.mkdir", swap)
    with pytest.raises(OSError, match=r"[Nn]ot a directory|symbolic"):
        place.renew_temporary()
    assert list(elsewhere.iterdir()) == []


SOURCES = Path(__file__).parents[2] / "src"
AS_ORDINARY_USER = """
import json, os, sys
from pathlib import Path
if os.geteuid() == 0:
    os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
from sealtune.benchmarks.process import run_child
from sealtune.benchmarks.workplace import Workplace, choose_account
account = choose_account()
place = Workplace.create(Path(sys.argv[1]), "user", account, needed=1, on_disk=False)
argv = [sys.executable, "-Ic", sys.argv[2]]
out = run_child(argv, account=account, cwd=place.path, limit=float(sys.argv[3]), room=place.room)
place.remove()
print(json.dumps([out.code, out.stdout, out.stderr, out.seconds]))
"""


@pytest.fixture
def as_ordinary_user(workdir: Path) -> Confined:
    """Run a Python text confined by a session that is not root; nothing of it may be left."""
    python = "/usr/bin/python3" if os.geteuid() == 0 else sys.executable
    readable = os.geteuid() != 0 or choose_account().may_enter(SOURCES)
    if not Path(python).exists() or not readable:
        pytest.skip("an ordinary user cannot read this checkout, or has no Python")
    workdir.chmod(0o777)

    def run(text: str, limit: float = 10.0) -> dict[str, object]:
        argv = [python, "-c", AS_ORDINARY_USER, str(workdir), text, str(limit)]
        asked = subprocess.run(
            argv, env={"PYTHONPATH": str(SOURCES)}, cwd="/", capture_output=True, text=True
        )
        assert asked.returncode == 0, asked.stderr
        assert [path.name for path in workdir.iterdir() if path.name != "bait"] == []
        assert heirs_of(workdir) == []
        return dict(zip(("code", "out", "err", "seconds"), json.loads(asked.stdout), strict=True))

    return run


def test_an_ordinary_user_writes_only_its_own_place(
    as_ordinary_user: Confined, workdir: Path
) -> None:
    """Without root too, a file that anybody may write is closed, and TMPDIR is open."""
    if not landlock.version():
        pytest.skip("this kernel has no Landlock")
    bait = workdir / "bait"
    bait.write_text("untouched")
    bait.chmod(0o666)
    outcome = as_ordinary_user(
        "import os\nopen(os.environ['TMPDIR'] + '/x', 'w').close()\nprint('written')\n"
        f"open({str(bait)!r}, 'w')"
    )
    assert outcome["out"] == "written\n"
    assert "Permission denied" in str(outcome["err"])
    assert bait.read_text() == "untouched"


def test_an_ordinary_user_cannot_kill_its_session(as_ordinary_user: Confined) -> None:
    """The same user's processes outside are out of reach of its signals."""
    if landlock.version() < landlock.SCOPES_SINCE:
        pytest.skip("Landlock confines signals from version 6 on")
    outcome = as_ordinary_user(
        "import os, signal\n"
        "for pid in (os.getppid(), os.getppid() - 1):\n"
        "    try: os.kill(pid, signal.SIGKILL)\n"
        "    except (PermissionError, ProcessLookupError): print('refused')"
    )
    assert (outcome["code"], outcome["out"]) == (0, "refused\nrefused\n")


def test_an_ordinary_user_reads_no_environment_of_its_session(as_ordinary_user: Confined) -> None:
    """Keys stand in the environment: that of the same user's processes outside is closed."""
    if not landlock.version():
        pytest.skip("this kernel has no Landlock")
    outcome = as_ordinary_user(
        "import os\n"
        "for name in os.listdir('/proc'):\n"
        "    if name.isdigit() and int(name) != os.getpid():\n"
        "        try: print(name, len(open(f'/proc/{name}/environ', 'rb').read()))\n"
        "        except OSError: pass\n"
        "print('end')"
    )
    # A kernel thread has an empty one that anybody may open.
    lines = [line for line in str(outcome["out"]).splitlines() if not line.endswith(" 0")]
    assert (outcome["code"], lines) == (0, ["end"])


def test_an_ordinary_user_controls_no_device(as_ordinary_user: Confined) -> None:
    """A device that anybody may open can be read, and not told to do anything."""
    if landlock.version() < landlock.DEVICES_SINCE or not Path("/dev/ptmx").exists():
        pytest.skip("Landlock confines the control of devices from version 5 on")
    outcome = as_ordinary_user(
        "import fcntl, os\n"
        "opened = os.open('/dev/ptmx', os.O_RDONLY | os.O_NOCTTY)\n"
        "try: fcntl.ioctl(opened, 0x80045430, bytes(4))\n"  # which terminal it has got
        "except PermissionError: print('refused')"
    )
    assert outcome["out"] == "refused\n", outcome["err"]


def test_an_ordinary_users_daemons_end(as_ordinary_user: Confined) -> None:
    """Double forks in sessions of their own, deaf to SIGTERM and SIGHUP, do not outlive it."""
    outcome = as_ordinary_user(
        "import os, signal, time\n"
        "for _ in range(20):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        for deaf in (1, 15): signal.signal(deaf, signal.SIG_IGN)\n"
        "        if os.fork(): os._exit(0)\n"
        "        time.sleep(300)\n"
        "print(42)"
    )
    assert outcome["out"] == "42\n"
    assert float(str(outcome["seconds"])) < 8


@pytest.mark.kernel
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make groups")
def test_a_stale_group_is_cleared_by_the_next(workdir: Path) -> None:
    """What a session that is no more left in its group is killed by the next one."""
    parent = cgroup.own_group()
    if parent is None or cgroup.obstacle(parent):
        pytest.skip(f"no groups here: {cgroup.obstacle(parent)}")
    gone = subprocess.Popen(["true"])
    gone.wait()
    stale = parent / f"{cgroup.PREFIX}{gone.pid}-0123abcd"
    stale.mkdir()
    left = subprocess.Popen(["sleep", "300"])
    (stale / "cgroup.procs").write_text(str(left.pid))
    fresh = cgroup.choose()
    assert fresh is not None
    assert cgroup.make(fresh)
    assert cgroup.clear(fresh)
    assert left.wait(5) == -9
    assert not stale.exists()


@pytest.mark.kernel
@pytest.mark.skipif(os.geteuid() != 0, reason="the fence needs root")
def test_an_allowed_command_reaches_the_network(workdir: Path) -> None:
    """With the allowance an address outside is refused by routing at most, not by us."""
    python = Path("/usr/bin/python3")
    if not python.exists():
        pytest.skip("no /usr/bin/python3")
    script = workdir / "out.py"
    script.write_text(
        "import socket\n"
        "try: socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.1', 9))\n"
        "except PermissionError: print(1)\n"
        "except OSError: print(2)\n"
        "else: print(2)"
    )
    script.chmod(0o644)
    for allowance, expected in ((True, 2), (False, 1)):
        spec = BenchmarkSpec("custom", {"network": allowance}, f"{python} {script}")
        adapter = create_adapter(spec)
        adapter.prepare(workdir)
        run = adapter.run(0.01)
        adapter.teardown()
        assert run.value == expected, run.failure
