"""What makes a machine suffer until a rail of the guard trips, while another value is held.

Each function provokes one rail and tells what came of it; `tests.kernel.rails` runs them.
"""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
from tests.kernel.stressors import (
    MEBIBYTE,
    Impossible,
    Limits,
    file_system,
    kernel_settings,
    scratch,
    stressor,
    swap_device,
)

from sealtune.benchmarks.memory_group import memory_group
from sealtune.benchmarks.process import NOTHING, run_child
from sealtune.benchmarks.workplace import choose_account
from sealtune.guard import Guard
from sealtune.trial import Rails

SWAPPINESS = Path("/proc/sys/vm/swappiness")
LIMIT_SECONDS = 15.0
"""After which a rail counts as one that did not trip; every stressor ends by itself then."""

_TOUCH = (
    "import time; pages, end = bytearray(128 << 20), time.monotonic() + 15\n"
    "while time.monotonic() < end:\n"
    "    for at in range(0, len(pages), 4096): pages[at] = (pages[at] + 1) & 255"
)
TOUCHING = ["python3", "-c", _TOUCH]
"""A program that touches page after page of 128 MiB for 15 s."""


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
    seconds: float = LIMIT_SECONDS,
) -> Row:
    """Hold another value, provoke, wait until the original is back.

    Args:
        rail: Its name.
        how: How it is provoked.
        provoke: The machine suffers while this is entered.
        limits: Limits beside those that follow from a calm baseline.
        seconds: How long to wait [s].
    """
    before = SWAPPINESS.read_text()
    with Guard.start(knobs=["vm.swappiness"]) as guard:
        rails = Rails.from_baselines([], guard.rails({}))
        guard.rails({**rails.limits, **(limits or {})})
        guard.apply({"vm.swappiness": other()})
        back, began, stood = None, time.monotonic(), stalled()
        with provoke():
            while back is None and time.monotonic() - began < seconds:
                if SWAPPINESS.read_text() == before:
                    back = time.monotonic() - began
                time.sleep(0.02)
            elapsed, now = time.monotonic() - began, stalled()
        said = guard.breach or "nothing"
    shares = ", ".join(f"{name} {(now[name] - stood[name]) / elapsed:.0%}" for name in now)
    return Row(rail, how, back, f"{said}; all stood still: {shares}")


def stalled() -> dict[str, float]:
    """Return how long all work has stood still for memory and for disks [s]."""
    texts = {name: Path("/proc/pressure", name).read_text() for name in ("memory", "io")}
    return {name: int(text.rpartition("total=")[2]) / 1e6 for name, text in texts.items()}


def oom_kill() -> Row:
    """A benchmark wants more memory than the control group that was made for it has."""

    @contextlib.contextmanager
    def provoke() -> Iterator[None]:
        with memory_group(64 * MEBIBYTE) as group:
            room = replace(NOTHING, memory_group=group)
            how = {"account": choose_account(), "cwd": Path("/"), "limit": 15.0, "room": room}
            benchmark = threading.Thread(target=run_child, args=(TOUCHING,), kwargs=how)
            benchmark.start()
            yield
            benchmark.join()

    return held("OOM kill", "a benchmark takes 128 MiB in a group of 64 MiB", provoke)


def oom_elsewhere() -> Row:
    """A process of somebody else wants more memory than its control group has: no danger of ours.

    Raises:
        RuntimeError: Nothing was killed.
    """
    before = _killed()
    with Limits(memory=64).groups() as groups:
        how = "a process that is no benchmark takes 128 MiB in a group of 64 MiB"
        row = held("OOM elsewhere", how, lambda: stressor(TOUCHING, groups), seconds=4.0)
    if not (killed := _killed() - before):
        raise RuntimeError("nothing was killed")
    return replace(row, said=f"{row.said}; killed: {killed}", unsafe=row.seconds is not None)


def _killed() -> int:
    lines = Path("/proc/vmstat").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def io_full() -> Row:
    """A writer waits for a disk that takes twenty writes a second."""
    with scratch() as folder, Limits(operations=20).groups() as groups:
        writer = _writers(folder, 1)
        how = "direct writes, 20 a second allowed"
        return held("io full", how, lambda: stressor(writer, groups))


def io_everywhere() -> Row:
    """A writer on each processor waits for the same disk, in the machine's own pressure."""
    with scratch() as folder, Limits(operations=20, own_pressure=False).groups() as groups:
        writers = _writers(folder, os.cpu_count() or 1)
        return held(
            "io, machine", "limit set to 10%; direct writes on each processor, 20 a second",
            lambda: stressor(writers, groups), limits={"io_full": 0.1},
        )  # fmt: skip


def _writers(folder: Path, count: int) -> list[str]:
    """Return the command of so many writers, each on its processor; their file is there."""
    file = folder / "file"
    file.write_bytes(bytes(16 * MEBIBYTE))
    os.sync()
    spread = [f"--cpus_allowed=0-{count - 1}", "--cpus_allowed_policy=split"]
    return [
        "fio", "--name=wait", f"--filename={file}", "--rw=randwrite", "--bs=4k", "--direct=1",
        "--size=16M", "--runtime=15", "--time_based", f"--numjobs={count}",
        *(spread if count > 1 else []),
    ]  # fmt: skip


def memory_full() -> Row:
    """A process waits for its memory half of the time, swapping being allowed."""
    return swapping("memory full", {"swap_mebibytes": 1024.0})


def memory_everywhere() -> Row:
    """The same by two processes, seen in the pressure of the whole machine."""
    both = ["sh", "-c", '"$@" & "$@" & wait', "sh", *TOUCHING]
    with swap_device(512), Limits(memory=96, own_pressure=False).groups() as groups:
        return held(
            "memory, machine", "256 MiB in a group of 96 MiB, swap on zram",
            lambda: stressor(both, groups), limits={"swap_mebibytes": 1024.0},
        )  # fmt: skip


def swap_storm() -> Row:
    """The same, waiting for memory being allowed as far as it can be."""
    return swapping("swap storm", {"memory_full": 0.5})


def swapping(rail: str, limits: dict[str, float]) -> Row:
    """A process touches page after page of twice the memory that it has, and swaps."""
    with swap_device(256), Limits(memory=64).groups() as groups:
        how = "128 MiB in a group of 64 MiB, swap on zram"
        return held(rail, how, lambda: stressor(TOUCHING, groups), limits=limits)


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
