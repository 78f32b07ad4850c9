"""The terminal face: what is drawn, on a terminal and on a pipe."""

import io
import re

import pytest
from rich.console import Console

from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.report.curve import sparkline
from sealtune.report.events import Note, PairFinished, PhaseStarted, RunFinished
from sealtune.report.terminal import Progress

ORIGINALS = {f"vm.parameter_{number}": "1" for number in range(14)}


def run(**fields) -> RunFinished:
    given = {
        "phase": "search",
        "index": 3,
        "total": 17,
        "setting": {"vm.parameter_0": 7},
        "measurement": Measurement(1234.5, unit="1/s"),
        "ratio": 1.25,
        "best": 1.4,
        "best_setting": {"vm.parameter_0": 9},
        "live": {"vm.parameter_0": "7"},
        "remaining_seconds": 95.0,
    }
    return RunFinished(**{**given, **fields})


def drawn(events, *, terminal: bool, encoding: str = "utf-8", **options) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict", write_through=True)
    console = Console(
        file=stream, width=80, height=24, force_terminal=terminal, color_system=None,
        highlight=False,
    )  # fmt: skip
    with Progress(console, ORIGINALS, **options).shown() as notify:
        for event in events:
            notify(event)
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_a_terminal_shows_trial_value_best_curve_and_present_values():
    """
    One picture has trial i/N, its value, the best so far, time left, and each parameter now.
    """
    picture = drawn([PhaseStarted("search", "searching", 60, 100), run(), run()], terminal=True)
    for text in ("trial 3/17", "1234.5", "+25.0 %", "+40.0 %", "1:35", "vm.parameter_0", "7"):
        assert text in picture


def test_a_picture_fits_80_columns_and_24_lines():
    """
    With more parameters than fit, the table is cut and says how many are hidden.
    """
    picture = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn([run()], terminal=True))
    # Rich draws once more before it tidies up: one picture is from head to head.
    lines = picture[: picture.rindex("preparing")].strip("\r\n").splitlines()
    assert 10 < len(lines) <= 24
    assert max(len(line) for line in lines) <= 80
    assert "4 more" in picture


def test_a_pipe_gets_plain_lines():
    """
    Without a terminal each event is one line without control characters.
    """
    events = [
        PhaseStarted("confirm", "confirming", 60, 100),
        run(measurement=failed("printed nothing"), ratio=None),
        PairFinished(2, 6, 1.5, 30.0),
        Note("something to know"),
    ]
    lines = drawn(events, terminal=False).splitlines()
    assert len(lines) == 4
    assert "failed: printed nothing" in lines[1]
    assert "+50.0 %" in lines[2]
    assert not any("\x1b" in line for line in lines)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_that_is_not_utf8_is_no_error(terminal):
    """
    In an ASCII locale the curve is drawn with ASCII characters and nothing fails.
    """
    events = [PhaseStarted("search", "searching", 60, 100), run(), run(ratio=0.5)]
    assert "trial 3/17" in drawn(events, terminal=terminal, encoding="ascii")


def test_simulated_is_on_every_picture_and_line():
    """
    Nothing of a dry run can be mistaken for real.
    """
    events = [PhaseStarted("search", "searching", 60, 100), run()]
    assert "SIMULATED" in drawn(events, terminal=True, simulated=True)
    lines = drawn(events, terminal=False, simulated=True).splitlines()
    assert all(line.startswith("SIMULATED") for line in lines)


def test_a_long_search_is_folded_to_the_width():
    """
    More trials than columns become buckets of their best, failures stay visible.
    """
    assert len(sparkline([1.0] * 500, width=60)) == 60
    assert sparkline([None, None]) == "··"
    assert sparkline([1.0, 2.0], ascii_only=True).isascii()
