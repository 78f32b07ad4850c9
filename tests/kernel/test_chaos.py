"""Real sessions whose processes are killed at random: nothing of them may stay."""

import os
import random
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.slow,
    pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() != 0, reason="tuning the kernel needs root"
    ),
]
SECONDS = 30


def test_whatever_is_killed_everything_comes_back():
    """
    Half a minute of random kills: every parameter is back in time, nothing else is left behind.
    """
    seed = random.SystemRandom().randrange(10**6)
    command = [sys.executable, "-m", "tests.kernel.chaos", "--quick", "--seed", str(seed)]
    done = subprocess.run(
        [*command, "--seconds", str(SECONDS)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
