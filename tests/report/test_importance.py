"""What a person reads about which parameters mattered."""

import io

from rich.console import Console, Group

from sealtune.report.importance import importance_basis, importance_parts, importance_rows
from sealtune.verdict import Importance, KnobImportance

AHEAD = KnobImportance("block.read_ahead_kb", 0.62, 0.41, 0.8, 0.97, True, "larger is better")
OTHER = KnobImportance("vm.swappiness", 0.05, 0.0, 0.3, 0.03, False)


def shown(importance, knobs=()) -> str:
    result = {
        "importance": importance_rows(importance),
        "importance_basis": importance_basis(importance),
        "knobs": knobs,
    }
    console = Console(file=io.StringIO(), width=80, color_system=None, highlight=False)
    console.print(Group(*importance_parts(result)))
    return " ".join(console.file.getvalue().split())


def knob(effect):
    return {"name": "block.read_ahead_kb", "effect": effect}


def test_a_told_parameter_has_its_share_interval_chance_and_best_region():
    """
    Share, interval, chance of being first and best region stand in one table; the rest is named.
    """
    text = shown(Importance((AHEAD, OTHER), 87))
    for part in ("87 single runs", "62 % [41, 80]", "97 %", "larger is better"):
        assert part in text
    assert "Cannot tell from these trials: vm.swappiness" in text
    assert "fresh pairs" not in text


def test_a_confirmed_effect_stands_beside_and_is_said_to_be_another_thing():
    """
    An effect from minimising is shown, with the plain difference between the two.
    """
    text = shown(Importance((AHEAD, OTHER), 87), [knob("+12.0 % [+8.0 %, +16.0 %]")])
    assert "+12.0 %" in text
    assert "another thing" in text
    assert "+" not in shown(Importance((AHEAD,), 87), [knob("not tested")])


def test_no_told_parameter_is_cannot_tell():
    """
    When chance explains everything no share is shown.
    """
    text = shown(Importance((OTHER,), 40))
    assert "cannot tell from these 40 trials" in text
    assert "%" not in text


def test_without_rows_the_reason_is_shown():
    """
    Too few trials, and a session that ended before, say so.
    """
    assert "11 trials gave a number" in shown(Importance((), 11, "11 trials gave a number"))
    assert "ended before" in shown(None)


def test_a_stored_result_from_before_says_nothing():
    """
    A result that was stored before importance existed is still shown.
    """
    assert [] == importance_parts({"knobs": ()})
