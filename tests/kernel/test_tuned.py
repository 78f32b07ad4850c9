"""A session beside the real TuneD, in a mount namespace with a configuration of its own."""

import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.kernel import real_sessions
from tests.kernel.guards import start_guard

from sealtune.store import SqliteStore

TUNED = shutil.which("tuned", path="/usr/sbin:/sbin:/usr/bin")
RATIO = "vm.dirty_ratio"
OURS = "vm.dirty_expire_centisecs"
PROFILE = "sealtune-test"
START = """
mount --bind "$1/etc" /etc/tuned && mount --bind "$1/run" /run &&
exec "$2" --no-dbus --no-socket --profile "$3"
"""

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="writes kernel parameters: needs root"),
    pytest.mark.skipif(TUNED is None, reason="tuned is not installed here"),
]


def read(name):
    return Path("/proc/sys", name.replace(".", "/")).read_text().strip()


def every_sysctl():
    """Return what `sysctl -a` reads for every parameter that does not count by itself."""
    kept = {}
    for file in Path("/proc/sys").glob("vm/*"):
        try:
            kept[str(file)] = file.read_text()
        except OSError:  # a switch that is only written
            continue
    return {name: text for name, text in kept.items() if not name.endswith("_ratelimit")}


@pytest.fixture(autouse=True)
def put_back():
    """Both parameters, and every other below vm, read as before; whatever tuned did to them."""
    if re.search(r"^tuned$", subprocess.getoutput("ps -e -o comm="), re.M):
        pytest.skip("a tuned of this machine's own is running")
    everything, values = every_sysctl(), {name: read(name) for name in (RATIO, OURS)}
    yield values
    for name, value in values.items():
        Path("/proc/sys", name.replace(".", "/")).write_text(value)
    assert everything == every_sysctl()


@contextmanager
def running(folder, value):
    """Run tuned with a profile that sets vm.dirty_ratio; stopped on the way out, it rolls back."""
    for part in (f"etc/{PROFILE}", "run/tuned"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    # What a file of /etc/sysctl.d sets is no part of this.
    (folder / "etc/tuned-main.conf").write_text("dynamic_tuning = 0\nreapply_sysctl = 0\n")
    (folder / "etc" / PROFILE / "tuned.conf").write_text(f"[main]\n[sysctl]\n{RATIO}={value}\n")
    words = ["sh", "-c", START, "sh", str(folder), TUNED, PROFILE]
    alone = ["unshare", "--mount", "--propagation", "private", "--"]
    with subprocess.Popen(
        ["timeout", "--kill-after=5", "50", *alone, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            deadline = time.monotonic() + 20
            while read(RATIO) != str(value):
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < deadline, "tuned has set nothing"
                time.sleep(0.02)
            yield
        finally:
            process.terminate()  # timeout hands it on
            process.communicate(timeout=20)


def test_what_tuned_had_set_before_is_our_original(tmp_path, put_back):
    """
    Started under a profile, we put back the profile's value, and there is nothing to report.
    """
    with running(tmp_path, 37):
        with start_guard(knobs=[RATIO]) as guard:
            assert {RATIO: "30"} == guard.apply({RATIO: 30})
            report = guard.restore()
        assert ([(RATIO, "30", "37")], [], []) == report[:3]
        assert "37" == read(RATIO)
    assert put_back[RATIO] == read(RATIO)


def test_what_tuned_rolls_back_while_we_hold_it_is_left_alone_and_told(tmp_path, put_back):
    """
    Stopped during a trial, tuned writes its own original, which is the machine's: it stays.
    """
    with start_guard(knobs=[]):
        pass
    with running(tmp_path, 37):
        guard = start_guard(knobs=[RATIO, OURS])
        guard.apply({RATIO: 30, OURS: 2000})
    with guard:
        report = guard.restore()
    assert [(RATIO, put_back[RATIO], "37")] == report.foreign
    assert put_back == {name: read(name) for name in put_back}


def test_what_tuned_sets_while_we_hold_it_outlives_every_later_trial(tmp_path, put_back):
    """
    Started during a trial, its value is what comes back, also after a further trial of the same
    parameter, and is told with the value from before the session.

    Stopped afterwards it writes what it had found: a trial's value. No restore of ours can undo
    that, so the report has to name the original.
    """
    with start_guard(knobs=[RATIO, OURS]) as guard:
        guard.apply({RATIO: 30, OURS: 2000})
        with running(tmp_path, 37):
            guard.apply({RATIO: 25, OURS: 1000})
            assert ("25", "1000") == (read(RATIO), read(OURS))
            report = guard.restore()
            assert ("37", put_back[OURS]) == (read(RATIO), read(OURS))
    assert [(RATIO, "37", put_back[RATIO])] == report.foreign
    assert "30" == read(RATIO)


def test_a_session_tells_what_tuned_has_set(tmp_path, put_back):
    """
    Tuned starts in the middle of a search: the end names the parameter, its value and the one
    from before, in the terminal and in the history; what tuned set stays.
    """
    store = tmp_path / "sessions.db"
    with real_sessions.session(store) as session:
        session.until_runs(9)  # in the search
        with running(tmp_path, 37):
            session.until_runs(session.runs_told() + 2)
            code, found = session.end(ask=True), read(RATIO)
        told = session.told.split("Interrupted")[-1]
        with SqliteStore(store) as kept:
            result = kept.session("last").result
        Path("/proc/sys/vm/dirty_ratio").write_text(put_back[RATIO])
    assert (130, "37") == (code, found)
    assert [RATIO] == result["foreign"]
    words = f"Somebody else set {RATIO} to 37 meanwhile; it was {put_back[RATIO]}"
    assert words in " ".join(told.split()), told
    assert any(words in note for note in result["notes"])
