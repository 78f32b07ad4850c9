"""Kill the guard at every step that changes a file, on the real kernel; its watcher must restore.

As root: ``python -m tests.kernel.guard_steps``. A step is a write to the kernel or the journal,
an fsync or a truncation: of batches with coupled parameters, some of which the kernel refuses
half-way, and of the restore after them. The guard is killed before each in turn, and nobody else
is there to restore.
Exit code 1 when a parameter does not come back within 2 s.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from sealtune.catalogue.limits import LIMITS
from sealtune.errors import WriteRefusedError
from sealtune.guard import recovery
from sealtune.guard.journal import Journal
from sealtune.guard.keeper import Keeper
from sealtune.guard.kernel import Kernel, take_lock
from sealtune.guard.rules import Rules
from sealtune.guard.undo import read_or_reason
from sealtune.guard.watcher import Watcher

LIMIT_SECONDS = 2.0
CONTROL = "net.ipv4.tcp_congestion_control"
_CHANGES = ("write", "fsync", "ftruncate")


class Outcome(NamedTuple):
    """How the kills went."""

    steps: int
    restored: int
    slowest_seconds: float


def settings(kernel: Kernel) -> list[dict[str, int | str]]:
    """Return batches that touch a pair, a scheduler with its queue, and a refusable value."""
    batches: list[dict[str, int | str]] = [
        {"vm.swappiness": 33, "vm.dirty_ratio": 35, "vm.dirty_background_ratio": 7},
        {"vm.dirty_ratio": 6, "vm.dirty_background_ratio": 3},
    ]
    control = LIMITS[CONTROL]
    available = kernel.read("/proc/sys/net/ipv4/tcp_available_congestion_control").split()
    others = set(control.choices) - {kernel.read(control.path)}
    for choice in sorted(others - set(available))[:1] + sorted(others & set(available))[:1]:
        batches.append({"vm.swappiness": 44, CONTROL: choice})
    for disk in sorted(os.listdir("/sys/block")):
        path = f"/sys/block/{disk}/queue/scheduler"
        with suppress(OSError), open(path) as file:
            choices = file.read().replace("[", "").replace("]", "").split()
            different = [choice for choice in choices if choice != kernel.read(path)]
            if different and not disk.startswith(("loop", "zram")):
                batches[1][f"block/{disk}/scheduler"] = different[0]
                batches[1][f"block/{disk}/nr_requests"] = 128
                break
    return batches


def present(kernel: Kernel) -> dict[str, str]:
    """Return what the kernel has now in every file that the batches may change."""
    rules, names = Rules(LIMITS, kernel), {name for batch in settings(kernel) for name in batch}
    limits = [rules.limit(name) for name in names]
    paths = {path for limit in limits for path in (limit.path, *limit.saved_with)}
    return {path: read_or_reason(kernel, path) for path in sorted(paths)}


def guard(fatal: int) -> None:
    """Apply and restore; be killed before step number `fatal`. Prints the steps taken."""
    kernel = Kernel()
    lock = take_lock(recovery.PLACES, 30.0)
    batches, watcher = settings(kernel), Watcher()
    taken = 0

    def counted(change: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            nonlocal taken
            taken += 1
            if taken == fatal:
                print(time.monotonic(), watcher.pid, flush=True)
                os.kill(os.getpid(), 9)
            return change(*arguments)

        return call

    originals = {name: getattr(os, name) for name in _CHANGES}
    for name, change in originals.items():
        setattr(os, name, counted(change))
    journal = Journal(recovery.PLACES.journal, kernel.boot_id())
    keeper = Keeper(kernel, journal, Rules(LIMITS, kernel))
    for batch in batches:
        with suppress(WriteRefusedError):
            keeper.apply(batch)
    keeper.restore()
    for name, change in originals.items():
        setattr(os, name, change)
    watcher.dismiss()
    os.close(lock)
    print(taken)


def _start(fatal: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.kernel.guard_steps", "--guard", str(fatal)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def kill_at(step: int) -> float:
    """Kill a guard before `step`; return the seconds until all was back, inf if never."""
    kernel = Kernel()
    before = present(kernel)
    died = _start(step)
    if died.returncode != -9:
        raise RuntimeError(f"not killed at step {step}: {died.stderr}")
    begin, watcher = died.stdout.split()
    while present(kernel) != before or recovery.pending():
        if time.monotonic() - float(begin) > 2 * LIMIT_SECONDS:
            recovery.restore(wait_seconds=5.0)  # leave the machine as it was, whatever went wrong
            return float("inf")
        time.sleep(0.002)
    seconds = time.monotonic() - float(begin)
    while _is_alive(watcher):  # it would be the first to restore after the next one, too
        time.sleep(0.01)
    return seconds


def _is_alive(process: str) -> bool:
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def run(every: int = 1) -> Outcome:
    """Kill at one step of `every` so many in turn; return how it went."""
    whole = _start(0)
    if whole.returncode:
        raise RuntimeError(whole.stderr)
    times = [kill_at(step) for step in range(every, int(whole.stdout) + 1, every)]
    return Outcome(len(times), sum(seconds <= LIMIT_SECONDS for seconds in times), max(times))


def main() -> None:
    """Print how it went; exit 1 when any parameter was not back in time."""
    if sys.argv[1:2] == ["--guard"]:
        return guard(int(sys.argv[2]))
    outcome = run()
    print(
        f"guard killed at each of {outcome.steps} steps: restored by its watcher"
        f" {outcome.restored} times, slowest {outcome.slowest_seconds:.3f} s"
    )
    sys.exit(outcome.restored < outcome.steps)


if __name__ == "__main__":
    main()
