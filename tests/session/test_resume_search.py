"""An interrupted session goes on as if nothing had happened: no trial is lost or run twice."""

import contextlib
from collections import Counter
from dataclasses import replace

import pytest
from tests.session.writeback import CONFIG

from sealtune import seeking, session
from sealtune.contest import rounds
from sealtune.entry import resumable_request
from sealtune.planning import make_plan
from sealtune.report.events import RunFinished
from sealtune.request import Request
from sealtune.session import tune
from sealtune.space.config import load_config
from sealtune.store import SqliteStore
from sealtune.tactician import TACTICIANS
from sealtune.tactician.names import how_to_install
from sealtune.tactician.policy import PLAIN, PolicyOptions
from sealtune.workbench import Machine

pytestmark = pytest.mark.usefixtures("unexplained")
TRIALS = 12
HERE = [name for name in TACTICIANS if how_to_install(name) is None]
QUICK = [name for name in HERE if name not in ("gp", "smac", "hebo")]


def wish(**wishes):
    config = load_config(CONFIG)
    fields = {"config": config, "dry_run": True, "tactician": "random", "seed": 1003}
    return Request(**{**fields, "trials": TRIALS, **wishes})


def ignore(_event):
    """Listen to nothing."""


def stop_after(count, phase=None):
    """A Ctrl-C after so many finished runs, of one phase or of all."""
    seen = []

    def notify(event):
        if isinstance(event, RunFinished) and phase in (None, event.phase):
            seen.append(event)
            if len(seen) == count:
                raise KeyboardInterrupt

    return notify


@pytest.fixture
def go_on(store):
    """Resume the last interrupted session as the command line does."""

    def resume(notify=ignore):
        request, name = resumable_request()
        return tune(make_plan(request), store, notify, resume=name)

    return resume


def require_whole(store, result, trials=TRIALS):
    """As many trials as were planned, each once; the result counts those of every process."""
    rows = store.trials(result.session, "search")
    assert [row.index for row in rows] == list(range(trials))
    assert len({(row.index, row.strategy) for row in rows}) == trials
    assert result.trials_run == result.total_episodes == trials
    assert result.trials_failed == sum(row.value is None for row in rows)
    assert result.trials_cut_short == sum(row.cut_short for row in rows)
    numbers = Counter((row.phase, row.index) for row in store.trials(result.session))
    assert set(numbers.values()) == {1}


@pytest.mark.parametrize("count", [1, 5, 6, 7, 8, 13, 14, 15, 18, 19, 20, 21, 22, 23, 25, 28, 35])
def test_ctrl_c_after_any_run_loses_and_repeats_nothing(store, go_on, found, count):
    """In A/A, search, screening or confirmation: the trials are whole, and all are looked at."""
    first = tune(make_plan(wish()), store, stop_after(count))
    before = store.trials(first.session)
    assert len(before) == count
    if first.verdict != "interrupted":  # a confirmed gain needs no going on
        assert store.session(first.session).status == "finished"
        return
    assert first.trials_run == len(store.trials(first.session, "search"))
    result = go_on()

    assert result.session == first.session
    assert result.verdict != "interrupted"
    require_whole(store, result)
    assert store.trials(result.session)[:count] == before
    rows = store.trials(result.session, "search")
    assert [t.setting for t in found[-1].search.trials] == [dict(row.setting) for row in rows]
    assert all((t.relative is None) == (t.value is None) for t in found[-1].search.trials)


@pytest.mark.parametrize("counts", [(1, 1, 1), (7, 7, 7, 7), (9, 3, 12), (16, 16, 5), (20, 20)])
def test_many_interruptions_lose_and_repeat_nothing(store, go_on, counts):
    """However often it is interrupted, the session ends with exactly the planned trials."""
    result = tune(make_plan(wish()), store, stop_after(counts[0]))
    for count in counts[1:]:
        result = go_on(stop_after(count))
    result = go_on()

    require_whole(store, result)


@pytest.mark.parametrize("call", [0, 3, 6, 8, 13, 16, 20, 26])
def test_ctrl_c_in_the_middle_of_a_run_loses_that_run_alone(store, go_on, monkeypatch, call):
    """A run that was not finished is not stored; the resumed search has it again."""
    real = session.simulated_machine
    calls = iter(range(1000))

    @contextlib.contextmanager
    def breaking(plan, clock):
        with real(plan, clock) as machine:

            def measure(setting, *, should_stop=None):
                if next(calls) == call:
                    raise KeyboardInterrupt
                return machine.measure(setting, should_stop=should_stop)

            yield Machine(measure, machine.live)

    monkeypatch.setattr(session, "simulated_machine", breaking)
    first = tune(make_plan(wish()), store, ignore)

    assert first.verdict == "interrupted"
    assert len(store.trials(first.session)) == call
    assert first.trials_run == len(store.trials(first.session, "search"))
    require_whole(store, go_on())


class Spy:
    """A tactician that keeps what it is told, and how much it knew when it was asked."""

    def __init__(self, sampler):
        self.name, self.sampler = sampler.name, sampler
        self.told, self.knew = [], []

    def ask(self):
        self.knew.append(len(self.told))
        return self.sampler.ask()

    def tell(self, setting, score):
        self.told.append((dict(setting), score))
        self.sampler.tell(setting, score)


@pytest.fixture
def spies(monkeypatch):
    built = []
    real = seeking.prepare_tactician

    def prepare(*arguments, **options):
        built.append(Spy(real(*arguments, **options)))
        return built[-1]

    monkeypatch.setattr(seeking, "prepare_tactician", prepare)
    return built


