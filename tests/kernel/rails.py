"""Provoke every guard rail for real, and see that the originals come back.

As root: ``python -m tests.kernel.rails`` for all of them, or with their names. Each holds another
``vm.swappiness`` by the real guard while a stressor under limits (a control group, swap in memory,
a throttled disk, a frozen file system) makes the machine suffer, and tells how long after the
stressor's start the original was back. On a machine that others keep busy nothing ever stands
still as a whole: so each runs in a mount namespace in which /proc/pressure is that of the
stressor's control group. Everything that is made is removed again.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from tests.kernel.stressors import (
    MEBIBYTE,
    Impossible,
    Limits,
    file_system,
    kernel_settings,
    mounted,
    scratch,
    stressor,
    swap_device,
)

from sealtune.benchmarks.base import Adapter, BenchmarkSpec
from sealtune.benchmarks.command import parse_command
from sealtune.benchmarks.measurement import Measurement
from sealtune.benchmarks.registry import create_adapter
from sealtune.guard import Guard
from sealtune.guard.watch import Watch
from sealtune.trial import MachineTrial, Rails
from sealtune.trial.rails import LATENCY_FACTOR

SWAPPINESS = Path("/proc/sys/vm/swappiness")
ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 15.0
"""After which a rail counts as one that did not trip; every stressor ends by itself then."""

MODULE = "tests.kernel.rails"


@dataclass(frozen=True)
class Row:
    """What came of one rail.

    Attributes:
        rail: Its name.
        how: How it was provoked.
        seconds: From the stressor's start until the original was back; ``None`` if it never was.
        said: What the trial would have failed with.
        unsafe: Whether the trial counts as unsafe.
    """

    rail: str
    how: str
    seconds: float | None
    said: str
    unsafe: bool = True


def other() -> int:
    """Return another value for vm.swappiness than the present one."""
    return 31 if SWAPPINESS.read_text().strip() != "31" else 41


def held(
    rail: str,
    how: str,
    provoke: Callable[[], contextlib.AbstractContextManager[object]],
    *,
    limits: dict[str, float] | None = None,
) -> Row:
    """Hold another value, provoke, wait until the original is back.

    Args:
        rail: Its name.
        how: How it is provoked.
        provoke: The machine suffers while this is entered.
        limits: Limits beside those that follow from a calm baseline.
    """
    before = SWAPPINESS.read_text()
    with Guard.start(knobs=["vm.swappiness"]) as guard:
        rails = Rails.from_baselines([], guard.rails({}))
        guard.rails({**rails.limits, **(limits or {})})
        guard.apply({"vm.swappiness": other()})
        seconds = None
        began = time.monotonic()
        with provoke():
            while seconds is None and time.monotonic() - began < LIMIT_SECONDS:
                if SWAPPINESS.read_text() == before:
                    seconds = time.monotonic() - began
                time.sleep(0.02)
        said = guard.breach or "nothing"
    return Row(rail, how, seconds, said)


def oom_kill() -> Row:
    """A process wants more memory than its control group has."""
    vm = ["stress-ng", "--vm", "1", "--vm-bytes", "256M", "--vm-keep", "--oomable"]
    with Limits(memory=64).groups() as groups:
        how = "256 MiB in a group of 64 MiB"
        return held("OOM kill", how, lambda: stressor([*vm, "--timeout", "15"], groups))


def io_full() -> Row:
    """A writer waits for a disk that takes twenty writes a second."""
    with scratch() as folder, Limits(operations=20).groups() as groups:
        fio = [
            "fio", "--name=wait", f"--filename={folder / 'file'}", "--rw=randwrite", "--bs=4k",
            "--direct=1", "--size=16M", "--runtime=15", "--time_based",
        ]  # fmt: skip
        how = "direct writes, 20 a second allowed"
        return held("io full", how, lambda: stressor(fio, groups))


def memory_full() -> Row:
    """A process waits for its memory half of the time, swapping being allowed."""
    return swapping("memory full", {"swap_mebibytes": 1024.0})


def swap_storm() -> Row:
    """The same, waiting for memory being allowed as far as it can be."""
    return swapping("swap storm", {"memory_full": 0.5})


def swapping(rail: str, limits: dict[str, float]) -> Row:
    """A process touches page after page of twice the memory that it has, and swaps."""
    touching = (
        "import time; pages, end = bytearray(128 << 20), time.monotonic() + 15\n"
        "while time.monotonic() < end:\n"
        "    for at in range(0, len(pages), 4096): pages[at] = (pages[at] + 1) & 255"
    )
    command = [sys.executable, "-c", touching]
    with swap_device(256), Limits(memory=64).groups() as groups:
        how = "128 MiB in a group of 64 MiB, swap on zram"
        return held(rail, how, lambda: stressor(command, groups), limits=limits)


def free_memory() -> Row:
    """A process takes what the limit, tightened to what is left now, does not allow."""
    memory = psutil.virtual_memory()
    limit = 1 - (memory.available - 512 * MEBIBYTE) / memory.total
    if memory.available < 4096 * MEBIBYTE:
        raise Impossible("under 4 GiB of memory are free here")
    vm = ["stress-ng", "--vm", "1", "--vm-bytes", "1400M", "--vm-keep", "--vm-method", "zero-one"]
    with Limits(memory=1536).groups() as groups:
        return held(
            "free memory", "limit set to 512 MiB under what is free; 1400 MiB taken",
            lambda: stressor([*vm, "--timeout", "15"], groups), limits={"memory_used": limit},
        )  # fmt: skip


def hung_task() -> Row:
    """A writer waits for a frozen file system longer than the kernel finds normal."""
    if not Path("/proc/sys/kernel/hung_task_detect_count").exists():
        raise Impossible("this kernel does not count hung tasks")
    settings = {"hung_task_timeout_secs": "2", "hung_task_check_interval_secs": "1"}
    with kernel_settings(settings), file_system(16) as place:

        @contextlib.contextmanager
        def provoke() -> Iterator[None]:
            subprocess.run(["fsfreeze", "--freeze", str(place)], check=True)
            writer = subprocess.Popen(["touch", str(place / "file")])
            try:
                yield
            finally:
                subprocess.run(["fsfreeze", "--unfreeze", str(place)], check=True)
                writer.wait(10)

        return held("hung task", "a write to a frozen file system, 2 s allowed", provoke)


def tail_latency() -> Row:
    """The benchmark's server stands still, again and again, while another value is held."""

    def disturb(server: psutil.Process, stop: threading.Event, rails: Rails) -> None:
        pause = 2e-3 * max(100.0, LATENCY_FACTOR * rails.tails_ms["p99"])
        while not stop.wait(0.02):
            server.suspend()
            time.sleep(pause)
            server.resume()

    how = "redis stopped for twice the limit, again and again"
    return disturbed("tail latency", how, "redis", "redis-server", disturb)


