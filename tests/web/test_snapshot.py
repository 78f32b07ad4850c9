"""What the page is told of a session is what the session says, while it runs and afterwards."""

import json
import os
import sqlite3
from dataclasses import replace

import pytest
from tests.contracts.store import new_session, trial
from tests.web.client import Browser

from sealtune.machine.facts import Facts
from sealtune.store import Moment, SqliteStore
from sealtune.web.build import Present, Stored, build
from sealtune.web.desk import Desk, Keeping
from sealtune.web.feed import Feed
from sealtune.web.live import Kernel
from sealtune.web.snapshot import VERSION


@pytest.fixture
def feed(store):
    return Feed(store, Desk(store.path, Keeping()))


def whole(store, session, *, living=False):
    row = store.session(session)
    return Stored(row, store.trials(row.id), store.moments(row.id), living)


def test_the_states_follow_the_session(seen):
    """
    Each phase is shown as it begins, with its title, until the session is done.
    """
    for name in ("prepare", "aa", "search", "screening", "confirm"):
        shown = seen.during[name]
        assert shown.state == name
        assert shown.phase.name == name
        assert shown.state_title == shown.phase.title
        assert shown.verdict is None
        assert shown.simulated
        assert shown.stop.possible
    assert "noisy" in seen.during["aa"].phase.title


def test_the_plan_is_there_before_the_first_run(seen):
    """
    Parameters with range, original and reason, benchmark and clock are known from the start.
    """
    shown = seen.during["prepare"]
    assert shown.runs == ()
    assert [one.name for one in shown.parameters]
    for one in shown.parameters:
        assert one.what
        assert one.original is not None
        assert one.choices or one.low < one.high
    assert shown.benchmark.unit
    assert shown.benchmark.direction in ("maximize", "minimize")
    assert [one.name for one in shown.plan][:2] == ["A/A", "search"]
    assert shown.remaining_seconds == pytest.approx(
        shown.eta - seen.during["prepare"].started, abs=5
    )


def test_less_time_is_left_with_every_run(seen):
    """
    The latest planned end comes nearer as runs end, and is gone with the session.
    """
    left = [seen.during[name].remaining_seconds for name in ("aa", "search", "confirm")]
    assert left == sorted(left, reverse=True)
    assert left[0] > left[-1]


def test_a_finished_session_is_told_as_its_result(seen, feed):
    """
    Verdict, gain, pairs, effects, importance and notes are those of the result, nothing else.
    """
    shown, result = feed.look(seen.id).snapshot, seen.result
    assert shown.state == "done"
    assert shown.verdict.verdict == result.verdict
    assert shown.verdict.sentence == result.sentence
    assert shown.verdict.gain == result.gain
    assert shown.verdict.setting == result.best_config
    assert shown.phase is None
    assert shown.eta is None
    assert shown.remaining_seconds is None
    assert [note.text for note in shown.notes] == list(result.notes)
    assert len(shown.importance.rows) == len(result.importance)
    assert {one.name: one.effect for one in shown.parameters if one.effect} == {
        knob.name: knob.effect for knob in result.knobs
    }
    assert not shown.stop.possible
    assert "over" in shown.stop.reason


def test_every_run_is_there_with_the_best_so_far(seen, feed, store):
    """
    All runs in order; the best so far only grows, and ends at the best of the whole search.
    """
    shown = feed.look(seen.id).snapshot
    assert [run.value for run in shown.runs] == [row.value for row in store.trials(seen.id)]
    assert [run.number for run in shown.runs] == list(range(1, len(shown.runs) + 1))
    search = [run for run in shown.runs if run.phase == "search"]
    assert len(search) == seen.result.total_episodes
    best = [run.best for run in search if run.best is not None]
    assert best == sorted(best)
    assert best[-1] == pytest.approx(seen.result.search_best, rel=0.02)
    assert shown.best["ratio"] == best[-1]
    assert all(run.metrics for run in search)
    assert set(search[0].metrics) <= set(shown.metrics)


def test_a_run_is_compared_with_the_baseline_of_its_time(seen, feed):
    """
    The ratios are those that the session itself reckoned, up to baselines that came later.
    """
    shown = feed.look(seen.id).snapshot
    search = [run.ratio for run in shown.runs if run.phase == "search"]
    assert search == pytest.approx(seen.ratios, rel=0.15)
    for run in shown.baseline.runs:
        assert run.low < run.level < run.high
    inside = [run.low <= run.value <= run.high for run in shown.baseline.runs]
    assert sum(inside) >= 0.7 * len(inside)


def test_pairs_come_with_an_interval_that_ends_as_the_verdict_says(seen, feed):
    """
    Each pair has the ratio that the session told; at the last look the interval is the gain's.
    """
    shown = feed.look(seen.id).snapshot.confirmation
    assert [pair.ratio for pair in shown.pairs] == pytest.approx(seen.pairs)
    looks = [one for one in shown.course if one.decides]
    assert {one.pairs for one in looks} <= set(shown.looks)
    if seen.result.gain_of == "candidate":
        last, gain = looks[-1], seen.result.gain
        assert (last.pairs, last.estimate, last.low, last.high) == pytest.approx(
            (gain["pairs"], gain["estimate"], gain["ci_low"], gain["ci_high"])
        )
    early = seen.during["pair 4"].confirmation
    assert len(early.pairs) == 4
    assert early.course == ()  # four pairs exclude nothing


