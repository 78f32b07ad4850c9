"""What a hostile benchmark may reach beside its own directory: nothing, tried for real."""

import ctypes
import os
import pty
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.benchmarks.attacks import PYTHON, Attack

from sealtune.benchmarks import create_adapter
from sealtune.benchmarks.base import BenchmarkSpec
from sealtune.benchmarks.workplace import choose_account

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="root makes groups and namespaces"),
]


@pytest.fixture
def mounted(workdir: Path) -> Iterator[Path]:
    """A file system of 64 MiB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m,mode=711", "tmpfs"]
    subprocess.run([*mount, str(workdir)], check=True)
    yield workdir
    subprocess.run(["umount", "-l", str(workdir)], check=True)


def test_what_runs_leave_does_not_eat_the_reserve(mounted: Path) -> None:
    """What must stay free is no less for the fifth run than for the first one."""
    script = mounted / "leaves.py"
    script.write_text("""
import os, sys
place = os.environ["TMPDIR"]
found = os.statvfs(place)
free = found.f_bavail * found.f_frsize >> 20
if free < 8:
    raise SystemExit(f"began with {free} MiB")
for number in range(4):
    open(f"{place}/{os.urandom(4).hex()}", "wb").write(b"x" * (5 << 20))
print(free)
""")
    script.chmod(0o644)
    adapter = create_adapter(BenchmarkSpec("custom", {}, f"{PYTHON} -I {script}"))
    adapter.prepare(mounted)
    try:
        runs = [adapter.run(0.01) for _ in range(5)]
    finally:
        adapter.teardown()
    assert [run.failure for run in runs] == [None] * 5


@pytest.mark.parametrize("deed", ["pass", "os.symlink('/', place)", "open(place, 'w')"])
def test_without_its_own_tmp_it_does_not_get_the_machines(workdir: Path, deed: str) -> None:
    """A run that removes or replaces its temporary directory shows the next one nothing."""
    script = workdir / "removes.py"
    script.write_text(f"""
import os
place = os.environ["TMPDIR"]
strange = [name for name in os.listdir("/tmp") if "sealtune-bait" in name]
os.rename(place, place + os.urandom(4).hex())
{deed}
print(1 + len(strange))
""")
    script.chmod(0o644)
    adapter = create_adapter(BenchmarkSpec("custom", {}, f"{PYTHON} -I {script}"))
    adapter.prepare(workdir)
    bait = Path(tempfile.mkdtemp(prefix="sealtune-bait-", dir="/tmp"))
    try:
        runs = [adapter.run(0.01) for _ in range(2)]
    finally:
        adapter.teardown()
        bait.rmdir()
    found = [(run.value, run.failure) for run in runs]
    assert found == [(1, None)] * 2, found


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        ("socket.socket().bind(('0.0.0.0', 0))", True),
        ("socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.1', 9))", True),
        ("socket.socket().bind(('127.0.0.1', 0)); raise SystemExit('no such table')", False),
    ],
)
def test_who_is_refused_the_network_is_told_how_to_get_it(
    attack: Attack, deed: str, told: bool
) -> None:
    """The failed run gives the program's own reason, and the word that opens the network."""
    reason = str(attack(deed).failure)
    assert ("Operation not permitted" if told else "no such table") in reason
    assert ("--sealtune-network" in reason) == told


def test_what_is_mounted_below_tmp_is_read_only_too(attack: Attack, workdir: Path) -> None:
    """A file system below an entry of /tmp that stays visible can be read and not written."""
    place = workdir / "bait"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", str(place)], check=True)
    try:
        (place / "data").write_text("42")
        run = attack(f"""
try:
    open({str(place / "new")!r}, "w")
except OSError:
    print(open({str(place / "data")!r}).read())
""")
        written = (place / "new").exists()
    finally:
        subprocess.run(["umount", str(place)], check=True)
        place.rmdir()
    assert not written
    assert run.value == 42, run.failure


