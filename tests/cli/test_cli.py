"""The command line, as a person or a script sees it."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "stable_baselines3", "gymnasium", "optuna", "scipy", "numpy", "pydantic_ai")
CACHE = "low latency redis cache, one client at a time"


@pytest.fixture
def sealtune(tmp_path):
    """Run the program in a home of its own; no root powers are used."""

    def run(*arguments, **options):
        environment = {
            **os.environ,
            "SEALTUNE_STORE": str(tmp_path / "sessions.db"),
            "COLUMNS": "80",
        }
        code = f"import sys; sys.argv = {['sealtune', *arguments]!r}\n" + options.pop("code", CALL)
        return subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=120,
            env={**environment, **options.pop("env", {})},
            stdin=subprocess.DEVNULL,
            **options,
        )

    return run


CALL = "from sealtune.cli import main; main()"
CALL_AND_LIST = """
from sealtune.cli import main
try:
    main()
except SystemExit:
    pass
print("LOADED", *sorted({name.split(".")[0] for name in sys.modules}))
"""


def loaded(output: str) -> set[str]:
    line = next(line for line in output.splitlines() if line.startswith("LOADED"))
    return set(line.split()[1:])


def test_help_loads_nothing_heavy(sealtune):
    """
    ``--help`` imports neither torch nor the model client nor the web stack, nor even numpy.
    """
    done = sealtune("--help", code=CALL_AND_LIST)
    assert "optimize" in done.stdout
    assert not loaded(done.stdout) & {*HEAVY, "rich", "starlette", "uvicorn", "pydantic"}


def test_restore_loads_the_standard_library_alone(sealtune):
    """
    ``restore`` works when everything else is broken: not even the argument parser is imported.
    """
    done = sealtune("restore", "--help", code=CALL_AND_LIST)
    assert "--abandon" in done.stdout
    assert not loaded(done.stdout) & {*HEAVY, "typer", "rich", "pydantic", "psutil"}


def test_a_plan_is_written_and_runs(sealtune, tmp_path):
    """
    ``plan -o`` writes a config that ``run`` accepts, without root; the dry run says SIMULATED.
    """
    path = tmp_path / "config.json"
    planned = sealtune("plan", CACHE, "--minutes", "6", "-o", str(path))
    assert planned.returncode == 0, planned.stderr
    assert "haltpoll" in planned.stdout or "net.core" in planned.stdout
    done = sealtune("run", str(path), "--dry-run", "--yes", "--tactician", "random")
    assert done.returncode in (0, 3, 4), done.stderr
    assert "SIMULATED" in done.stdout


def test_json_on_stdout_is_nothing_but_json(sealtune):
    """
    With ``--json -`` a script can parse stdout as it is; it says simulated.
    """
    done = sealtune(
        "optimize", CACHE, "--minutes", "6", "--dry-run", "--yes",
        "--tactician", "random", "--json", "-",
    )  # fmt: skip
    result = json.loads(done.stdout)
    assert result["simulated"] is True
    assert result["verdict"] in ("improved", "none", "worse", "unsafe")


def test_every_line_of_a_dry_run_on_a_pipe_says_simulated(sealtune):
    """
    Each progress line of a dry run is marked, so that none can be quoted as real.
    """
    done = sealtune("optimize", CACHE, "-m", "6", "--dry-run", "--yes", "--tactician", "random")
    progress = [line for line in done.stdout.splitlines() if "[search]" in line]
    assert progress
    assert all(line.startswith("SIMULATED") for line in progress)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["optimize", ""], 11, "empty"),
        (["optimize", "purple monkey dishwasher"], 11, "cannot tell"),
        (["optimize", CACHE, "--minutes", "0.5"], 14, "minutes would do"),
        (["optimize", CACHE, "--minutes", "nan"], 10, "allowed"),
        (["optimize", CACHE, "--minutes", "-3"], 10, "allowed"),
        (["optimize", CACHE, "--only", "kernel.panic"], 13, "never tuned"),
        (["optimize", CACHE, "--only", "vm.swapiness"], 13, "vm.swappiness"),
        (["optimize", CACHE, "--tactician", "dqn"], 12, "ppo"),
        (["optimize", CACHE, "--benchmark", "iometer"], 12, "pgbench"),
        (["run", "/nonexistent.json"], 12, "cannot be read"),
        (["run"], 10, "config"),
        (["run", "--resume"], 41, "interrupted"),
        (["optimize", CACHE, "--json", "/nonexistent/x.json"], 10, "cannot be written"),
        (["report", "20200101"], 41, "session"),
        (["apply"], 41, "session"),
        (["knobs", "kernel.randomize_va_space"], 13, "security"),
        (["frobnicate"], 2, "No such command"),
        (["optimize", CACHE, "--dry-run"], 10, "--yes"),
        (["restore", "--frob"], 2, "Usage"),
    ],
)
def test_a_mistake_is_a_message_a_fix_and_an_exit_code(sealtune, arguments, code, text):
    """
    Whatever the person got wrong, the message says so, no traceback is shown.
    """
    done = sealtune(*arguments)
    assert done.returncode == code, done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_the_errors_page_lists_every_exit_code():
    """
    docs/errors.md has each error of the tree with its exit code, and codes are not shared.
    """
    from pathlib import Path

    from sealtune import errors

    page = Path(__file__).parents[2] / "docs" / "errors.md"
    listed = {
        cells[2].strip(): int(cells[1])
        for line in page.read_text("utf-8").splitlines()
        if (cells := line.split("|"))[1:2] and cells[1].strip().isdigit() and cells[2].strip()
    }
    classes = {
        name: kind.exit_code
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.SealtuneError)
    }
    classes.pop("KeepingError"), listed.pop("KeepingError")
    assert listed == classes
    assert len(set(classes.values())) == len(classes)