def test_what_the_machine_reads_now_follows_the_runs(seen):
    """
    Of a simulation the values after the last run are shown, and said to be from there.
    """
    shown = seen.during["trial 6"]
    tried = [run for run in shown.runs if run.phase == "search"][-1].setting
    for one in shown.parameters:
        assert one.now_from == "run"
        if one.name in tried:
            assert one.now == str(tried[one.name])


def test_the_snapshot_is_plain_json(seen, feed):
    """
    The text that the page gets is the snapshot: strict JSON, its version in it.
    """
    picture = feed.look(seen.id)
    read = json.loads(picture.text, parse_constant=lambda name: pytest.fail(name))
    assert read["version"] == VERSION
    assert read["id"] == seen.id
    assert read["simulated"] is True
    assert len(read["runs"]) == len(picture.snapshot.runs)


def test_what_did_not_change_is_not_built_again(feed, store, seen, begun):
    """
    Looking again costs no new snapshot; a run or a note makes a new one of its session alone.
    """
    first, other = feed.look(begun), feed.look(seen.id)
    assert feed.look(begun) is first
    store.add_trial(begun, trial(setting={"vm.swappiness": 1}))
    second = feed.look(begun)
    assert second is not first
    assert second.snapshot.revision > first.snapshot.revision
    assert len(second.snapshot.runs) == 1
    store.add_moments(begun, [Moment("note", {"text": "hm", "remaining": 5.0})])
    assert feed.look(begun).snapshot.notes[0].text == "hm"
    assert feed.look(seen.id) is other


def test_a_session_whose_process_died_is_interrupted(feed, store, begun):
    """
    A session that is stored as running without a process is shown as interrupted, not running.
    """
    assert feed.look(begun).snapshot.state == "prepare"
    store._connection.execute("UPDATE session SET start_ticks = 1 WHERE id = ?", (begun,))
    shown = feed.look(begun).snapshot
    assert shown.state == "interrupted"
    assert not shown.stop.possible


def test_a_failed_session_says_why(feed, store, begun):
    """
    The error and what to do now are shown, and there is no verdict.
    """
    store.finish(begun, "failed")
    store.add_moments(begun, [Moment("error", {"text": "no room", "fix": "Free space."})])
    shown = feed.look(begun).snapshot
    assert shown.state == "failed"
    assert shown.error == "no room Free space."
    assert shown.verdict is None
    assert shown.apply.how == "no"


def test_failed_and_cut_short_runs_are_marked(store, begun):
    """
    A failure has its reason and no value; a run that was cut short sets no best.
    """
    for index in range(3):
        store.add_trial(begun, replace(trial(index, "aa", 100.0), setting={}))
    store.add_trial(begun, trial(0, value=110.0))
    store.add_trial(begun, replace(trial(1, value=None), failure="not accepted: <i>no</i>"))
    store.add_trial(begun, replace(trial(2, value=190.0), cut_short=True))
    shown = build(whole(store, begun, living=True), Present())
    good, failed, cut = (run for run in shown.runs if run.phase == "search")
    assert good.record
    assert good.best == pytest.approx(1.1, rel=0.01)
    assert (failed.value, failed.ratio, failed.failure) == (None, None, "not accepted: <i>no</i>")
    assert cut.cut_short
    assert not cut.record
    assert cut.best == good.best


def test_lower_is_better_is_turned_round(store, begun):
    """
    Half the latency is shown as twice as good.
    """
    for index in range(3):
        row = replace(trial(index, "aa", 8.0), setting={}, direction="minimize")
        store.add_trial(begun, row)
    store.add_trial(begun, replace(trial(0, value=4.0), direction="minimize"))
    stored = whole(store, begun, living=True)
    shown = build(replace(stored, row=replace(stored.row, result=None)), Present())
    assert shown.benchmark.direction == "minimize"
    assert shown.runs[-1].ratio == pytest.approx(2.0, rel=0.01)


def test_what_the_guard_wrote_is_shown_value_by_value(store, begun):
    """
    Writes come in order with what had been there, and what the journal holds beside them.
    """
    writes = [[1.0, "vm.swappiness", "60", "10"], [2.0, "vm.swappiness", "10", "60"]]
    body = {"phase": "aa", "index": 0, "live": {}, "remaining": 1.0}
    store.add_moments(begun, [Moment("run", {**body, "writes": writes[:1]})])
    store.add_moments(begun, [Moment("phase", {**_phase("restore"), "writes": writes[1:]})])
    present = Present(held=[("vm.swappiness", "60", "10")])
    shown = build(whole(store, begun, living=True), present)
    assert [(one.before, one.after) for one in shown.guard.writes] == [("60", "10"), ("10", "60")]
    assert shown.guard.held[0].original == "60"
    assert shown.state == "restoring"
    assert not build(whole(store, begun), Present(held=None)).guard.readable


