"""The tools that change something: what is previewed is what is done, or nothing is."""

import dataclasses
import json
from pathlib import Path

import pytest
from tests.toolbox.conftest import CACHE, QUICK, stored

from sealtune.errors import (
    ConfigError,
    InputError,
    KeepingError,
    NothingConfirmedError,
    NotRootError,
    RestoreError,
)
from sealtune.machine import read_knob
from sealtune.planning import make_plan
from sealtune.toolbox import Toolbox
from sealtune.toolbox import keeping as keeping_module
from sealtune.toolbox.proposals import drifted


@pytest.fixture
def plans():
    """Every plan that was made, in order."""
    return []


@pytest.fixture
def counted(open_store, plans):
    def plan(request, approve):
        plans.append(make_plan(request, approve))
        return plans[-1]

    return Toolbox(open_store=open_store, plan=plan, dry_run=True, defaults=QUICK)


def test_the_plan_that_was_shown_is_the_one_that_is_run(counted, plans, open_store):
    """
    Proposal, preview and run share one plan, made once; the next run plans anew.
    """
    config = counted.propose_config(CACHE, trials=12)["config"]
    shown = counted.preview("optimize_workload", {"config_json": json.dumps(config)})
    ran = counted.optimize_workload(config)
    assert len(plans) == 1
    assert f"seed {plans[0].seed}" in shown
    for item in plans[0].built.plan:
        assert item.name in shown
    with open_store() as store:
        assert store.session(ran["session"]).seed == plans[0].seed
    counted.optimize_workload(config)
    assert len(plans) == 2


def test_a_changed_config_is_planned_by_itself(counted, plans):
    """
    A yes to one config is no yes to another.
    """
    config = counted.propose_config(CACHE, trials=12)["config"]
    counted.preview("optimize_workload", {"config_json": config})
    counted.optimize_workload({**config, "budget": {"trials": 13}})
    assert [plan.config.budget.trials for plan in plans] == [12, 13]


def test_the_preview_is_the_whole_plan_in_the_width_of_the_terminal(toolbox):
    """
    It is plain text without escapes, as `sealtune plan` prints it: ranges, reasons, clock, undo.
    """
    config = toolbox.propose_config(CACHE)["config"]
    shown = toolbox.preview("optimize_workload", {"config_json": config}, width=70)
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= 70
    for part in ("SIMULATED", "Understood", "Benchmark", "how long", "confirmation", "put back"):
        assert part in shown


def own_command(toolbox):
    config = toolbox.propose_config(CACHE)["config"]
    return {**config, "benchmark_command": "/opt/measure.sh --fast", "reward_metric": "score"}


def test_a_command_of_the_persons_own_runs_only_after_it_was_shown(toolbox):
    """
    Exactly the command stands on the screen before a yes; without that it is refused.
    """
    config = own_command(toolbox)
    with pytest.raises(ConfigError, match="not approved"):
        toolbox.optimize_workload(config)
    shown = toolbox.preview("optimize_workload", {"config_json": config})
    assert shown.startswith("A yes also allows exactly this command:\n  /opt/measure.sh --fast\n")
    assert toolbox.optimize_workload(config)["simulated"]
    with pytest.raises(ConfigError, match="not approved"):
        toolbox.optimize_workload(config)


def test_a_server_of_the_persons_own_is_named_before_the_yes(toolbox):
    """
    A command that names a host says so first, and that this very host would be loaded.
    """
    config = toolbox.propose_config(CACHE)["config"]
    config["benchmark_command"] = "redis-benchmark -h db.example.com -p 6379 -t get"
    shown = toolbox.preview("optimize_workload", {"config_json": config})
    command, why = shown.splitlines()[1:3]
    assert command == "  redis-benchmark -h db.example.com -p 6379 -t get"
    assert "db.example.com" in why
    assert why.endswith("That very server or database is loaded, no private one.")


