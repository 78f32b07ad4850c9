"""What the stored runs of a session tell."""

from dataclasses import replace

import pytest
from tests.report.example import result, run, runs, session, tried

from sealtune.report.history import curve, failures, search_ratios, unit_of
from sealtune.report.machine_facts import facts_lines
from sealtune.report.parameters import parameter_rows
from sealtune.report.steps import next_steps


def test_the_curve_has_every_search_trial_and_baseline_in_order():
    """
    Ratios are to the baseline of their time; failures have none; what was cut short is no best.
    """
    points = [point for point in curve(runs()) if point.kind == "trial"]
    assert [1, 2, 3, 4] == [point.number for point in points]
    assert ["complete", "failed", "cut_short", "complete"] == [point.state for point in points]
    assert [1.1, None, 0.8, 1.2] == [point.ratio and round(point.ratio, 1) for point in points]
    assert [1.1, 1.1, 1.1, 1.2] == [point.best and round(point.best, 1) for point in points]
    hopeful = run("search", 4, 1900.0, tried(1), cut_short=True, started=1_795_000_150.0)
    assert points[-1].best == curve([*runs(), hopeful])[-1].best
    assert 7 == sum(point.kind == "baseline" for point in curve(runs()))
    assert 4 == len(search_ratios(runs()))


def test_better_is_above_one_also_where_lower_is_better():
    """
    A latency of half the baseline is a ratio of 2.
    """
    rows = [replace(row, direction="minimize") for row in runs()]
    rows.append(run("search", 9, 501.0, tried(1), direction="minimize", started=1_795_000_200.0))
    assert 2.0 == pytest.approx(search_ratios(rows)[-1], rel=0.02)
    assert "minimize" == unit_of(rows)[2]


def test_a_resumed_session_never_mixes_the_baselines_of_its_processes():
    """
    After a pause the machine is three times as fast: each trial counts against its own time's.
    """
    later = [
        replace(row, value=row.value and 3 * row.value, started=row.started + 9000, index=50 + at)
        for at, row in enumerate(runs()[:7])
    ]
    ratios = search_ratios([*runs(), *later])
    assert [1.1, 0.8, 1.2, 1.1] == pytest.approx(
        [ratio for ratio in ratios if ratio is not None], rel=0.01
    )


def test_a_session_without_a_baseline_or_any_run_has_a_curve_all_the_same():
    """
    Nothing is invented where nothing was measured.
    """
    assert () == curve(())
    assert [None] == search_ratios([run("search", 0, 5.0, tried(1))])
    assert ("", "", "maximize") == unit_of(())


def test_failures_say_which_run_why_and_what_was_tried():
    """
    A failure, a tripped guard rail and a run that was cut short are told apart.
    """
    unsafe = run("confirm", 7, None, tried(3), unsafe=True, failure="out of memory")
    found = failures([*runs(), unsafe])
    assert ["failed", "cut short", "unsafe"] == [one.kind for one in found]
    assert "search 2" == found[0].run
    assert "printed nothing" == found[0].why
    assert "vm.swappiness=90" in found[0].setting


def test_parameters_have_range_what_was_tried_and_what_became_of_them():
    """
    Kept first, then put back, then those that stay as found; the config gives range and reason.
    """
    kept, back, left = parameter_rows(session(), runs())
    assert ("60", "10", True, "0..100", "10..99") == (
        kept.original, kept.chosen, kept.kept, kept.range, kept.tried,
    )  # fmt: skip
    assert "128..65535, log" == back.range
    assert not back.kept
    assert ("", "always, never") == (left.chosen, left.range)


def test_the_stored_plan_is_preferred_to_the_config():
    """
    What was really possible on the machine is shown, with the original of what was left alone.
    """
    card = {"parameters": [
        {"name": "vm.swappiness", "low": 1, "high": 50, "original": "60", "choices": []},
        {"name": "vm.dirty_ratio", "low": 5, "high": 60, "original": "20", "choices": []},
    ]}  # fmt: skip
    rows = {row.name: row for row in parameter_rows(session(), runs(), card)}
    assert "1..50" == rows["vm.swappiness"].range
    assert "20" == rows["vm.dirty_ratio"].original


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({}, ["Look", "Apply", "Undo", "Reproduce"]),
        ({"simulated": True}, ["Apply", "Reproduce"]),
        ({"status": "running", "result": None}, ["Wait", "Reproduce"]),
        ({"status": "interrupted", "result": None}, ["Go on", "Reproduce"]),
        ({"status": "failed", "result": None}, ["Apply", "Reproduce"]),
    ],
)
def test_each_outcome_has_its_own_next_steps(changes, labels):
    """
    Only a confirmed, real gain can be applied, only an interrupted session goes on.
    """
    steps = next_steps(session(**changes))
    assert labels == [step.label for step in steps]
    commands = " ".join(step.command for step in steps)
    assert ("apply" in commands) == (changes == {})
    assert "--seed 13" in steps[-1].command


@pytest.mark.parametrize("command", ["", "sealtune mcp"])
def test_a_session_without_a_command_line_is_reproduced_from_its_config(command):
    """
    What a conversation or an assistant began has a config, and how it was run, to run again.
    """
    asked = {"command": command, "minutes": 7.5, "tactician": "tpe", "workdir": "/srv/a b"}
    step = next_steps(session(arguments=asked, result={**result(), "command": command}))[-1]
    export, again = step.command.split(" && ")
    assert "sealtune export 20261122-0344-28 --config 20261122-0344-28.json --force" == export
    assert again == (
        "sealtune run 20261122-0344-28.json --seed 13 --minutes 7.5 --workdir '/srv/a b' "
        "--tactician tpe"
    )
    assert "export" not in next_steps(session(arguments={}, config={}, result={}))[-1].command
    several = {"command": command, "rivals": [{}]}  # one file holds one strategy
    assert "export" not in next_steps(session(arguments=several, result={}))[-1].command


def test_facts_that_are_not_known_are_left_out():
    """
    A session of an older sealtune stored fewer of them.
    """
    assert [] == facts_lines({})
    lines = dict(facts_lines({"kernel": "6.1", "cpus": 2, "memory_bytes": 2**31, "swap_bytes": 0}))
    assert "2 GiB, no swap" == lines["Memory"]
