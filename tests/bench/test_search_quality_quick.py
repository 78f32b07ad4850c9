"""The comparison of searches works from end to end: its short form, as a person would start it."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_short_form_of_the_comparison_runs():
    """Every method finishes on every surface and the tables are printed; who wins is open."""
    command = [sys.executable, "-m", "bench.search_quality", "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "broken" not in done.stderr
    for title in ("Regret after 20 trials", "ppo against the best peer", "Thinking"):
        assert title in done.stdout
    assert "redis" in done.stdout or "fio" in done.stdout
