"""Tacticians compared in one session: fair turns, one verdict, and who found what."""

import json
import time
from collections import Counter
from io import StringIO

import pytest
from rich.console import Console
from tests.session.writeback import CONFIG

from sealtune import searching, seeking, session
from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.comparing import Compared, pooled, proposers, together, turns
from sealtune.entry import resumable_request
from sealtune.errors import ConfigError, TooLittleTimeError
from sealtune.planning import make_plan
from sealtune.report.comparison import comparison_lines, comparison_of
from sealtune.report.events import RunFinished
from sealtune.report.result import VERDICTS
from sealtune.report.text import plan_text, result_text
from sealtune.request import Request
from sealtune.session import tune
from sealtune.space.config import load_config
from sealtune.space.knobs import IntKnob
from sealtune.space.space import Space
from sealtune.store import SqliteStore
from sealtune.tactician import SearchResult, TrialRecord, names

LINE = Space([IntKnob("a", 0, 100, start=50)])


def request(**wishes) -> Request:
    return Request(
        **{
            "config": load_config(CONFIG),
            "dry_run": True,
            "tactician": "random",
            "compare": ("tpe", "grid"),
            "seed": 1003,
            "trials": 30,
            **wishes,
        }
    )


@pytest.fixture(autouse=True, scope="module")
def unexplained():
    """Leave out what is learnt of parameters from all trials: it takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "_explain", lambda *_: None)
        patch.setattr(session, "_suspects", lambda *_: ())
        yield


@pytest.fixture(scope="module")
def usual(unexplained, tmp_path_factory):
    """The store and the result of one whole comparison; only to be looked at."""
    with SqliteStore(tmp_path_factory.mktemp("usual") / "sessions.db") as opened:
        yield opened, tune(make_plan(request()), opened, ignore)


def ignore(_event):
    pass


def stopped_at(count):
    """Return a listener that interrupts the session after so many trials."""

    def stop(event):
        if isinstance(event, RunFinished) and event.phase == "search" and event.index == count:
            raise KeyboardInterrupt

    return stop


def shown(renderable) -> str:
    text = StringIO()
    Console(file=text, width=200).print(renderable)
    return text.getvalue()


def searched(places, *, ended="budget"):
    """Return a search of `LINE` that tried `places` (place to ratio), in order."""
    trials = tuple(
        TrialRecord(index, {"a": place}, Measurement(100.0 * ratio), 100.0 * ratio, ratio)
        for index, (place, ratio) in enumerate(places.items())
    )
    return SearchResult(LINE, trials, LINE.start, ended)


def test_every_round_everybody_has_one_turn_in_an_order_drawn_anew():
    """
    No tactician always follows the same other one; the order depends on the seed alone.
    """
    order = list(turns(4, 20, seed=1001))
    rounds = [[lane for number, lane in order if number == at] for at in range(20)]
    assert all(sorted(one) == [0, 1, 2, 3] for one in rounds)
    assert len({tuple(one) for one in rounds}) > 5
    assert order == list(turns(4, 20, seed=1001))
    assert order != list(turns(4, 20, seed=1002))


def test_the_budget_is_shared_equally_and_trial_by_trial(usual):
    """
    Each tactician gets a third of the trials, one in each round, from the same start.
    """
    store, result = usual
    rows = store.trials(result.session, "search")
    assert Counter(row.strategy for row in rows) == {1: 10, 2: 10, 3: 10}
    for at in range(0, 30, 3):
        assert sorted(row.strategy for row in rows[at : at + 3]) == [1, 2, 3]
    assert len({json.dumps(dict(row.setting), sort_keys=True) for row in rows[:3]}) == 1


def test_there_is_one_series_of_baselines(store, usual):
    """
    Three tacticians cost as many baseline runs as one that has all the trials, not three times.
    """
    one = store.trials(tune(make_plan(request(compare=())), store, ignore).session)
    three = usual[0].trials(usual[1].session)
    counts = [Counter(row.phase for row in rows) for rows in (one, three)]
    assert counts[0]["search"] == counts[1]["search"]
    assert abs(counts[1]["sentinel"] - counts[0]["sentinel"]) <= 3


def test_the_result_says_who_found_what(usual):
    """
    One verdict, and beside it a row for each tactician and who the tested candidate came from.
    """
    store, result = usual
    assert result.verdict in VERDICTS
    comparison = result.comparison
    lanes = comparison["lanes"]
    assert [lane["tactician"] for lane in lanes] == ["random", "tpe", "grid"]
    assert [lane["number"] for lane in lanes] == [1, 2, 3]
    assert sum(lane["trials"] for lane in lanes) == result.total_episodes
    rows = store.trials(result.session, "search")
    for lane in lanes:
        own = [row for row in rows if row.strategy == lane["number"]]
        tried = own[lane["first_tried"] - 1].setting
        assert all(tried[name] == value for name, value in lane["best"].items())
        assert lane["gain"]["low"] < lane["gain"]["estimate"] < lane["gain"]["high"]
        assert lane["seconds_per_trial"] >= 0
    assert set(comparison["candidate_from"]) <= {"random", "tpe", "grid"}
    assert comparison["candidate_from"]
    assert comparison["confirmed"] == (result.verdict == "improved")
    assert store.session(result.session).result["comparison"] == json.loads(json.dumps(comparison))


def test_the_report_says_it_in_plain_words(usual):
    """
    Text shows a line for each tactician and that a few trials on one workload rank nobody.
    """
    store, result = usual
    text = shown(result_text(store.session(result.session).result))
    for name in ("random: 10 trials", "tpe: 10 trials", "grid: 10 trials"):
        assert name in text
    assert "10 trials each on one workload do not rank tacticians" in text
    assert "was recommended by" in text


def test_a_session_without_comparison_says_nothing_of_one(store):
    """
    One tactician alone is compared with nobody; nor is a session that an older version stored.
    """
    result = tune(make_plan(request(compare=())), store, ignore).as_dict()
    assert result["comparison"] is None
    assert "rank tacticians" not in shown(result_text(result))
    del result["comparison"]
    assert "rank tacticians" not in shown(result_text(result))


def test_the_plan_says_how_the_budget_is_shared():
    """
    Before the question: who takes turns and how many trials each gets; few are a notice.
    """
    text = " ".join(shown(plan_text(make_plan(request(trials=33)))).split())
    assert "random, tpe and grid take turns" in text
    assert "11 of 33 trials each" in text
    assert "hardly begun to learn" in text
    assert "hardly begun" not in shown(plan_text(make_plan(request(trials=90))))


def test_each_learns_from_its_own_trials_alone(store, monkeypatch):
    """
    A tactician is told exactly what it asked for, also where another one tried the same setting.
    """
    built = []

    class Watched:
        def __init__(self, name):
            self.name, self.asked, self.told = name, [], []

        def ask(self):
            setting = {"vm.dirty_ratio": 10 + len(self.asked)}
            setting |= {"vm.dirty_background_ratio": 5, "vm.dirty_expire_centisecs": 3000}
            self.asked.append(setting)
            return setting

        def tell(self, setting, score):
            self.told.append(setting)

    def prepare(name, *_arguments, **_options):
        built.append(Watched(name))
        return built[-1]

    monkeypatch.setattr(seeking, "prepare_tactician", prepare)
    result = tune(make_plan(request()), store, ignore)
    assert [one.name for one in built] == ["random", "tpe", "grid"]
    assert all(one.told == one.asked for one in built)
    assert [len(one.asked) for one in built] == [10, 10, 10]
    assert len(store.trials(result.session, "search")) == 30  # the same setting is not shared


def test_only_thinking_counts_as_thinking(store, monkeypatch):
    """
    CPU that proposing takes is reported for each trial; what measuring takes is not.
    """

    def burn(seconds):
        began = time.process_time()
        while time.process_time() - began < seconds:
            pass

    plan = make_plan(request(trials=16, compare=("grid",)))

    class Slow:
        name = "slow"

        def ask(self):
            burn(0.02)
            return plan.built.space.start

        def tell(self, setting, score):
            pass

    real = searching.SearchRuns.measure

    def measure(self, setting):
        burn(0.05)
        return real(self, setting)

    monkeypatch.setattr(seeking, "prepare_tactician", lambda *_a, **_k: Slow())
    monkeypatch.setattr(searching.SearchRuns, "measure", measure)
    result = tune(plan, store, ignore)
    for lane in result.comparison["lanes"]:
        assert 0.019 < lane["seconds_per_trial"] < 0.05


def test_who_only_fails_is_out_and_the_others_keep_their_share(store, monkeypatch):
    """
    More than three failures in a row end one tactician's turns, not the comparison.
    """
    real = searching.SearchRuns.measure

    def measure(self, setting):
        run = real(self, setting)
        return failed("no") if self._strategy == 2 else run

    monkeypatch.setattr(searching.SearchRuns, "measure", measure)
    result = tune(make_plan(request()), store, ignore)
    rows = store.trials(result.session, "search")
    assert Counter(row.strategy for row in rows) == {1: 10, 2: 4, 3: 10}
    lost = result.comparison["lanes"][1]
    assert [lost[key] for key in ("trials", "failed", "gain", "first_tried")] == [4, 4, None, None]
    assert any("tpe failed in a row" in note for note in result.notes)
    assert "4 of them failed" in shown(result_text(result.as_dict()))


def test_an_interrupted_comparison_loses_nothing_and_runs_nothing_twice(store, monkeypatch):
    """
    Resumed, every tactician is found again under its lane and ends with exactly its share.
    """
    monkeypatch.setenv("SEALTUNE_STORE", str(store.path))
    first = tune(make_plan(request()), store, stopped_at(14))
    assert first.verdict == "interrupted"
    assert sum(lane["trials"] for lane in first.comparison["lanes"]) == 14
    again, session = resumable_request(first.session)
    assert again.compare == ("tpe", "grid")
    second = tune(make_plan(again), store, ignore, resume=session)
    rows = store.trials(session, "search")
    assert [row.index for row in rows] == list(range(30))
    assert Counter(row.strategy for row in rows) == {1: 10, 2: 10, 3: 10}
    assert [lane["tactician"] for lane in second.comparison["lanes"]] == ["random", "tpe", "grid"]
    assert [lane["trials"] for lane in second.comparison["lanes"]] == [10, 10, 10]


def test_an_interruption_changes_nothing_that_is_tried(store):
    """
    Who does not learn from noise tries, interrupted and resumed, what it would have tried anyway.
    """
    wanted = {"compare": ("grid",), "trials": 20}

    def tried(session):
        rows = store.trials(session, "search")
        return {lane: [dict(r.setting) for r in rows if r.strategy == lane] for lane in (1, 2)}

    whole = tune(make_plan(request(**wanted)), store, ignore)
    broken = tune(make_plan(request(**wanted)), store, stopped_at(7))
    tune(make_plan(request(**wanted)), store, ignore, resume=broken.session)
    assert tried(broken.session) == tried(whole.session)


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"compare": ("genius",)}, "--compare genius: allowed: ppo, ppo-only, tpe"),
        ({"compare": ("tpe", "tpe")}, "tpe would search twice"),
        ({"compare": ("tpe", "random")}, "random would search twice"),
        ({"strategies": 2}, "not beside --strategies"),
        ({"rivals": (load_config(CONFIG),)}, "not beside --strategies"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(wishes, said):
    """
    Unknown names, a tactician against itself, and strategies beside tacticians are refused.
    """
    with pytest.raises(ConfigError, match=said) as caught:
        make_plan(request(**wishes))
    assert caught.value.fix


def test_a_missing_package_is_said_before_anything_starts(monkeypatch):
    """
    A peer that is not installed is refused with the line that installs it.
    """
    monkeypatch.setattr(names, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match="--compare smac: its package") as caught:
        make_plan(request(compare=("smac",)))
    assert "pip install" in caught.value.fix


def test_too_few_trials_for_each_are_refused():
    """
    Fewer than eight trials each are refused with the number that would do.
    """
    with pytest.raises(TooLittleTimeError, match="7 for each of 3") as caught:
        make_plan(request(trials=23))
    assert "24" in caught.value.fix
    assert make_plan(request(trials=24))


def test_the_best_of_each_comes_first_in_the_pool():
    """
    However well the second of one does, the first of another is tested before it.
    """
    strong = Compared(1, "ppo", searched({10: 1.5, 11: 1.49, 90: 1.0}))
    weak = Compared(2, "tpe", searched({60: 1.1, 90: 0.9}))
    pool = pooled((strong, weak), 3)
    assert pool[0]["a"] in (10, 11)
    assert pool[1] == {"a": 60}
    assert len(pool) == 3
    assert pooled((strong, weak), 10).count({"a": 90}) == 1


def test_a_setting_is_found_by_who_ranks_it_highest():
    """
    A setting that two tried belongs to who would recommend it first; to both if they agree.
    """
    one = Compared(1, "ppo", searched({10: 1.5, 60: 1.1, 90: 1.0}))
    two = Compared(2, "tpe", searched({60: 1.2, 90: 1.0}))
    assert [lane.tactician for lane in proposers((one, two), {"a": 60})] == ["tpe"]
    assert [lane.tactician for lane in proposers((one, two), {"a": 10})] == ["ppo"]
    assert proposers((one, two), {"a": 55}) == ()
    assert proposers((one, two), {}) == ()
    same = Compared(3, "gp", searched({60: 1.2, 90: 1.0}))
    assert [lane.tactician for lane in proposers((two, same), {"a": 60})] == ["tpe", "gp"]


def test_together_they_are_one_search_of_all_trials():
    """
    What follows the search sees the trials of everybody, numbered in the order of their turns.
    """
    one = Compared(1, "ppo", searched({10: 1.5, 60: 1.1}))
    two = Compared(2, "tpe", searched({20: 1.2, 90: 1.0}, ended="stopped"))
    result = together((one, two))
    assert [trial.setting["a"] for trial in result.trials] == [10, 20, 60, 90]
    assert [trial.index for trial in result.trials] == [0, 1, 2, 3]
    assert result.ended == "stopped"


def test_a_tactician_without_a_working_trial_recommends_nothing():
    """
    It has no gain, no recommendation, and does not keep the others from being tested.
    """
    nothing = SearchResult(LINE, (TrialRecord(0, {"a": 3}, failed("no"), None),), LINE.start)
    lost, found = Compared(1, "ppo", nothing), Compared(2, "tpe", searched({60: 1.2, 90: 1.0}))
    assert lost.ranking == ()
    assert lost.gain({"a": 3}) is None
    assert pooled((lost, found), 1) == ({"a": 60},)


def test_few_working_trials_make_no_gain():
    """
    One trial, or two, give a model no idea of the noise: nothing is said instead of nonsense.
    """
    for count in (1, 2):
        few = Compared(1, "ppo", searched({10 + at: 1.5 for at in range(count)}))
        assert few.gain({"a": 10}) is None
    assert Compared(1, "ppo", searched({10: 1.1, 60: 1.0, 90: 0.9})).gain({"a": 10}) is not None


def test_the_caution_names_the_trials_that_each_had():
    """
    Where one had fewer, the largest number is not taken for everybody's.
    """
    one = Compared(1, "ppo", searched({10: 1.5, 60: 1.1}))
    two = Compared(2, "tpe", searched({20: 1.2, 90: 1.0, 30: 1.1}))
    for lanes, said in (((one, two), "2 to 3 trials each"), ((one, one), "2 trials each")):
        told = comparison_of(lanes, {}, {}, dict, confirmed=False)
        assert told["caution"].startswith(said)


@pytest.mark.parametrize(
    ("confirmed", "interrupted", "says"),
    [
        (True, False, "the confirmed setting was"),
        (False, False, "what fresh runs did not confirm was"),
        (False, True, "what was to be confirmed when the session was interrupted was"),
    ],
)
def test_who_found_the_candidate_is_said_as_far_as_it_is_known(confirmed, interrupted, says):
    """
    An interrupted session confirmed nothing and refuted nothing.
    """
    lane = Compared(1, "ppo", searched({10: 1.5, 60: 1.1, 90: 1.0}))
    told = comparison_of(
        (lane,), {"a": 10}, {}, dict, confirmed=confirmed, interrupted=interrupted
    )
    lines = dict(comparison_lines(told))
    assert lines["Found by"] == f"{says} recommended by ppo"
    del told["interrupted"]  # as an older sealtune stored it
    assert "recommended by ppo" in dict(comparison_lines(told))["Found by"]
