"""A history of its own for each session, and a look at what its stages found."""

import pytest

from sealtune import session
from sealtune.space import available
from sealtune.store import SqliteStore


@pytest.fixture(autouse=True)
def _one_reading(monkeypatch):
    """Make all plans of a test from one reading of the kernel: somebody may be tuning it."""
    seen, real = {}, available.read_knob

    def read(knob, *where):
        key = knob.path, *where
        if key not in seen:
            seen[key] = real(knob, *where)
        return seen[key]

    monkeypatch.setattr(available, "read_knob", read)


@pytest.fixture
def store(tmp_path, monkeypatch):
    path = tmp_path / "sessions.db"
    monkeypatch.setenv("SEALTUNE_STORE", str(path))
    with SqliteStore(path) as opened:
        yield opened


@pytest.fixture
def unexplained(monkeypatch):
    """Leave out what is learnt of parameters from all trials: it costs more than all the rest."""
    monkeypatch.setattr(session, "_explain", lambda *_: None)
    monkeypatch.setattr(session, "_suspects", lambda *_: ())


@pytest.fixture
def found(monkeypatch):
    """What the stages found, of each process."""
    seen = []
    real = session.conclude

    def conclude(plan, ledger, result):
        seen.append(result)
        return real(plan, ledger, result)

    monkeypatch.setattr(session, "conclude", conclude)
    return seen
