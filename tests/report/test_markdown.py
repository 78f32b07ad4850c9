"""The Markdown report: compact, and text of others stays text."""

import re

import pytest
from tests.report.example import HOSTILE, knob, result, runs, session

from sealtune.report.markdown import code, escaped
from sealtune.report.markdown import report_markdown as written


def report_markdown(row, rows) -> str:
    return written(row, rows, version="9.8.7")


def rows_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


def test_the_verdict_the_parameters_and_the_commands_are_there():
    """
    What a reviewer asks for: gain with interval, unit, what changed and why, pairs, how to undo.
    """
    text = report_markdown(session(), runs())
    assert text.startswith("### Improved: requests per second +10.0 % \\[+7.0 %, +13.0 %\\]")
    for part in ("1/s", "higher is better", "| `vm.swappiness` | `60` | `10` |", "**yes**",
                 "no, put back", "Keeps values in memory.", "timed out", "printed nothing",
                 "sealtune apply 20261122-0344-28", "sealtune revert", "--seed 13",
                 "sealtune 9.8.7"):  # fmt: skip
        assert part in text, part
    assert len(text.splitlines()) < 100


def test_a_cell_is_one_cell_whatever_is_in_it():
    """
    A bar, a line break or a backtick of others adds no column, no row and no code.
    """
    stored = result(knobs=[knob("a|b\nc", original="|", best="`|`", effect=HOSTILE)])
    lines = rows_of(report_markdown(session(result=stored), runs()))
    (line,) = [line for line in lines if "alert" in line]
    assert 6 == len(re.findall(r"(?<!\\)\|", line))


@pytest.mark.parametrize("sign", ["<script", "@all", " #1 ", "[a](", "http://x", "\x1b", "\u202e"])
def test_text_of_others_is_no_markup_no_link_and_no_mention(sign):
    """
    In a pull request nothing of a workload's or a benchmark's words acts.
    """
    stored = result(sentence=HOSTILE, notes=[HOSTILE], command="sealtune x")
    text = report_markdown(session(result=stored, workload=HOSTILE), runs())
    assert sign not in text
    assert sign not in escaped(HOSTILE)


def test_code_cannot_be_left():
    """
    The fence is longer than any run of backticks within, in a line and around a command.
    """
    assert "``` a``b ```" == code("a``b")
    text = report_markdown(session(result=result(command="x ```` y")), runs())
    assert "`````sh\nx ```` y\n`````" in text


def test_a_dry_run_and_a_missing_verdict_say_so():
    """
    SIMULATED comes first; without a verdict nothing is called confirmed.
    """
    simulated = report_markdown(session(simulated=True), runs())
    assert simulated.startswith("> **SIMULATED")
    unfinished = report_markdown(session(status="failed", result=None), runs())
    assert "no verdict, nothing is confirmed" in unfinished
    assert "sealtune apply" not in unfinished
