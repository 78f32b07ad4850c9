"""Record how single runs vary when nothing is changed: series to hold the verdict to its word on.

Run from the root of the repository:

    python -m bench.record_noise [--runs 150] [--seconds 1.0] [--loaded]
    python -m bench.record_noise --from FILE.jsonl ...

The first records three simple loads, which take turns, so neighbouring values of one series lie
about as far apart in time as the runs of a real session do; nothing is tuned, and nothing but a
temporary file is written. The second takes the runs of the originals out of files that
`bench.on_kernel` or `sealtune record` wrote. Both write ``bench/noise/*.json``, see
`bench.verdict_recordings`.
"""

import argparse
import contextlib
import hashlib
import json
import os
import platform
import re
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.noise_from import recordings_from
from bench.verdict_recordings import DIRECTORY, FORMAT, table
from sealtune.errors import SealtuneError

Load = Callable[[float], float]


def sqlite_transactions(seconds: float) -> float:
    """Return committed, fsynced SQLite transactions per second over `seconds`."""
    with (
        tempfile.TemporaryDirectory(dir=DIRECTORY) as directory,
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
    }


def record(runs: int, seconds: float, condition: str) -> dict[str, dict[str, Any]]:
    """Run every load in turn; return the content of one recording each, by its name."""
    facts = machine_facts()
    series: dict[str, list[float]] = {name: [] for name in LOADS}
    for _ in range(runs):
        for name, load in LOADS.items():
            series[name].append(round(load(seconds), 3))
    return {
        name: {
            "format": FORMAT,
            "load": name,
            "doc": LOADS[name].__doc__,
            "condition": condition,
            "unit": "1/s",
            "direction": "maximize",
            "run_seconds": seconds,
            "machine": facts,
            "stretches": [{"from": "bench.record_noise", "values": values}],
        }
        for name, values in series.items()
    }


def main() -> int:
    """Write one file per load or benchmark, and print what all recordings are like."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--runs", type=int, default=150)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--loaded", action="store_true", help="other jobs use the machine")
    parser.add_argument("--from", dest="files", type=Path, nargs="+", help="files to take it from")
    chosen = parser.parse_args()
    try:
        if chosen.files:
            found = recordings_from(chosen.files)
        else:
            found = record(chosen.runs, chosen.seconds, "loaded" if chosen.loaded else "quiet")
    except SealtuneError as error:
        print(f"error: {error}\nfix:   {error.fix}", file=sys.stderr)
        return error.exit_code
    for name, content in found.items():
        text = json.dumps(content, indent=1)
        # A number a line would make a file of a thousand lines of it.
        text = re.sub(r"\[\s+([-\d.,\s]+?)\s+\]", _one_line, text)
        (DIRECTORY / f"{name}.json").write_text(text + "\n")
    print("\n".join(table()))
    return 0


def _one_line(match: re.Match[str]) -> str:
    return "[" + ", ".join(part.strip() for part in match[1].split(",")) + "]"


if __name__ == "__main__":
    sys.exit(main())
