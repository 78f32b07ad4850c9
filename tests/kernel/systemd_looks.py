"""What the ways to end a guard below systemd share: how it is looked at what came of one."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.kernel.guards import SWAPPINESS

from sealtune.guard import recovery
from sealtune.guard.kernel import Kernel

WITHIN, WITHIN_FROZEN = 2.0, 10.0
_MEETING = "sealtune-guard-"


class Row(NamedTuple):
    """One way to end a guard, and what came of it."""

    what: str
    seconds: float
    """Until the value was back."""
    within: float
    told: str
    """What the session said of it; empty when it was killed or frozen."""
    left: list[str]
    """Units that had failed or still lived, and processes of ours, at the end."""

    @property
    def is_kept(self) -> bool:
        """Whether the promise was."""
        return self.seconds <= self.within and not self.left


def children(process: int) -> list[int]:
    """Return the children of `process`."""
    with suppress(OSError):
        return [
            int(p) for p in Path(f"/proc/{process}/task/{process}/children").read_text().split()
        ]
    return []


def freeze(process: int) -> None:
    """Stop `process`; return when all of its threads stand still."""
    os.kill(process, signal.SIGSTOP)
    deadline = time.monotonic() + WITHIN
    for task in Path(f"/proc/{process}/task").iterdir():
        # One that still ran could notice the guard's death, and be stopped holding its lock.
        while (task / "stat").read_text().rpartition(")")[2].split()[0] != "T":
            assert time.monotonic() < deadline, f"{process} does not stop"


def left(unit: str = "") -> list[str]:
    """Return what is left behind once everybody had a moment to end."""
    listing = ("list-units", "--plain", "--no-legend", "--all")
    deadline = time.monotonic() + 3.0
    while True:
        units = systemctl(*listing, "--failed") + (systemctl(*listing, f"{unit}*") if unit else "")
        meetings = [f"/run/{one}" for one in os.listdir("/run") if one.startswith(_MEETING)]
        found = [*filter(None, units.split("\n")), *meetings]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def until_back(before: str, begin: float, within: float) -> float:
    """Return how long after `begin` vm.swappiness was `before`; restores it when that is late."""
    while Kernel().read(SWAPPINESS) != before:
        if time.monotonic() - begin > within + 2:
            recovery.restore(wait_seconds=WITHIN_FROZEN)
        time.sleep(0.005)
    return time.monotonic() - begin


def run(*command: str) -> str:
    """Return what `command` prints; it must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def systemctl(*arguments: str) -> str:
    """Return what systemctl prints."""
    return run("systemctl", "--no-pager", *arguments)