def test_a_machine_that_changed_since_is_not_tuned_by_the_old_plan(open_store, monkeypatch):
    """
    When a value is no longer the one in the plan that was shown, the yes does not count.
    """
    monkeypatch.setattr("sealtune.entry.check_ready", lambda plan: ("Others are at work.",))
    monkeypatch.setattr("sealtune.session.tune", lambda *_: pytest.fail("it was run"))
    plan = make_plan(dataclasses.replace(QUICK, description=CACHE, dry_run=True))
    real = dataclasses.replace(plan, request=dataclasses.replace(plan.request, dry_run=False))
    toolbox = Toolbox(open_store=open_store, plan=lambda *_: real, defaults=QUICK)
    monkeypatch.setattr("sealtune.toolbox.proposals.drifted", lambda plan: [])
    config = toolbox.propose_config(CACHE)["config"]
    assert "Others are at work" in toolbox.preview("optimize_workload", {"config_json": config})
    changes = ["vm.swappiness was 60, is 10"]
    monkeypatch.setattr("sealtune.toolbox.proposals.drifted", lambda plan: changes)
    with pytest.raises(InputError, match="has changed since the plan was shown"):
        toolbox.optimize_workload(config)


def test_nothing_is_planned_on_top_of_an_interrupted_run(open_store, monkeypatch):
    """
    Values that a killed run left are not this machine's: they are put back before a plan is shown.
    """
    monkeypatch.setattr("sealtune.guard.recovery.pending", lambda: ["vm.swappiness"])
    monkeypatch.setattr("sealtune.session.tune", lambda *_: pytest.fail("it was run"))
    toolbox = Toolbox(open_store=open_store, defaults=QUICK)
    with pytest.raises(RestoreError, match=r"left vm\.swappiness changed"):
        toolbox.preview("optimize_workload", {"config_json": "{}"})
    with pytest.raises(RestoreError):
        toolbox.optimize_workload("{}")


@pytest.mark.parametrize(
    "config",
    ["", "no json", "/etc/passwd", "{", "[]", '{"action_space": []}', {}, {"workload_name": "x"}],
)
def test_a_broken_config_is_refused_by_name(toolbox, config):
    """
    Prose, paths, broken JSON and missing fields are a ConfigError; no file is ever read.
    """
    with pytest.raises(ConfigError):
        toolbox.preview("optimize_workload", {"config_json": config})
    with pytest.raises(ConfigError):
        toolbox.optimize_workload(config)


def test_a_run_tells_its_verdict_and_puts_everything_back(toolbox):
    """
    The short result has verdict, sentence, session, and says that it is simulated.
    """
    config = toolbox.propose_config(CACHE, trials=12)["config"]
    told = toolbox.optimize_workload(config)
    assert told["verdict"] in ("improved", "none", "worse", "unsafe")
    assert told["sentence"]
    assert told["restored"]
    assert told["simulated"]
    assert not told["can_be_applied"]
    assert toolbox.explain_result(told["session"])["sentence"] == told["sentence"]


def test_events_of_the_run_reach_whoever_listens(toolbox):
    """
    `notify` may be set between calls, and hears the run from its first phase to its end.
    """
    heard = []
    toolbox.notify = heard.append
    toolbox.optimize_workload(toolbox.propose_config(CACHE, trials=12)["config"])
    assert type(heard[0]).__name__ == "PhaseStarted"
    assert type(heard[-1]).__name__ == "Finished"


def test_applying_does_what_the_preview_said(keeping, open_store, root):
    """
    The preview writes nothing and shows every line; the apply writes exactly these lines.
    """
    session = stored(open_store)
    shown = keeping.preview("apply_permanently", {"session": session})
    assert not list((root / "etc").rglob("*sealtune*"))
    told = keeping.apply_permanently(session)
    (path,) = told["files"]
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    added = [line[1:] for line in shown.splitlines() if line.startswith("+") and line[:3] != "+++"]
    assert added == lines
    assert "vm.swappiness = 10  (was 60)" in shown
    assert "x1.1" in shown
    assert keeping.explain_result(session)["applied"]


