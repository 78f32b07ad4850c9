"""Record how single runs of simple real loads vary on this machine: A/A series to calibrate on.

Run from the root of the repository: ``python bench/record_noise.py [--runs 150] [--seconds 1.0]``.
The loads take turns, so neighbouring values of one series lie about as far apart in time as the
runs of a real tuning session do. Nothing is tuned; nothing but a temporary file is written.
"""

import argparse
import contextlib
import hashlib
import json
import os
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

NOISE_DIRECTORY = Path(__file__).parent / "noise"
Load = Callable[[float], float]


def sqlite_transactions(seconds: float) -> float:
    """Return committed, fsynced SQLite transactions per second over `seconds`."""
    with (
        tempfile.TemporaryDirectory(dir=NOISE_DIRECTORY) as directory,
        contextlib.closing(
            sqlite3.connect(Path(directory) / "load.db", isolation_level=None)
        ) as database,
    ):
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE entries (id INTEGER PRIMARY KEY, payload TEXT)")
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            database.execute("INSERT INTO entries (payload) VALUES (?)", ("x" * 200,))
            count += 1
        return count / (time.perf_counter() - start)


def pipe_round_trips(seconds: float) -> float:
    """Return one-byte round trips per second between two processes over `seconds`."""
    here_read, there_write = os.pipe()
    there_read, here_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(here_read)
        os.close(here_write)
        while os.read(there_read, 1):
            os.write(there_write, b"x")
        os._exit(0)
    os.close(there_read)
    os.close(there_write)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        os.write(here_write, b"x")
        os.read(here_read, 1)
        count += 1
    rate = count / (time.perf_counter() - start)
    os.close(here_write)
    os.close(here_read)
    os.waitpid(child, 0)
    return rate


def hashes(seconds: float) -> float:
    """Return SHA-256 digests of 4 KiB per second over `seconds`."""
    block, start, count = os.urandom(4096), time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        hashlib.sha256(block).digest()
        count += 1
    return count / (time.perf_counter() - start)


LOADS: dict[str, Load] = {
    "sqlite_fsync": sqlite_transactions,
    "pipe_ping_pong": pipe_round_trips,
    "sha256_loop": hashes,
}


def machine_facts() -> dict[str, object]:
    """Return what the reader must know of this machine; no host name."""
    return {
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
        "load_average_at_start": round(os.getloadavg()[0], 2),
        "shared": "other jobs ran on the same CPUs and disk during the recording",
    }


def main() -> None:
    """Record every load in turn and write one JSON file each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=150)
    parser.add_argument("--seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    facts = machine_facts()
    series: dict[str, list[float]] = {name: [] for name in LOADS}
    for _ in range(arguments.runs):
        for name, load in LOADS.items():
            series[name].append(round(load(arguments.seconds), 3))
    for name, values in series.items():
        record = {
            "load": name,
            "doc": LOADS[name].__doc__,
            "unit": "1/s",
            "run_seconds": arguments.seconds,
            "machine": facts,
            "values": values,
        }
        (NOISE_DIRECTORY / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
        variation = statistics.stdev(values) / statistics.mean(values)
        print(f"{name}: {len(values)} runs, coefficient of variation {variation:.1%}")


if __name__ == "__main__":
    main()
