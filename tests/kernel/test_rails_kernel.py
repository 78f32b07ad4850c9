"""Every guard rail, provoked on this kernel by a stressor under limits."""

import os
import shutil
from pathlib import Path

import pytest
from tests.kernel import rails
from tests.kernel.suffering import SWAPPINESS

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="writes kernel parameters: needs root"),
    pytest.mark.skipif(
        not os.access("/proc/sys/vm/swappiness", os.W_OK), reason="/proc/sys is read-only here"
    ),
]
SAYS = {
    "memory_full": "stood still for memory",
    "io_full": "stood still for disks",
    "swap_storm": "MiB/s were swapped in and out",
    "oom_kill": "for want of memory",
    "free_memory": "MiB of memory available",
    "hung_task": "hung tasks",
    "tail_latency": "in the bad tenth of its parts",
    "error_rate": "of the operations failed",
}
TOOLS = {
    "io_full": "fio", "free_memory": "stress-ng", "tail_latency": "redis-benchmark",
    "error_rate": "ab",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _as_found():
    """Whatever a test provokes, the machine is as it was afterwards."""

    def state():
        kernel = Path("/proc/sys/kernel")
        files = (SWAPPINESS, Path("/proc/swaps"), *sorted(kernel.glob("hung_task_*s*")))
        left = [*Path("/sys/fs/cgroup").glob("*/sealtune-rails-*"), *Path("/sys/block").glob("z*")]
        return [file.read_text() for file in files], sorted(map(str, left))

    before = state()
    yield
    assert state() == before


def provoked(name):
    tool = TOOLS.get(name, "unshare")
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    try:
        return rails.provoke(name)
    except rails.Impossible as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("name", SAYS)
def test_a_provoked_rail_puts_the_original_back(name):
    """
    The original is back while the stressor still runs, and the trial fails as unsafe with why.
    """
    row = provoked(name)
    assert row.seconds is not None, row
    assert SAYS[name] in row.said
    assert row.unsafe


def test_a_full_container_of_others_is_no_breach():
    """
    A process that is no benchmark is killed for its group's limit: the setting stays in force.
    """
    row = provoked("oom_elsewhere")
    assert row.seconds is None, row
    assert "killed: " in row.said