def test_another_setting_for_the_same_workload_is_not_the_applied_one(keeping, open_store):
    """
    Of two sessions with one name only that whose values are in the files counts as applied.
    """
    kept = stored(open_store)
    other = {"vm.swappiness": 20}
    later = stored(open_store, best_config=other, full_config=other)
    keeping.apply_permanently(kept)
    assert keeping.explain_result(kept)["applied"]
    told = keeping.explain_result(later)
    assert not told["applied"]
    assert f"sealtune apply {later}" in told["undo"]


def test_a_session_is_explained_where_what_is_applied_cannot_be_read(keeping, open_store, root):
    """
    A damaged record costs only the answer whether it is applied; it is said, and by whom to ask.
    """
    session = stored(open_store)
    keeping.apply_permanently(session)
    (record,) = (root / "var/lib/sealtune/applied").glob("*.json")
    record.write_text("{")
    told = keeping.explain_result(session)
    assert told["verdict"] == "improved"
    assert told["applied"] is None
    assert "sealtune status" in told["undo"]


def test_an_undo_puts_back_what_was_there_when_it_was_kept(open_store, monkeypatch):
    """
    A value that somebody set after the session is what comes back, and what the preview shows.
    """
    session = stored(open_store)
    monkeypatch.setattr(keeping_module, "read_live", lambda _path: "30")
    with open_store() as store:
        plan = keeping_module.file_plan(store.session(session))
    assert plan.before == {"vm.swappiness": "30"}
    assert plan.entries["vm.swappiness"].previous == "30"


def test_nobody_is_asked_about_what_only_root_may_do(open_store, monkeypatch):
    """
    Without root the preview of a real apply is refused before any question.
    """
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    toolbox = Toolbox(open_store=open_store, defaults=QUICK)
    plan = keeping_module.file_plan
    monkeypatch.setattr(keeping_module, "file_plan", lambda row, root: plan(row, Path("/nowhere")))
    with pytest.raises(NotRootError, match="needs root"):
        toolbox.preview("apply_permanently", {"session": stored(open_store)})


def test_what_changed_since_the_preview_is_not_applied(keeping, open_store, root):
    """
    Another file that now sets the same parameter makes the yes void.
    """
    session = stored(open_store)
    keeping.preview("apply_permanently", {"session": session})
    (root / "etc/sysctl.d/99-zzz.conf").write_text("vm.swappiness = 99\n")
    with pytest.raises(InputError, match="changed since it was shown"):
        keeping.apply_permanently(session)
    assert not list((root / "etc").rglob("*sealtune*"))
    assert "99-zzz.conf" in keeping.preview("apply_permanently", {"session": session})
    assert keeping.apply_permanently(session)["applied"] == "redis-cache"


def test_the_newest_session_at_the_time_of_the_yes_is_meant(keeping, open_store):
    """
    "last" was shown as one session; a newer one in between is not applied in its place.
    """
    stored(open_store)
    keeping.preview("apply_permanently", {})
    stored(open_store, workload="another")
    with pytest.raises(InputError, match="changed since it was shown"):
        keeping.apply_permanently()


@pytest.mark.parametrize(
    "changes",
    [{"verdict": "none"}, {"verdict": "interrupted"}, {"simulated": True}, {"gain": None}],
)
def test_only_a_confirmed_gain_is_offered_or_applied(keeping, open_store, changes):
    """
    Nobody is asked about what cannot be kept.
    """
    session = stored(open_store, **changes)
    with pytest.raises(NothingConfirmedError):
        keeping.preview("apply_permanently", {"session": session})
    with pytest.raises(NothingConfirmedError):
        keeping.apply_permanently(session)


