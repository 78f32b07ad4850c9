"""A survey on the simulated machine: nothing is lost, nothing is run twice, whatever happens."""

import contextlib
import fcntl
import json
import socket
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.survey.conftest import DESIGN

from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.errors import BusyError, ConfigError, KeepingError, TooManyFailuresError
from sealtune.guard import RestoreReport
from sealtune.report.events import Note
from sealtune.survey import record as record_module
from sealtune.survey.design import Design
from sealtune.survey.recording import read_recording
from sealtune.workbench import Machine


def points_of(path):
    return [run.setting for run in read_recording(path).runs if run.setting]


def test_a_survey_is_the_design_with_baselines_between(plan, survey, tmp_path):
    """Six baselines first, then the design in its order, never more than six runs without one."""
    path = tmp_path / "surface.jsonl"
    done = survey(path)
    runs = read_recording(path).runs

    assert (done.done, done.total, done.interrupted) == (18, 18, False)
    assert points_of(path) == list(DESIGN.visits(plan.built.space))
    assert not any(run.setting for run in runs[:6])
    assert not runs[-1].setting
    kinds = "".join("p" if run.setting else "b" for run in runs)
    assert "p" * 7 not in kinds


def test_the_header_says_what_was_measured(plan, survey, tmp_path):
    """Machine, space and benchmark are in the file, "simulated" too, and no host name."""
    path = tmp_path / "surface.jsonl"
    survey(path, note="a try")
    recording = read_recording(path)
    header = recording.header

    assert header.simulated
    assert header.note == "a try"
    assert header.space == plan.built.space
    assert header.originals == plan.originals
    assert header.facts["kernel"] == plan.facts.kernel
    assert "boot_id" not in header.facts
    assert socket.gethostname() not in json.dumps(list(header.facts.values()))


def test_interrupted_anywhere_and_resumed_nothing_is_lost_or_run_twice(survey, tmp_path):
    """Ctrl-C after every possible number of runs, then the same command: the whole design."""
    whole = tmp_path / "whole.jsonl"
    survey(whole)
    for count in range(1, len(read_recording(whole).runs) + 1):
        path = tmp_path / f"{count}.jsonl"
        first = survey(path, stop_after=count)
        before = path.read_bytes()
        second = survey(path)

        assert first.exit_code == 130
        assert len(read_recording(path).runs) >= count
        assert path.read_bytes().startswith(before)
        assert second.done == second.total
        assert points_of(path) == points_of(whole)


@given(stops=st.lists(st.integers(1, 10), max_size=12), cut=st.integers(0, 400))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_many_interruptions_and_torn_writes(survey, tmp_path_factory, stops, cut):
    """However often it is stopped, and wherever a crash tears the last line, it ends complete."""
    path = tmp_path_factory.mktemp("torn") / "surface.jsonl"
    for stop in stops:
        survey(path, stop_after=stop)
        content = path.read_bytes()
        last = content.rfind(b"\n", 0, -1) + 1
        if last > 0:
            path.write_bytes(content[: max(last, len(content) - cut)])
    survey(path)

    assert points_of(path) == list(DESIGN.visits(read_recording(path).header.space))


def test_a_torn_last_line_is_dropped_and_said(survey, tmp_path):
    """A line without its end is left out with a notice, and its run is measured again."""
    path = tmp_path / "surface.jsonl"
    survey(path, stop_after=10)
    whole = len(read_recording(path).runs)
    path.write_bytes(path.read_bytes()[:-20])
    torn = read_recording(path)

    assert len(torn.runs) == whole - 1
    assert any("torn" in notice for notice in torn.notices)
    survey(path)
    assert read_recording(path).notices == ()


def test_a_torn_header_begins_anew(survey, tmp_path):
    """A crash in the very first write leaves nothing behind that stands in the way."""
    path = tmp_path / "surface.jsonl"
    path.write_text('{"format":"sealtune-surface","vers')
    survey(path)

    assert len(points_of(path)) == 18


def test_each_sitting_begins_with_its_own_baseline(survey, tmp_path):
    """The first run after an interruption is a baseline of a new stretch."""
    path = tmp_path / "surface.jsonl"
    survey(path, stop_after=10)
    survey(path)
    runs = read_recording(path).runs

    assert {run.stretch for run in runs} == {0, 1}
    assert not next(run for run in runs if run.stretch == 1).setting


def test_a_complete_recording_is_left_alone(survey, tmp_path):
    """The same command once more measures nothing."""
    path = tmp_path / "surface.jsonl"
    survey(path)
    before = path.read_bytes()

    assert survey(path).exit_code == 0
    assert path.read_bytes() == before


def test_minutes_stop_it_between_two_runs(survey, tmp_path):
    """When the minutes are over no run starts; the next call goes on to the end."""
    path = tmp_path / "surface.jsonl"
    first = survey(path, minutes=1.0)
    second = survey(path)

    assert 0 < first.done < first.total
    assert not first.interrupted
    assert second.done == second.total


