"""One SQLite file: opened, prepared, and its errors explained."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeVar

from sealtune.errors import KeepingError
from sealtune.store import damage, schema

_LOCK_WAIT_SECONDS = 10.0
T = TypeVar("T")


def default_store_path() -> Path:
    """Return where sessions are kept: one place for root, one per person otherwise.

    ``SEALTUNE_STORE`` names another file. It moves the history only, never lock or journal.
    """
    if os.environ.get("SEALTUNE_STORE"):
        return Path(os.environ["SEALTUNE_STORE"])
    if os.geteuid() == 0:
        return Path("/var/lib/sealtune/sessions.db")
    state = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification has relative paths ignored.
    base = Path(state) if Path(state).is_absolute() else Path.home() / ".local/state"
    return base / "sealtune" / "sessions.db"


class Database:
    """The file, one connection to it, and how to read and write safely.

    Args:
        path: The database file; `default_store_path` when ``None``.

    Raises:
        KeepingError: The file cannot be opened, is damaged, or is not this sealtune's.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or default_store_path()
        self._lock = threading.RLock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            fix = damage.fix_for(error, self.path)
            raise KeepingError(f"{self.path.parent}: {error.strerror}", fix=fix) from error
        damage.require_room(self.path)
        with self._explained():
            self._connection = sqlite3.connect(
                self.path,
                timeout=_LOCK_WAIT_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            self._prepare()
        except KeepingError:
            self.close()
            raise

    def _prepare(self) -> None:
        self._connection.row_factory = sqlite3.Row
        with self._explained():
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            damage.require_ours(self._connection, self.path, version)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            # A dashboard may write nowhere but to the store.
            self._connection.execute("PRAGMA temp_store = MEMORY")
        if version < schema.VERSION:
            with self._explained():
                self._connection.executescript(schema.CREATE)
            self._upgrade()
        with self._explained():
            damage.require_whole(self._connection, self.path)

    def _upgrade(self) -> None:
        """Bring the tables of an older file up to date; a fresh file has version 0."""
        with self._writing() as connection:  # another process may have been first
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            for older in range(version or schema.VERSION, schema.VERSION):
                if older in schema.UPGRADES:
                    connection.execute(schema.UPGRADES[older])
            connection.execute(f"PRAGMA user_version = {schema.VERSION}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn SQLite's errors into ours, with the file's name and what can be done."""
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:
            fix = damage.fix_for(error, self.path)
            raise KeepingError(f"{self.path}: {error}", fix=fix) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock for one transaction, rolled back on any exception."""
        with self._lock, self._explained():
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite ends it itself on a full disk
                    self._connection.execute("ROLLBACK")
                raise

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        with self._lock, self._explained():
            return self._connection.execute(query, values).fetchall()

    def _read(self, row: Callable[[sqlite3.Row], T], found: Iterable[sqlite3.Row]) -> list[T]:
        """Return what `row` makes of each; what we cannot have written is damage of the file."""
        try:
            return [row(one) for one in found]
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise KeepingError(
                f"{self.path} is damaged: it holds what no sealtune writes ({error})",
                fix=damage.set_aside(self.path),
            ) from error

    def close(self) -> None:
        """Release the file; safe to call twice."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