def test_reverting_does_what_the_preview_said(keeping, open_store, root):
    """
    The preview names the file that goes; afterwards it is gone and nothing is applied.
    """
    session = stored(open_store)
    (path,) = keeping.apply_permanently(session)["files"]
    assert [one["name"] for one in keeping.status()["applied"]] == ["redis-cache"]
    shown = keeping.preview("revert", {"name": "redis-cache"})
    assert f"remove {path}" in shown
    assert "vm.swappiness" in shown
    told = keeping.revert("redis-cache")
    assert told["removed"] == [path]
    assert keeping.status()["applied"] == []
    for undo in (lambda: keeping.preview("revert", {}), keeping.revert):
        with pytest.raises(KeepingError, match="nothing is applied"):
            undo()


def test_a_file_somebody_changed_is_kept_and_the_preview_says_so(keeping, open_store, root):
    """
    What is not as sealtune wrote it stays, and the person knows before the yes.
    """
    (path,) = keeping.apply_permanently(stored(open_store))["files"]
    with open(path, "a", encoding="utf-8") as file:
        file.write("vm.swappiness = 5\n")
    assert f"keep   {path}" in keeping.preview("revert", {})
    assert keeping.revert()["kept_for_somebody_changed_them"] == [path]


def test_several_applied_settings_are_undone_by_name(keeping, open_store):
    """
    Without a name it is not guessed which one is meant.
    """
    keeping.apply_permanently(stored(open_store))
    keeping.apply_permanently(stored(open_store, workload="web"))
    with pytest.raises(KeepingError, match="redis-cache, web"):
        keeping.preview("revert", {})
    with pytest.raises(KeepingError, match="'mail' is not applied"):
        keeping.preview("revert", {"name": "mail"})
    assert keeping.revert("web")["reverted"] == "web"


def test_a_dry_run_keeps_and_undoes_nothing(toolbox, open_store):
    """
    Neither the preview nor the deed is to be had in a dry run.
    """
    session = stored(open_store)
    for tool, arguments in (("apply_permanently", {"session": session}), ("revert", {})):
        with pytest.raises(InputError, match="dry run"):
            toolbox.preview(tool, arguments)
        with pytest.raises(InputError, match="dry run"):
            getattr(toolbox, tool)(**arguments)


def test_a_reading_tool_has_no_preview(toolbox):
    """
    What changes nothing asks nobody.
    """
    with pytest.raises(InputError, match="changes nothing"):
        toolbox.preview("status", {})


def test_drift_is_read_from_the_machine_itself(open_store):
    """
    A plan of present values has not drifted; one made of another value has, and says so by name.
    """
    plan = make_plan(dataclasses.replace(QUICK, description=CACHE, dry_run=True))
    real = dataclasses.replace(plan, request=dataclasses.replace(plan.request, dry_run=False))
    if any(read_knob(item.available.knob).value is None for item in plan.built.plan):
        pytest.skip("this machine has no readable kernel parameters")
    assert drifted(real) == []
    first, *rest = real.built.plan
    other = dataclasses.replace(
        first, available=dataclasses.replace(first.available, present="-7")
    )
    built = dataclasses.replace(real.built, plan=(other, *rest))
    (change,) = drifted(dataclasses.replace(real, built=built))
    assert change.startswith(f"{first.name} was -7, is ")


def test_what_was_said_for_one_run_outlives_an_edit(open_store):
    """
    --minutes of the conversation yields to the minutes of the config, also after it is edited.
    """
    plans = []

    def plan(request, approve):
        plans.append(make_plan(request, approve))
        return plans[-1]

    defaults = dataclasses.replace(QUICK, minutes=30)
    toolbox = Toolbox(open_store=open_store, plan=plan, dry_run=True, defaults=defaults)
    config = toolbox.propose_config(CACHE, minutes=10)["config"]
    toolbox.preview("optimize_workload", {"config_json": {**config, "workload_name": "mine"}})
    toolbox.preview("optimize_workload", {"config_json": {**config, "budget": {}}})
    assert [one.minutes for one in plans] == [10, 10, 30]