def error_rate() -> Row:
    """The page that the benchmark asks for is gone half of the time."""

    def disturb(server: psutil.Process, stop: threading.Event, _: Rails) -> None:
        page = Path(server.cmdline()[-1].split()[-1]).parent / "html" / "index.html"
        hidden = page.with_suffix(".hidden")
        stop.wait(0.9)  # the benchmark counts first how many requests a run takes
        while not stop.wait(0.05):
            page.rename(hidden)
            time.sleep(0.05)
            hidden.rename(page)

    return disturbed("error rate", "nginx's page gone half of the time", "ab", "nginx", disturb)


def killed_server() -> Row:
    """The benchmark's server is killed in the middle of the run."""

    def disturb(server: psutil.Process, stop: threading.Event, _: Rails) -> None:
        stop.wait(0.8)
        server.kill()

    return disturbed("server killed", "redis killed in the run", "redis", "redis-server", disturb)


def disturbed(
    rail: str,
    how: str,
    benchmark: str,
    server: str,
    disturb: Callable[[psutil.Process, threading.Event, Rails], None],
) -> Row:
    """Measure a baseline, then a trial of another value whose server is disturbed."""
    before, stop = SWAPPINESS.read_text(), threading.Event()
    adapter = create_adapter(BenchmarkSpec(benchmark, {}, benchmark))
    with scratch() as folder, Guard.start(knobs=["vm.swappiness"]) as guard:
        folder.chmod(0o755)
        try:
            adapter.prepare(folder)
            trial = MachineTrial(guard, adapter, 1.5, fresh=False)
            baselines = [trial.measure({}) for _ in range(2)]
            trial.rails = Rails.from_baselines(baselines, guard.rails({}))
            guard.rails(trial.rails.limits)
            thread = threading.Thread(target=disturb, args=(_server(server), stop, trial.rails))
            began = time.monotonic()
            thread.start()
            try:
                run: Measurement = trial.measure({"vm.swappiness": other()})
            finally:
                stop.set()
                thread.join()
            back = SWAPPINESS.read_text() == before
            seconds = time.monotonic() - began if back else None
        finally:
            adapter.teardown()
    return Row(rail, how, seconds, run.failure or "nothing", run.unsafe)


