"""Benchmarks that mean harm, for real: each costs one failed trial at most, and nothing stays."""

import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.benchmarks.attacks import PYTHON, Attack, left_of

from sealtune.benchmarks.memory_group import memory_group, run_in_group
from sealtune.benchmarks.workplace import Workplace, choose_account

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="root makes groups and namespaces"),
]


def test_daemons_that_leave_every_parent_and_session(attack: Attack) -> None:
    """Double forks into sessions of their own, deaf to every signal they can be deaf to, end."""
    run = attack("""
for number in range(50):
    if os.fork() == 0:
        os.setsid()
        for deaf in set(range(1, 32)) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(deaf, signal.SIG_IGN)
        if os.fork():
            os._exit(0)
        os.chdir("/")
        for stream in (0, 1, 2):
            os.close(stream)
        time.sleep(600)
print(42)
""")
    assert run.value == 42


def test_a_chain_that_is_always_somebody_else(attack: Attack) -> None:
    """A process that forks and leaves, thousands of times a second, is caught all the same."""
    run = attack("""
if os.fork() == 0:
    end = time.monotonic() + 600
    while time.monotonic() < end:
        os.setsid()
        if os.fork():
            os._exit(0)
print(42)
""")
    assert run.value == 42


def test_a_fork_bomb_is_bounded_and_ends(attack: Attack) -> None:
    """A bomb held to 300 processes runs into the limit of time and is gone at once."""
    run = attack(
        """
import resource
resource.setrlimit(resource.RLIMIT_NPROC, (300, 300))
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(1)
""",
        limit_seconds=1.5,
    )
    assert "hung" in str(run.failure)


def test_it_cannot_raise_its_limits(attack: Attack) -> None:
    """Processes, open files, memory and file sizes have hard limits; core files are off."""
    run = attack("""
import resource
kinds = [resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE, resource.RLIMIT_DATA,
         resource.RLIMIT_FSIZE]
print(*(resource.getrlimit(kind)[1] for kind in kinds), resource.getrlimit(resource.RLIMIT_CORE))
for kind in kinds:
    hard = resource.getrlimit(kind)[1]
    assert hard != resource.RLIM_INFINITY, kind
    try:
        resource.setrlimit(kind, (hard, resource.RLIM_INFINITY))
    except (ValueError, OSError):
        continue
    raise SystemExit("raised")
assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
try:
    open("/proc/self/oom_score_adj", "w").write("0")
except OSError:
    print(42)
""")
    assert run.value == 42, run.failure


def test_one_process_cannot_take_all_memory(attack: Attack) -> None:
    """More than the machine's memory is refused, before a page of it was touched."""
    run = attack("""
import mmap
total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
mmap.mmap(-1, int(0.9 * total), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
print(42)
""")
    assert "Cannot allocate memory" in str(run.failure)


@pytest.mark.parametrize(
    "line",
    [
        'b"x" * 65536',
        'b"\\0" * 65536',
        'b"\\033[2J\\033]0;owned\\007" * 4096',
        'b"line\\n" * 13107',
    ],
)
def test_a_gigabyte_of_output_costs_no_memory(attack: Attack, line: str) -> None:
    """Whatever 1 GB of it looks like, a few MiB are held, and the reason can be shown."""
    before = resident_kib()
    run = attack(
        f"""
block, left = {line}, 1 << 30
while left > 0:
    left -= os.write(1, block)
""",
        limit_seconds=30,
    )
    assert run.value is None
    assert resident_kib() - before < 32 * 1024
    assert len(str(run.failure)) < 1000
    assert all(sign.isprintable() for sign in str(run.failure))


def resident_kib() -> int:
    """Return this process's resident memory [KiB]."""
    return (
        int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    )


@pytest.fixture
def small_disk(workdir: Path) -> Iterator[Path]:
    """A file system of 64 MiB and 4096 files."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=4096,mode=711", "tmpfs"]
    subprocess.run([*mount, str(workdir)], check=True)
    yield workdir
    subprocess.run(["umount", "-l", str(workdir)], check=True)


@pytest.mark.parametrize(
    ("each", "most", "reason"),
    [
        ("b'x' * (1 << 18)", 236, "it left only [0-9]+ MiB free on the disk"),
        ("b''", 3700, "it left only room for [0-9]+ files free on the disk"),
    ],
)
def test_a_disk_eater_is_ended_and_gives_back(
    attack: Attack, small_disk: Path, each: str, most: int, reason: str
) -> None:
    """Before the disk is full, in bytes or in files, it ends; what it wrote goes at once."""
    before = os.statvfs(small_disk)
    run = attack(
        f"""
number = 0
while True:
    number += 1
    with open(f"{{os.environ['TMPDIR']}}/{{number}}", "wb", 0) as file:
        file.write({each})
    if number == {most}:
        time.sleep(5)
