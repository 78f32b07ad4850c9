"""Between rows of the database and the values of `sealtune.store.base`."""

import json
import math
import sqlite3
from collections.abc import Mapping
from typing import Any

from sealtune.store.base import MEASUREMENT_FIELDS, SessionRow, Status, TrialRow
from sealtune.store.experience import Experience
from sealtune.store.owner import Owner

PLAIN_TRIAL = ("phase", "index", "score", "started", "strategy")
TRIAL_JSON = ("setting", "latency_ms", "state")
EXPERIENCE_JSON = (
    "traits",
    "facts",
    "baseline",
    "originals",
    "config",
    "gain",
    "setting",
    "effects",
    "failed",
)
SESSION_JSON = ("config", "facts", "arguments", "benchmark", "result")


def insert(connection: sqlite3.Connection, table: str, row: Mapping[str, object]) -> int:
    """Insert one row into `table` (a name of ours) and return its number."""
    columns = ", ".join(f'"{name}"' for name in row)
    places = ", ".join("?" for _ in row)
    cursor = connection.execute(
        f"INSERT INTO {table} ({columns}) VALUES ({places})", tuple(row.values())
    )
    return int(cursor.lastrowid or 0)


def owner(row: sqlite3.Row) -> Owner:
    """Return the process that a session row belongs to."""
    return Owner(row["pid"], row["boot_id"], row["start_ticks"])


def session_row(row: sqlite3.Row) -> SessionRow:
    """Return the session that a database row holds."""
    names = [name for name in SessionRow.__dataclass_fields__ if name not in SESSION_JSON]
    given: dict[str, Any] = {name: row[name] for name in names}
    for name in SESSION_JSON:
        given[name] = None if row[name] is None else json.loads(row[name])
    if not isinstance(row["id"], str):
        raise ValueError("a session without an id")
    given["simulated"] = bool(row["simulated"])
    status: Status = row["status"]
    return SessionRow(**given | {"status": status})


def trial_row(row: sqlite3.Row, intervals: tuple[float, ...]) -> TrialRow:
    """Return the trial that a database row holds; `intervals` are its samples in order."""
    given = {
        name: row[name] for name in (*PLAIN_TRIAL, *MEASUREMENT_FIELDS) if name != "intervals"
    }
    for name in TRIAL_JSON:
        given[name] = json.loads(row[name])
    given["cut_short"], given["unsafe"] = bool(row["cut_short"]), bool(row["unsafe"])
    return TrialRow(**given, intervals=intervals)


def experience_row(row: sqlite3.Row) -> Experience:
    """Return the experience that a database row holds."""
    given: dict[str, Any] = {name: row[name] for name in Experience.__dataclass_fields__}
    for name in EXPERIENCE_JSON:
        given[name] = None if row[name] is None else json.loads(row[name])
    given["traits"], given["failed"] = tuple(given["traits"]), tuple(given["failed"])
    return Experience(**given | {"simulated": bool(row["simulated"])})


def number_or_nan(value: float | None) -> float:
    """Return a sample as it was measured: SQLite keeps NaN as NULL."""
    return math.nan if value is None else value
