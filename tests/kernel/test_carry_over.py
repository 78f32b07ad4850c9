"""What a setting leaves in the kernel's own state is not measured with the next one."""

import os
from pathlib import Path

import pytest
from tests.kernel.stressors import scratch

from sealtune.benchmarks.base import BenchmarkSpec
from sealtune.benchmarks.registry import create_adapter
from sealtune.guard import Guard
from sealtune.trial import MachineTrial

HALTPOLL = Path("/sys/module/haltpoll/parameters")
WINDOW, SHRINK = "haltpoll/guest_halt_poll_ns", "haltpoll/guest_halt_poll_allow_shrink"


def as_found(name):
    path = HALTPOLL / name.rpartition("/")[2]
    return path.read_text().strip() if path.exists() else None


pytestmark = [
    pytest.mark.kernel,
    pytest.mark.server,
    pytest.mark.skipif(os.geteuid() != 0, reason="writes kernel parameters: needs root"),
    pytest.mark.skipif(
        (as_found(WINDOW), as_found(SHRINK)) != ("0", "Y"),
        reason="needs haltpoll with its window closed, as on this kind of guest",
    ),
]


def test_a_polling_window_does_not_outlive_its_setting():
    """
    One client of Redis: polling is worth a factor; "do not shrink" alone is worth nothing, though
    the window that the trial before it has opened would stay open under it.
    """
    adapter = create_adapter(BenchmarkSpec("redis", {"test": "get", "clients": 1}, "redis"))
    with scratch() as folder, Guard.start(knobs=[WINDOW, SHRINK]) as guard:
        folder.chmod(0o755)
        try:
            adapter.prepare(folder)
            trial = MachineTrial(guard, adapter, 1.0, fresh=False)
            polling = trial.measure({WINDOW: 200_000, SHRINK: "N"})
            after_it = trial.measure({SHRINK: "N"})
            original = trial.measure({})
        finally:
            adapter.teardown()
    if polling.value < 2.0 * original.value:
        pytest.skip("processors that are busy with other things never fall idle: no polling")
    assert after_it.value < 1.5 * original.value