""",
        limit_seconds=10,
    )
    assert re.search(reason, str(run.failure)), run.failure
    assert os.statvfs(small_disk).f_bavail > before.f_bavail - 64


def test_one_file_cannot_fill_the_disk(attack: Attack, small_disk: Path) -> None:
    """A single call that takes all the space is refused: nobody could look that often."""
    run = attack("os.posix_fallocate(os.open('/tmp/all', 577), 0, 60 << 20)")
    assert re.search("File too large|exit code 153", str(run.failure)), run.failure


def test_a_memory_eater_is_the_first_to_die(workdir: Path) -> None:
    """Where memory ends, here at 64 MiB, the kernel kills the benchmark's processes."""
    place = Workplace.create(workdir, "eater", choose_account(), needed=1, on_disk=False)
    eat = "x = []\nwhile True: x.append(b'x' * (1 << 20))"
    try:
        with memory_group(64 << 20) as group:
            ended = run_in_group([str(PYTHON), "-Ic", eat], group, place, limit=20)
    finally:
        place.remove()
    assert ended.code == 128 + 9
    assert not ended.timed_out
    assert left_of(workdir) == []


def test_thousands_of_files_are_gone(attack: Attack) -> None:
    """Many files, nested deeper than Python recurses, closed to their owner: all removed."""
    run = attack("""
for number in range(3000):
    open(f"{os.environ['TMPDIR']}/{number}", "w").close()
os.chdir(os.environ["TMPDIR"])
for number in range(1200):
    os.mkdir("d")
    os.chdir("d")
os.mkdir("closed", 0)
print(42)
""")
    assert run.value == 42, run.failure


def test_open_files_are_bounded(attack: Attack) -> None:
    """Opening 100,000 files fails for the benchmark, not for the machine."""
    run = attack("""
import resource
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = [open("/dev/null") for _ in range(100_000)]
print(42)
""")
    assert "Too many open files" in str(run.failure)


def test_a_setuid_program_gives_no_rights(attack: Attack, workdir: Path) -> None:
    """A program that belongs to root and says setuid runs as the benchmark's own user."""
    copy = workdir / "id"
    shutil.copy("/usr/bin/id", copy)
    copy.chmod(0o4755)
    try:
        run = attack(f"os.execv({str(copy)!r}, ['id', '-u'])")
    finally:
        copy.unlink()
    assert run.value == 65534, run.failure


@pytest.mark.parametrize(
    "deed",
    [
        "socket.create_connection(('192.0.2.1', 80), 2)",
        "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80))",
        "socket.socket(socket.AF_INET6).connect(('::ffff:192.0.2.1', 80))",
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'out', ('192.0.2.1', 53))",
        "socket.socket().sendto(b'out', socket.MSG_FASTOPEN, ('192.0.2.1', 80))",
        "socket.socket(proto=262).connect(('192.0.2.1', 80))",
        "socket.socket().bind(('0.0.0.0', 0))",
    ],
)
def test_no_network_but_the_loopback(attack: Attack, deed: str) -> None:
    """Reaching another machine, in whatever way, is refused by the kernel."""
    run = attack(f"""
try:
    {deed}
except PermissionError:
    print(42)
""")
    assert run.value == 42, run.failure


@pytest.mark.parametrize(
    ("family", "address"), [("socket.AF_INET", "127.0.0.1"), ("socket.AF_INET6", "::1")]
)
def test_the_loopback_and_unix_sockets_work(attack: Attack, family: str, address: str) -> None:
    """Server and client on the loopback, over IPv4 and IPv6, and on a Unix socket."""
    run = attack(f"""
server = socket.create_server(("{address}", 0), family={family})
client = socket.create_connection(server.getsockname()[:2])
client.sendall(b"4")
first = server.accept()[0].recv(1)
place = os.environ["TMPDIR"] + "/s"
server = socket.socket(socket.AF_UNIX)
server.bind(place)
server.listen()
client = socket.socket(socket.AF_UNIX)
client.connect(place)
client.sendall(b"2")
print((first + server.accept()[0].recv(1)).decode())
""")
    if "assign requested address" in str(run.failure):
        pytest.skip("this machine has no IPv6 loopback")
    assert run.value == 42, run.failure


def test_writing_outside_is_refused(attack: Attack) -> None:
    """/etc, /proc/sys, /sys, the home directory and the work directory are closed to it."""
    run = attack("""
places = [f"/etc/{MARK}", f"/run/{MARK}", f"/{MARK}", "/proc/sys/vm/swappiness",
          "/sys/kernel/mm/transparent_hugepage/enabled", os.path.expanduser(f"~/{MARK}"),
          sys.argv[0], f"{os.path.dirname(sys.argv[0])}/{MARK}"]
for place in places:
    try:
        open(place, "a").close()
    except OSError:
        continue
    raise SystemExit(f"wrote {place}")
print(42)
""")
    assert run.value == 42, run.failure


