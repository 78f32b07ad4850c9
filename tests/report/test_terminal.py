"""The terminal face: what is drawn, on a terminal and on a pipe."""

import io
import re
import signal

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


def drawn(
    events, *, terminal: bool, encoding: str = "utf-8", size=(80, 24), kind="xterm", **options
) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict", write_through=True)
    console = Console(
        file=stream, width=size[0], height=size[1], force_terminal=terminal, color_system=None,
        highlight=False, _environ={"TERM": kind},
    )  # fmt: skip
    with Progress(console, ORIGINALS, **options).shown() as notify:
        for event in events:
            event() if callable(event) else notify(event)
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_a_terminal_shows_trial_value_best_curve_and_present_values():
    """
    One picture has trial i/N, its value, the best so far, time left, and each parameter now.
    """
    picture = drawn([PhaseStarted("search", "searching", 60, 100), run(), run()], terminal=True)
    for text in ("trial 3/17", "1234.5", "+25.0 %", "+40.0 %", "1:35", "vm.parameter_0", "7"):
        assert text in picture


def screens(output: str) -> list[list[str]]:
    """Return the lines of each picture: from the screen's corner to the next one's."""
    inside = output[output.index("\x1b[?1049h") : output.index("\x1b[?1049l")]
    pictures = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", one) for one in inside.split("\x1b[H")]
    return [[line.rstrip() for line in one.splitlines()] for one in pictures if one.strip()]


@pytest.mark.parametrize("size", [(80, 24), (56, 16), (40, 10), (200, 60)])
def test_a_picture_fits_its_window(size):
    """
    Names are cut before values, rows that do not fit are counted, and nothing is broken in two.
    """
    events = [
        PhaseStarted("confirm", "confirming", 60, 100),
        run(),
        *[PairFinished(1, 9, 1.1, 9)] * 18,
    ]
    picture = screens(drawn(events, terminal=True, size=size))[-1]
    assert len(picture) <= size[1]
    assert max(len(line) for line in picture) <= size[0]
    assert any(line.startswith("pairs   18: ") for line in picture)
    rows = [line for line in picture if "arameter_" in line]
    assert rows
    assert rows[0].split()[1:] == ["1", "7", "9"]
    assert f"... and {14 - len(rows)} more" in picture


def test_a_resize_draws_anew_on_a_screen_of_its_own():
    """
    The picture has the alternate screen, each one begins at its corner, and a changed window size
    brings a new one at once; afterwards the signal is as it was.
    """
    before = signal.getsignal(signal.SIGWINCH)
    output = drawn([run(), lambda: signal.raise_signal(signal.SIGWINCH)], terminal=True)
    assert output.count("\x1b[?1049h") == output.count("\x1b[?1049l") == 1
    assert len([one for one in screens(output) if "trial 3/17" in " ".join(one)]) == 2
    assert signal.getsignal(signal.SIGWINCH) is before


def test_a_window_that_cannot_be_drawn_stops_nothing(monkeypatch):
    """
    A resize comes in the middle of a measurement: an error in drawing must not end it.
    """

    def broken(_progress):
        raise OSError("terminal gone")

    def resize():
        monkeypatch.setattr(Progress, "_picture", broken)
        signal.raise_signal(signal.SIGWINCH)
        monkeypatch.undo()

    assert "trial 3/17" in drawn([run(), resize, run()], terminal=True)


def test_notes_are_shown_and_stay_when_the_screen_is_left():
    """
    What a person has to know is in the picture, and below the plan afterwards.
    """
    output = drawn([run(), Note("the machine is busy")], terminal=True)
    assert "note    the machine is busy" in screens(output)[-1]
    assert "the machine is busy" in output[output.index("\x1b[?1049l") :]


def test_a_terminal_that_can_only_print_gets_plain_lines():
    """
    With TERM=dumb, as in an editor's shell, each event is a line.
    """
    output = drawn([run(), run()], terminal=True, kind="dumb")
    assert len(output.splitlines()) == 2
    assert "\x1b" not in output


@pytest.mark.parametrize("terminal", [True, False])
def test_words_of_a_benchmark_steer_no_terminal(terminal):
    """
    A failure's text comes from a program: what would move the cursor is gone.
    """
    event = run(measurement=failed("lost\x1b[2J\u202e!"), ratio=None)
    assert "failed: lost[2J!" in drawn([event], terminal=terminal)


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
