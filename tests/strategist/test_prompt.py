"""What a model is told: everything it needs, nothing that identifies anybody."""

import platform
import subprocess
import sys
from dataclasses import replace

from sealtune.strategist import get_optimization_strategy_prompt


def test_it_holds_facts_parameters_benchmarks_schema_and_rules(facts, availability):
    """Every parameter on offer stands in it with its range, as do machine, schema and memory."""
    text = get_optimization_strategy_prompt(facts, availability, ["swappiness did nothing"])

    for item in availability.offered:
        assert f"- {item.knob.name}: {item.present}" in text
    for needed in (
        "expert Linux administrator",
        "6.12.0",
        "4 CPUs",
        '"action_space"',
        "RULES",
        "redis-benchmark",
        "oltp_database",
        "swappiness did nothing",
    ):
        assert needed in text


def test_only_installed_benchmarks_are_offered(facts, availability):
    """A model is not offered a benchmark that is not there."""
    text = get_optimization_strategy_prompt(facts, availability, installed=["sqlite"])

    assert "sealtune-sqlite" in text
    assert "pgbench" not in text


def test_without_arguments_it_describes_this_machine():
    """Called bare, it reads this machine by itself."""
    assert f"kernel {platform.release()}" in get_optimization_strategy_prompt()


def test_it_names_neither_machine_nor_person(facts, availability):
    """No identifier of this boot and no path of a person leaves the machine."""
    text = get_optimization_strategy_prompt(
        replace(facts, boot_id="0f1e2d3c-boot"), availability, ["a memory"]
    )

    assert "0f1e2d3c" not in text
    for private in ("/home", "/root", "/Users", "@"):
        assert private not in text


def test_importing_the_package_loads_nothing_heavy():
    """`import sealtune.strategist`, and reading a sentence, load neither pydantic nor numpy."""
    code = (
        "import sys, sealtune.strategist as s; s.classify('redis');"
        "print([m for m in ('pydantic', 'numpy', 'torch', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "[]" == done.stdout.strip()
