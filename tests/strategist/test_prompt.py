"""What a model is told: everything it needs, nothing that identifies anybody."""

import json
import platform
import subprocess
import sys
from dataclasses import replace

import pytest

from sealtune.benchmarks import parse_command
from sealtune.space.available import Availability
from sealtune.strategist import get_optimization_strategy_prompt
from sealtune.strategist.prompt import get_task_prompt


def section(text, title):
    """Return the lines of the section that begins with `title`."""
    (found,) = [part for part in text.split("\n\n") if part.startswith(title)]
    return found.splitlines()[1:]


def test_it_holds_facts_parameters_benchmarks_schema_and_rules(facts, availability):
    """Every parameter on offer stands in it with its range, as do machine, schema and memory."""
    text = get_optimization_strategy_prompt(facts, availability, ["swappiness did nothing"])

    for item in availability.offered:
        assert f"- {item.knob.name}: {item.present}" in text
        assert item.knob.trade_off in text
    for needed in (
        "expert Linux administrator",
        "6.12.0",
        "4 CPUs",
        '"action_space"',
        '"curriculum"',
        '"proposals"',
        '"question"',
        "RULES",
        "4 to 8 parameters",
        "redis-benchmark",
        "oltp_database",
        "swappiness did nothing",
    ):
        assert needed in text


def test_every_parameter_has_its_safe_range_here(facts, availability):
    """Numbers as low..high, choices as words, one line each."""
    lines = section(
        get_optimization_strategy_prompt(facts, availability), "PARAMETERS THAT CAN BE TUNED"
    )

    for item, line in zip(availability.offered, lines, strict=True):
        safe = ", ".join(item.choices) if item.choices else f"{item.low}..{item.high}"
        assert f"; {safe}; " in line


def test_only_installed_benchmarks_are_offered(facts, availability):
    """A model is not offered a benchmark that is not there."""
    text = get_optimization_strategy_prompt(facts, availability, installed=["sqlite"])

    assert "sealtune-sqlite" in text
    assert "pgbench" not in text


def test_every_benchmark_told_can_be_used_as_it_stands(facts, availability):
    """Numbers are filled in for this machine, and no command needs an approval."""
    lines = section(get_optimization_strategy_prompt(facts, availability), "BENCHMARKS")

    assert len(lines) > 10
    for line in lines:
        spec = parse_command(line.removeprefix("- ").rpartition(": ")[0])
        assert spec.approval is None
        assert spec.name != "custom"


def test_few_parameters_ask_for_few(facts, availability):
    """Where the person left two, four are not asked for."""
    two = Availability(availability.offered[:2], ())

    assert "- 2 to 8 parameters" in get_optimization_strategy_prompt(facts, two)


def test_without_arguments_it_describes_this_machine():
    """Called bare, it reads this machine by itself."""
    assert f"kernel {platform.release()}" in get_optimization_strategy_prompt()


def test_it_names_neither_machine_nor_person(facts, availability, monkeypatch):
    """No identifier of this boot or its people, no path of a person leaves the machine."""
    monkeypatch.setenv("USER", "carolina")
    facts = replace(facts, boot_id="0f1e2d3c-boot", kernel="6.12.0-build carolina@10.1.2.3")
    text = get_optimization_strategy_prompt(facts, availability, ["dumps in /home/carolina/d"])

    assert "6.12.0-build" in text
    for private in ("0f1e2d3c", "/home", "/root", "/Users", "@", "carolina", "10.1.2.3"):
        assert private not in text


def test_the_memory_is_quoted_and_bounded(facts, availability):
    """Past sentences are JSON strings, at most twelve, each at most 400 characters."""
    told = ['one "quoted"\nline', *["x" * 5_000] * 50]
    lines = section(
        get_optimization_strategy_prompt(facts, availability, told), "WHAT SIMILAR PAST SESSIONS"
    )

    assert len(lines) == 12
    assert json.loads(lines[0].removeprefix("- ")) == told[0]
    assert max(map(len, lines)) < 410


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"minutes": 12.5}, "12.5 minutes"),
        ({"trials": 40}, "At most 40 trials"),
        ({"benchmark_is_set": True}, "set the benchmark"),
        ({"all_of_them": True}, "use all of the list"),
    ],
)
def test_the_task_says_what_the_person_set(wish, words):
    """Each limit is one line after the description; without any there is none."""
    assert words in get_task_prompt("redis", **wish)
    assert len(get_task_prompt("redis").splitlines()) == 2


def test_importing_the_package_loads_nothing_heavy():
    """`import sealtune.strategist`, and its prompt, load no framework, torch or scipy."""
    code = (
        "import sys, sealtune.strategist as s; s.get_optimization_strategy_prompt;"
        "print([m for m in ('pydantic_ai', 'openai', 'torch', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
