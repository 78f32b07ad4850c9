"""Whole sessions on this kernel, with a real benchmark, as a person would start them."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from tests.kernel.chaos import machine, victims

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.slow,
    pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() != 0, reason="tuning the kernel needs root"
    ),
]

QUICK = (
    "--benchmark", "sqlite", "--yes", "--no-apply", "--tactician", "random", "--seed", "1",
    "--run-seconds", "1", "--trials", "4",
)  # fmt: skip


@pytest.fixture
def environment(tmp_path):
    return {**os.environ, "SEALTUNE_STORE": str(tmp_path / "sessions.db")}


@pytest.fixture
def unchanged():
    """Every file that the guard may write reads as before when the test is over."""
    paths = machine.files()
    before = machine.look(paths)
    yield
    assert machine.look(paths) == before
    assert machine.leftovers() == []


def sealtune(*arguments):
    return [sys.executable, "-m", "sealtune", *arguments]


def wait_until_busy(process):
    """Wait until the session's guard is at work and a few runs are done."""
    machine.wait_until(lambda: victims.find(process.pid, "guard"), 60.0)
    assert process.poll() is None
    time.sleep(3.0)


def test_a_real_session_ends_with_a_verdict_and_an_unchanged_kernel(environment, unchanged):
    """
    A short real run ends with a verdict, tells its time in three buckets, and changes nothing.
    """
    done = subprocess.run(
        sealtune("optimize", "a write-heavy database on this disk", *QUICK, "--json", "-"),
        capture_output=True, text=True, timeout=300, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 3, 4), done.stderr
    result = json.loads(done.stdout)
    assert not result["simulated"]
    assert result["restored"]
    assert result["trials_run"] == 4
    assert result["verdict"] in ("improved", "none", "worse", "unsafe")
    assert {"benchmark", "settling", "sealtune", "total"} <= set(result["seconds"])
    assert result["seconds"]["benchmark"] > 0


def test_a_second_session_is_refused_while_one_runs(environment, unchanged):
    """
    Two at the same time would measure each other: the second one is told so, exit code 22.
    """
    first = subprocess.Popen(
        sealtune("optimize", "a write-heavy database on this disk", *QUICK),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    try:
        wait_until_busy(first)
        second = subprocess.run(
            sealtune("optimize", "a write-heavy database on this disk", *QUICK),
            capture_output=True, text=True, timeout=120, env=environment, check=False,
        )  # fmt: skip
        restore = subprocess.run(sealtune("restore"), capture_output=True, text=True, check=False)
    finally:
        first.send_signal(signal.SIGINT)
        first.wait(30)
    assert second.returncode == 22, second.stderr
    assert restore.returncode == 22
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_session_restores_and_says_what_it_learnt(environment, unchanged, number):
    """
    Ctrl-C, SIGTERM and a closed terminal: parameters back, exit code 130, finished runs kept.
    """
    process = subprocess.Popen(
        sealtune("optimize", "a write-heavy database on this disk", *QUICK),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
    )  # fmt: skip
    wait_until_busy(process)
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130, output
    assert "Interrupted" in output
    assert "Traceback" not in output
    listed = subprocess.run(
        sealtune("sessions", "--json"), capture_output=True, text=True, env=environment, check=True
    )
    session = json.loads(listed.stdout)[0]
    assert session["status"] == "interrupted"
    assert session["trials"] >= 1
