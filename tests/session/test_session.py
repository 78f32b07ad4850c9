"""The whole loop on the simulated machine: no root, no server, nothing touched."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from tests.session.writeback import CONFIG as WRITEBACK

from sealtune.entry import optimize_workload, run_rl_optimization
from sealtune.errors import BenchmarkMissingError, ConfigError, KnobError, TooLittleTimeError
from sealtune.planning import make_plan
from sealtune.report.events import Finished, PairFinished, PhaseStarted, RunFinished
from sealtune.report.result import VERDICTS
from sealtune.request import Request
from sealtune.session import tune
from sealtune.workbench import interrupts_held, signals_interrupt

CACHE = "low latency redis cache, one client at a time"
CONFIG = {
    **WRITEBACK,
    "state_space": ["cpu_usage", {"metric": "cpu_utilization", "source": "/proc/stat"}],
    "training_config": {"total_timesteps": 10000, "n_steps": 2048},
}


def simulated(**wishes) -> Request:
    return Request(**{"dry_run": True, "tactician": "random", "seed": 3, **wishes})


def test_a_dry_run_reaches_a_verdict_and_says_simulated(store):
    """
    The simulated loop ends with a verdict, marked as simulated, with every run stored.
    """
    events = []
    result = tune(make_plan(simulated(description=CACHE, minutes=6)), store, events.append)
    assert result.simulated
    assert result.verdict in VERDICTS
    assert result.success
    assert result.total_episodes == len(store.trials(result.session, "search"))
    assert store.session(result.session).status == "finished"
    assert store.session(result.session).result == json.loads(json.dumps(result.as_dict()))
    names = [event.name for event in events if isinstance(event, PhaseStarted)]
    assert names[:4] == ["prepare", "aa", "search", "screening"]
    assert isinstance(events[-1], Finished)


def test_the_result_has_the_documented_keys(store):
    """
    Programs find every key that the architecture promises, ratios relative to the baseline.
    """
    result = tune(make_plan(simulated(description=CACHE, minutes=6)), store, _ignore).as_dict()
    promised = {
        "success", "workload_name", "best_config", "best_reward", "baseline_reward",
        "improvement", "total_episodes", "verdict", "gain", "pairs", "knobs", "seconds",
        "facts", "seed", "simulated",
    }  # fmt: skip
    assert promised <= set(result)
    assert set(result["gain"]) == {
        "estimate", "ci_low", "ci_high", "confidence", "pairs", "confirmed",
    }  # fmt: skip
    assert result["gain"]["confirmed"] == (result["verdict"] == "improved")


def test_one_seed_one_outcome(store):
    """
    The same request with the same seed tries the same settings and reaches the same gain.
    """
    first, second = (
        tune(make_plan(simulated(description=CACHE, minutes=6)), store, _ignore) for _ in range(2)
    )
    assert first.pairs == second.pairs
    assert first.best_config == second.best_config


def test_confirming_runs_are_fresh(store):
    """
    No run of the search is among the pairs: the confirmation measures anew.
    """
    result = tune(make_plan(simulated(description=CACHE, minutes=8)), store, _ignore)
    searched = {row.value for row in store.trials(result.session, "search")}
    confirmed = {pair["candidate"] for pair in result.pairs if pair["candidate"] is not None}
    assert confirmed
    assert not searched & confirmed


def test_ctrl_c_in_the_search_keeps_what_was_learnt(store):
    """
    Interrupted in the middle of the search: verdict "interrupted", finished trials stored, and
    the session can be taken up again with them.
    """
    seen = []

    def interrupt(event):
        if isinstance(event, RunFinished) and event.phase == "search":
            seen.append(event)
            if len(seen) == 5:
                raise KeyboardInterrupt

    plan = make_plan(simulated(description=CACHE, trials=12))
    result = tune(plan, store, interrupt)
    assert result.verdict == "interrupted"
    assert result.exit_code == 130
    assert result.trials_run == 5
    assert result.search_best is not None
    assert len(store.trials(result.session, "search")) == 5

    again = tune(plan, store, _ignore, resume=result.session)
    assert again.session == result.session
    assert again.trials_run == 12
    assert again.verdict != "interrupted"


def test_an_interrupted_confirmed_gain_is_kept_but_ends_as_interrupted(store):
    """
    Ctrl-C while minimising: the confirmed gain stays in the record, nothing is offered for it.
    """

    def interrupt(event):
        if isinstance(event, PhaseStarted) and event.name == "minimise":
            raise KeyboardInterrupt

    for seed in range(1, 9):
        plan = make_plan(simulated(description=CACHE, minutes=8, seed=seed))
        result = tune(plan, store, interrupt)
        if result.verdict == "improved":
            break
    assert result.verdict == "improved"
    assert result.exit_code == 130
    assert not result.success
    assert store.session(result.session).status == "finished"


def test_a_late_interrupt_does_not_cost_the_result(store):
    """
    Ctrl-C once more, when the verdict is being told: it stays in the record.
    """

    def interrupt(event):
        if isinstance(event, Finished):
            signal.raise_signal(signal.SIGINT)

    result = tune(make_plan(simulated(description=CACHE, trials=2)), store, interrupt)
    assert store.session(result.session).status == "finished"


def test_a_search_of_failures_alone_is_called_so(store, monkeypatch):
    """
    When every trial fails there is no best setting, and the sentence says what happened.
    """
    from sealtune.tactician.simulated import SimulatedMachine

    measure = SimulatedMachine.measure

    def broken(self, setting, *rest, **more):
        run = measure(self, setting, *rest, **more)
        return replace(run, value=None, failure="it broke") if setting else run

    monkeypatch.setattr(SimulatedMachine, "measure", broken)
    result = tune(make_plan(simulated(description=CACHE, trials=3)), store, _ignore)
    assert result.verdict == "none"
    assert result.best_config == result.full_config == {}
    assert "every trial of the search failed" in result.sentence


def test_a_terminal_that_is_gone_does_not_stop_a_session(store):
    """
    When nobody can be told any more, the session goes on to its verdict.
    """

    def broken(_event):
        raise OSError(5, "Input/output error")

    result = tune(make_plan(simulated(description=CACHE, minutes=6)), store, broken)
    assert result.verdict in VERDICTS
    assert store.session(result.session).status == "finished"


def test_an_impatient_ctrl_c_does_not_break_into_a_restore():
    """
    While parameters are put back, further signals wait.
    """
    done = []
    with signals_interrupt():
        with interrupts_held():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(os.getpid(), number)
            done.append("restored")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert done == ["restored"]


def test_ctrl_z_does_not_stop_a_session():
    """
    A session that stood still would be undone by the guard, and leave the terminal in disorder.
    """
    session = (
        "import os, signal; from sealtune.workbench import signals_interrupt\n"
        "with signals_interrupt(): os.kill(os.getpid(), signal.SIGTSTP)"
    )
    # A group of its own in our session: an orphaned one would not be stopped in any case.
    program = subprocess.Popen([sys.executable, "-c", session], process_group=0)
    _, status = os.waitpid(program.pid, os.WUNTRACED)
    program.kill()
    assert os.WIFEXITED(status)
    assert os.WEXITSTATUS(status) == 0


def test_a_slower_benchmark_than_planned_says_how_many_minutes_would_do(store, monkeypatch):
    """
    When the first runs show that six pairs cannot fit, the session says so and stops.
    """
    from sealtune import session
    from sealtune.benchmarks.measurement import Measurement

    plan = make_plan(simulated(description=CACHE, minutes=6))
    slow = [Measurement(1.0, seconds=60.0) for _ in range(6)]

    class Short:
        remaining = 100.0

    monkeypatch.setattr(type(plan), "simulated", property(lambda self: False))
    with pytest.raises(TooLittleTimeError, match="minutes"):
        session._share_out(plan, Short(), slow)


def test_pairs_are_told_one_by_one_and_published_with_their_gain(store, monkeypatch):
    """
    A listener hears of each pair of the confirmation; the pairs in the result are those that the
    published gain rests on: the confirmation's, or the last check's of the smaller setting.
    """
    monkeypatch.setattr("sealtune.session._explain", lambda *_: None)
    seen = set()
    for seed in range(1, 13):
        if seen == {"minimal", "candidate"}:  # both are needed, no matter of which seeds
            break
        events = []
        plan = make_plan(simulated(description=CACHE, minutes=12, seed=seed))
        result = tune(plan, store, events.append)
        told = [event.ratio for event in events if isinstance(event, PairFinished)]
        good = [pair["ratio"] for pair in result.pairs if pair["ratio"] is not None]
        assert told
        assert result.gain is not None
        assert len(good) == result.gain["pairs"]
        assert (told == good) == (result.gain_of == "candidate")
        seen.add(result.gain_of)
    assert seen == {"minimal", "candidate"}


def test_both_public_functions_take_a_config(store, tmp_path):
    """
    A config as text and as a file run the same loop and give the same result.
    """
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG))
    wishes = {"request": simulated(minutes=6), "store": store}
    by_text = optimize_workload(json.dumps(CONFIG), **wishes)
    by_file = run_rl_optimization(path, **wishes)
    assert by_text["workload_name"] == "writeback"
    assert by_text["pairs"] == by_file["pairs"]


def test_a_budget_without_room_for_six_pairs_is_refused():
    """
    One minute cannot hold a verdict; the error says how many minutes can.
    """
    with pytest.raises(TooLittleTimeError, match="minutes"):
        make_plan(simulated(description=CACHE, minutes=1))


@pytest.mark.parametrize(
    ("wishes", "error", "match"),
    [
        ({"tactician": "sarsa"}, ConfigError, "ppo"),
        ({"only": ("vm.nonsense",)}, KnobError, "vm.nonsense"),
        ({"only": ("kernel.randomize_va_space",)}, KnobError, "never tuned"),
        ({"benchmark": "iometer"}, ConfigError, "pgbench"),
        ({"benchmark": "custom"}, ConfigError, "command"),
    ],
)
def test_bad_wishes_name_the_field_and_what_is_allowed(wishes, error, match):
    """
    A wish that cannot be met is refused before anything is touched, naming what is allowed.
    """
    with pytest.raises(error, match=match):
        make_plan(simulated(**{"description": CACHE, "minutes": 6, **wishes}))


def test_a_command_of_the_persons_own_needs_exactly_its_approval():
    """
    A script of the person's runs only when exactly its text was approved.
    """
    config = {**CONFIG, "benchmark_command": "./measure.sh --fast", "reward_metric": "score"}
    from sealtune.space.config import load_config

    with pytest.raises(ConfigError, match=r"measure\.sh"):
        make_plan(simulated(config=load_config(config), minutes=6))
    with pytest.raises(ConfigError, match="not the command"):
        make_plan(simulated(config=load_config(config), minutes=6, approved_command="./other.sh"))
    plan = make_plan(
        simulated(config=load_config(config), minutes=6, approved_command="./measure.sh --fast")
    )
    assert plan.adapter.name == "custom"


def test_a_database_of_the_persons_own_is_left_alone():
    """
    A command that names a database of the person's is measured on a private one unless approved.
    """
    from sealtune.space.config import load_config

    config = {**CONFIG, "benchmark_command": "pgbench -c 50 -j 4 -T 30 testdb"}
    plan = make_plan(simulated(config=load_config(config), minutes=6))
    assert "testdb" not in plan.spec.options.values()
    assert any("testdb" in notice for notice in plan.notices)


def test_a_missing_benchmark_names_the_install_line(monkeypatch):
    """
    When the tool is not there, the error has the line that installs it.
    """
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("sealtune.planning.detect_all", dict)
    with pytest.raises(BenchmarkMissingError) as caught:
        make_plan(simulated(description=CACHE, minutes=6, benchmark="redis"))
    assert "apt" in f"{caught.value} {caught.value.fix}"


def _ignore(_event) -> None:
    """Listen to nothing."""
