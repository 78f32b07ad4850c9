"""The real guard in tests, one at a time on this machine, and a session that holds a value."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from sealtune.errors import BusyError
from sealtune.guard import Guard, recovery
from sealtune.guard.kernel import Kernel

SWAPPINESS = "/proc/sys/vm/swappiness"
SESSION = """
import sys, time
sys.path.insert(0, {source!r})
from sealtune.guard import Guard
guard = Guard.start(
    knobs=["vm.swappiness"],
    on_guard_death=lambda outcome: print(guard._death, outcome.restored, flush=True),
)
guard.apply({{"vm.swappiness": {value}}})
print(guard.pid, flush=True)
time.sleep(60)  # a benchmark
"""


def start_guard(**options):
    """Start the guard; another sealtune on this machine may take some seconds to end."""
    for _ in range(100):
        try:
            return Guard.start(**options)
        except BusyError:
            time.sleep(0.2)
    pytest.skip("another sealtune is tuning this machine")


@contextmanager
def holding(value):
    """Yield a session in a process of its own that holds a vm.swappiness, and its guard's pid."""
    start_guard(knobs=[]).close()
    source = os.path.dirname(os.path.dirname(os.path.dirname(recovery.__file__)))
    program = SESSION.format(source=source, value=value)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()  # also when a test fails: it would sleep on, and be waited for


def seconds_until(value, limit):
    """Return after how many seconds vm.swappiness was `value`; fails beyond `limit`."""
    kernel, begin = Kernel(), time.monotonic()
    while kernel.read(SWAPPINESS) != value:
        assert time.monotonic() - begin < limit, f"not back after {limit} s"
        time.sleep(0.005)
    return time.monotonic() - begin
