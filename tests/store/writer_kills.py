"""Kill a writer of the store at random moments, and see that no finished trial is lost.

``python -m tests.store.writer_kills --kills 50``. Each writer adds trials as fast as it can and
tells each one after `add_trial` has returned; it is ended by SIGKILL after a random time, within a
commit more often than not.
"""

import argparse
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.contracts.store import in_child, new_session, trial

from sealtune.store import SqliteStore


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        told: Trials that were told as stored.
        lost: Of these, the ones that are not there.
        found: Trials that are there; at most one of each writer was not told any more.
        in_commit: Writers that were killed between two trials told.
        whole: Whether the file passes SQLite's own check at the end.
    """

    told: int = 0
    lost: int = 0
    found: int = 0
    in_commit: int = 0
    whole: bool = False


def kill(path: Path, *, kills: int, seed: int) -> Outcome:
    """Kill so many writers of the store at `path`, one after another."""
    choose, outcome = random.Random(seed), Outcome()
    for _ in range(kills):
        told = set(_told_by_a_writer(path, choose.uniform(0.005, 0.08)))
        with SqliteStore(path) as store:
            store.mark_interrupted()
            newest = store.session("last").id
            found = {(newest, row.index) for row in store.trials(newest)}
        outcome.told += len(told)
        outcome.lost += len(told - found)
        outcome.found += len(found)
        outcome.in_commit += len(found) > len(told)
    connection = sqlite3.connect(path)
    outcome.whole = [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()
    connection.close()
    return outcome


def _told_by_a_writer(path: Path, seconds: float) -> list[tuple[str, int]]:
    def write(pipe):
        with SqliteStore(path) as store:
            session = store.begin(new_session())
            for index in range(100_000):
                store.add_trial(session, trial(index, setting={"vm.swappiness": index}))
                os.write(pipe, f"{session} {index}\n".encode())

    pid, pipe = in_child(write)
    with os.fdopen(pipe) as report:
        first = report.readline()  # it is at work
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        lines = [first, *report]
    return [(line.split()[0], int(line.split()[1])) for line in lines if line.endswith("\n")]


def main() -> int:
    """Kill, print the counts, return 1 when a trial was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    # Not in memory: a sync has to be one.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        outcome = kill(Path(folder) / "sessions.db", kills=chosen.kills, seed=chosen.seed)
    print(
        f"{chosen.kills} writers killed: {outcome.told} trials told as stored, {outcome.lost} "
        f"lost; {outcome.found} found, {outcome.in_commit} writers died after a commit that they "
        f"could not tell; the file is {'whole' if outcome.whole else 'DAMAGED'}"
    )
    return 1 if outcome.lost or not outcome.whole else 0


if __name__ == "__main__":
    sys.exit(main())
