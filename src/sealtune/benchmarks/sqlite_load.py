"""A script: transactions on an SQLite file, as fast as they go. Standard library only.

``sqlite_load.py fill FILE JOURNAL SYNCHRONOUS`` makes the file; ``settle`` in place of ``fill``
brings it back to its first state; ``run FILE JOURNAL SYNCHRONOUS MIX WARMUP SECONDS`` measures. It
prints one JSON line per half second, ``{"rate": R, "wait": MS}``, and a last one with the result.
"""

import json
import random
import sqlite3
import sys
import time
from array import array
from typing import Callable  # noqa: UP035 - also runs on the older Python of the system

ROWS = 100_000
FILLER = "x" * 84
INTERVAL = 0.5
READS_PER_TRANSACTION = 10


def connect(path: str, journal: str, synchronous: str) -> sqlite3.Connection:
    """Open the file; transactions begin and end where we say so."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    connection.execute(f"PRAGMA journal_mode={journal}")
    connection.execute(f"PRAGMA synchronous={synchronous}")
    return connection


def fill(connection: sqlite3.Connection) -> None:
    """Make the tables and every row that a run touches."""
    connection.execute("BEGIN")
    for table in ("account (%s, balance INTEGER, filler TEXT)", "history (%s, account, delta)"):
        connection.execute("CREATE TABLE " + table % "id INTEGER PRIMARY KEY")
    rows = ((number, 0, FILLER) for number in range(ROWS))
    connection.executemany("INSERT INTO account VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")
    settle(connection)


def settle(connection: sqlite3.Connection) -> None:
    """Forget what a run left behind, so that every run starts alike."""
    connection.execute("DELETE FROM history")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def write(connection: sqlite3.Connection, account: int, delta: int) -> None:
    """Do one transaction that must reach the disk: update, read, insert."""
    execute = connection.execute
    execute("BEGIN IMMEDIATE")
    execute("UPDATE account SET balance = balance + ? WHERE id = ?", (delta, account))
    execute("SELECT balance FROM account WHERE id = ?", (account,)).fetchone()
    execute("INSERT INTO history (account, delta) VALUES (?, ?)", (account, delta))
    execute("COMMIT")


def read(connection: sqlite3.Connection, account: int, delta: int) -> None:
    """Do one transaction of ten reads by primary key."""
    execute = connection.execute
    execute("BEGIN")
    for step in range(READS_PER_TRANSACTION):
        chosen = (account + step * (delta + 7919)) % ROWS
        execute("SELECT balance FROM account WHERE id = ?", (chosen,)).fetchone()
    execute("COMMIT")


def run(connection: sqlite3.Connection, mix: str, warmup: float, seconds: float) -> None:
    """Warm up, measure, print."""
    transact = read if mix == "read" else write
    source = random.Random(1)
    load(connection, transact, source, warmup)
    waits = array("d")
    began = now = time.perf_counter()
    while now - began < seconds:
        part = load(connection, transact, source, min(INTERVAL, seconds))
        took = time.perf_counter() - now
        now += took
        mean = sum(part) / len(part)
        print(json.dumps({"rate": len(part) / took, "wait": 1e3 * mean}), flush=True)
        waits.extend(part)
    print(json.dumps(result(waits, now - began)), flush=True)


def load(
    connection: sqlite3.Connection,
    transact: "Callable[[sqlite3.Connection, int, int], None]",
    source: random.Random,
    seconds: float,
) -> "array[float]":
    """Do transactions for `seconds`; return how long each one took [s]."""
    waits, clock = array("d"), time.perf_counter
    now = clock()
    end = now + seconds
    while now < end:
        transact(connection, source.randrange(ROWS), source.randrange(100))
        before, now = now, clock()
        waits.append(now - before)
    return waits


def result(waits: "array[float]", seconds: float) -> "dict[str, float]":
    """Return rate and latency [ms] over the whole run."""
    ordered = sorted(waits)
    last = len(ordered) - 1
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    latency = {name: 1e3 * ordered[round(share * last)] for name, share in shares.items()}
    mean = 1e3 * sum(ordered) / len(ordered)
    return {"total": len(ordered) / seconds, "avg": mean, **latency}


def main(arguments: "list[str]") -> None:
    """Do what the command line says."""
    step, path, journal, synchronous = arguments[:4]
    connection = connect(path, journal, synchronous)
    if step == "fill":
        fill(connection)
    elif step == "settle":
        settle(connection)
    else:
        run(connection, arguments[4], float(arguments[5]), float(arguments[6]))
    connection.close()


if __name__ == "__main__":
    main(sys.argv[1:])
