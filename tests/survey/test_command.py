"""`sealtune record`, and the configs that it is meant to be run with."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from sealtune.benchmarks import parse_command
from sealtune.cli.record import register
from sealtune.errors import InputError
from sealtune.planning import make_plan
from sealtune.request import Request
from sealtune.space.config import load_config
from sealtune.survey.surface import load_surface

CONFIGS = sorted((Path(__file__).parents[2] / "bench" / "surfaces").glob("*.json"))


def run(*arguments) -> int:
    app = typer.Typer()
    register(app)
    return app([str(part) for part in arguments], standalone_mode=False)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_a_dry_run_of_each_config_records_a_surface(config, tmp_path, capsys):
    """Every config that lies ready is accepted, shown and, simulated, recorded to the end."""
    path = tmp_path / "surface.jsonl"
    code = run(config, "-o", path, "--dry-run", "--yes", "--points", 10, "--run-seconds", 1)
    shown = capsys.readouterr().out

    assert code == 0
    assert "SIMULATED" in shown
    assert "complete, 14 runs" in shown
    surface = load_surface(path)
    assert surface.header.simulated
    assert surface.header.run_seconds == 1.0
    assert surface.header.workload in config.read_text()


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_the_configs_ask_for_whole_ranges_and_no_approval(config):
    """No range or start is set: whole safe ranges, from the present values; nobody is asked."""
    loaded = load_config(config)

    assert all(
        (item.min, item.max, item.choices, item.start) == (None, None, None, None)
        for item in loaded.action_space
    )
    assert parse_command(loaded.benchmark_command).approval is None
    assert len(loaded.action_space) == 6


def test_three_configs_lie_ready():
    """The three scenarios are there."""
    assert [path.stem for path in CONFIGS] == [
        "fio-mixed-read",
        "perf-messaging",
        "redis-one-client",
    ]


def test_a_description_is_recorded_over_whole_safe_ranges(tmp_path, capsys):
    """From a description come whole ranges: an expert's narrow ones would hide the rest."""
    path, words = tmp_path / "surface.jsonl", "low latency redis cache"
    run(words, "-o", path, "--dry-run", "--yes", "--points", 4)
    capsys.readouterr()

    whole = Request(description=words, use_prior=False, dry_run=True, seed=0)
    assert load_surface(path).space == make_plan(whole).built.space


def test_without_a_terminal_it_asks_for_yes(tmp_path):
    """Nothing is touched, and no file begun, before somebody said yes."""
    path = tmp_path / "surface.jsonl"
    with pytest.raises(InputError, match="no terminal"):
        run(CONFIGS[0], "-o", path, "--dry-run")
    assert not path.exists()


def test_what_a_config_says_itself_is_not_said_twice(tmp_path):
    """Options that choose parameters of a description are refused beside a config."""
    with pytest.raises(InputError, match="--only"):
        run(
            CONFIGS[0], "-o", tmp_path / "s.jsonl", "--dry-run", "--yes", "--only", "vm.swappiness"
        )


def test_the_command_loads_nothing_heavy():
    """Asking for help must not wait for numpy, scipy, pydantic or torch."""
    heavy = "{'numpy', 'scipy', 'pydantic', 'torch', 'rich'}"
    code = f"import sys, sealtune.cli.record; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
