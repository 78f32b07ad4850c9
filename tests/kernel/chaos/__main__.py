"""Kill real sessions at random moments, print a table, exit 1 when anything was not right.

``--out FILE`` keeps one JSON line for each kill; started again with the same seed and file, the
series goes on where it stopped.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.kernel.chaos import machine, sessions
from tests.kernel.chaos.aim import MissedError
from tests.kernel.chaos.deck import Life, deal
from tests.kernel.chaos.kills import Kill, live

_MOST_MISSED = 20
"""So many sessions in a row that end before they are hit: something else is wrong."""


def run(
    seed: int,
    *,
    first: int = 0,
    seconds: float = float("inf"),
    quick: bool = False,
    only: frozenset[str] = frozenset(),
) -> Iterator[Kill]:
    """Yield kills until `seconds` are over; at most one life is begun that ends later.

    Args:
        seed: Makes who is hit, by what, and when; not what the machine makes of it.
        first: Lives of the series that are left out.
        seconds: When no further life begins [s].
        quick: Leave out what takes longest: databases and learning.
        only: Victims, signals or benchmarks; lives without any of them are left out.
    """
    deadline, missed = time.monotonic() + seconds, 0
    machine.adopt_orphans()
    sessions.load()
    place = sessions.Place.make()
    try:
        paths = machine.files()
        disk = next(path.split("/")[3] for path in paths if path.startswith("/sys/block/"))
        for kind in sessions.KINDS:
            sessions.write_config(place, kind, disk)
        for life in deal(seed):
            if time.monotonic() > deadline:
                return
            if life.number < first or (quick and life.kind in ("pgbench", "learner")):
                continue
            if only and not only & _names(life):
                continue
            try:
                kills = live(life, place, paths)
            except MissedError as error:
                missed += 1
                if missed == _MOST_MISSED:
                    raise RuntimeError(f"{missed} sessions in a row ended too early") from error
                continue
            missed = 0
            yield from kills
    finally:
        place.remove()


def _names(life: Life) -> set[str]:
    return {name for s in life.strikes for name in (s.victim, s.signal_name)} | {life.kind}


def table(kills: list[Kill]) -> str:
    """Return a line for each victim and signal, one for all, and when they were hit."""
    cells: dict[tuple[str, str], list[Kill]] = {}
    for kill in kills:
        cells.setdefault((kill.victim, kill.signal), []).append(kill)
    lines = [
        f"{'victim':<14} {'signal':<8} {'kills':>5} {'changed':>7} {'to undo':>7} {'in time':>7} "
        f"{'right':>5}   slowest",
        *(_line(*cell, cells[cell]) for cell in sorted(cells)),
        _line("all together", "", kills),
        f"sessions  {len({kill.life for kill in kills})}",
        f"aims      {_counted(kill.aim for kill in kills)}",
        f"phases    {_counted(kill.phase for kill in kills)}",
        f"loads     {_counted(kill.kind for kill in kills)}",
        f"undone    {_counted(kill.by for kill in kills if kill.seconds is not None)}",
    ]
    return "\n".join(lines)


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in Counter(names).most_common())


def _line(victim: str, number: str, kills: list[Kill]) -> str:
    changed = sum(kill.changed > 0 for kill in kills)
    right = sum(not kill.problems for kill in kills)
    undone = [kill for kill in kills if kill.seconds is not None]
    times = [kill.seconds for kill in undone if kill.seconds is not None]
    in_time = sum(kill.seconds <= kill.limit for kill in undone if kill.seconds is not None)
    slowest = f"{max(times):7.3f} s" if times else "goes on"
    return (
        f"{victim:<14} {number:<8} {len(kills):>5} {changed:>7} {len(undone):>7} {in_time:>7} "
        f"{right:>5} {slowest:>9}"
    )


def read(path: Path) -> list[Kill]:
    """Return the kills that `path` has; a line that was cut off is none."""
    kills = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            kills.append(Kill(**json.loads(line)))
        except ValueError:
            continue
    return kills


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this [s]")
    parser.add_argument("--out", type=Path, help="one JSON line for each kill; goes on with it")
    parser.add_argument("--quick", action="store_true", help="without what takes longest")
    parser.add_argument("--only", nargs="+", default=[], help="victims, signals or benchmarks")
    parser.add_argument("--table", action="store_true", help="only print the table of --out")
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("this writes the real kernel: only root can")
    kills = read(chosen.out) if chosen.out else []
    if not chosen.table:
        kills = _go_on(chosen, kills)
    print(f"seed {chosen.seed}, Linux {os.uname().release}, {time.strftime('%Y-%m-%d')}")
    print(table(kills))
    times = [kill.seconds for kill in kills if kill.seconds is not None]
    if times:
        print(f"median {statistics.median(times):.3f} s of {len(times)} that had to be undone")
    bad = [kill for kill in kills if kill.problems]
    for kill in bad:
        print(json.dumps(kill.as_dict()))
    return 1 if bad or not kills else 0


def _go_on(chosen: argparse.Namespace, kills: list[Kill]) -> list[Kill]:
    kills = list(kills)
    first = max((kill.life for kill in kills), default=-1) + 1
    began = time.monotonic()
    series = run(
        chosen.seed,
        first=first,
        seconds=chosen.seconds,
        quick=chosen.quick,
        only=frozenset(chosen.only),
    )
    try:
        for kill in series:
            kills.append(kill)
            if chosen.out:
                with chosen.out.open("a") as file:
                    file.write(json.dumps(kill.as_dict()) + "\n")
            _show(kill, len(kills), time.monotonic() - began)
            if len(kills) >= chosen.kills:
                break
    finally:
        series.close()  # type: ignore[attr-defined]
    return kills


def _show(kill: Kill, count: int, seconds: float) -> None:
    took = "goes on" if kill.seconds is None else f"{kill.seconds:.3f} s"
    wrong = f"  WRONG: {kill.problems}" if kill.problems else ""
    print(
        f"{count:>4} {seconds:6.0f} s  {kill.kind:<8} {kill.victim:<13} {kill.signal:<8}"
        f" {kill.aim:<9} in {kill.phase:<9} {kill.changed:>2} changed  {took}{wrong}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
