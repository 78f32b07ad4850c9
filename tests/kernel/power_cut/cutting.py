"""Cut, recover, and say what came of it."""

import contextlib
import os
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.kernel.power_cut.life import Cut
from tests.kernel.power_cut.recording import How, record, record_torn
from tests.kernel.power_cut.recovering import Tally, check, check_torn


def cut_and_recover(how: How, most: int = 0) -> Tally:
    """Record, examine at most `most` of the cuts (0: all), print and return what came of it."""
    began = time.monotonic()
    with _in_memory() as folder:
        life = record(folder, how)
        cuts = _some(life.cuts, most, how.seed)
        tally = check(folder, cuts)
    tally.unclear = life.unclear
    print(
        f"{'beside a store that syncs' if how.beside else 'the guard alone'}: "
        f"{life.requests} write requests and {life.flushes} flushes of the disk; trace and image "
        f"disagreed after {life.unclear} steps, {life.twice} could not be taken apart\n"
        f"  {_told(tally, life.cuts, cuts, began)}",
        flush=True,
    )
    for line in tally.wrong[:20]:
        print(" ", line)
    return tally


def tear_and_recover(every: int = 1) -> Tally:
    """Do the same with the lengths to which the unsynced bytes can be torn, `every` so many."""
    began = time.monotonic()
    with _in_memory() as folder:
        (folder / "life").mkdir()
        (folder / "after").mkdir()
        life = record_torn(folder / "life", every)
        tally = check_torn(folder / "after", life.cuts)
    told = _told(tally, life.cuts, life.cuts, began)
    print(f"torn writes, without a disk:\n  {told}", flush=True)
    for line in tally.wrong[:20]:
        print(" ", line)
    return tally


def _told(tally: Tally, every: list[Cut], cuts: list[Cut], began: float) -> str:
    return (
        f"{len(every)} different states of disk and machine, {tally.cuts} examined, "
        f"{sum(cut.changed for cut in cuts)} of them with parameters changed; "
        f"{tally.recoveries} recoveries in {time.monotonic() - began:.0f} s: {tally.restored} "
        f"put the originals back, {tally.crashes} told a crash, {len(tally.wrong)} wrong"
    )


def _some(cuts: list[Cut], most: int, seed: int) -> list[Cut]:
    return random.Random(seed).sample(cuts, most) if 0 < most < len(cuts) else cuts


@contextlib.contextmanager
def _in_memory() -> Iterator[Path]:
    """Yield a directory in memory, so that copying images costs nothing on this machine's disk."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)
