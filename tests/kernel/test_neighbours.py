"""A session that is not alone: other sessions, and other tools that write the same parameters."""

import os
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.kernel import real_sessions
from tests.kernel.guards import start_guard

from sealtune.apply.live import live_writer
from sealtune.errors import BusyError
from sealtune.store import SqliteStore

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="writes kernel parameters: needs root"),
]
TUNED, UNTUNED = "vm.dirty_ratio", "vm.stat_interval"
BUSY = 22


def read(name):
    return Path("/proc/sys", name.replace(".", "/")).read_text().strip()


@contextmanager
def kept(*names):
    """Put the parameters back afterwards, whatever somebody else did to them."""
    before = {name: read(name) for name in names}
    try:
        yield before
    finally:
        for name, value in before.items():
            Path("/proc/sys", name.replace(".", "/")).write_text(value)


def reload_profile(values):
    """Do what tuned does when its profile is loaded again: write every sysctl of it."""
    words = [f"{name}={value}" for name, value in values.items()]
    subprocess.run(["sysctl", "-q", "-w", *words], check=True)


def test_what_another_tool_sets_during_a_trial_is_left_alone_and_told():
    """
    A parameter that we hold keeps the other tool's value and is told; ours goes back; one that
    we do not hold is not touched.
    """
    with kept(TUNED, UNTUNED, "vm.dirty_expire_centisecs") as before:
        with start_guard(knobs=[TUNED, "vm.dirty_expire_centisecs"]) as guard:
            guard.apply({TUNED: 30, "vm.dirty_expire_centisecs": 2000})
            reload_profile({TUNED: 37, UNTUNED: 7})
            report = guard.restore()
        assert [(TUNED, "37", before[TUNED])] == report.foreign
        assert ("37", "7") == (read(TUNED), read(UNTUNED))
        assert before["vm.dirty_expire_centisecs"] == read("vm.dirty_expire_centisecs")


def test_what_another_tool_sets_between_two_trials_stays():
    """
    A value set by somebody else is not written over by a trial that does not ask for it.
    """
    with kept(TUNED):
        with start_guard(knobs=[TUNED, "vm.dirty_expire_centisecs"]) as guard:
            guard.apply({TUNED: 30})
            reload_profile({TUNED: 37})
            guard.apply({"vm.dirty_expire_centisecs": 2000})
            assert "37" == read(TUNED)
        assert "37" == read(TUNED)


def test_nothing_is_made_permanent_while_a_session_runs():
    """
    What `sealtune apply` does first, before any file is written, is refused.
    """
    with start_guard(knobs=[TUNED]) as guard:
        with pytest.raises(BusyError, match=f"process {guard.pid}"), live_writer():
            pass
        assert guard.values()[TUNED] == read(TUNED)


def test_a_session_beside_others(tmp_path):
    """
    While a session runs, a second one and restore are refused at once and touch nothing; what a
    tool that reloads its profile again and again sets is told by name, and stays.
    """
    store = tmp_path / "sessions.db"
    with kept(TUNED), real_sessions.session(store) as running:
        running.until_runs(9)  # in the search
        for words in (
            ("optimize", real_sessions.WORKLOAD, *real_sessions.ARGUMENTS),
            ("restore",),
        ):
            other = real_sessions.run(*words, store=tmp_path / "other.db")
            assert BUSY == other.returncode, other.stdout
            assert "Traceback" not in other.stdout
        assert running.process.poll() is None
        loop = "while sleep 0.1; do sysctl -q -w vm.dirty_ratio=37; done"
        tool = subprocess.Popen(["timeout", "30", "bash", "-c", loop])
        try:
            running.until_runs(running.runs_told() + 2)
            time.sleep(0.8)  # in the middle of a run, when the tool has set it again
            code = running.end(ask=True)
        finally:
            tool.terminate()
            tool.wait(10)
        told, found = running.told, read(TUNED)
        reload_profile({TUNED: 20})
        with SqliteStore(store) as kept_store:
            result = kept_store.session("last").result
    assert 130 == code
    assert "37" == found
    assert [TUNED] == result["foreign"]
    assert TUNED in told.split("Interrupted")[-1]
