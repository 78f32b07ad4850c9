"""Let the kernel run out of memory around the guard; the guard must live, and put all back.

As root: ``python -m tests.kernel.guard_squeeze``. Session, guard, watcher and a hog share a memory
cgroup of 150 MiB that is made for it and removed. Once the hog is stress-ng, once the session
itself; the kernel kills what it chooses. Exit code 1 when the guard is killed, or a parameter is
not back 2 s after the first kill.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from sealtune.guard import Guard, recovery
from sealtune.guard.kernel import Kernel

LIMIT_BYTES = 150 * 2**20
LIMIT_SECONDS = 2.0
PATIENCE_SECONDS = 20.0
SWAPPINESS = "/proc/sys/vm/swappiness"
HOGS = ("stress-ng", "session")
_STRESS = "stress-ng --vm 2 --vm-bytes 300M --vm-keep --oomable --timeout 10 --quiet"
_ROOT = Path("/sys/fs/cgroup")


class Outcome(NamedTuple):
    """How one squeeze went; the kills are the kernel's in the cgroup."""

    hog: str
    kills: int
    guard_lived: bool
    seconds: float


class Squeeze:
    """A memory cgroup, of version 1 or 2, whichever this machine has."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._is_old = folder, (folder / "memory.limit_in_bytes").exists()
        limit = "memory.limit_in_bytes" if self._is_old else "memory.max"
        (folder / limit).write_text(str(LIMIT_BYTES))

    def kills(self) -> int:
        """Return how many processes the kernel has killed in it."""
        file = "memory.oom_control" if self._is_old else "memory.events"
        words = (self.folder / file).read_text().split()
        return int(words[words.index("oom_kill") + 1])

    def enter(self) -> None:
        """Move this process into it."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def members(self) -> list[int]:
        """Return the processes in it."""
        return [int(line) for line in (self.folder / "cgroup.procs").read_text().split()]


def parent() -> Path | None:
    """Return the cgroup under which one with a memory limit can be made, if there is any."""
    if (_ROOT / "memory/memory.limit_in_bytes").exists():
        return _ROOT / "memory"
    with suppress(OSError):
        (_ROOT / "cgroup.subtree_control").write_text("+memory")
        return _ROOT
    return None


@contextmanager
def squeeze() -> Iterator[Squeeze]:
    """Make the cgroup; end what is left in it, and remove it."""
    root = parent()
    if root is None:
        raise RuntimeError("no memory cgroup can be made here")
    folder = root / f"sealtune-squeeze-{os.getpid()}"
    folder.mkdir()
    made = Squeeze(folder)
    try:
        yield made
    finally:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while made.members() and time.monotonic() < deadline:
            time.sleep(0.05)  # the guard and its watcher end by themselves
        for process in made.members():
            with suppress(ProcessLookupError):
                os.kill(process, 9)
            time.sleep(0.1)
        folder.rmdir()


def session(hog: str) -> None:
    """Hold a setting, and eat memory or wait; ends by being killed, at most after ten seconds."""
    present = int(Kernel().read(SWAPPINESS))
    guard = Guard.start(knobs=["vm.swappiness"])
    guard.apply({"vm.swappiness": 30 if present != 30 else 40})
    print(guard.pid, flush=True)
    eaten = []
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:
        if hog == "session":
            eaten.append(bytearray(b"x") * 2**20)
        else:
            time.sleep(0.1)
    guard.close()


def run(hog: str) -> Outcome:
    """Squeeze once; return how it went. The parameter is as before in any case."""
    before = Kernel().read(SWAPPINESS)
    with squeeze() as group:
        command = [sys.executable, "-m", "tests.kernel.guard_squeeze", "--session", hog]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(
            command, env=environment, preexec_fn=group.enter, stdout=subprocess.PIPE, text=True
        ) as process:
            stress = None
            try:
                guard = int(process.stdout.readline() if process.stdout else "0")
                if hog == "stress-ng":
                    stress = subprocess.Popen(
                        _STRESS.split(), preexec_fn=group.enter, cwd=tempfile.gettempdir()
                    )
                return _follow(hog, group, guard, before)
            finally:
                process.kill()
                if stress:
                    stress.terminate()
                    stress.wait()
                recovery.restore(wait_seconds=PATIENCE_SECONDS)


def _follow(hog: str, group: Squeeze, guard: int, before: str) -> Outcome:
    """Wait for the first kill and for the value before; the guard must outlive both."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not group.kills() and time.monotonic() < deadline:
        time.sleep(0.002)
    begin = time.monotonic()
    while Kernel().read(SWAPPINESS) != before and time.monotonic() < deadline:
        time.sleep(0.002)
    seconds = time.monotonic() - begin if Kernel().read(SWAPPINESS) == before else float("inf")
    time.sleep(1.0)  # time for the kernel to kill more
    # A guard whose session was killed has ended by now, in order: nothing is left for a watcher.
    ended_in_order = group.kills() == 1 and not recovery.pending()
    lived = os.path.exists(f"/proc/{guard}") or (hog == "session" and ended_in_order)
    return Outcome(hog, group.kills(), lived, seconds)


def main() -> None:
    """Print a table; exit 1 when the guard was killed or a parameter was not back in time."""
    if sys.argv[1:2] == ["--session"]:
        return session(sys.argv[2])
    outcomes = [run(hog) for hog in HOGS]
    print(f"{'hog':<10} {'kills':>6} {'guard lived':>12} {'back after s':>13}")
    for outcome in outcomes:
        print("{:<10} {:>6} {!s:>12} {:>13.3f}".format(*outcome))
    good = [o for o in outcomes if o.kills and o.guard_lived and o.seconds <= LIMIT_SECONDS]
    sys.exit(len(good) < len(outcomes))


if __name__ == "__main__":
    main()
