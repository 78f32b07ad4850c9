import os
import resource
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from tests.contracts.store import StoreContract, experience, in_child, new_session, trial

from sealtune.benchmarks.measurement import Measurement
from sealtune.errors import KeepingError
from sealtune.store import SqliteStore, TrialRow, default_store_path
from sealtune.store.schema import VERSION


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "sessions.db"


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def open_store(self, path):
        return lambda: SqliteStore(path)


def test_a_measurement_object_survives_the_round_trip(path):
    """
    The fields stored are exactly those of a Measurement, so that it can be rebuilt.
    """
    measured = Measurement(3.5, intervals=(3.0, 4.0), latency_ms={"p50": 1.0}, errors=1)
    with SqliteStore(path) as store:
        session = store.begin(new_session())
        store.add_trial(session, TrialRow.of("aa", 0, {}, measured))
        (row,) = store.trials(session)

    assert measured == Measurement(**row.measurement_fields())


def test_the_database_itself_refuses_to_change_a_trial(path):
    """
    Even foreign SQL can neither change nor delete a finished trial.
    """
    with SqliteStore(path) as store:
        store.add_trial(store.begin(new_session()), trial())
    connection = sqlite3.connect(path)

    for statement in ("UPDATE trial SET value = 9", "DELETE FROM trial"):
        with pytest.raises(sqlite3.IntegrityError, match="never changes"):
            connection.execute(statement)


def test_the_database_itself_refuses_to_change_an_experience(path):
    """
    What was learnt may be forgotten, never rewritten.
    """
    with SqliteStore(path) as store:
        store.add_experience(experience())
    connection = sqlite3.connect(path)

    with pytest.raises(sqlite3.IntegrityError, match="never changes"):
        connection.execute("UPDATE experience SET reward = 9")


def test_a_newer_schema_is_left_alone(path):
    """
    A file of a newer sealtune is an error that names both versions, and is not touched.
    """
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(KeepingError, match=f"schema 99, this sealtune knows up to {VERSION}"):
        SqliteStore(path)
    assert before == path.read_bytes()


def test_a_file_of_the_first_schema_is_taken_along(path):
    """
    A file written by the first release opens, keeps session and trials, and takes experiences.
    """
    path.parent.mkdir()
    shutil.copy(Path(__file__).with_name("schema_1.db"), path)

    with SqliteStore(path) as store:
        old = store.session()
        trials = store.trials(old.id)
        store.add_experience(experience(session=old.id))

    assert ("a write-heavy PostgreSQL database", "finished", 7) == (
        old.description,
        old.status,
        old.seed,
    )
    assert [(100.0, (99.0, 101.0)), (120.0, (119.0, 121.0))] == [
        (row.value, row.intervals) for row in trials
    ]
    with SqliteStore(path) as again:
        assert [old.id] == [one.session for one in again.experiences()]
        assert [old.id] == [row.id for row in again.sessions()]


def test_two_processes_may_take_an_old_file_along_at_once(path):
    """
    Whichever comes second finds the tables and goes on.
    """
    path.parent.mkdir()
    shutil.copy(Path(__file__).with_name("schema_1.db"), path)

    def migrate(pipe):
        with SqliteStore(path) as store:
            store.add_experience(experience(id=f"from {os.getpid()}"))
        os.write(pipe, b"done")

    children = [in_child(migrate) for _ in range(4)]
    answers = []
    for pid, pipe in children:
        with os.fdopen(pipe) as report:
            answers.append(report.read())
        os.waitpid(pid, 0)

    assert ["done"] * 4 == answers
    with SqliteStore(path) as store:
        assert 4 == len(store.experiences())


@pytest.mark.parametrize("damage", [b"this is no database at all" * 50, None])
def test_a_damaged_file_is_an_error_and_stays(path, damage):
    """
    Neither a foreign file nor one cut in half is overwritten; the error says what to do.
    """
    with SqliteStore(path) as store:
        store.add_trial(store.begin(new_session()), trial())
    content = damage or path.read_bytes()[:5000]
    path.write_bytes(content)

    with pytest.raises(KeepingError, match=r"sessions\.db") as caught:
        SqliteStore(path).sessions()
    assert "Move" in caught.value.fix
    assert content == path.read_bytes()


