"""Kill real tuning runs at random moments, and see that every parameter comes back.

As root: ``python -m tests.kernel.session_kills --kills 50``. Each run is ``sealtune optimize`` on
this kernel with a real benchmark; the session, the guard or both are killed with SIGKILL at a
random moment. Every file that the guard may write, and every file that changes with one of them,
must read as before within 2 s: by the guard when the session was killed, by the session when the
guard was, by the next `sealtune` command when both were. No process of the run may be left.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sealtune.catalogue.limits import LIMITS
from sealtune.machine.facts import gather_facts
from sealtune.machine.services import WORKPLACE

WORKLOAD = "a write-heavy database on this disk"
VICTIMS = ("session", "guard", "both")
LIMIT_SECONDS = 2.0
JOURNAL = Path("/var/lib/sealtune/journal")
WORK = Path("/var/lib", WORKPLACE)


def files() -> list[Path]:
    """Return every file of this machine that the guard may change."""
    disk = gather_facts(Path("/var/lib")).disk
    device = disk.name if disk else "none"
    paths = {path for limit in LIMITS.values() for path in (limit.path, *limit.saved_with)}
    return sorted(p for path in paths if (p := Path(path.replace("{dev}", device))).exists())


def snapshot(paths: list[Path]) -> dict[str, str]:
    """Return what each file reads now."""
    values = {}
    for path in paths:
        try:
            values[str(path)] = path.read_text()
        except OSError as error:
            values[str(path)] = f"[{error.errno}]"
    return values


def children(pid: int) -> list[int]:
    """Return the direct children of `pid`."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def guard_of(session: int) -> int | None:
    """Return the guard process of a session, ``None`` before it runs."""
    for child in children(session):
        with contextlib.suppress(OSError):  # it may have ended just now
            if b"sealtune/guard" in Path(f"/proc/{child}/cmdline").read_bytes():
                return child
    return None


def start(store: Path, seed: int) -> subprocess.Popen[bytes]:
    """Start a real run and return once its guard is at work."""
    arguments = ["optimize", WORKLOAD, "--minutes", "6", "--benchmark", "sqlite", "--yes"]
    arguments += ["--no-apply", "--tactician", "random", "--seed", str(seed)]
    arguments += ["--run-seconds", "1"]  # so that most moments fall into the search
    process = subprocess.Popen(
        [sys.executable, "-m", "sealtune", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "SEALTUNE_STORE": str(store)},
    )
    wait_for(lambda: guard_of(process.pid) is not None or process.poll() is not None, 60.0)
    return process


def wait_for(condition: Callable[[], bool], seconds: float) -> float:
    """Return after how many seconds `condition` held, infinity if it did not in time."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if condition():
            return time.monotonic() - began
        time.sleep(0.005)
    return float("inf")


def kill_once(
    victim: str, choose: random.Random, store: Path, longest: float
) -> dict[str, object]:
    """Kill one run once; return whether, and after how long, everything was back."""
    paths = files()
    before = snapshot(paths)
    process = start(store, choose.randrange(10**6))
    guard = guard_of(process.pid)
    time.sleep(choose.uniform(0.0, longest))
    changed = sum(before[name] != value for name, value in snapshot(paths).items())
    if guard is None or process.poll() is not None:
        process.kill()
        raise RuntimeError("the run ended before it could be killed")
    if victim == "both":  # neither may notice that the other is gone
        os.kill(process.pid, signal.SIGSTOP)
    if victim in ("guard", "both"):
        os.kill(guard, signal.SIGKILL)
    if victim in ("session", "both"):
        os.kill(process.pid, signal.SIGKILL)
    began = time.monotonic()
    if victim == "both":
        process.wait()
        subprocess.run(
            [sys.executable, "-m", "sealtune", "restore"], check=True, capture_output=True
        )
    wait_for(lambda: snapshot(paths) == before, 2 * LIMIT_SECONDS)
    seconds = time.monotonic() - began
    left = {name for name, value in snapshot(paths).items() if value != before[name]}
    process.wait(60)
    wait_for(lambda: not leftovers(), 10.0)
    return {"seconds": seconds, "changed": changed, "left": left, "processes": leftovers()}


def leftovers() -> list[str]:
    """Return command lines of processes that a killed run has left behind."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(WORK) in command or "sealtune/guard" in command:
            found.append(command.strip())
    return found


def main() -> int:
    """Kill, print a table, return 1 when anything was not back in time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="kills of each victim")
    parser.add_argument("--victims", nargs="+", choices=VICTIMS, default=list(VICTIMS))
    parser.add_argument(
        "--longest", type=float, default=40.0, help="latest moment; A/A takes the first 15 s [s]"
    )
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for victim in chosen.victims:
            choose = random.Random(f"{chosen.seed} {victim}")
            store = Path(folder) / "sessions.db"
            runs = [kill_once(victim, choose, store, chosen.longest) for _ in range(chosen.kills)]
            late = [
                run for run in runs if run["left"] or float(str(run["seconds"])) > LIMIT_SECONDS
            ]
            bad += len(late) + sum(bool(run["processes"]) for run in runs)
            slowest = max(float(str(run["seconds"])) for run in runs)
            with_changes = sum(bool(run["changed"]) for run in runs)
            print(
                f"{victim:<8} {len(runs)} kills, {with_changes} with parameters changed at that "
                f"moment; {len(runs) - len(late)} back in time, slowest {slowest:.3f} s",
                flush=True,
            )
            for run in late:
                print(json.dumps(run, default=sorted))
            for run in runs:
                if run["processes"]:
                    print("left running:", run["processes"])
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
