import json
import math

import numpy as np
import pytest
from bench.null_sessions import read as read_sessions
from bench.null_sessions import table as session_table
from bench.verdict_noise import BLOCK, blocks, failing, fitted, in_turn, models
from bench.verdict_recordings import Recording, describe, load_recordings
from bench.verdict_sessions import confirmation, planted, session
from bench.verdict_shares import interval, upper_bound

from bench import noise_from, verdict_calibration
from sealtune.errors import ConfigError, InputError


def _take(model, count, seed=0):
    noise = model(np.random.default_rng(seed))
    return [next(noise) for _ in range(count)]


def _recording(logs):
    return Recording("made", False, {}, (np.array(logs),))


def test_recordings_say_where_they_are_from():
    """
    Every recording names its machine and how busy that was; loaded and quiet ones are there.
    """
    found = load_recordings().values()

    assert {True, False} == {one.loaded for one in found}
    assert all(one.facts["machine"]["kernel"] and one.runs >= 100 for one in found)


def test_a_character_has_what_was_put_in():
    """
    Autocorrelation, far runs and a change of level are found where they were made.
    """
    rng = np.random.default_rng(2)
    follows = [0.0]
    for _ in range(200):
        follows.append(0.6 * follows[-1] + rng.normal(0, 0.02))
    jumps = [*rng.normal(0, 0.02, 60), *rng.normal(0.3, 0.02, 60)]

    assert describe(_recording(follows)).follows == pytest.approx(0.6, abs=0.15)
    found = describe(_recording(jumps))
    assert 1 == found.changes
    assert found.jump == pytest.approx(0.3, abs=0.03)
    assert describe(_recording([*[0.0, 0.01, -0.01] * 40, -1.0])).far_by == pytest.approx(-1.0)


def test_blocks_keep_the_order_of_neighbours():
    """
    Resampled noise consists of whole blocks of neighbouring runs, and doubles when asked to.
    """
    recording = _recording([float(n) / 100 for n in range(40)])

    values = [math.log(value) for value in _take(blocks(recording), BLOCK)]
    doubled = [math.log(value) for value in _take(blocks(recording, 2.0), BLOCK)]

    assert np.diff(values).tolist() == pytest.approx([0.01] * (BLOCK - 1))
    assert doubled == pytest.approx([2 * value for value in values])


def test_hostile_noise_is_what_it_is_called():
    """
    Runs are fast and slow in turn, fail as often as said, and every model goes on for ever.
    """
    turn = np.log(_take(in_turn((0.1, -0.1), 0.0), 6))
    failed = _take(failing(0.2, 0.05), 2000)

    assert np.abs(np.diff(turn)).tolist() == pytest.approx([0.2] * 5)
    assert 0.15 < failed.count(None) / 2000 < 0.25
    assert all(len(_take(model, 60)) == 60 for model in models().values())


def test_fitted_noise_varies_like_its_recording():
    """
    The spread from run to run of fitted noise is that of the recording, within a third.
    """
    recording = _recording(np.random.default_rng(1).normal(0, 0.05, 300))

    made = np.log(_take(fitted(describe(recording), 300), 300))

    assert np.std(np.diff(made)) == pytest.approx(np.std(np.diff(recording.stretches[0])), rel=0.3)


def test_a_planted_loss_is_everywhere_and_a_gain_is_hidden():
    """
    The originals are 1; a loss costs every setting, a gain has only a quarter of one range.
    """
    assert (1.0, 0.9, 0.9) == tuple(planted(0.9)(s) for s in ({}, {"a": 1}, {"b": 5}))
    assert (1.0, 1.0, 1.1) == tuple(planted(1.1)(s) for s in ({}, {"a": 1}, {"a": 80}))


def test_a_session_finds_what_is_planted_and_nothing_else():
    """
    A large gain is found and kept by minimising; without one the session ends "none".
    """
    quiet = models()["normal 5 %"]
    found, nothing = session(1.3, quiet, 1), session(1.0, quiet, 1)

    assert ("improved", True, 1.3) == (found.verdict, found.held, found.minimal_truth)
    assert "none" == nothing.verdict
    assert "worse" == confirmation(0.7, quiet, 1, 18).verdict


def test_shares_are_bounded_exactly():
    """
    No hit of 100 leaves up to 3 %, and the interval of half of them is symmetric.
    """
    assert upper_bound(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))
    low, high = interval(50, 100)
    assert low == pytest.approx(1 - high)
    assert (0.0, 1.0) == (interval(0, 10)[0], interval(10, 10)[1])


def test_a_stopped_calibration_goes_on_where_it_was(tmp_path, monkeypatch):
    """
    Studies in the file are not run again, a torn last line is cut off, and false verdicts
    beyond the bound break the promise.
    """
    path = tmp_path / "studies.jsonl"
    rows = verdict_calibration.rows(quick=True)[:1]
    studies = verdict_calibration.Studies(path)
    assert not verdict_calibration.run(studies, rows, 1, until=0.0)
    assert verdict_calibration.run(studies, rows, 1, until=math.inf)
    path.write_text(path.read_text() + '{"row": "nu')

    again = verdict_calibration.Studies(path)
    monkeypatch.setattr(verdict_calibration.Row, "run", None)
    assert verdict_calibration.run(again, rows, 1, until=math.inf)
    assert studies.found == again.found

    hit = verdict_calibration.Outcome("improved", 1.0, 1.1, 1.05, 1.2, 6)
    again.found[rows[0].key] = dict.fromkeys(range(500), hit)
    assert not verdict_calibration.report(again, rows)[1]


def test_noise_is_taken_out_of_files_of_other_benches(tmp_path):
    """
    Only good runs of the originals are taken, in their order, and a long gap parts stretches.
    """
    header = {"format": "sealtune-surface", "metric": "m", "unit": "1/s", "facts": {"kernel": "6"}}
    runs = [
        {"setting": {} if n % 2 else {"a": 1}, "value": None if n == 5 else n + 1, "started": n}
        for n in range(60)
    ]
    late = [{"setting": {}, "value": 7, "started": 1000 + n} for n in range(12)]
    path = tmp_path / "one-load.jsonl"
    path.write_text("\n".join(map(json.dumps, [header, *runs, *late])))

    found = noise_from.recordings_from([path])

    first, second = found["one_load"]["stretches"]
    assert [2.0, 4.0, 8.0] == first["values"][:3]
    assert (29, 12) == (len(first["values"]), len(second["values"]))
    with pytest.raises(ConfigError, match="cannot be read"):
        noise_from.recordings_from([tmp_path / "none.jsonl"])


def test_null_sessions_are_counted(tmp_path):
    """
    The table says how many ended "improved"; a file of something else is refused.
    """
    gain = {"estimate": 1.0, "ci_low": 0.95, "ci_high": 1.05, "pairs": 18}
    one = {"case": "c", "seed": 0, "verdict": "none", "gain": gain, "trials": 40, "minutes": 4.0}
    one |= {"load_before": 0.1, "load_after": 0.2, "kernel": "6.18"}
    path = tmp_path / "null.jsonl"
    path.write_text(json.dumps({**one, "seed": 1}) + "\n" + json.dumps(one) + "\n")

    sessions = read_sessions(path)

    assert [0, 1] == [session["seed"] for session in sessions]
    assert '0 of 2 ended "improved"' in session_table(sessions)[-1]
    path.write_text("nothing of ours\n")
    with pytest.raises(InputError):
        read_sessions(path)
