"""Directories of benchmarks whose session was killed."""

import os
import subprocess
import sys
from dataclasses import replace

from sealtune.benchmarks.workplace import Workplace, choose_account


def test_the_next_benchmark_removes_what_killed_ones_left_and_nothing_else(tmp_path):
    """
    A directory whose process is gone goes, half deleted or not; live ones' and others' stay.
    """
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, live = (f"sealtune-work-redis-{pid}-abcd_123" for pid in (gone.pid, os.getppid()))
    half = f"sealtune-work-redis-{gone.pid}-abcd_456"  # killed while it was deleting it
    (tmp_path / half).mkdir(mode=0o700)
    (tmp_path / half / "redis.conf").touch()
    others = ["redis-data", f"backup-{gone.pid}-20241231", f"{gone.pid}-abcd_123"]
    for name in (left, live):
        (tmp_path / name).mkdir(mode=0o700)
    results = f"sealtune-results-{gone.pid}-20241231"
    for name in (results, *others):
        (tmp_path / name).mkdir(mode=0o700)
        (tmp_path / name / "file").touch()
    account = replace(choose_account(), uid=os.geteuid())
    place = Workplace.create(tmp_path, "sqlite", account, needed=0, on_disk=False)
    assert {path.name for path in tmp_path.iterdir()} == {live, results, *others, place.path.name}