def test_modes_dates_and_attributes_outside_stay(attack: Attack, workdir: Path) -> None:
    """Of a file that belongs to its own user it can change nothing, not even the mode."""
    bait = Path("/var/lib/sealtune-bait")
    bait.touch(0o600)
    os.chown(bait, choose_account().uid, -1)
    before = bait.stat()
    try:
        run = attack(f"""
deeds = (lambda: os.chmod({str(bait)!r}, 0o4777), lambda: os.utime({str(bait)!r}, (1, 1)),
         lambda: os.setxattr({str(bait)!r}, "user.mine", b"1"))
for deed in deeds:
    try:
        deed()
    except OSError:
        continue
    raise SystemExit("changed it")
print(42)
""")
        after = bait.stat()
    finally:
        bait.unlink()
    assert run.value == 42, run.failure
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of system calls")
def test_it_has_no_key_of_the_session(attack: Attack) -> None:
    """Neither the session's keys can be found from within, nor those of an earlier run."""
    add, control = 248, 250
    libc = ctypes.CDLL(None)
    if libc.syscall(control, 1, None) < 0:
        pytest.skip("no keyrings here")
    assert libc.syscall(add, b"user", b"sealtune-bait", b"secret", 6, -3) > 0
    for _ in range(2):
        run = attack(f"""
import ctypes
libc = ctypes.CDLL(None)
assert libc.syscall({control}, 10, -3, b"user", b"sealtune-bait", 0) == -1  # search
assert libc.syscall({control}, 10, -4, b"user", b"sealtune-mine", 0) == -1  # its user's keyring
assert libc.syscall({add}, b"user", b"sealtune-mine", b"x", 1, -4) > 0
print(42)
""")
        assert run.value == 42, run.failure
    assert libc.syscall(control, 10, -3, b"user", b"sealtune-bait", 0) > 0


def test_it_cannot_read_its_users_terminal(attack: Attack) -> None:
    """What somebody types at a terminal of the same user is not seen."""
    ours, theirs = pty.openpty()
    name = os.ttyname(theirs)
    os.fchown(theirs, choose_account().uid, -1)
    try:
        run = attack(f"""
try:
    os.open({name!r}, os.O_RDONLY | os.O_NOCTTY)
except OSError:
    print(42)
""")
    finally:
        os.close(ours)
        os.close(theirs)
    assert run.value == 42, run.failure


def test_a_service_that_acts_for_its_caller_is_out_of_reach(attack: Attack) -> None:
    """Sockets of terminal sessions, and of services that start programs, cannot be reached."""
    place = Path("/run/screen")
    if place.exists():
        pytest.skip("somebody uses screen here")
    place.mkdir(0o777)
    place.chmod(0o777)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place / "s"))
        (place / "s").chmod(0o777)
        listening.listen()
        try:
            run = attack(f"""
try:
    socket.socket(socket.AF_UNIX).connect({str(place / "s")!r})
except FileNotFoundError:
    print(42)
""")
        finally:
            shutil.rmtree(place)
    assert run.value == 42, run.failure


