"""The wall clock may be set at any moment: it names things, and decides nothing."""

import ast
import time
from pathlib import Path

import pytest
from tests.contracts.store import experience, new_session, trial

import sealtune
from sealtune.benchmarks.measurement import Measurement
from sealtune.ledger import Ledger
from sealtune.store import SqliteStore

HOUR = 3600.0


class Clock:
    """The wall clock, which can be set; the one that only grows runs on."""

    def __init__(self, monkeypatch):
        real, self.ahead = time.time, 0.0
        monkeypatch.setattr(time, "time", lambda: real() + self.ahead)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def store(tmp_path):
    with SqliteStore(tmp_path / "sessions.db") as store:
        yield store


def test_the_order_of_the_store_is_the_order_of_adding(store, clock):
    """
    Set back by an hour, the last session, its trials and experiences still come last.
    """
    first = store.begin(new_session())
    store.add_trial(first, trial(0))
    clock.ahead = -HOUR
    store.add_trial(first, trial(1))
    store.finish(first, "finished", {})
    second = store.begin(new_session())
    store.add_experience(experience(id="older"))
    clock.ahead = -2 * HOUR
    store.add_experience(experience(id="newer"))

    assert [second, first] == [row.id for row in store.sessions()]
    assert second == store.session("last").id
    assert [0, 1] == [row.index for row in store.trials(first)]
    assert ["newer", "older"] == [one.id for one in store.experiences(simulated=False)]


def ledger(store, session):
    return Ledger(store, session, lambda event: None, time.monotonic, time.monotonic() + 100)


def record(book):
    book.record("search", {}, Measurement(1.0, seconds=1.0), live={})


def test_dates_of_runs_keep_their_distances_whatever_is_set(store, clock):
    """
    A jump in the middle of a session neither tears its runs apart nor exchanges them, and its
    remaining time is not touched.
    """
    session = store.begin(new_session())
    book = ledger(store, session)
    for ahead in (0.0, HOUR, -HOUR):
        clock.ahead = ahead
        record(book)
    dates = [row.started for row in store.trials(session)]
    assert sorted(dates) == dates
    assert dates[-1] - dates[0] < 60
    assert book.remaining == pytest.approx(100, abs=60)


def test_a_resumed_session_dates_its_runs_after_those_stored(store, clock):
    """
    Runs are compared with the baselines of their own time: set back between two processes, the
    clock must not put the later ones among the earlier.
    """
    session = store.begin(new_session())
    record(ledger(store, session))
    clock.ahead = -HOUR
    book = ledger(store, session)
    (earlier,) = store.trials(session)
    book.take_up({"search": 1}, last=earlier.started)
    record(book)
    earlier, later = store.trials(session)
    assert (0, 1) == (earlier.index, later.index)
    assert earlier.started <= later.started


# Where the date is only told, or shown, or names something.
TELLS = {
    "store/sqlite.py", "store/base.py", "store/moments.py", "guard/keeper.py", "ledger.py",
    "learning.py", "cli/results.py", "web/feed.py", "web/build.py", "report/page/page.py",
}  # fmt: skip


def test_nothing_else_looks_at_the_wall_clock():
    """
    Timeouts, deadlines, heartbeats and verdicts count by a clock that nobody can set.
    """
    root = Path(sealtune.__file__).parent
    found = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("time.time", "time_ns"):
                found.add(str(path.relative_to(root)))
    assert set() == found - TELLS
