"""The command line, as a person or a script sees it."""

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

import sealtune.session  # conftest.py shortens the explanations of what is loaded
from sealtune.cli import main
from sealtune.errors import ApplyError
from sealtune.guard import RestoreReport
from sealtune.request import Request
from sealtune.space.config import load_config

HEAVY = ("torch", "stable_baselines3", "gymnasium", "optuna", "scipy", "numpy", "pydantic_ai")
TWO_MODELS = ("--model", "embedded", "--model", "embedded")
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


@pytest.fixture
def inside(tmp_path, monkeypatch, capsys):
    """Run the program as `sealtune` does, in this process: a start of its own takes a second."""

    def run(*arguments):
        monkeypatch.setenv("SEALTUNE_STORE", str(tmp_path / "sessions.db"))
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr(sys, "argv", ["sealtune", *arguments])
        with open(os.devnull) as nobody:
            monkeypatch.setattr(sys, "stdin", nobody)
            with pytest.raises(SystemExit) as ended:
                main()
        told = capsys.readouterr()
        return SimpleNamespace(returncode=ended.value.code, stdout=told.out, stderr=told.err)

    return run


CALL = "from sealtune.cli import main; main()"
CLOSED = "import os, sys; os.close(0); sys.stdin = None\n"
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
    What somebody has edited since is not replaced unasked.
    """
    path = tmp_path / "config.json"
    planned = sealtune("plan", CACHE, "--minutes", "6", "-o", str(path))
    assert planned.returncode == 0, planned.stderr
    assert "haltpoll" in planned.stdout or "net.core" in planned.stdout
    edited = path.read_text().replace("{", "{ ", 1)
    path.write_text(edited)
    again = sealtune("plan", CACHE, "-o", str(path))
    assert "--force" in again.stderr
    assert edited == path.read_text()
    wanted = ("--dry-run", "--yes", "--tactician", "random", "--trials", "4")
    done = sealtune("run", str(path), *wanted)
    assert done.returncode in (0, 3, 4), done.stderr
    assert "SIMULATED" in done.stdout


def test_no_file_of_several_strategies_is_replaced_unasked(inside, tmp_path):
    """
    The second strategy's file is looked at before anything is planned; the first is not begun.
    """
    (tmp_path / "two-2.json").write_text("mine")
    told = inside("plan", CACHE, "--strategies", "2", "-o", str(tmp_path / "two.json"))
    assert "two-2.json is there already" in str(told)
    assert not (tmp_path / "two.json").exists()


def test_doctor_names_both_places_that_show_what_is_sent(sealtune):
    """
    With a model that is not on this machine, a plan and a chat each have their own way to show it.
    """
    told = sealtune("doctor", env={"SEALTUNE_MODEL": "openai:gpt-5", "OPENAI_API_KEY": "none"})
    line = next(line for line in told.stdout.splitlines() if line.startswith("strategist"))
    assert "--show-prompt" in line
    assert "/prompt" in line


def test_yes_to_a_chat_promises_no_more_than_it_does(sealtune):
    """
    ``chat --help`` says that ``--yes`` is about runs of known benchmarks alone.
    """
    assert "known benchmarks unasked" in " ".join(sealtune("chat", "--help").stdout.split())


def test_every_strategy_of_a_plan_is_written(sealtune, tmp_path):
    """
    ``plan --strategies 2 -o`` writes both strategies, each a config of its own that loads.
    """
    path = tmp_path / "config.json"
    planned = sealtune("plan", CACHE, "--strategies", "2", "--seed", "1", "-o", str(path))
    assert planned.returncode == 0, planned.stderr
    first, second = (load_config(tmp_path / name) for name in ("config.json", "config-2.json"))
    assert first.action_space != second.action_space
    assert "config-2.json" in planned.stdout


@pytest.mark.parametrize("trials", ["1", "2", "3"])
def test_two_or_three_trials_are_enough_to_start(inside, trials):
    """
    However few the trials, what was said yes to runs.
    """
    done = inside("optimize", CACHE, "--dry-run", "--yes", "--seed", "1", "--trials", trials)
    assert done.returncode in (0, 3, 4), done.stderr


def test_a_broken_history_is_none_to_a_plan(sealtune, tmp_path):
    """
    A plan is made all the same, and says that nothing is remembered.
    """
    (tmp_path / "sessions.db").write_text("no database at all\n" * 100)
    planned = sealtune("plan", CACHE)
    assert planned.returncode == 0, planned.stderr
    assert "earlier sessions found is not used" in planned.stdout


def test_a_history_that_cannot_be_kept_is_said_before_the_question(sealtune, tmp_path):
    """
    Without a terminal the question itself would be the complaint: the history's comes first.
    """
    (tmp_path / "sessions.db").write_text("no database at all\n" * 100)
    refused = sealtune("optimize", CACHE, "--dry-run", "--trials", "4")
    assert refused.returncode == 40
    assert "is not a database" in refused.stderr


def test_a_closed_stdin_is_nobody_to_ask(sealtune):
    """
    Started with ``<&-``, a plan is shown, a run is refused, and ``sealtune`` alone shows its help.
    """
    planned = sealtune("plan", CACHE, code=CLOSED + CALL)
    assert planned.returncode == 0, planned.stderr
    assert "haltpoll" in planned.stdout or "net.core" in planned.stdout
    refused = sealtune("optimize", CACHE, "--dry-run", code=CLOSED + CALL)
    assert refused.returncode == 10, refused.stderr
    assert "optimize" in sealtune(code=CLOSED + CALL).stdout


def test_a_message_steers_no_terminal(sealtune):
    """
    Words of others in an error lose what would move the cursor or hide the text.
    """
    done = sealtune("optimize", CACHE, "--tactician", "p\x1b[2Jp\u202eo")
    assert done.returncode == 12
    assert "p[2Jpo: allowed" in done.stderr


@pytest.mark.parametrize(("key", "code"), [(b"\x04", 11), (b"\x03", 130)])
def test_leaving_a_question_is_no_traceback(tmp_path, key, code):
    """
    Ctrl-D at "Which one?" means none of them; Ctrl-C stops.
    """
    program, screen = pty.fork()
    if program == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # may be ignored where tests run
        os.environ["SEALTUNE_STORE"] = str(tmp_path / "sessions.db")
        os.execv(sys.executable, [sys.executable, "-c", CALL, "plan", "store stuff and calculate"])
    shown = b""
    with contextlib.suppress(OSError):  # the terminal of a program that has ended
        for _ in range(100):
            if select.select([screen], [], [], 0.5)[0]:
                shown += os.read(screen, 4096)
            elif b"none of them]" in shown:  # it waits; a key that came before might be lost
                os.write(screen, key)
    os.close(screen)
    status = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    assert b"Which one?" in shown
    assert b"Traceback" not in shown
    assert status == code


def test_the_result_is_handed_over_also_when_it_cannot_be_kept(monkeypatch, capsys):
    """
    ``--json - --apply``: applying fails, and stdout holds the document all the same.
    """
    from sealtune.cli import keep, output, session

    result = SimpleNamespace(
        verdict="improved", simulated=False, success=True, session="x", as_dict=lambda: {"a": 1}
    )

    def fail(_session):
        raise ApplyError("no room")

    monkeypatch.setattr(keep, "apply_session", fail)
    monkeypatch.setattr(session, "_talk_through", lambda *_arguments, **_options: result)
    with pytest.raises(ApplyError):
        session.hold_session(Request(), yes=True, keep=True, document=output.Document("-"))
    assert json.loads(capsys.readouterr().out) == {"a": 1}


def test_json_on_stdout_is_nothing_but_json(sealtune):
    """
    With ``--json -`` a script can parse stdout as it is; it says simulated.
    """
    done = sealtune(
        "optimize", CACHE, "--trials", "4", "--dry-run", "--yes",
        "--tactician", "random", "--json", "-",
    )  # fmt: skip
    result = json.loads(done.stdout)
    assert result["simulated"] is True
    assert result["verdict"] in ("improved", "none", "worse", "unsafe")


def test_a_result_that_is_there_already_is_replaced_with_force_only(sealtune, tmp_path):
    """
    ``--json FILE`` refuses before anything is measured, and names the way out.
    """
    kept = tmp_path / "result.json"
    kept.write_text("last night's")
    asked = ["optimize", CACHE, "-n", "4", "--dry-run", "--yes", "--tactician", "random"]
    refused = sealtune(*asked, "--json", str(kept))
    assert refused.returncode == 10
    assert "--force" in refused.stderr
    assert "SIMULATED" not in refused.stdout
    assert kept.read_text() == "last night's"
    sealtune(*asked, "--json", str(kept), "--force")
    assert json.loads(kept.read_text())["simulated"] is True


def test_every_line_of_a_dry_run_on_a_pipe_says_simulated(sealtune):
    """
    Each progress line of a dry run is marked, so that none can be quoted as real.
    """
    done = sealtune("optimize", CACHE, "-n", "4", "--dry-run", "--yes", "--tactician", "random")
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
        (["run", "--resume", "--dry-run"], 10, "not allowed: --dry-run"),
        (["run", "--resume", "-n", "9", "--seed", "1"], 10, "not allowed: --trials, --seed"),
        (["run", "config.json", "--resume", "--yes"], 10, "not allowed: a config"),
        (["run", "config.json", "--session", "2026"], 10, "--session goes with --resume"),
        (["plan", CACHE, "--strategies", "0"], 10, "allowed: 1 to 16"),
        (["plan", CACHE, *TWO_MODELS, "--strategies", "1"], 10, "2 models are named"),
        (["plan", CACHE, "--benchmark", "pgbench -P \x1b[2J"], 12, "cannot be seen"),
        (["optimize", CACHE, "--json", "/nonexistent/x.json"], 10, "cannot be written"),
        (["optimize", CACHE, "--json", f"/tmp/{'x' * 300}"], 10, "cannot be written"),
        (["report", "20200101"], 41, "session"),
        (["apply"], 41, "session"),
        (["knobs", "kernel.randomize_va_space"], 13, "security"),
        (["frobnicate"], 2, "No such command"),
        (["optimize", CACHE, "--dry-run"], 10, "--yes"),
        (["restore", "--frob"], 2, "Usage"),
    ],
)
def test_a_mistake_is_a_message_a_fix_and_an_exit_code(inside, arguments, code, text):
    """
    Whatever the person got wrong, the message says so, and no exception leaves the program.
    """
    done = inside(*arguments)
    assert done.returncode == code, done.stderr
    assert text in done.stderr


def test_a_mistake_ends_the_process_with_its_code(sealtune):
    """
    What holds inside of one process holds for the whole program: code, message, no traceback.
    """
    done = sealtune("run", "/nonexistent.json")
    assert done.returncode == 12
    assert "cannot be read" in done.stderr
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


def test_tacticians_are_compared_from_the_command_line(inside):
    """
    ``--compare`` shares the trials, and the result says that so few rank nobody.
    """
    wanted = ("--dry-run", "--yes", "--tactician", "random", "--trials", "16", "--seed", "1003")
    done = inside("optimize", CACHE, *wanted, "--compare", "grid")
    assert done.returncode in (0, 3, 4), done.stderr
    assert "random and grid take turns" in " ".join(done.stdout.split())
    assert "do not rank tacticians" in " ".join(done.stdout.split())


def test_an_unknown_tactician_to_compare_with_is_refused_by_name(inside):
    """
    The message lists the names that are allowed, with the exit code of a bad config.
    """
    done = inside("optimize", CACHE, "--dry-run", "--yes", "--compare", "genius")
    assert done.returncode == 12
    assert "--compare genius" in done.stderr
    assert "sobol" in done.stderr


@pytest.mark.parametrize("typed", ["block/vda/scheduler", "no"])
def test_giving_up_a_scheduler_names_what_goes_with_it(inside, monkeypatch, typed):
    """
    Before the name is typed it is said what else is left as it is; afterwards what was given up.
    """
    asked = []
    with_it = ["block/vda/iosched/read_expire"]
    monkeypatch.setattr("sealtune.guard.recovery.given_up_with", lambda name: with_it)
    monkeypatch.setattr(
        "sealtune.guard.recovery.restore", lambda abandon: RestoreReport([], [], [])
    )
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or typed)
    done = inside("restore", "--abandon", "block/vda/scheduler")

    assert "with it block/vda/iosched/read_expire" in asked[0]
    assert ("read_expire  given up" in done.stdout) == (typed != "no")
    assert "every parameter is as it was found" not in done.stdout


def test_numbers_are_computed_on_one_thread_unless_the_person_says_otherwise():
    """Linear algebra gets one thread before it is loaded, and as many as the person has set."""
    script = (
        "import os, sys; sys.argv = ['sealtune', '--version']\n"
        "from sealtune.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(os.environ['OMP_NUM_THREADS'], 'numpy' in sys.modules)"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", script], env=given, capture_output=True, text=True, check=True
        ).stdout.splitlines()[-1]
        for given in ({"PATH": os.environ["PATH"]}, {"OMP_NUM_THREADS": "2"})
    ]
    assert said == ["1 False", "2 False"]