WAYS_OUT = {
    "routing header of IPv6": """
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
there = socket.inet_pton(socket.AF_INET6, "2001:db8::7")
s.setsockopt(41, 57, bytes([0, 4, 4, 1, 1, 0, 0, 0]) +
             socket.inet_pton(socket.AF_INET6, "::1") + there)
s.sendto(b"SECRET", ("::1", 99))
""",
    "a device by name": """
s = socket.socket(type=socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"outside")
s.sendto(b"SECRET", ("127.0.0.1", 99))
""",
    "a device beside the data": """
s = socket.socket(type=socket.SOCK_DGRAM)
s.sendmsg([b"SECRET"], [(0, 8, number + bytes(8))], 0, ("127.0.0.1", 99))
""",
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_packet_leaves_by_a_side_door(way: str) -> None:
    """What is sent to the loopback does not leave through a device that the sender chose."""
    if not Path("/dev/net/tun").exists() or shutil.which("ip") is None:
        pytest.skip("no tun devices, or no ip, to make a device with")
    asked = [sys.executable, "-c", _BEHIND_A_DEVICE, WAYS_OUT[way]]
    told = subprocess.run(
        ["unshare", "-n", *asked], capture_output=True, text=True, timeout=30, check=False
    )
    assert told.stdout == "plain: left\nfenced: refused\n", told.stderr


def test_whoever_calls_from_outside_gets_no_answer() -> None:
    """A socket that listens on all addresses, because nobody bound it, serves no other machine."""
    if not Path("/dev/net/tun").exists() or shutil.which("ip") is None:
        pytest.skip("no tun devices, or no ip, to make a device with")
    asked = [sys.executable, "-c", _BEHIND_A_DEVICE, ""]
    told = subprocess.run(
        ["unshare", "-n", *asked], capture_output=True, text=True, timeout=30, check=False
    )
    assert told.stdout == "plain: left\nfenced: lost\n", told.stderr


_BEHIND_A_DEVICE = """
import fcntl, os, select, socket, struct, subprocess, sys
from pathlib import Path
from sealtune.benchmarks import cgroup, fence

tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"outside", 0x1002))
hop = "lladdr 02:00:00:00:00:01 dev outside nud permanent"
for line in (
    "ip link set lo up",
    "ip addr add 192.0.2.1/24 dev outside",
    "ip link set outside up",
    "ip -6 addr add 2001:db8::1/64 dev outside nodad",
    "ip route add default via 192.0.2.254",
    f"ip neigh add 192.0.2.254 {hop}",
    f"ip -6 neigh add 2001:db8::7 {hop}",
):
    subprocess.run(line.split(), check=True)
number = struct.pack("=i", socket.if_nametoindex("outside"))


def summed(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def call(port):
    \"\"\"Ask for a connection from outside, as the first packet of TCP.\"\"\"
    with socket.socket() as any_socket:
        request = struct.pack("256s", b"outside")
        ours = fcntl.ioctl(any_socket, 0x8927, request)[18:24]
    ends = socket.inet_aton("192.0.2.254") + socket.inet_aton("192.0.2.1")
    begin = struct.pack("!HHIIBBH", 4000, port, 1, 0, 0x50, 2, 8192)
    check = summed(ends + struct.pack("!HH", 6, 20) + begin + bytes(4))
    head = struct.pack("!BBHHHBB", 0x45, 0, 40, 1, 0, 64, 6)
    head += struct.pack("!H", summed(head + bytes(2) + ends)) + ends
    ethernet = ours + bytes([2, 0, 0, 0, 0, 1, 8, 0])
    os.write(tap, ethernet + head + begin + struct.pack("!HH", check, 0))


for fenced in (False, True):
    group = cgroup.choose()
    assert group is not None and cgroup.make(group)
    assert not fenced or fence.only_loopback(group)
    listening, told = os.pipe()
    child = os.fork()
    if child == 0:
        (group / "cgroup.procs").write_text("0")
        os.setgid(65534)
        os.setuid(65534)
        if not sys.argv[1]:
            server = socket.socket()
            server.listen()
            os.write(told, b"%d" % server.getsockname()[1])
            select.select([], [], [], 0.3)
            os._exit(0)
        try:
            exec(sys.argv[1])
        except PermissionError:
            os._exit(7)
        os._exit(0)
    if not sys.argv[1]:
        call(int(os.read(listening, 9)))
    refused = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert cgroup.clear(group)
    secret = answer = False
    while select.select([tap], [], [], 0.1)[0]:
        seen = os.read(tap, 4096)
        secret = secret or b"SECRET" in seen
        # Begin and acknowledgement, in a packet of TCP.
        answer = answer or (seen[12:14] == b"\\x08\\x00" and seen[23] == 6 and seen[47] == 18)
    left = "left" if secret or answer else "refused" if refused else "lost"
    print("fenced:" if fenced else "plain:", left, flush=True)
"""