def _server(name: str) -> psutil.Process:
    """Return the benchmark's server, a descendant of this process."""
    found = [p for p in psutil.Process().children(recursive=True) if p.name() == name]
    if not found:
        raise Impossible(f"no {name} was started")
    return found[0]


LOADS = (
    "fio --name=sync --rw=randwrite --bs=4k --size=128M --direct=1 --iodepth=1",
    "fio --name=buffered --rw=write --bs=1M --size=512M",
    "sqlite",
)
"""Benchmarks whose baselines say how much waiting for disks is ordinary."""


def usual() -> None:
    """Print what each rail would have seen last in the baselines of `LOADS`; changes nothing."""
    with Limits().groups() as groups, scratch() as folder:
        folder.chmod(0o755)
        home = mounted("cgroup2") / "cgroup.procs"
        (groups[0] / "cgroup.procs").write_text(str(os.getpid()))
        try:
            for load in LOADS:
                known = parse_command(load) if " " in load else BenchmarkSpec(load, {}, load)
                print(f"{load}: {_seen(create_adapter(known), folder)}", flush=True)
        finally:
            home.write_text(str(os.getpid()))


def _seen(adapter: Adapter, folder: Path) -> str:
    adapter.prepare(folder)
    watch, stop = Watch(), threading.Event()

    def look() -> None:
        while not stop.wait(0.05):
            if watch.due():
                watch.breach()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(2):
            adapter.refresh()
            adapter.run(5.0)
    finally:
        stop.set()
        thread.join()
        adapter.teardown()
    return ", ".join(f"{name} {value:.2f}" for name, value in watch.allow({}).items())


RAILS: dict[str, Callable[[], Row]] = {
    one.__name__: one
    for one in (
        memory_full, io_full, swap_storm, oom_kill, free_memory, hung_task, tail_latency,
        error_rate, killed_server,
    )
}  # fmt: skip


def provoke(name: str) -> Row:
    """Provoke one rail, in a process and a mount namespace of its own.

    Raises:
        Impossible: This machine lacks what it needs.
        RuntimeError: Something else went wrong.
    """
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", MODULE, name,
         "--here"],
        capture_output=True, text=True, timeout=90, cwd=ROOT, check=False,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    if done.returncode == 77:
        raise Impossible(done.stderr.strip())
    if done.returncode:
        raise RuntimeError(done.stderr)
    return Row(**json.loads(done.stdout))


def main() -> int:
    """Provoke the rails, print a table; return 1 if one did not trip or restore."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*RAILS, []], help="all by default")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--usual", action="store_true", help="what baselines do; in `unshare -m`")
    arguments = parser.parse_args()
    if arguments.usual:
        usual()
        return 0
    if arguments.here:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        try:
            print(json.dumps(asdict(RAILS[arguments.names[0]]())))
        except Impossible as error:
            print(error, file=sys.stderr)
            return 77
        return 0
    bad = 0
    for name in arguments.names or RAILS:
        try:
            row = provoke(name)
        except Impossible as error:
            print(f"{name:<14} not possible here: {error}", flush=True)
            continue
        back = "        " if row.seconds is None else f"{row.seconds:6.1f} s"
        # A server that is gone leaves no number to judge: a failed trial, and no breach.
        bad += row.unsafe != (name != "killed_server") or (row.unsafe and row.seconds is None)
        kind = "unsafe" if row.unsafe else "failed"
        print(f"{row.rail:<14} {back}  {kind}  {row.how}: {row.said}", flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
