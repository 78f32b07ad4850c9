"""Kill the session, the guard, or both at random moments, and see that every parameter comes back.

As root: ``python tests/kernel/guard_kills.py --kills 50``. A session of its own writes random
settings of six harmless parameters through the guard in a loop; what is killed, and when, is
random. The time counts from the kill until all six read as before; when both were killed, it is
that of one `recovery.restore`. Exit code 1 when one of them does not come back within 2 s.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from typing import NamedTuple

from sealtune.errors import BusyError, GuardError
from sealtune.guard import Guard, recovery

RANGES = {
    "vm.swappiness": (20, 100),
    "vm.vfs_cache_pressure": (80, 120),
    "vm.dirty_ratio": (20, 40),
    "vm.dirty_background_ratio": (5, 15),
    "vm.dirty_expire_centisecs": (2000, 4000),
    "net.ipv4.tcp_fin_timeout": (30, 60),
}
VICTIMS = ("session", "guard", "both")
LIMIT_SECONDS = 2.0
PATIENCE_SECONDS = 60.0


class Outcome(NamedTuple):
    """How the kills of one victim went."""

    victim: str
    kills: int
    restored: int
    slowest_seconds: float


def present() -> dict[str, str]:
    """Return what the kernel has now for each parameter."""
    values = {}
    for name in RANGES:
        with open(f"/proc/sys/{name.replace('.', '/')}") as file:
            values[name] = file.read().strip()
    return values


def start_when_free() -> Guard:
    """Start the guard; another sealtune of this machine may need some seconds to end."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return Guard.start(knobs=RANGES)
        except BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def session(seed: int) -> None:
    """Write random settings until killed, or until the guard is."""
    choose = random.Random(seed)
    with start_when_free() as guard:
        print(guard.pid, flush=True)
        try:
            while True:
                names = choose.sample(sorted(RANGES), choose.randint(1, len(RANGES)))
                guard.apply({name: choose.randint(*RANGES[name]) for name in names})
        except GuardError:
            time.sleep(LIMIT_SECONDS)  # restored by now, and not by the end of this process


def kill_once(victim: str, choose: random.Random) -> float:
    """Kill `victim` at a random moment; return the seconds until all was back, inf if never."""
    start_when_free().close()
    before = present()
    command = [sys.executable, __file__, "--session", str(choose.randrange(10**6))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise BusyError("the session under test did not start")
        guard = int(line)
        time.sleep(choose.uniform(0.0, 0.2))
        if victim in ("session", "both"):
            os.kill(process.pid, signal.SIGSTOP if victim == "both" else signal.SIGKILL)
        if victim in ("guard", "both"):
            os.kill(guard, signal.SIGKILL)
        process.send_signal(signal.SIGKILL if victim == "both" else 0)
        begin = time.monotonic()
        if victim == "both":
            process.wait()
            recovery.restore(wait_seconds=1.0)
        while present() != before and time.monotonic() - begin < 2 * LIMIT_SECONDS:
            time.sleep(0.002)
        seconds = time.monotonic() - begin
        process.kill()
    if present() != before:
        recovery.restore(wait_seconds=1.0)  # leave the machine as it was, whatever went wrong
        return float("inf")
    recovery.restore(wait_seconds=2.0)  # waits until the killed one's lock is free
    return seconds


def run(kills: int, seed: int) -> list[Outcome]:
    """Kill each victim `kills` times; return how it went."""
    choose, outcomes = random.Random(seed), []
    for victim in VICTIMS:
        times = [kill_once(victim, choose) for _ in range(kills)]
        good = sum(seconds <= LIMIT_SECONDS for seconds in times)
        outcomes.append(Outcome(victim, kills, good, max(times)))
    return outcomes


def main() -> None:
    """Print a table; exit 1 when any parameter was not back in time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=6, help="of each victim")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--session", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.session is not None:
        return session(arguments.session)
    outcomes = run(arguments.kills, arguments.seed)
    print(f"seed {arguments.seed}\n{'killed':<8} {'kills':>6} {'restored':>9} {'slowest s':>10}")
    for outcome in outcomes:
        print("{:<8} {:>6} {:>9} {:>10.3f}".format(*outcome))
    sys.exit(any(outcome.restored < outcome.kills for outcome in outcomes))


if __name__ == "__main__":
    main()
