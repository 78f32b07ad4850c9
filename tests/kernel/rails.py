"""Provoke every guard rail for real, and see that the originals come back.

As root: ``python -m tests.kernel.rails`` for all of them, or with their names, ``--times`` each.
Each holds another ``vm.swappiness`` by the real guard while a stressor under limits (a control
group, swap in memory, a throttled disk, a frozen file system) makes the machine suffer, and tells
how long after the stressor's start the original was back. On a machine that others keep busy
nothing ever stands still as a whole: so each runs in a mount namespace in which /proc/pressure is
that of the stressor's control group, but for the two that try the machine's own. Everything that
is made is removed again.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tests.kernel.disturbing import error_rate, killed_server, left_alone, tail_latency
from tests.kernel.stressors import Impossible
from tests.kernel.suffering import (
    Row,
    free_memory,
    hung_task,
    io_everywhere,
    io_full,
    memory_everywhere,
    memory_full,
    oom_elsewhere,
    oom_kill,
    swap_storm,
)

ROOT = Path(__file__).parents[2]
MODULE = "tests.kernel.rails"
RAILS: dict[str, Callable[[], Row]] = {
    one.__name__: one
    for one in (
        memory_full, io_full, swap_storm, oom_kill, oom_elsewhere, free_memory, hung_task,
        tail_latency, left_alone, error_rate, killed_server,
    )
}  # fmt: skip
MAY_FAIL = {one.__name__: one for one in (memory_everywhere, io_everywhere)}
"""When named: whether all work of the machine stands still depends on what else it does."""

HARMLESS = ("oom_elsewhere", "left_alone", "killed_server")
"""No breach: a danger of others, and a server that is gone, which leaves no number to judge."""


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
    parser.add_argument("names", nargs="*", choices=[*RAILS, *MAY_FAIL, []], help="all by default")
    parser.add_argument("--times", type=int, default=1, help="how often each (1)")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        return here(arguments.names[0])
    bad, times = 0, arguments.times
    for name in arguments.names or RAILS:
        well = 0
        for _ in range(times):
            well += tried(name)
        bad += well < times
        if times > 1:
            print(f"{name}: {well} of {times} as they should be", flush=True)
    return int(bad > 0)


def here(name: str) -> int:
    """Provoke one rail in this process, print what came of it as JSON."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        print(json.dumps(asdict({**RAILS, **MAY_FAIL}[name]())))
    except Impossible as error:
        print(error, file=sys.stderr)
        return 77
    return 0


def tried(name: str) -> bool:
    """Provoke one rail, print its row; return whether it is as it should be, or not possible."""
    try:
        row = provoke(name)
    except Impossible as error:
        print(f"{name:<16} not possible here: {error}", flush=True)
        return True
    back = "        " if row.seconds is None else f"{row.seconds:6.1f} s"
    kind = "unsafe" if row.unsafe else "failed" if name == "killed_server" else "  kept"
    print(f"{row.rail:<16} {back}  {kind}  {row.how}: {row.said}", flush=True)
    if name in HARMLESS:
        return not row.unsafe
    return row.unsafe and row.seconds is not None


if __name__ == "__main__":
    sys.exit(main())
