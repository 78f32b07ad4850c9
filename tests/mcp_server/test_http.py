"""The program itself on loopback HTTP: who is let in, and that it sleeps."""

import re
import subprocess
import sys
import time
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from tests.mcp_server.conftest import CACHE, MODES, Person, call

from sealtune.errors import InputError

OPTIONS = ("--dry-run", "--allow-tuning")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running server: its process, address and token."""
    history = tmp_path_factory.mktemp("http") / "history.db"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "sealtune",
            "mcp",
            "--http",
            "--port",
            "0",
            "--dry-run",
            "--allow-tuning",
        ],
        env={"PATH": "/usr/bin:/bin", "HOME": str(history.parent), "SEALTUNE_STORE": str(history)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = [process.stderr.readline() for _ in range(4)]
    yield process, *re.findall(r"(http://\S+)|(?<=^token: )(\S+)", "".join(said), re.MULTILINE)
    process.terminate()
    assert process.wait(30) == 0
    assert process.stdout.read() == ""


@pytest.fixture(scope="module")
def url(server):
    return server[1][0]


@pytest.fixture(scope="module")
def token(server):
    return server[2][1]


def post(url, **headers):
    """Ask for the tools as a client would; return the answer."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    kinds = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    return httpx2.post(url, json=body, headers={**kinds, **headers})


@pytest.mark.parametrize("mode", MODES)
def test_a_client_with_the_token_is_served(url, token, mode):
    """
    The protocol's own client lists the tools, calls some and asks its user, in the new protocol
    and the old; a no starts nothing.
    """
    person = Person("decline")

    async def talk():
        http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"})
        transport = streamable_http_client(url, http_client=http)
        asked = {"elicitation_callback": person.answer}
        async with http, Client(transport, mode=mode, **asked) as client:
            listed = await call(client, "list_parameters", topic="memory")
            names = [tool.name for tool in (await client.list_tools()).tools]
            plan = await call(client, "plan_tuning", description=CACHE, trials=6)
            started = await call(client, "start_tuning", plan=plan["plan"])
            return names, listed, plan, started

    names, listed, plan, started = anyio.run(talk)
    assert "start_tuning" in names
    assert "apply" not in names
    assert "vm.swappiness" in [one["name"] for one in listed["parameters"]]
    assert started["started"] is False
    assert [plan["shown"] in question for question in person.asked] == [True]


@pytest.mark.parametrize("given", [None, "Bearer", "Bearer wrong", "Basic {token}", "{token}"])
def test_nobody_is_served_without_the_token(url, token, given):
    """
    No token, a wrong one, or another scheme: 401, whatever the path.
    """
    headers = {} if given is None else {"Authorization": given.format(token=token)}
    for path in (url, url.replace("/mcp", "/"), url.replace("/mcp", "/.well-known/x")):
        answer = post(path, **headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Host", "evil.example"),
        ("Host", "127.0.0.1:1"),
        ("Origin", "http://evil.example"),
        ("Origin", "http://localhost:1"),
    ],
)
def test_a_page_of_somebody_elses_is_refused_even_with_the_token(url, token, header, value):
    """
    A wrong Host (a name bound to this address) or Origin (another page) is refused.
    """
    right = {"Authorization": f"Bearer {token}"}
    assert post(url, **right).status_code not in (401, 403, 421)
    assert post(url, **right, **{header: value}).status_code in (403, 421)


def test_it_listens_on_loopback_alone(server, url):
    """
    The address that is printed is the only one.
    """
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    listening = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
    ]
    assert listening == [f"0100007F:{port:04X}"]


def test_it_sleeps_while_nobody_asks(server, url, token):
    """
    After it has served both protocols, the process wakes up less than once a second.
    """
    status = Path(f"/proc/{server[0].pid}/task")

    def woken():
        return sum(
            int(line.split()[1])
            for task in status.iterdir()
            for line in (task / "status").read_text().splitlines()
            if line.startswith("voluntary_ctxt_switches")
        )

    post(url, Authorization=f"Bearer {token}")
    time.sleep(1.0)
    before = woken()
    time.sleep(2.0)
    assert woken() - before < 2


def test_a_second_server_on_the_port_says_so(url):
    """
    A port that is taken is an error that names it, before any token is printed.
    """
    from sealtune.mcp_server.http import serve_http

    port = int(url.rsplit(":", 1)[1].split("/")[0])
    with pytest.raises(InputError, match=f"--port {port}: .* in use"):
        serve_http(None, port)


@pytest.mark.parametrize("given", ["", "short", "x" * 31, "ä" * 40, "x" * 40 + "\n"])
def test_a_weak_token_of_ones_own_is_refused(given, monkeypatch):
    """
    A token from the environment has to be long, and fit into a header.
    """
    from sealtune.mcp_server.http import serve_http

    monkeypatch.setenv("SEALTUNE_MCP_TOKEN", given)
    with pytest.raises(InputError, match="SEALTUNE_MCP_TOKEN"):
        serve_http(None, 0)
