"""How much waiting is ordinary: what each rail would have seen in the baselines of disk loads.

As root, in a mount namespace of its own, for it covers /proc/pressure with that of its control
group: ``unshare --mount python -m tests.kernel.usual_pressure``. It changes no parameter.
"""

import os
import threading
from pathlib import Path

from tests.kernel.stressors import Limits, mounted, scratch

from sealtune.benchmarks.base import Adapter, BenchmarkSpec
from sealtune.benchmarks.command import parse_command
from sealtune.benchmarks.registry import create_adapter
from sealtune.guard.watch import Watch

LOADS = (
    "fio --name=sync --rw=randwrite --bs=4k --size=128M --direct=1 --iodepth=1",
    "fio --name=buffered --rw=write --bs=1M --size=512M",
    "sqlite",
)
"""Benchmarks whose baselines say how much waiting for disks is ordinary."""


def main() -> None:
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


if __name__ == "__main__":
    main()