def _phase(name):
    return {"name": name, "title": name, "seconds": 1.0, "runs": 2, "remaining": 9.0}


def test_a_session_of_an_older_sealtune_can_be_looked_at(store, seen):
    """
    Without anything said beside the runs, config and result still give plan and verdict.
    """
    stored = replace(whole(store, seen.id), moments=())
    shown = build(stored, Present())
    assert shown.state == "done"
    assert [one.name for one in shown.parameters]
    assert shown.benchmark.metric
    assert shown.verdict.sentence == seen.result.sentence
    assert [pair.ratio for pair in shown.confirmation.pairs] == pytest.approx(seen.pairs)


def test_an_older_file_gets_the_table_it_lacks(store, seen):
    """
    A store without the table of moments is brought up to date, its sessions untouched.
    """
    store.close()
    with sqlite3.connect(store.path) as old:
        old.execute("DROP TABLE moment")
        old.execute("PRAGMA user_version = 2")
    with SqliteStore(store.path) as opened:
        assert opened.moments(seen.id) == ()
        assert opened.session(seen.id).trials > 0


@pytest.fixture
def machine(tmp_path):
    """A tree of kernel files in which swappiness is 42."""
    root = tmp_path / "root"
    for path, text in (
        ("proc/sys/kernel/random/boot_id", "this-boot\n"),
        ("proc/sys/vm/swappiness", "42\n"),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def test_the_kernel_is_asked_for_its_present_values(store, machine, begun):
    """
    Of a real session of this boot every parameter is read from its file; a missing one is absent.
    """
    facts = Facts("6.18", boot_id="this-boot").as_dict()
    row = replace(store.session(begun), simulated=False, facts=facts)
    names = ("vm.swappiness", "vm.dirty_ratio", "no.such.parameter")
    assert Kernel(row, names, machine).read() == {
        "vm.swappiness": "42",
        "vm.dirty_ratio": "absent",
    }
    elsewhere = replace(row, facts={**facts, "boot_id": "another"})
    for other in (elsewhere, replace(row, simulated=True), replace(row, facts={})):
        assert Kernel(other, names, machine).read() == {}


def test_the_list_has_every_session_with_its_curve(store, seen, begun):
    """
    The newest comes first; a finished one has verdict, gain and the best so far as a curve.
    """
    answer = Browser(store).visitor().get("/api/sessions").json()["sessions"]
    assert [one["id"] for one in answer] == [begun, seen.id]
    assert answer[0]["status"] == "running"
    assert answer[0]["workload"] == "<b>another</b>"
    assert answer[1]["verdict"] == seen.result.verdict
    assert answer[1]["simulated"] is True
    curve = [value for value in answer[1]["curve"] if value is not None]
    assert curve == sorted(curve)
    assert len(Browser(store).visitor().get("/api/sessions?limit=1").json()["sessions"]) == 1


@pytest.mark.parametrize("wrong", ["0", "-1", "x", "101", "9" * 50, ""])
def test_a_limit_that_is_none_is_refused(store, wrong):
    """
    The allowed values are named.
    """
    answer = Browser(store).visitor().get(f"/api/sessions?limit={wrong}")
    assert answer.status_code == 400
    assert "1 to 100" in answer.json()["error"]


def test_a_session_is_found_by_its_beginning(store, seen):
    """
    Full id, unique beginning and ``last`` lead to it; an unknown one is 404 with the nearest.
    """
    client = Browser(store).visitor()
    for name in (seen.id, seen.id[:-1], "last"):
        assert client.get(f"/api/sessions/{name}").json()["id"] == seen.id
    answer = client.get("/api/sessions/nothing")
    assert answer.status_code == 404
    assert seen.id in answer.json()["error"]


def test_the_session_of_one_process_is_its_last(store, seen, begun):
    """
    The page beside a session shows that one, whatever else is stored, and says when there is none.
    """
    mine = Feed(store, Desk(store.path, Keeping()), of_process=os.getpid())
    assert mine.full_id("last") == begun
    other = Browser(store)
    nobody = Feed(store, other.desk, of_process=1)
    with pytest.raises(Exception, match="has not begun"):
        nobody.full_id("last")


def test_no_session_at_all_is_no_fault(tmp_path):
    """
    An empty store has an empty list, and says what to do to get a session.
    """
    with SqliteStore(tmp_path / "empty.db") as empty:
        client = Browser(empty).visitor()
        assert client.get("/api/sessions").json() == {"sessions": []}
        answer = client.get("/api/sessions/last")
        assert answer.status_code == 404
        assert "sealtune optimize" in answer.json()["fix"]


def test_moments_are_for_show_and_cost_no_sync(tmp_path):
    """
    They are kept in order beside the trials; the next trial is synced as fully as ever.
    """
    with SqliteStore(tmp_path / "x.db") as store:
        session = store.begin(new_session())
        said = [Moment("note", {"text": str(at)}, float(at)) for at in range(3)]
        store.add_moments(session, said)
        assert store.moments(session) == tuple(said)
        assert store._connection.execute("PRAGMA synchronous").fetchone()[0] == 2
        with pytest.raises(Exception, match="no session 'x'"):
            store.add_moments("x", said)
