"""Files that nobody should have to read: each is told, kept, and never a traceback."""

import os
import random
import sqlite3

import pytest
from tests.store import damages, writer_kills

from sealtune.errors import KeepingError
from sealtune.store import SqliteStore, damage


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return damages.whole(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("how", damages.HOW)
def test_damage_anywhere_is_told_as_damage(tmp_path, whole, how):
    """
    Whatever bytes are wrong, every operation either works or ends with our error and a way out.
    """
    choose, found = random.Random(how), []
    for number in range(40):
        path = tmp_path / f"sessions-{number}.db"
        path.write_bytes(damages.damaged(whole, how, choose))
        found.append(damages.outcome(path))
    assert {"works", "told"} >= set(found)
    assert found.count("told") > 20


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE session (id TEXT, cookie TEXT, expires REAL)",
        "CREATE TABLE trial (number INTEGER, patient TEXT, dose REAL)",
        "CREATE TABLE interval (start REAL, stop REAL)",
    ],
)
def test_a_table_of_the_same_name_makes_no_store_of_it(tmp_path, statement):
    """
    The database of another program stays byte for byte, even if a table is called as one of ours.
    """
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()
    before = path.read_bytes()

    with pytest.raises(KeepingError, match="another program") as caught:
        SqliteStore(path)
    assert "mv " not in caught.value.fix
    assert before == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize(("block", "free", "refused"), [(1024, 10, True), (4096, 0, False)])
def test_a_full_disk_of_small_blocks_is_told_before_it_ends_the_process(
    tmp_path, monkeypatch, block, free, refused
):
    """
    SQLite would be ended by SIGBUS there; with blocks of a page it gives an error of its own.
    """
    found = list(os.statvfs(tmp_path))
    found[0:2], found[4] = [block, block], free
    monkeypatch.setattr(damage.os, "statvfs", lambda place: os.statvfs_result(found))
    if not refused:
        return SqliteStore(tmp_path / "sessions.db").close()
    with pytest.raises(KeepingError, match="the disk is full") as caught:
        SqliteStore(tmp_path / "sessions.db")
    assert "Free space" in caught.value.fix
    return None


def test_a_writer_killed_in_the_middle_loses_no_finished_trial(tmp_path):
    """
    Wherever SIGKILL falls, also within a commit, every trial that was told as stored is there.
    """
    outcome = writer_kills.kill(tmp_path / "sessions.db", kills=6, seed=1)
    assert 0 == outcome.lost
    assert outcome.told > 0
    assert outcome.whole
