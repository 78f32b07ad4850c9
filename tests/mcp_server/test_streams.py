"""The program itself on standard streams, driven by the protocol's own client."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import anyio
import pytest
from tests.mcp_server.conftest import CACHE, Person, call, client_of, ended, owner_of, parent, text

from sealtune.store import SqliteStore

PLAN = {
    "description": CACHE,
    "trials": 6,
    "only": ["net.core.busy_read", "vm.dirty_ratio"],
}
LONG = {**PLAN, "trials": 2000}
OPTIONS = ("--dry-run", "--allow-tuning", "--tactician", "random", "--seed", "3")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """One server: a plan, a yes, a run to its end; it is killed during another; what was said."""
    folder = tmp_path_factory.mktemp("streams")
    history, errors, person = folder / "history.db", folder / "errors", Person()
    told = {"person": person, "progress": []}

    async def progress(done, total, message):
        told["progress"].append((done, total, message))

    async def drive():
        async with client_of(OPTIONS, history, errors, person) as client:
            plan = await call(client, "plan_tuning", **PLAN)
            told["plan"] = plan
            told["started"] = await call(client, "start_tuning", plan=plan["plan"])
            told["again"] = await client.call_tool("start_tuning", {"plan": plan["plan"]})
            told["ended"] = await ended(client, progress)
            told["result"] = await call(client, "explain_result", session="last")
            longer = await call(client, "plan_tuning", **LONG)
            second = await call(client, "plan_tuning", **PLAN)
            told["killed"] = await call(client, "start_tuning", plan=longer["plan"])
            told["busy"] = await client.call_tool("start_tuning", {"plan": second["plan"]})
            with SqliteStore(history) as store:
                told["process"] = owner_of(store, told["killed"]["session"])
            told["was alive"] = told["process"].alive()
            os.kill(parent(told["process"].pid), signal.SIGKILL)

    with suppress(Exception):  # whatever a client makes of a server that is gone
        anyio.run(drive)
    until = time.monotonic() + 60
    while told["process"].alive() and time.monotonic() < until:
        time.sleep(0.1)
    with SqliteStore(history) as store:
        told["sessions"] = {row.id: row for row in store.sessions()}
    told["errors"] = errors.read_text()
    return told


def test_a_client_drives_a_plan_to_its_result(session):
    """
    What was planned is what ran: same seed, same trials, a verdict, and everything put back.
    """
    ended, row = session["ended"], session["sessions"][session["started"]["session"]]
    assert session["started"]["started"]
    assert session["started"]["state"] == "running"
    assert ended["state"] == "finished"
    assert ended["trials"] == {"done": 6, "planned": 6}
    assert ended["result"]["verdict"] in ("improved", "none", "worse", "unsafe")
    assert ended["result"]["restored"]
    assert session["result"]["sentence"] == ended["result"]["sentence"]
    assert row.status == "finished"
    assert row.seed == 3
    assert row.arguments["command"] == "sealtune mcp"
    assert {one["param"] for one in row.config["action_space"]} == set(PLAN["only"])


def test_the_person_saw_the_whole_plan(session):
    """
    The question is the plan as it was shown, asked once for each run that was started.
    """
    first, second = session["person"].asked
    assert first.startswith(session["plan"]["shown"])
    assert "SIMULATED" in first
    assert "net.core.busy_read" in second


def test_whatever_is_simulated_says_so(session):
    """
    Plan, status, result and progress of a dry run are all marked.
    """
    assert session["plan"]["simulated"]
    assert session["ended"]["simulated"]
    assert session["ended"]["doing"].startswith("SIMULATED")
    assert session["result"]["simulated"]
    assert all(message.startswith("SIMULATED") for _, _, message in session["progress"])


def test_progress_goes_forward_within_the_time_planned(session):
    """
    Seconds done of the seconds planned at most, never backwards.
    """
    done = [seconds for seconds, _, _ in session["progress"]]
    assert done == sorted(done)
    assert {total for _, total, _ in session["progress"]} == {session["plan"]["seconds"]}
    assert 0 <= done[0] <= done[-1] <= session["plan"]["seconds"]


def test_a_plan_is_good_for_one_run_and_one_run_at_a_time(session):
    """
    Neither the same plan again, nor another one beside a running session.
    """
    assert session["again"].is_error
    assert session["busy"].is_error
    assert "is running\nfix: Wait for it with tuning_status" in text(session["busy"])


def test_a_session_does_not_outlive_a_killed_server(session):
    """
    The server is killed with SIGKILL: the session's process ends by itself, as after Ctrl-C.
    """
    assert session["was alive"]
    assert not session["process"].alive()
    row = session["sessions"][session["killed"]["session"]]
    assert row.status == "interrupted"
    assert row.result["verdict"] == "interrupted"
    assert row.result["restored"]


@pytest.mark.slow
def test_stopping_ends_the_session_as_ctrl_c_does(tmp_path):
    """
    The trials until then are kept, nothing is confirmed, and it could be gone on with.
    """
    history = tmp_path / "history.db"

    async def drive():
        async with client_of(OPTIONS, history, tmp_path / "errors", Person()) as client:
            plan = (await call(client, "plan_tuning", **LONG))["plan"]
            begun = await call(client, "start_tuning", plan=plan)
            while (now := await call(client, "tuning_status", wait_seconds=5))[
                "phase"
            ] != "search":
                assert now["state"] == "running"
            stopping = await call(client, "stop_tuning", session=begun["session"])
            return stopping, await ended(client)

    stopping, status = anyio.run(drive)
    assert stopping["parameters_are_back"]
    assert status["result"]["verdict"] == "interrupted"
    assert status["result"]["restored"]
    with SqliteStore(history) as store:
        assert store.session(status["session"]).status == "interrupted"


def test_nothing_but_the_protocol_is_on_standard_output(session):
    """
    What a person should know is on standard error, and no traceback among it.
    """
    assert "sealtune mcp: may plan, tune, SIMULATED: a dry run" in session["errors"]
    assert "Traceback" not in session["errors"]


def test_the_command_says_what_is_missing(tmp_path):
    """
    Without the protocol's package: one line says so, one how to install it, and exit code 12.
    """
    (tmp_path / "mcp.py").write_text("raise ImportError('not here')\n")
    ran = subprocess.run(
        [sys.executable, "-m", "sealtune", "mcp"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 12
    assert ran.stdout == ""
    error, fix = ran.stderr.splitlines()
    assert "not installed" in error
    assert fix == "fix:   pip install 'sealtune[mcp]'"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--port", "80"], "--port goes with --http"),
        (["--http", "--port", "70000"], "--port 70000: allowed: 0 to 65535"),
        (["--minutes", "-1"], "--minutes -1: allowed"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_served(arguments, says, capsys, monkeypatch):
    """
    The message names the option and what is allowed.
    """
    from sealtune.cli.app import run

    monkeypatch.setattr(sys, "argv", ["sealtune", "mcp", *arguments])
    assert run() == 10
    assert says in capsys.readouterr().err
