"""What a running session says beside its trials, for whoever looks on from another process.

Only for show: a verdict never rests on it, so it is not synced to disk by itself; the sync of the
next trial takes it along. What is lost with the power is at most the last few lines.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sealtune.errors import SessionNotFoundError
from sealtune.store import rows, schema
from sealtune.store.database import Database

Kind = Literal["plan", "phase", "run", "note", "error"]


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that a session said.

    Attributes:
        kind: ``plan`` (once: what will be done), ``phase`` (one begins), ``run`` (what the kernel
            read and what the guard wrote, told after each run), ``note`` or ``error``.
        body: Plain values; what they are is between who writes and who shows them.
        at: Seconds since the epoch [s].
    """

    kind: Kind
    body: Mapping[str, Any]
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a session is; equal as long as it has neither said nor measured anything new.

    Attributes:
        trials: Runs stored.
        said: Number of its last moment, 0 before the first.
    """

    id: str
    status: str
    finished: float | None
    trials: int
    said: int


_PROGRESS = (
    "SELECT id, status, finished,"
    " (SELECT count(*) FROM trial t WHERE t.session = s.number) trials,"
    " (SELECT coalesce(max(number), 0) FROM moment m WHERE m.session = s.number) said"
    " FROM session s"
)


def told_card(moments: Iterable[Moment]) -> Mapping[str, Any] | None:
    """Return the plan as its session told it; one of an older sealtune told none."""
    plans = [one.body for one in moments if one.kind == "plan"]
    return plans[-1] if plans else None


class MomentTable(Database):
    """The part of the store that faces of a running session are made of."""

    def add_moments(self, session_id: str, moments: Sequence[Moment]) -> None:
        """Keep `moments` in order; see `Store.add_moments`."""
        # One lock around all: no trial of another thread may be written without a sync.
        with self._lock, self._explained():
            try:
                self._connection.execute("PRAGMA synchronous = NORMAL")
                with self._writing() as connection:
                    number = self._number(session_id)
                    for one in moments:
                        row = {"session": number, "at": one.at, "kind": one.kind}
                        rows.insert(connection, "moment", row | {"body": schema.dump(one.body)})
            finally:
                self._connection.execute("PRAGMA synchronous = FULL")

    def moments(self, session_id: str) -> tuple[Moment, ...]:
        """Return what the session said, in order; nothing for one of an older sealtune."""
        found = self._rows(
            "SELECT * FROM moment WHERE session = ? ORDER BY number", self._number(session_id)
        )
        return tuple(
            self._read(lambda row: Moment(row["kind"], json.loads(row["body"]), row["at"]), found)
        )

    def living(self, session_id: str) -> bool:
        """Return whether the session runs, in a process that is still there."""
        found = self._rows("SELECT * FROM session WHERE id = ?", session_id)
        return any(row["status"] == "running" and rows.owner(row).alive() for row in found)

    def progress(self, limit: int) -> tuple[Progress, ...]:
        """Return how far the newest sessions are, newest first; reads none of their contents."""
        found = self._rows(f"{_PROGRESS} ORDER BY number DESC LIMIT ?", limit)
        return tuple(Progress(**row) for row in found)

    def progress_of(self, session_id: str) -> Progress:
        """Return how far one session is.

        Raises:
            SessionNotFoundError: No session has exactly this id.
        """
        found = self._rows(f"{_PROGRESS} WHERE number = ?", self._number(session_id))
        return Progress(**found[0])

    def newest_of(self, process: int) -> str | None:
        """Return the session that belongs to a process, if it has begun or resumed one."""
        found = self._rows("SELECT * FROM session WHERE pid = ? ORDER BY number DESC", process)
        # Numbers of processes come again: an older one of the same number is not this one.
        return next((str(row["id"]) for row in found if rows.owner(row).alive()), None)

    def _number(self, session_id: str) -> int:
        found = self._rows("SELECT number FROM session WHERE id = ?", session_id)
        if not found:
            raise SessionNotFoundError(f"no session {session_id!r}")
        return int(found[0]["number"])