@pytest.mark.parametrize("place", ["/run", None])
def test_it_cannot_write_where_its_user_may(
    attack: Attack, workdir: Path, place: str | None
) -> None:
    """A file that anybody may write is closed to it: permissions are not all there is."""
    bait = Path(place or workdir, "bait")
    bait.write_text("untouched")
    bait.chmod(0o666)
    try:
        run = attack(f"open({str(bait)!r}, 'w').write('touched')\nprint(42)")
        assert bait.read_text() == "untouched"
    finally:
        bait.unlink()
    assert "Permission denied" in str(run.failure) or "Read-only" in str(run.failure)


def test_temporary_files_are_its_own(attack: Attack) -> None:
    """/tmp, /var/tmp and /dev/shm can be written, start empty, and are nobody else's."""
    run = attack("""
import glob
strange = [n for n in os.listdir("/tmp") + os.listdir("/dev/shm") if "sealtune-test" not in n]
assert strange == [], strange
for place in ("/tmp", "/var/tmp", "/dev/shm"):
    open(f"{place}/{MARK}", "w").write("x")
print(42)
""")
    assert run.value == 42, run.failure


def test_shared_memory_does_not_stay(attack: Attack) -> None:
    """System V segments and message queues vanish with the benchmark."""
    before = Path("/proc/sysvipc/shm").read_text().count("\n")
    run = attack("""
import ctypes
libc = ctypes.CDLL(None)
assert libc.shmget(0x5EA1, 1 << 20, 0o1666) >= 0
assert libc.msgget(0x5EA1, 0o1666) >= 0
print(42)
""")
    assert run.value == 42, run.failure
    assert Path("/proc/sysvipc/shm").read_text().count("\n") == before
    assert f"{0x5EA1:>10d}" not in Path("/proc/sysvipc/msg").read_text()


def test_it_sees_and_reaches_no_other_process(attack: Attack) -> None:
    """It can neither signal nor trace whoever watches it, and sees nobody else's processes."""
    run = attack(f"""
import ctypes
for pid in (1, os.getppid(), {os.getpid()}):
    try:
        os.kill(pid, signal.SIGKILL)
    except (PermissionError, ProcessLookupError):
        pass
    else:
        raise SystemExit(f"reached {{pid}}")
    assert ctypes.CDLL(None).ptrace(16, pid, 0, 0) == -1
others = [n for n in os.listdir("/proc") if n.isdigit() and int(n) not in (1, os.getpid())]
assert others == [], others
try:
    os.kill(-1, signal.SIGKILL)
except ProcessLookupError:
    pass  # there is nobody
print(42)
""")
    assert run.value == 42, run.failure


def test_no_way_to_new_rights(attack: Attack) -> None:
    """No capability, and none to be had through a namespace of its own: it can make none."""
    run = attack("""
import ctypes
status = open("/proc/self/status").read()
assert "NoNewPrivs:\\t1" in status
for line in status.splitlines():
    if line.startswith("Cap"):
        assert int(line.split()[1], 16) == 0, line
libc = ctypes.CDLL(None)
# A user namespace; the first call is unshare, the second clone, which would return in a child.
assert libc.unshare(0x10000000) == -1
assert libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0) == -1 or os.uname().machine != "x86_64"
try:
    open("/proc/sys/user/max_user_namespaces", "w")
except OSError:
    pass
else:
    raise SystemExit("may allow itself more")
# It is in one itself, in which everybody is who they were, and which is its user's: what it uses
# up there, such as watches on files, is not taken from root.
import fcntl
owner = fcntl.ioctl(os.open("/proc/self/ns/user", os.O_RDONLY), 0xB704, bytes(4))
assert int.from_bytes(owner, sys.byteorder) == os.getuid()
assert os.stat("/").st_uid == 0 and os.stat(".").st_uid == os.getuid() == 65534
print(42)
""")
    assert run.value == 42, run.failure


def test_a_killed_warden_takes_everything_along(attack: Attack, workdir: Path) -> None:
    """When the warden is killed, every daemon of the benchmark dies with it."""

    def strike() -> None:
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    command = (entry / "cmdline").read_bytes()
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except OSError:
                    continue
                if b"warden.py" in command and parent == os.getpid():
                    os.kill(int(entry.name), signal.SIGKILL)

    timer = threading.Timer(1.5, strike)
    timer.start()
    run = attack(
        """
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
time.sleep(600)
""",
        limit_seconds=20,
    )
    timer.join()
    assert "exit code 137" in str(run.failure)
    assert run.seconds < 10
