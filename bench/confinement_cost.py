"""What confining a benchmark costs it: the same load confined and plain, in interleaved pairs.

Run as root with ``python -m bench.confinement_cost [--pairs 20]``. Both run as the same
unprivileged user in a session of their own; confined adds the control group with its fence around
the network, the namespaces, Landlock and the limits. ``connect`` and ``open`` do nothing but what
is checked, so that they show the price of one check; the others are ordinary loads.
"""

import argparse
import contextlib
import math
import os
import random
import re
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealtune.benchmarks.confinement import describe
from sealtune.benchmarks.loopback import free_port, listening
from sealtune.benchmarks.process import Server, run_child
from sealtune.benchmarks.workplace import Workplace, choose_account

LIMIT_SECONDS = 60.0
STARTS = 20
PYTHON = "/usr/bin/python3"
_CONNECT = """
import socket, time
server = socket.create_server(("127.0.0.1", 0))
began = time.perf_counter()
for _ in range(8000):
    with socket.create_connection(server.getsockname()):
        server.accept()[0].close()
print("rate", 8000 / (time.perf_counter() - began))
"""
_OPEN = """
import os, time
began = time.perf_counter()
for _ in range(40000):
    os.close(os.open("file", os.O_RDWR | os.O_CREAT))
    os.unlink("file")
print("rate", 40000 / (time.perf_counter() - began))
"""
_NGINX = """daemon off; worker_processes 1; pid {place}/pid; error_log {place}/log crit;
events {{ worker_connections 1024; }}
http {{ access_log off; client_body_temp_path {place}/b; proxy_temp_path {place}/p;
fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;
server {{ listen 127.0.0.1:{port}; return 200 "{page}"; }} }}
"""


@dataclass(frozen=True)
class Load:
    """A program that prints a rate, and the server it talks to.

    Attributes:
        name: As printed.
        client: Program and arguments, given a port.
        rate: Finds the number, more is better; the first group.
        server: The same for its server; ``None`` without one.
    """

    name: str
    client: Callable[[int], Sequence[str]]
    rate: str
    server: Callable[[int, Path], Sequence[str]] | None = None


def _nginx(port: int, place: Path) -> Sequence[str]:
    config = place / "nginx.conf"
    config.write_text(_NGINX.format(place=place, port=port, page="x" * 100))
    config.chmod(0o644)
    return ["nginx", "-p", str(place), "-c", str(config)]


def _redis(port: int, place: Path) -> Sequence[str]:
    where = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(place)]
    return ["redis-server", *where, "--save", "", "--loglevel", "warning"]


def _ab(port: int) -> Sequence[str]:
    return ["ab", "-q", "-c", "10", "-n", "8000", f"http://127.0.0.1:{port}/"]


def _redis_benchmark(port: int) -> Sequence[str]:
    return ["redis-benchmark", "-p", str(port), "-t", "get", "-n", "60000", "-c", "10", "--csv"]


LOADS = (
    Load("connect", lambda _: [PYTHON, "-Ic", _CONNECT], r"rate ([\d.]+)"),
    Load("open", lambda _: [PYTHON, "-Ic", _OPEN], r"rate ([\d.]+)"),
    Load("ab and nginx", _ab, r"Requests per second:\s+([\d.]+)", _nginx),
    Load("redis get", _redis_benchmark, r'"GET","([\d.]+)"', _redis),
    Load(
        "perf sched pipe",
        lambda _: ["perf", "bench", "sched", "pipe", "-l", "60000"],
        r"([\d.]+) ops/sec",
    ),
    Load(
        "perf syscall basic",
        lambda _: ["perf", "bench", "syscall", "basic", "-l", "3000000"],
        r"([\d,.]+) ops/sec",
    ),
)


