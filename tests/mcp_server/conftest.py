"""A server over a simulated machine and a history of its own, and a client that answers."""

import functools
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

pytest.importorskip("mcp.server.mcpserver.resolve")

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import ElicitResult
from tests.toolbox.conftest import CACHE, stored  # noqa: F401 - for the tests here

from sealtune.entry import open_store
from sealtune.mcp_server.desk import Options, open_desk
from sealtune.mcp_server.server import build_server
from sealtune.request import Request
from sealtune.store.owner import Owner

QUICK = Request(tactician="random", seed=3)
MODES = ("auto", "legacy")
"""The protocol of 2026, which asks by a result, and the older one, which asks by a request."""


@dataclass
class Person:
    """Somebody in front of a client who answers every question alike, and remembers it."""

    says: str = "accept"
    yes: bool = True
    asked: list[str] = field(default_factory=list)

    async def answer(self, _context, params):
        """Answer one form."""
        self.asked.append(params.message)
        return ElicitResult(
            action=self.says, content={"yes": self.yes} if self.says == "accept" else None
        )


def converse(server, *calls, person=None, mode="auto"):
    """Call each (tool, arguments) of a server in turn; return what they answered."""

    async def talk():
        asked = {"elicitation_callback": person.answer} if person else {}
        async with Client(server, mode=mode, **asked) as client:
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return anyio.run(talk)


def text(result):
    """Return what a result says."""
    return "\n".join(block.text for block in result.content)


@asynccontextmanager
async def client_of(options, history, errors, person=None):
    """Start the program on standard streams and connect to it, as an assistant does."""
    program = StdioServerParameters(
        command=sys.executable,
        args=["-m", "sealtune", "mcp", *options],
        env={"SEALTUNE_STORE": str(history)},
    )
    asked = {"elicitation_callback": person.answer} if person else {}
    with open(errors, "w", encoding="utf-8") as log:
        async with Client(stdio_client(program, log), **asked) as client:
            yield client


async def call(client, tool, **arguments):
    """Return what a tool answered, which is no error."""
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, text(answer)
    return answer.structured_content


async def ended(client, progress=None):
    """Follow the session until it has a result."""
    while "result" not in (status := await call(client, "tuning_status")):
        answer = await client.call_tool(
            "tuning_status", {"wait_seconds": 20}, progress_callback=progress
        )
        assert not answer.is_error, text(answer)
    return status


def owner_of(store, session):
    """Return the process that a session belongs to."""
    (row,) = store._rows("SELECT pid, boot_id, start_ticks FROM session WHERE id = ?", session)
    return Owner(row["pid"], row["boot_id"], row["start_ticks"])


def parent(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return int(file.read().rpartition(")")[2].split()[1])


@pytest.fixture
def history(tmp_path, monkeypatch):
    """An empty history of its own."""
    monkeypatch.setenv("SEALTUNE_STORE", str(tmp_path / "history.db"))
    return open_store


@pytest.fixture
def root(tmp_path):
    """A directory that stands for the root of the machine: nothing real is written."""
    folder = tmp_path / "machine"
    for name in ("etc/sysctl.d", "etc/tmpfiles.d", "var/lib"):
        (folder / name).mkdir(parents=True)
    return folder


@pytest.fixture
def serving(history, root):
    """Make a server with switches of choice; a dry run that is below `root` when it applies."""

    def made(**switches):
        dry_run = switches.pop("dry_run", not switches.get("allow_apply"))
        desk = open_desk(Options(dry_run=dry_run, defaults=QUICK, root=root, **switches))
        return build_server(desk)

    return made


@pytest.fixture(scope="package", autouse=True)
def _quick_detection():
    """Ask each benchmark for its version once: it is the same for every plan."""
    from sealtune import benchmarks, planning

    patch = pytest.MonkeyPatch()
    once = functools.cache(benchmarks.detect_all)
    patch.setattr(planning, "detect_all", once)
    yield
    patch.undo()
