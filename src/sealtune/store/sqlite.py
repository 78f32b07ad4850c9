"""The store as one SQLite file, readable while a session writes."""

import difflib
import secrets
import sqlite3
import time
from collections.abc import Mapping
from typing import Any

from sealtune.errors import KeepingError, SessionNotFoundError
from sealtune.store import rows, schema
from sealtune.store.base import (
    MEASUREMENT_FIELDS,
    EndStatus,
    NewSession,
    Phase,
    SessionRow,
    TrialRow,
)
from sealtune.store.moments import MomentTable
from sealtune.store.owner import Owner
from sealtune.store.remembering import ExperienceTable

_SESSION = (
    "SELECT s.*, (SELECT count(*) FROM trial t WHERE t.session = s.number) trials FROM session s"
)


class SqliteStore(ExperienceTable, MomentTable):
    """A `sealtune.store.Store` in one file; the directory is created when missing.

    Each trial is one transaction, synced to disk before `add_trial` returns (WAL with
    ``synchronous=FULL``). Usable from several threads; each process opens its own.

    Args:
        path: The database file; `default_store_path` when ``None``.

    Raises:
        KeepingError: The file cannot be opened, is no database, or a newer sealtune wrote it.
    """

    def begin(self, session: NewSession) -> str:
        """Store `session` as running in this process and return its new, unique id."""
        started = time.time()
        stamp = time.strftime("%Y%m%d-%H%M", time.gmtime(started))
        row = {name: getattr(session, name) for name in NewSession.__dataclass_fields__}
        for name in ("config", "facts", "arguments", "benchmark"):
            row[name] = schema.dump(row[name])
        owner = Owner.current()
        row |= {"started": started, "status": "running", "pid": owner.pid}
        row |= {"boot_id": owner.boot_id, "start_ticks": owner.start_ticks}
        with self._writing() as connection:
            row["id"] = self._free_id(stamp)
            rows.insert(connection, "session", row)
        return str(row["id"])

    def _free_id(self, stamp: str) -> str:
        taken = {
            row["id"] for row in self._rows("SELECT id FROM session WHERE id GLOB ?", f"{stamp}*")
        }
        digits = 1
        while (name := f"{stamp}-{secrets.token_hex(digits)}") in taken:
            digits += 1
        return name

    def add_trial(self, session_id: str, trial: TrialRow) -> None:
        """Make `trial` durable; see `Store.add_trial`."""
        row = {name: getattr(trial, name) for name in (*rows.PLAIN_TRIAL, *MEASUREMENT_FIELDS)}
        row["setting"] = trial.setting
        intervals = row.pop("intervals")
        for name in rows.TRIAL_JSON:
            row[name] = schema.dump(row[name])
        with self._writing() as connection:
            owner = self._exactly(session_id)
            self._require_running(owner)
            taken = 'SELECT 1 FROM trial WHERE session = ? AND phase = ? AND "index" = ?'
            if self._rows(taken, owner["number"], trial.phase, trial.index):
                raise KeepingError(
                    f"{session_id}: {trial.phase} trial {trial.index} is already stored;"
                    " a finished trial never changes",
                    fix="Report this: two writers share one session.",
                )
            number = rows.insert(connection, "trial", row | {"session": owner["number"]})
            values = [(number, place, float(value)) for place, value in enumerate(intervals)]
            connection.executemany("INSERT INTO interval VALUES (?, ?, ?)", values)

    def finish(
        self, session_id: str, status: EndStatus, result: Mapping[str, Any] | None = None
    ) -> None:
        """End a running session; see `Store.finish`."""
        text = None if result is None else schema.dump(result)
        with self._writing() as connection:
            row = self._exactly(session_id)
            self._require_running(row)
            connection.execute(
                "UPDATE session SET status = ?, finished = ?, result = ? WHERE number = ?",
                (status, time.time(), text, row["number"]),
            )

    def resume(self, session_id: str) -> SessionRow:
        """Make an unfinished session run in this process; see `Store.resume`."""
        owner = Owner.current()
        with self._writing() as connection:
            row = self._exactly(session_id)
            if row["status"] == "finished":
                raise KeepingError(
                    f"session {session_id} is finished", fix="Start a new one with `sealtune run`."
                )
            if row["status"] == "running" and rows.owner(row).alive():
                raise KeepingError(
                    f"session {session_id} still runs in process {row['pid']}",
                    fix="Wait until it has finished, or end it with Ctrl-C.",
                )
            connection.execute(
                "UPDATE session SET status = 'running', finished = NULL, result = NULL,"
                " pid = ?, boot_id = ?, start_ticks = ? WHERE number = ?",
                (owner.pid, owner.boot_id, owner.start_ticks, row["number"]),
            )
        return self.session(session_id)

    def session(self, id_or_prefix: str | None = None) -> SessionRow:
        """Return one session by id or unique prefix; see `Store.session`."""
        if id_or_prefix in (None, "last"):
            found = self._rows(f"{_SESSION} ORDER BY s.number DESC LIMIT 1")
            if not found:
                raise SessionNotFoundError(
                    f"{self.path} holds no session yet", fix="Run `sealtune optimize` first."
                )
            return self._read(rows.session_row, found)[0]
        wanted = str(id_or_prefix)
        exact = self._rows(f"{_SESSION} WHERE s.id = ?", wanted)
        found = exact or self._rows(
            f"{_SESSION} WHERE substr(s.id, 1, ?) = ?", len(wanted), wanted
        )
        if len(found) == 1:
            return self._read(rows.session_row, found)[0]
        raise self._not_found(wanted, [row["id"] for row in found])

    def sessions(self, limit: int = 20) -> tuple[SessionRow, ...]:
        """Return the newest sessions, newest first."""
        found = self._rows(f"{_SESSION} ORDER BY s.number DESC LIMIT ?", limit)
        return tuple(self._read(rows.session_row, found))

    def resumable(self) -> tuple[SessionRow, ...]:
        """Return the interrupted sessions, newest first."""
        found = self._rows(f"{_SESSION} WHERE s.status = 'interrupted' ORDER BY s.number DESC")
        return tuple(self._read(rows.session_row, found))

    def trials(self, session_id: str, phase: Phase | None = None) -> tuple[TrialRow, ...]:
        """Return the trials of a session in the order in which they were added."""
        number = self._exactly(session_id)["number"]
        where = "t.session = ? AND (? IS NULL OR t.phase = ?)"
        # Trials before their intervals: a trial added in between is then left out as a whole.
        query = f"SELECT t.* FROM trial t WHERE {where} ORDER BY t.number"
        found = self._rows(query, number, phase, phase)
        samples: dict[int, list[float]] = {row["number"]: [] for row in found}
        for row in self._rows(
            "SELECT i.* FROM interval i JOIN trial t ON t.number = i.trial"
            f" WHERE {where} ORDER BY i.trial, i.position",
            number,
            phase,
            phase,
        ):
            if row["trial"] in samples:
                samples[row["trial"]].append(rows.number_or_nan(row["value"]))
        return tuple(
            self._read(lambda row: rows.trial_row(row, tuple(samples[row["number"]])), found)
        )

    def mark_interrupted(self) -> tuple[str, ...]:
        """Mark running sessions whose process is gone, and return their ids."""
        with self._writing() as connection:
            running = self._rows("SELECT * FROM session WHERE status = 'running'")
            gone = [row for row in running if not rows.owner(row).alive()]
            connection.executemany(
                "UPDATE session SET status = 'interrupted', finished = ? WHERE number = ?",
                [(time.time(), row["number"]) for row in gone],
            )
        return tuple(row["id"] for row in gone)

    def _exactly(self, session_id: str) -> sqlite3.Row:
        found = self._rows("SELECT * FROM session WHERE id = ?", session_id)
        if not found:
            raise self._not_found(session_id, [])
        return found[0]

    def _require_running(self, row: sqlite3.Row) -> None:
        if row["status"] != "running":
            raise KeepingError(
                f"session {row['id']} is {row['status']}, not running",
                fix="`sealtune run --resume` continues an interrupted session.",
            )

    def _not_found(self, wanted: str, several: list[str]) -> SessionNotFoundError:
        if several:
            return SessionNotFoundError(
                f"{wanted!r} is the start of several sessions: {', '.join(several[:5])}"
            )
        ids = [str(row["id"]) for row in self._rows("SELECT id FROM session ORDER BY number DESC")]
        near = difflib.get_close_matches(wanted, ids, n=3, cutoff=0.3) or ids[:3]
        return SessionNotFoundError(
            f"no session {wanted!r}; nearest: {', '.join(near) or 'none, the store is empty'}"
        )