def measure(load: Load, place: Workplace, *, confined: bool) -> float:
    """Return the rate of one run of `load`."""
    port = free_port()
    with _served(load, place, port, confined=confined):
        argv = load.client(port)
        if confined:
            text = run_child(
                argv, account=place.account, cwd=place.path, limit=LIMIT_SECONDS, room=place.room
            ).stdout
        else:
            done = subprocess.run(argv, timeout=LIMIT_SECONDS, **_plain(place, subprocess.PIPE))
            text = done.stdout.decode("utf-8", "replace")
    found = re.search(load.rate, text)
    if found is None:
        raise SystemExit(f"{load.name} printed no rate: {text[-300:]}")
    return float(found.group(1).replace(",", ""))


@contextmanager
def _served(load: Load, place: Workplace, port: int, *, confined: bool) -> Iterator[None]:
    if load.server is None:
        yield
        return
    argv = load.server(port, place.path)
    log = place.path / "server.log"
    if confined:
        server = Server(argv, account=place.account, cwd=place.path, log=log, room=place.room)
        end = server.stop
    else:
        process = subprocess.Popen(argv, **_plain(place, subprocess.DEVNULL))
        end = _ender(process)
    try:
        deadline = time.monotonic() + 10
        while not listening(port) and time.monotonic() < deadline:
            time.sleep(0.01)
        yield
    finally:
        end()


def _ender(process: "subprocess.Popen[bytes]") -> Callable[[], None]:
    def end() -> None:
        process.terminate()
        process.wait()

    return end


def _plain(place: Workplace, output: int) -> dict[str, Any]:
    account = place.account
    return {
        "cwd": place.path,
        "user": account.uid,
        "group": account.gid,
        "extra_groups": [],
        "start_new_session": True,
        "stdin": subprocess.DEVNULL,
        "stdout": output,
        "stderr": subprocess.DEVNULL,
    }


def ratio(pairs: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Return confined over plain as a geometric mean, with its 95 % interval (Student's t)."""
    from scipy import stats

    logs = [math.log(confined / plain) for confined, plain in pairs]
    mean, error = statistics.fmean(logs), statistics.stdev(logs) / math.sqrt(len(logs))
    half = float(stats.t.ppf(0.975, len(logs) - 1)) * error
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def compared(load: Load, place: Workplace, count: int, order: random.Random) -> str:
    """Return the line of `load` after `count` pairs, each in a random order."""
    programs = [load.client(0)[0], *([load.server(0, place.path)[0]] if load.server else [])]
    if missing := [program for program in programs if shutil.which(program) is None]:
        return f"not here: {', '.join(missing)}"
    pairs = []
    for _ in range(count):
        turns = [True, False]
        order.shuffle(turns)
        found = {turn: measure(load, place, confined=turn) for turn in turns}
        pairs.append((found[True], found[False]))
    mean, low, high = ratio(pairs)
    plain = statistics.median(plain for _, plain in pairs)
    return f"{plain:>12,.0f} {mean:>8.4f}  [{low:.4f}, {high:.4f}]"


def start_milliseconds(place: Workplace) -> float:
    """Return the CPU time of starting and ending a confined program that does nothing [ms]."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(STARTS):
        run_child(["true"], account=place.account, cwd=place.path, limit=10, room=place.room)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1000 * spent / STARTS


def main() -> None:
    """Measure every load whose programs are here, and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20, help="pairs for each load")
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("only root can make the groups and namespaces that are measured")
    print(f"Linux {os.uname().release}; {describe()}")
    print(f"{options.pairs} interleaved pairs each; confined / plain with its 95 % interval")
    print(f"{'load':<20} {'plain/s':>12} {'ratio':>8}")
    workdir = Path(tempfile.mkdtemp(prefix="sealtune-cost-", dir="/var/lib"))
    workdir.chmod(0o711)
    place = Workplace.create(workdir, "cost", choose_account(), needed=1, on_disk=False)
    order = random.Random(0)
    try:
        print(f"starting a program takes {start_milliseconds(place):.0f} ms of CPU")
        for load in LOADS:
            print(f"{load.name:<20} {compared(load, place, options.pairs, order)}", flush=True)
    finally:
        place.remove()
        with contextlib.suppress(OSError):
            workdir.rmdir()


if __name__ == "__main__":
    main()
