"""What is wrong with a store's file, and what to do about it without losing anything."""

import os
import shlex
import sqlite3
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from sealtune.errors import KeepingError
from sealtune.store import schema

_ANOTHER = "SEALTUNE_STORE=/another/file"
_ROOM = 128 * 1024
"""What SQLite maps beside a store, several times over [bytes]."""
_BROKEN = (
    "malformed",
    "not a database",
    "no such table",
    "no such column",
    "has no column",
    "decode",
    "mismatch",
    "duplicate column",
)
_CLOSED = (
    "unable to open",
    "readonly",
    "read-only",
    "not authorized",
    "access permission",
    "permission denied",
    "not a directory",
    "file exists",
)


def fix_for(error: Exception, path: Path) -> str:
    """Return what the person can do about an error of SQLite in the file `path`."""
    text = str(error)
    if any(sign in text for sign in ("full", "disk I/O", "No space left")):
        return _free(path)
    if "locked" in text or "busy" in text:
        return "Another process holds the file; wait for it, then run again."
    if any(sign in text for sign in _BROKEN):
        return set_aside(path)
    if path.is_dir():
        return f"That is a directory; name a file: SEALTUNE_STORE={_quoted(path / 'sessions.db')}"
    if any(sign in text.lower() for sign in _CLOSED):
        return f"Make {path} and its directory readable and writable, or set {_ANOTHER}."
    return "Please report this, with everything printed above; what was stored before is kept."


def _free(path: Path) -> str:
    return (
        f"Free space on the disk of {path.parent}; every trial stored until then is kept, and "
        "`sealtune run --resume` goes on from there."
    )


def set_aside(path: Path) -> str:
    """Return how to move the file out of the way as it is, to be looked at or repaired later."""
    return (
        f"Move it away, nothing in it is lost: {_moving(path)}   A new one is then created. Or "
        f"leave it and use another: {_ANOTHER}"
    )


def require_ours(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Refuse a file that another program, or a newer sealtune, wrote; nothing is changed.

    Raises:
        KeepingError: It is one of the two; the message says which.
    """
    present = _tables(connection)
    # Another program may have a table of such a name: half of the columns have to be ours, too.
    ours = [
        table
        for table, columns in _wanted().items()
        if 2 * len(columns & present.get(table, frozenset())) >= len(columns)
    ]
    if present and not ours:
        raise KeepingError(
            f"{path} is the database of another program: it has no sessions and no trials of ours",
            fix=f"Leave it where it is and name another file: {_ANOTHER}",
        )
    if version > schema.VERSION:
        raise KeepingError(
            f"{path}: schema {version}, this sealtune knows up to {schema.VERSION}",
            fix=f"Use the newer sealtune that wrote it. {set_aside(path)}",
        )


def require_room(path: Path) -> None:
    """Refuse a full disk whose blocks are smaller than a page of memory, before it is opened.

    SQLite maps a file beside the store; there it has holes, and filling one on a full disk ends
    the process with SIGBUS instead of an error. Larger blocks leave none.

    Raises:
        KeepingError: The disk is full, and of that kind.
    """
    found = os.statvfs(path.parent)
    if found.f_frsize < os.sysconf("SC_PAGE_SIZE") and found.f_bavail * found.f_frsize < _ROOM:
        raise KeepingError(f"{path}: the disk is full", fix=_free(path))


def require_whole(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that lacks a table or a column of its version; nothing is changed.

    Raises:
        KeepingError: The message names what is missing.
    """
    present = _tables(connection)
    missing = []
    for table, columns in _wanted().items():
        if table not in present:
            missing.append(f"table {table}")
        else:
            missing += [f"column {table}.{name}" for name in sorted(columns - present[table])]
    if missing:
        raise KeepingError(
            f"{path} is damaged or half-way: schema {schema.VERSION} without {', '.join(missing)}",
            fix=set_aside(path),
        )


@cache
def _wanted() -> Mapping[str, frozenset[str]]:
    """Return the columns of each table of this version."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(schema.TABLES)
        return _tables(connection)
    finally:
        connection.close()


def _tables(connection: sqlite3.Connection) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for table, column in connection.execute(
        "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c"
        " WHERE m.type = 'table'"
    ):
        found.setdefault(table, set()).add(column)
    return {table: frozenset(columns) for table, columns in found.items()}


def _moving(path: Path) -> str:
    """Return the command: with the file go those beside it, which hold its last changes."""
    number = 1
    while (away := path.parent / f"damaged-{number}").exists():
        number += 1
    return f"mkdir {_quoted(away)} && mv {_quoted(path)}* {_quoted(away)}"


def _quoted(path: Path | str) -> str:
    return shlex.quote(str(path))
