"""Parameters of a disk's scheduler, on this machine's own disk. Everything is put back."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.kernel.guards import start_guard

from sealtune.catalogue import load_catalogue
from sealtune.errors import KnobError
from sealtune.guard import recovery
from sealtune.machine import gather_facts
from sealtune.space.available import available_knobs


def with_deadline(disk):
    file = Path(f"/sys/block/{disk}/queue/scheduler")
    return file.exists() and "mq-deadline" in file.read_text()


BLOCK = Path("/sys/block")
DISKS = sorted(os.listdir(BLOCK)) if BLOCK.is_dir() else []
DISK = next(
    (d for d in DISKS if not d.startswith(("loop", "zram", "ram")) and with_deadline(d)), None
)
pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="writes kernel parameters: needs root"),
    pytest.mark.skipif(DISK is None, reason="no disk with schedulers here"),
    pytest.mark.skipif(
        not os.access(f"/sys/block/{DISK}/queue/scheduler", os.W_OK), reason="/sys is read-only"
    ),
]
QUEUE = Path(f"/sys/block/{DISK}/queue")
SCHEDULER, READ_EXPIRE = f"block/{DISK}/scheduler", f"block/{DISK}/iosched/read_expire"
READ_LATENCY, SLICE_IDLE = (f"block/{DISK}/iosched/{n}" for n in ("read_lat_nsec", "slice_idle"))
TRIALS = [
    {SCHEDULER: "kyber", READ_LATENCY: 10**6, f"block/{DISK}/nr_requests": 64},
    {SCHEDULER: "bfq", SLICE_IDLE: 0},
    {SCHEDULER: "mq-deadline", READ_EXPIRE: 200},
    {SCHEDULER: "mq-deadline"},
    {SCHEDULER: "none"},
]
DEADLY = """
import json, os, signal, sys
sys.path.insert(0, sys.argv[1])
from sealtune.catalogue.limits import LIMITS
from sealtune.guard import recovery
from sealtune.guard.journal import Journal
from sealtune.guard.keeper import Keeper
from sealtune.guard.kernel import Kernel, take_lock
from sealtune.guard.rules import Rules
left, trials = int(sys.argv[2]), json.loads(sys.argv[3])
class Deadly(Kernel):
    def write(self, path, value):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(path, value)
lock, kernel = take_lock(recovery.PLACES, 20), Deadly()
journal = Journal(recovery.PLACES.journal, kernel.boot_id())
keeper = Keeper(kernel, journal, Rules(LIMITS, kernel))
for trial in trials:
    keeper.apply(trial)
keeper.restore()
"""


def snapshot():
    """Return every file that a switch of the scheduler may change, byte for byte."""
    files = [QUEUE / name for name in ("scheduler", "nr_requests", "wbt_lat_usec")]
    files += sorted((QUEUE / "iosched").glob("*"))
    return {str(file): file.read_bytes() for file in files if file.exists()}


def offered():
    """Return the schedulers that this kernel has for the disk."""
    return (QUEUE / "scheduler").read_text().replace("[", "").replace("]", "").split()


def put(name, value):
    (QUEUE / name).write_text(f"{value}\n")


@pytest.fixture
def found():
    """Make the disk as somebody left it: a scheduler, with values of theirs; put it back after."""
    before, present = snapshot(), available()[SCHEDULER].present

    def make(scheduler, **values):
        put("scheduler", scheduler)
        for name, value in values.items():
            put(f"iosched/{name}", value)
        return snapshot()

    yield make
    put("scheduler", present)
    for _ in range(2):  # nr_requests moves async_depth
        for path, content in before.items():
            if Path(path).read_bytes() != content and not path.endswith("/scheduler"):
                Path(path).write_bytes(content)
    assert before == snapshot()


def available():
    facts = gather_facts()
    knobs = [knob.on_device(DISK) for knob in load_catalogue().knobs if "{dev}" in knob.name]
    return {item.knob.name: item for item in available_knobs(knobs, facts).offered}


def tried():
    return [trial for trial in TRIALS if trial[SCHEDULER] in offered()]


def test_a_disk_without_a_scheduler_gets_one_with_its_parameter_and_back(found):
    """
    From none to mq-deadline with read_expire 100 in one batch, and byte for byte back.
    """
    before = found("none")
    assert (False, "500") == (available()[READ_EXPIRE].exists, available()[READ_EXPIRE].present)
    with start_guard(knobs=[SCHEDULER, READ_EXPIRE]) as guard:
        assert READ_EXPIRE not in guard.originals
        made = guard.apply({SCHEDULER: "mq-deadline", READ_EXPIRE: 100})
        assert {SCHEDULER: "mq-deadline", READ_EXPIRE: "100"} == made
        assert "100\n" == (QUEUE / "iosched/read_expire").read_text()
        with pytest.raises(KnobError, match="which is none"):
            guard.apply({READ_EXPIRE: 100})
        report = guard.restore()
    assert ([], []) == (report.foreign, report.failed)
    assert before == snapshot()


def test_what_somebody_had_set_for_their_scheduler_survives_every_other_one(found):
    """
    read_expire 123 and front_merges 0 are there again at each baseline and at the end.
    """
    before = found("mq-deadline", read_expire=123, front_merges=0, async_depth=48)
    with start_guard(knobs=[SCHEDULER]) as guard:
        for trial in tried():
            made = guard.apply(trial)
            assert {name: str(value) for name, value in trial.items()} == made
            guard.apply({})
            assert before == snapshot()
        for trial in tried():
            guard.apply(trial)
        report = guard.restore()
    assert ([], []) == (report.foreign, report.failed)
    assert before == snapshot()


def test_every_default_is_the_kernels(found):
    """
    A parameter that a switch brings has the default that the catalogue gives for it.
    """
    for knob in load_catalogue().knobs:
        if knob.under is None or knob.under.values[0] not in offered():
            continue
        found("none")
        found(knob.under.values[0])
        file = Path(knob.on_device(DISK).path)
        assert knob.default == file.read_text().strip(), knob.name


@pytest.mark.parametrize("start", ["none", "mq-deadline"])
def test_a_kill_at_any_write_is_undone(found, start):
    """
    The guard is killed by -9 before each of its writes in turn; restoring leaves every byte as
    it was, from whichever scheduler it began.
    """
    values = {"read_expire": 123, "front_merges": 0} if start == "mq-deadline" else {}
    before = found(start, **values)
    source = str(Path(recovery.__file__).parents[2])
    for step in range(1, 60):
        command = [sys.executable, "-c", DEADLY, source, str(step), json.dumps(tried())]
        code = subprocess.run(command, check=False, timeout=60).returncode
        report = recovery.restore(wait_seconds=5.0)
        assert ([], []) == (report.foreign, report.failed), step
        assert before == snapshot(), step
        if code == 0:
            break
        assert -signal.SIGKILL == code
    assert code == 0
    assert step > 10