def test_a_full_disk_keeps_what_was_stored(path):
    """
    A trial that does not fit raises KeepingError; every earlier one can still be read.
    """

    def write(pipe):
        # A limit on the file size refuses writes as a full disk does, here and now.
        limit = 400_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        store = SqliteStore(path)
        session = store.begin(new_session())
        try:
            for index in range(10_000):
                store.add_trial(session, trial(index, setting={"a": "x" * 2000}))
                os.write(pipe, b".")
        except KeepingError as error:
            os.write(pipe, f"\n{error.fix}".encode())
            os.write(pipe, f"\n{len(store.trials(session))}".encode())

    pid, pipe = in_child(write)
    with os.fdopen(pipe) as report:
        added, fix, readable = report.read().split("\n")
    os.waitpid(pid, 0)

    assert "Free space" in fix
    assert 0 < len(added) == int(readable)
    with SqliteStore(path) as store:
        assert len(added) == len(store.trials(store.session().id))


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path):
    """
    A directory that cannot be made, and a file that is a directory, name what was found.
    """
    blocked = tmp_path / "file"
    blocked.write_text("")

    with pytest.raises(KeepingError, match="file"):
        SqliteStore(blocked / "sessions.db")
    with pytest.raises(KeepingError, match="unable to open"):
        SqliteStore(tmp_path)


def test_a_session_of_an_earlier_boot_is_interrupted(path):
    """
    The same process number in another boot is another process.
    """
    with SqliteStore(path) as store:
        session = store.begin(new_session())
        connection = sqlite3.connect(path)
        connection.execute("UPDATE session SET boot_id = 'earlier'")
        connection.commit()

        assert (session,) == store.mark_interrupted()
        assert "interrupted" == store.session(session).status


def test_a_failed_begin_leaves_no_half_transaction(path):
    """
    A session that cannot be stored does not keep the next one out.
    """
    with SqliteStore(path) as store:
        with pytest.raises(KeepingError):
            store.begin(new_session(workload=None))

        assert store.begin(new_session())


def test_root_and_others_have_their_own_place(monkeypatch, tmp_path):
    """
    Root keeps sessions machine-wide, anybody else under the XDG state directory.
    """
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Path("/var/lib/sealtune/sessions.db") == default_store_path()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert tmp_path / "sealtune/sessions.db" == default_store_path()
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tmp_path / ".local/state/sealtune/sessions.db" == default_store_path()


def run_by_a_shell(fix):
    """Run the command between the colon and the next sentence, as a person would."""
    subprocess.run(fix.split(": ", 1)[1].split("   ")[0], shell=True, check=True)


DAMAGES = {
    "a column is gone": ("ALTER TABLE trial DROP COLUMN strategy", "column trial.strategy"),
    "a table is gone": ("DROP TABLE experience", "table experience"),
    "a newer version": ("PRAGMA user_version = 99", "schema 99"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("place", ["state", "a b; touch c"])
def test_a_damaged_store_says_what_is_wrong_and_can_be_moved_away(tmp_path, damage, place):
    """
    Half-way, by hand or from the future: what is wrong is named, not the permissions; the command
    in the fix moves file and journal away, whatever the directory is called, and keeps each byte.
    """
    path, (statement, wrong) = tmp_path / place / "sessions.db", DAMAGES[damage]
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()
    before = path.read_bytes()

    with pytest.raises(KeepingError, match=wrong) as caught:
        SqliteStore(path)
    assert "writable" not in caught.value.fix
    assert "SEALTUNE_STORE=" in caught.value.fix
    assert before == path.read_bytes()
    run_by_a_shell(caught.value.fix)
    SqliteStore(path).close()

    assert before == (path.parent / "damaged-1" / path.name).read_bytes()
    assert [path.parent] == [one for one in tmp_path.iterdir() if one.is_dir()]


def test_moving_away_twice_overwrites_nothing(path):
    """
    The second damaged file is not put over the first one.
    """
    path.parent.mkdir()
    for content in (b"first, no database" * 50, b"second, no database" * 50):
        path.write_bytes(content)
        with pytest.raises(KeepingError, match="not a database") as caught:
            SqliteStore(path)
        run_by_a_shell(caught.value.fix)

    kept = sorted(one.read_bytes()[:5] for one in path.parent.glob("damaged-*/*"))
    assert [b"first", b"secon"] == kept


@pytest.mark.parametrize("version", [0, 75])
def test_the_database_of_another_program_is_left_alone(path, version):
    """
    A file that SEALTUNE_STORE names by mistake gets no table of ours, and is not to be moved.
    """
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmark (url TEXT)")
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(KeepingError, match="another program") as caught:
        SqliteStore(path)
    assert "mv " not in caught.value.fix
    assert before == path.read_bytes()


def test_a_directory_in_its_place_is_named_as_one(tmp_path):
    """
    The fix for a directory names a file in it.
    """
    with pytest.raises(KeepingError) as caught:
        SqliteStore(tmp_path)
    assert f"SEALTUNE_STORE={tmp_path}/sessions.db" in caught.value.fix