@pytest.mark.parametrize(
    ("design", "named"),
    [
        (Design(12, 0.25, 3, seed=6), "design"),
        (Design(13, 0.25, 3, seed=5), "design"),
    ],
)
def test_another_survey_is_not_mixed_in(survey, tmp_path, design, named):
    """A recording of another design is refused by name and left as it is."""
    path = tmp_path / "surface.jsonl"
    survey(path, stop_after=8)
    before = path.read_bytes()

    with pytest.raises(ConfigError, match=named):
        survey(path, design=design)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        "my notes",
        "my notes\n",
        "{}\n",
        '{"format":"something else","version":1}\n',
        '{"format":"sealtune-surface","version":2}\n',
        '{"format":"sealtune-surface","version":1}\n',
    ],
)
def test_foreign_and_future_files_are_refused_and_kept(survey, tmp_path, content):
    """A file that is no recording of this version is refused, by reading and by recording."""
    path = tmp_path / "surface.jsonl"
    path.write_text(content)

    with pytest.raises(ConfigError):
        read_recording(path)
    with pytest.raises(ConfigError):
        survey(path)
    assert path.read_text() == content


def test_a_later_version_is_named(tmp_path):
    """A recording of a later version is refused as that, not as a broken file."""
    path = tmp_path / "surface.jsonl"
    path.write_text('{"format":"sealtune-surface","version":2,"new":"field"}\n')

    with pytest.raises(ConfigError, match="version 2"):
        read_recording(path)


@pytest.mark.parametrize(
    "line", ["", "[]", "{", '{"n": 3}', '{"n": 3, "stretch": 0, "setting": {}, "value": "much"}']
)
def test_a_broken_line_in_the_middle_is_named(survey, tmp_path, line):
    """Only the last line may be torn: any other broken one is an error that names it."""
    path = tmp_path / "surface.jsonl"
    survey(path, stop_after=8)
    lines = path.read_text().split("\n")
    lines[4] = line
    path.write_text("\n".join(lines))

    with pytest.raises(ConfigError, match="line 5"):
        read_recording(path)


def test_two_at_once_are_refused(survey, tmp_path):
    """While one process records into a file, another one is turned away."""
    path = tmp_path / "surface.jsonl"
    survey(path, stop_after=8)
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BusyError):
            survey(path)


def test_a_place_that_cannot_be_written_is_said(survey, tmp_path):
    """A folder that is not there is a message, found before anything is measured."""
    with pytest.raises(KeepingError, match="cannot be written"):
        survey(tmp_path / "nowhere" / "surface.jsonl")


def test_a_benchmark_that_is_broken_ends_it(survey, tmp_path, monkeypatch):
    """More than three failed baselines in a row end the survey; what was recorded stays."""

    @contextlib.contextmanager
    def broken(_plan, _clock):
        yield Machine(lambda setting, should_stop=None: failed("no server"), dict)

    monkeypatch.setattr(record_module, "simulated_machine", broken)
    path = tmp_path / "surface.jsonl"
    with pytest.raises(TooManyFailuresError, match="no server"):
        survey(path)
    assert [run.failure for run in read_recording(path).runs] == ["no server"] * 4


def test_ctrl_c_in_the_middle_of_a_run_puts_everything_back(survey, tmp_path, monkeypatch):
    """A run that Ctrl-C breaks into is not recorded; the machine is left before it is said."""
    left = []

    @contextlib.contextmanager
    def interrupted(_plan, _clock):
        calls = iter(range(100))

        def measure(_setting, *, should_stop=None):
            if next(calls) == 9:
                raise KeyboardInterrupt
            return Measurement(10.0)

        try:
            yield Machine(measure, dict)
        finally:
            left.append(True)

    monkeypatch.setattr(record_module, "simulated_machine", interrupted)
    path = tmp_path / "surface.jsonl"
    done = survey(path)

    assert left == [True]
    assert (done.interrupted, done.done, done.exit_code) == (True, 3, 130)
    assert len(read_recording(path).runs) == 9


def test_a_real_survey_goes_through_the_guard(plan, tmp_path, monkeypatch):
    """Without --dry-run runs go to the real machine, and what others changed meanwhile is said."""

    @contextlib.contextmanager
    def guarded(_plan, _ledger, restored):
        yield Machine(lambda setting, should_stop=None: Measurement(10.0), dict)
        restored(RestoreReport([], [("vm.dirty_ratio", "7", "20")], []))

    monkeypatch.setattr(record_module, "real_machine", guarded)
    real = replace(plan, request=replace(plan.request, dry_run=False))
    events = []
    done = record_module.record(real, DESIGN, tmp_path / "surface.jsonl", events.append)

    assert done.done == done.total
    assert not read_recording(tmp_path / "surface.jsonl").header.simulated
    assert any("vm.dirty_ratio" in event.text for event in events if isinstance(event, Note))


def test_a_simulated_recording_is_never_gone_on_with_for_real(plan, survey, tmp_path):
    """A file that says "simulated" takes no real run."""
    path = tmp_path / "surface.jsonl"
    survey(path, stop_after=8)
    real = replace(plan, request=replace(plan.request, dry_run=False))

    with pytest.raises(ConfigError, match="simulated"):
        record_module.record(real, DESIGN, path, lambda event: None)


def test_a_survey_of_300_points_is_a_small_file(recorded):
    """The size of 60 points speaks for less than half a megabyte for 300."""
    assert recorded.stat().st_size < 100_000
