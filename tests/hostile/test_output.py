"""What a benchmark of the person's own may print: anything, and at worst one run fails."""

import time
from unittest.mock import patch

import pytest
from tests.contracts.adapter import workdir  # noqa: F401 - a fixture

from sealtune.benchmarks import create_adapter
from sealtune.benchmarks.base import BenchmarkSpec
from sealtune.benchmarks.process import Outcome
from sealtune.errors import ConfigError


@pytest.fixture
def printing(workdir):  # noqa: F811
    """Return the measurement of a command that prints a text, read by some options."""

    def run(text, stderr="", **options):
        outcome = Outcome(0, text, stderr, 0.01)
        adapter = create_adapter(BenchmarkSpec("custom", options, "true"))
        with patch("sealtune.benchmarks.custom.run_child", lambda *_a, **_k: outcome):
            adapter.prepare(workdir)
            try:
                return adapter.run(0.01)
            finally:
                adapter.teardown()

    return run


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("[" * 100_000, {"json_path": "a"}),
        ('{"a": ' + "9" * 400 + "}", {"json_path": "a"}),
        ('{"a": ' + "9" * 5_000 + "}", {"json_path": "a"}),
        ('{"a": 1e999}', {"json_path": "a"}),
        ('{"a": [1]}', {"json_path": "a." + "9" * 400}),
        ("9" * 400, {}),
        ("nan", {}),
        ("1_000_000_000_000" * 30, {"pattern": r"(\S+)"}),
        ("\x00" * 1000, {"pattern": "(x)"}),
        ("x", {"pattern": "(y)?x"}),
    ],
)
def test_no_number_is_a_failed_run(printing, text, options):
    """
    Numbers beyond all bounds, JSON nested without end, a group that took no part: a failure.
    """
    run = printing(text, **options)
    assert run.value is None
    assert run.failure
    assert run.failure.isprintable()


def test_the_last_match_counts_and_the_error_stream_after_the_output(printing):
    """
    Of several numbers the last; of two streams the first that has one.
    """
    assert printing("rate 1\nrate 2\n", "rate 3", pattern=r"^rate (\d+)$").value == 2
    assert printing("nothing", "rate 3\nrate 4\n", pattern=r"^rate (\d+)$").value == 4


def test_a_pattern_without_an_end_costs_one_run(printing, monkeypatch):
    """
    A pattern that would take years is ended in time, and the run has failed.
    """
    monkeypatch.setattr("sealtune.benchmarks.last_match.SECONDS", 0.5)
    began = time.monotonic()
    run = printing("a" * 60 + "!", pattern="(a+)+$")
    assert run.value is None
    assert "pattern" in run.failure
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "pattern", ["(" * 5_000 + ")" * 5_000, "(a{99999999999999999999})", "(?P<"]
)
def test_a_pattern_that_is_none_is_refused(pattern):
    """
    Nested without end, with a number beyond all bounds, or broken: a message.
    """
    with pytest.raises(ConfigError, match="pattern"):
        create_adapter(BenchmarkSpec("custom", {"pattern": pattern}, "true"))
