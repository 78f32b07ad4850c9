"""The server as it runs: its streams, its end, and that it cannot write a parameter."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import httpx2 as httpx
import pytest
from tests.contracts.store import trial

from sealtune.cli.dashboard import dashboard, keeping
from sealtune.errors import InputError, NotRootError
from sealtune.guard import recovery
from sealtune.guard.journal import encode
from sealtune.store import Moment, SqliteStore
from sealtune.web import app, feed
from sealtune.web.desk import Desk, Keeping
from sealtune.web.feed import Feed
from sealtune.web.security import Logins
from sealtune.web.serving import bind, serve


@contextlib.contextmanager
def served(store, desk=None):
    """A real server in a thread; yields a browser that has come with the token."""
    listener, address = bind("127.0.0.1", 0)
    logins, desk = Logins(), desk or Desk(store.path, Keeping())
    application = app.create_app(
        Feed(store, desk), desk, logins, host="127.0.0.1", port=address.port
    )
    read, write = os.pipe()
    given = (application, listener, address, read)
    thread = threading.Thread(target=serve, args=given, daemon=True)
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{address.port}", timeout=20) as client:
            assert client.get(f"/?token={logins.token}").status_code == 303
            yield client
    finally:
        os.close(write)
        thread.join(20)
        os.close(read)
        assert not thread.is_alive()


def events(lines):
    """Yield (name, data) of a stream."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_a_stream_follows_the_session(store, begun, monkeypatch):
    """
    The first event is the whole picture, the next one comes when a run has ended; then it ends
    with the server, although the page still listens.
    """
    monkeypatch.setattr(feed, "LOOK_SECONDS", 0.05)
    with (
        SqliteStore(store.path) as session,
        served(store) as client,
        client.stream("GET", f"/api/sessions/{begun}/events") as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        assert "script-src 'self'" in stream.headers["content-security-policy"]
        news = events(stream.iter_lines())
        name, first = next(news)
        assert (name, first["id"], first["runs"]) == ("snapshot", begun, [])
        session.add_trial(begun, trial())
        name, second = next(news)
        assert name == "snapshot"
        assert len(second["runs"]) == 1
        assert second["revision"] > first["revision"]


def test_streams_are_few(store, begun, monkeypatch):
    """
    One more than allowed is refused with a sentence, and a place is free when one has gone.
    """
    monkeypatch.setattr(app, "MOST_STREAMS", 1)
    monkeypatch.setattr(feed, "LOOK_SECONDS", 0.05)
    with served(store) as client:
        with client.stream("GET", "/api/events") as stream:
            lines = stream.iter_lines()  # held: the stream is closed with it
            assert next(events(lines))[0] == "sessions"
            with client.stream("GET", f"/api/sessions/{begun}/events") as refused:
                assert refused.status_code == 503
                assert json.loads(refused.read())["fix"]
        for _ in range(100):
            with client.stream("GET", "/api/events") as stream:
                if stream.status_code == 200:
                    break
            threading.Event().wait(0.02)
        else:
            pytest.fail("no place became free")


def take(source, count):
    """Return the first `count` pieces of news."""

    async def taking():
        found = []
        async for one in source:
            found.append(one)
            if len(found) == count:
                return found
        return found

    return asyncio.run(asyncio.wait_for(taking(), 20))


def test_only_what_the_kernel_says_is_sent_when_only_that_changed(store, begun, monkeypatch):
    """
    A parameter that moves while a benchmark measures is told without the whole picture.
    """
    monkeypatch.setattr(feed, "LOOK_SECONDS", 0.01)
    card = {"parameters": [_parameter()], "remaining": 9.0}
    store.add_moments(begun, [Moment("plan", card)])
    source = Feed(store, Desk(store.path, Keeping()))
    values = iter(["60", "60", "60", "10", "10", "10"])
    monkeypatch.setattr(feed.Kernel, "read", lambda _self: {"vm.swappiness": next(values, "10")})
    first, second = take(source.follow(begun), 2)
    assert first.event == "snapshot"
    assert json.loads(first.data)["parameters"][0]["now"] == "60"
    assert second.event == "live"
    assert json.loads(second.data)["parameters"] == {"vm.swappiness": "10"}
    assert second.encode().count(b"\n\n") == 1


def _parameter():
    return {
        "name": "vm.swappiness", "what": "", "why": "", "unit": "", "kind": "int", "low": 0,
        "high": 100, "choices": [], "scale": "linear", "original": "60", "start": 60,
        "trade_off": "", "effective": "now",
    }  # fmt: skip


def test_an_idle_stream_gives_a_sign_of_life(store, seen, monkeypatch):
    """
    While nothing changes nothing is sent but a comment, so that nobody thinks it is dead.
    """
    monkeypatch.setattr(feed, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(feed, "KEEP_ALIVE_SECONDS", 0.01)
    source = Feed(store, Desk(store.path, Keeping()))
    first, second, third = take(source.follow(seen.id), 3)
    assert (first.event, second, third) == ("snapshot", None, None)


def test_the_last_session_may_still_have_to_begin(tmp_path, monkeypatch):
    """
    A stream of the last session waits for the first one, and then shows it.
    """
    monkeypatch.setattr(feed, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(feed, "KEEP_ALIVE_SECONDS", 0.0)
    with SqliteStore(tmp_path / "empty.db") as store:
        source = Feed(store, Desk(store.path, Keeping()))

        async def begins():
            stream = source.follow("last")
            assert await anext(stream) is None
            from tests.contracts.store import new_session

            session = store.begin(new_session())
            async for one in stream:
                if one is not None:
                    return json.loads(one.data)["id"] == session

        assert asyncio.run(asyncio.wait_for(begins(), 20))


CONFINED = """
import sys
from pathlib import Path
from sealtune.web.confine import confine_writes, run_last
inside, outside, parameter = map(Path, sys.argv[1:])
run_last()
if not confine_writes([inside, Path("/dev/null")]):
    sys.exit(77)
(inside / "x").write_text("x")
(inside / "x").unlink()
Path("/dev/null").write_text("x")
for path in (outside / "y", outside / "there", parameter):
    try:
        path.open("r+" if path.exists() else "w").close()
    except PermissionError:
        assert path.exists() == (path != outside / "y")
    else:
        sys.exit(f"{path} can be written")
(outside / "there").read_text()
parameter.read_text()
"""


def test_the_web_process_cannot_write_a_parameter(tmp_path):
    """
    Confined, it writes its store and nothing else, not even as root; reading stays as it was.
    """
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "there").write_text("x")
    places = [str(inside), str(outside), "/proc/sys/vm/swappiness"]
    done = subprocess.run(
        [sys.executable, "-c", CONFINED, *places], capture_output=True, text=True, check=False
    )
    if done.returncode == 77:
        pytest.skip("this kernel has no Landlock")
    assert done.returncode == 0, done.stderr


BESIDE = """
import sys
from pathlib import Path
from sealtune.store import NewSession, SqliteStore
from sealtune.web.confine import confine_writes
store = SqliteStore(Path(sys.argv[1]))
files = [Path(f"{store.path}{end}") for end in ("", "-wal", "-shm")]
if not confine_writes(files):
    sys.exit(77)
store.begin(NewSession("still written"))
try:
    (store.path.parent / "journal").open("a")
except PermissionError:
    sys.exit(0)
sys.exit("what lies beside the store can be written")
"""


def test_what_lies_beside_the_store_cannot_be_written(tmp_path):
    """
    The guard's journal is in the same directory as root's store: confined to the store's files,
    the store works and the journal is out of reach.
    """
    (tmp_path / "journal").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", BESIDE, str(tmp_path / "x.db")], capture_output=True, text=True
    )
    if done.returncode == 77:
        pytest.skip("this kernel has no Landlock")
    assert done.returncode == 0, done.stderr


def test_the_layers_keep_the_guard_out_of_the_web():
    """
    Nothing that the web package imports brings the guard's client with it.
    """
    code = (
        "import sys, sealtune.web.app, sealtune.web.feed, sealtune.web.serving\n"
        "print([name for name in sys.modules if name.startswith('sealtune.guard')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("given", [{"tls_cert": Path("c")}, {"tls_key": Path("k")}])
def test_one_half_of_a_certificate_is_refused(given):
    """
    Certificate and key belong together.
    """
    with pytest.raises(InputError, match="belong together"):
        dashboard(**given)


def test_applying_needs_root(monkeypatch):
    """
    ``--allow-apply`` is refused at the start, not when the button is pressed.
    """
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NotRootError, match="--allow-apply"):
        dashboard(allow_apply=True)


def test_what_the_guard_holds_is_read_from_its_journal(tmp_path, monkeypatch):
    """
    Each parameter with its original and our value; a missing journal holds nothing, one that
    cannot be understood is not taken for an empty one.
    """
    path = tmp_path / "journal"
    monkeypatch.setattr(recovery, "PLACES", recovery.PLACES._replace(journal=str(path)))
    held = keeping(allow_apply=False).journal
    assert held() == ()
    file = ["/proc/sys/vm/swappiness", "vm.swappiness", 0, "", [], "60", "10"]
    record = {"v": 1, "boot": "b", "kind": "batch", "time": 1.0, "setting": {}, "files": [file]}
    path.write_bytes(encode(record))
    assert held() == (("vm.swappiness", "60", "10"),)
    path.write_bytes(b"")
    assert held() == ()
    path.write_bytes(b"something else\n")
    assert held() is None


@pytest.mark.slow
def test_a_dry_run_with_its_dashboard(tmp_path):
    """
    ``optimize --dashboard`` prints an address that answers, and ends with the session.
    """
    command = [
        sys.executable, "-m", "sealtune", "run", str(_config(tmp_path)), "--dry-run", "--yes",
        "--tactician", "random", "--minutes", "6", "--dashboard",
    ]  # fmt: skip
    environment = {**os.environ, "SEALTUNE_STORE": str(tmp_path / "x.db")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        line = next(line for line in process.stdout if line.startswith("Dashboard"))
        with httpx.Client(timeout=20) as client:
            answer = client.get(line.split()[1])
            assert answer.status_code == 303
            assert answer.headers["location"] == "/session/last"
        out = process.stdout.read()
        assert process.wait(60) in (0, 3, 4)
        assert "SIMULATED" in out
        with pytest.raises(httpx.ConnectError):
            httpx.get(line.split()[1])
    finally:
        process.kill()
        process.stdout.close()


def _config(tmp_path) -> Path:
    from tests.session.writeback import CONFIG

    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG))
    return path
