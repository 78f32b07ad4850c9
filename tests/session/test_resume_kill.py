"""SIGKILL at any moment: what was finished is kept, and the session goes on from there."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from tests.session.test_resume_search import TRIALS, ignore, require_whole, wish

from sealtune import session
from sealtune.entry import resumable_request
from sealtune.planning import make_plan
from sealtune.report.events import RunFinished
from sealtune.session import tune
from sealtune.store import SqliteStore

CACHE = "low latency redis cache, one client at a time"


def killed_after(path, count, resume=None):
    """Run a session in a process of its own until so many runs; return whether it was killed."""
    plan = make_plan(resumable_request(resume)[0] if resume else wish())
    pid = os.fork()
    if pid == 0:
        seen = []

        def notify(event):
            if isinstance(event, RunFinished):
                seen.append(event)
                if len(seen) == count:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            with SqliteStore(path) as store:
                tune(plan, store, notify, resume=resume)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "_explain", lambda *_: None)  # costs more than all the rest
    monkeypatch.setattr(session, "_suspects", lambda *_: ())
    path = tmp_path / "sessions.db"
    monkeypatch.setenv("SEALTUNE_STORE", str(path))
    return path


@pytest.mark.parametrize("counts", [(1,), (9,), (16,), (22,), (9, 9, 9)])
def test_kill_9_loses_and_repeats_nothing(path, counts):
    """Killed after any run, once or again and again, it goes on to exactly the planned trials."""
    assert killed_after(path, counts[0])
    for count in counts[1:]:
        assert killed_after(path, count, resume=resumable_request()[1])
    with SqliteStore(path) as store:
        kept = len(store.trials(store.session().id))
        request, name = resumable_request()
        result = tune(make_plan(request), store, ignore, resume=name)

        assert kept == sum(counts)
        assert result.verdict != "interrupted"
        require_whole(store, result, TRIALS)


def stored(path):
    """Return how many trials are stored, 0 before there is a store."""
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            return connection.execute("SELECT count(*) FROM trial").fetchone()[0]
    except sqlite3.Error:
        return 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1000, 1001, 1002])
def test_the_command_goes_on_after_kill_9_at_random_moments(path, seed):
    """`sealtune optimize` and then `sealtune run --resume`, each killed while it measures."""
    choose = random.Random(seed)
    first = ["optimize", CACHE, "--dry-run", "--trials", "40", "--tactician", "random"]
    command = [*first, "--seed", str(seed), "--yes", "--no-apply"]
    for _ in range(3):
        wanted = stored(path) + choose.randrange(1, 25)
        process = subprocess.Popen(
            [sys.executable, "-m", "sealtune", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and stored(path) < wanted:
            time.sleep(0.001)
        time.sleep(choose.uniform(0.0, 0.01))
        process.kill()
        process.wait()
        command = ["run", "--resume", "--yes", "--no-apply"]
    with SqliteStore(path) as store:
        if store.session().status == "finished":
            pytest.skip("it was quicker than three kills")
    last = subprocess.run(
        [sys.executable, "-m", "sealtune", *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )

    assert "Traceback" not in last.stderr
    with SqliteStore(path) as store:
        assert store.session().status == "finished"
        rows = store.trials(store.session().id, "search")
        assert [row.index for row in rows] == list(range(40))
        assert store.session().result["total_episodes"] == 40