@pytest.mark.parametrize("done", [1, 4, 11])
@pytest.mark.parametrize("tactician", QUICK)
def test_a_tactician_has_learnt_every_earlier_trial_once(store, go_on, spies, tactician, done):
    """Before it is asked for the first new trial it was told each old one, once and in order."""
    tune(make_plan(wish(tactician=tactician)), store, stop_after(done, "search"))
    result = go_on()
    rows = [(dict(row.setting), row.score) for row in store.trials(result.session, "search")]

    require_whole(store, result)
    assert len(spies) == 2  # asked again, it proposed the same: nothing had to be told at once
    assert spies[-1].told == rows
    assert spies[-1].knew[-(TRIALS - done) :] == list(range(done, TRIALS))


def settings_in(store, name):
    return [dict(row.setting) for row in store.trials(name, "search")]


@pytest.mark.parametrize("tactician", ["random", "grid", "sobol"])
def test_what_does_not_look_at_scores_tries_what_it_would_have_tried(store, go_on, tactician):
    """The place in a sequence comes back: the settings are those of the uninterrupted session."""
    whole = tune(make_plan(wish(tactician=tactician)), store, ignore)
    for done in (1, 3, 7):
        tune(make_plan(wish(tactician=tactician)), store, stop_after(done, "search"))
        result = go_on()

        assert result.session != whole.session
        assert settings_in(store, result.session) == settings_in(store, whole.session)


@pytest.mark.parametrize("tactician", ["ppo", "ppo-only"])
def test_an_opening_is_finished_after_an_interruption(store, go_on, tactician):
    """The points that PPO spreads over the space first are the same with an interruption."""
    whole = tune(make_plan(wish(tactician=tactician, trials=40)), store, stop_after(5, "search"))
    wanted = settings_in(store, whole.session)
    first = tune(make_plan(wish(tactician=tactician, trials=40)), store, stop_after(2, "search"))
    second = go_on(stop_after(3, "search"))

    assert second.session == first.session
    assert settings_in(store, second.session) == wanted


def test_the_best_of_the_search_may_be_an_old_trial(store, go_on, found):
    """What is shown as the best of the search is that of all trials, not of the resumed ones."""
    tune(make_plan(wish()), store, stop_after(TRIALS - 1, "search"))
    result = go_on()
    best = max(trial.relative or 0.0 for trial in found[-1].search.trials)

    assert result.search_best == pytest.approx(best, rel=0.08)


@pytest.mark.parametrize("count", [1, 9, 30, 60])
def test_a_resumed_session_keeps_to_its_time(store, go_on, monkeypatch, count):
    """Each process ends within the minutes that were asked for."""
    clocks = []

    class Watched(session.SimulatedClock):
        def __init__(self):
            super().__init__()
            clocks.append(self)

    monkeypatch.setattr(session, "SimulatedClock", Watched)
    plan = make_plan(wish(trials=None, minutes=8))
    first = tune(plan, store, stop_after(count))
    if first.verdict == "interrupted":
        assert go_on().verdict != "interrupted"

    assert all(clock() <= plan.total_seconds for clock in clocks)


def strategies(**wishes):
    """Three strategies that are compared."""
    params = (
        [{"param": "vm.dirty_ratio", "min": 5, "max": 60}],
        [{"param": "vm.dirty_expire_centisecs", "min": 100, "max": 6000}],
        [{"param": "vm.dirty_writeback_centisecs", "min": 50, "max": 1500}],
    )
    leader, *rivals = (
        load_config({**CONFIG, "action_space": param, "strategist": str(number)})
        for number, param in enumerate(params)
    )
    return wish(config=leader, rivals=tuple(rivals), trials=40, **wishes)


@pytest.fixture(scope="module")
def trials_of_each(tmp_path_factory):
    """How many trials each strategy has in an uninterrupted contest."""
    with (
        pytest.MonkeyPatch.context() as patch,
        SqliteStore(tmp_path_factory.mktemp("contest") / "sessions.db") as opened,
    ):
        patch.setattr(session, "_explain", lambda *_: None)
        patch.setattr(session, "_suspects", lambda *_: ())
        whole = tune(make_plan(strategies()), opened, ignore)
        return Counter(row.strategy for row in opened.trials(whole.session, "search"))


@pytest.mark.parametrize("done", [1, 5, 12, 13, 20, 26, 33, 36])
def test_an_interrupted_contest_loses_and_repeats_nothing(store, go_on, trials_of_each, done):
    """In any round, between two strategies too: each has its planned trials, each once."""
    first = tune(make_plan(strategies()), store, stop_after(done, "search"))
    assert first.verdict == "interrupted"
    result = go_on()
    before = [0, *(total for _, total in rounds(3, 40))]
    sizes = [size for size, _ in rounds(3, 40)]
    planned = sum(
        size * (now - had) for size, had, now in zip(sizes, before, before[1:], strict=False)
    )

    require_whole(store, result, planned)
    counted = Counter(row.strategy for row in store.trials(result.session, "search"))
    assert sorted(counted.values()) == sorted(trials_of_each.values())


def test_steps_that_are_set_leave_the_rest_of_ppo_only_as_it_is():
    """A number of steps, as every description brings one, changes no other of its values."""
    usual = replace(PLAIN, n_steps=4)
    config = load_config({**CONFIG, "training_config": {"n_steps": 4}})

    assert make_plan(wish(tactician="ppo-only", config=config)).policy_options == usual
    assert make_plan(wish(tactician="ppo", config=config)).policy_options == PolicyOptions(4)
    assert make_plan(wish(tactician="ppo-only")).policy_options is None
