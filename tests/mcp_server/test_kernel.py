"""An assistant tunes this kernel: plan, run, result, keep, undo; and it dies in the middle."""

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from tests.kernel.chaos import machine
from tests.mcp_server.conftest import (
    CACHE,
    Person,
    call,
    client_of,
    ended,
    owner_of,
    parent,
    stored,
    text,
)
from tests.toolbox.conftest import improved

from sealtune.cli.app import run as sealtune
from sealtune.store import SqliteStore

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="tuning the kernel needs root"),
]

OPTIONS = ("--allow-tuning", "--allow-apply", "--tactician", "random", "--seed", "1")


def files_below_etc():
    return sorted(Path("/etc").glob("*/*sealtune*"))


@pytest.fixture
def unchanged(monkeypatch):
    """Every file that the guard may write, and /etc, is as before when the test is over."""
    paths = machine.files()
    before, etc = machine.look(paths), files_below_etc()
    yield before
    if files_below_etc() != etc:  # the test failed in the middle
        monkeypatch.setattr("sys.argv", ["sealtune", "revert"])
        sealtune()
    assert machine.look(paths) == before
    assert files_below_etc() == etc
    assert machine.leftovers() == []


@pytest.mark.server
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server")
def test_a_client_drives_plan_run_result_apply_and_revert(tmp_path, unchanged):
    """
    A real run ends with a verdict and an unchanged kernel; a confirmed gain is kept after a yes,
    holds, and is undone after another; anything else cannot be kept.
    """
    person, history = Person(), tmp_path / "history.db"

    async def drive():
        options = (*OPTIONS, "--run-seconds", "2")
        async with client_of(options, history, tmp_path / "errors", person) as client:
            plan = await call(client, "plan_tuning", description=CACHE, trials=8)
            begun = await call(client, "start_tuning", plan=plan["plan"])
            looked = await client.call_tool("inspect_system", {})
            assert looked.is_error
            assert "a session is measuring" in text(looked)
            status = await ended(client)
            assert status["session"] == begun["session"]
            result = status["result"]
            assert machine.look(unchanged) == unchanged
            kept = await client.call_tool("apply", {"session": begun["session"]})
            if result["verdict"] != "improved":
                assert kept.is_error
                return plan, result, None, None
            assert not kept.is_error, text(kept)
            holds = await call(client, "status")
            undone = await call(client, "revert", name=kept.structured_content["applied"])
            return plan, result, (kept.structured_content, holds), undone

    plan, result, kept, undone = anyio.run(drive)
    assert not plan["simulated"]
    assert not result["simulated"]
    assert result["restored"]
    assert result["verdict"] in ("improved", "none", "worse", "unsafe")
    assert person.asked[0].startswith(plan["shown"])
    if kept is None:
        assert len(person.asked) == 1
        return
    applied, status = kept
    for name, value in result["best_config"].items():
        assert applied["values_now"][name] == str(value)
    assert status["applied"][0]["holds"]
    assert undone["removed"] == applied["files"]
    assert len(person.asked) == 3


def test_keeping_and_undoing_write_this_kernel_after_a_yes(tmp_path, unchanged):
    """
    A stored gain is kept after a yes: value and file are there; revert brings both back.
    """
    swappiness, history, person = Path("/proc/sys/vm/swappiness"), tmp_path / "db", Person()
    before = swappiness.read_text().strip()
    best = "41" if before != "41" else "42"
    (knob,) = improved()["knobs"]
    knobs = [{**knob, "original": before, "best": best}]
    setting = {"vm.swappiness": int(best)}
    session = stored(
        lambda: SqliteStore(history), knobs=knobs, best_config=setting, full_config=setting
    )

    async def drive():
        async with client_of(OPTIONS, history, tmp_path / "errors", person) as client:
            kept = await call(client, "apply", session=session)
            assert swappiness.read_text().strip() == best
            assert [Path(file).exists() for file in kept["files"]] == [True]
            assert (await call(client, "status"))["applied"][0]["holds"]
            await call(client, "revert", name=kept["applied"])
            assert swappiness.read_text().strip() == before

    anyio.run(drive)
    shown, undone = person.asked
    assert f"vm.swappiness = {best}  (was {before})" in shown
    assert f"vm.swappiness: {best} -> {before}" in undone


def test_a_killed_server_leaves_the_kernel_as_it_was(tmp_path, unchanged):
    """
    The server is killed with SIGKILL during a search: the session ends by itself and every
    parameter is back.
    """
    history, session = tmp_path / "history.db", []

    async def drive():
        options = (*OPTIONS, "--run-seconds", "1")
        async with client_of(options, history, tmp_path / "errors", Person()) as client:
            wish = {"description": "a write-heavy database on this disk", "benchmark": "sqlite"}
            plan = await call(client, "plan_tuning", **wish, minutes=6)
            session.append((await call(client, "start_tuning", plan=plan["plan"]))["session"])
            while (now := await call(client, "tuning_status", wait_seconds=20))[
                "phase"
            ] != "search":
                assert now["state"] == "running"
            await anyio.sleep(4)
            with SqliteStore(history) as store:
                os.kill(parent(owner_of(store, session[0]).pid), signal.SIGKILL)

    with suppress(Exception):  # whatever a client makes of a server that is gone
        anyio.run(drive)
    with SqliteStore(history) as store:
        owner = owner_of(store, session[0])
        machine.wait_until(lambda: not owner.alive(), 60.0)
        assert not owner.alive()
        assert store.session(session[0]).status == "interrupted"
