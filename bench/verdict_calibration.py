"""Hold the verdict to its word: tables of false verdicts, power, coverage and width.

    python -m bench.verdict_calibration [--out FILE] [--passes N] [--minutes-most M]
    python -m bench.verdict_calibration --table FILE
    python -m bench.verdict_calibration --quick

Whole sessions and confirmations of the product's own procedures (see `bench.verdict_sessions`) on
simulated, recorded, fitted and hostile noise (see `bench.verdict_noise`). Each pass adds some
studies with new seeds to every row, so that it can be stopped at any time; with ``--out`` every
study is kept in a file, and the same command goes on with it. Ends with 1 if a promise is broken:

- the upper 95 % bound of the share of false "improved" is below 5 %, all sessions without an
  effect together, and in each row that has 400 of them;
- a hidden +10 % at 5 % noise ends "improved" in at least 80 %;
- intervals hold the truth in at least 93 %, for each kind of noise.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.verdict_noise import HOSTILE, models
from bench.verdict_sessions import Outcome, confirmation, session
from bench.verdict_tables import null_table, power_table, promise_table, width_table

PLANTED = (0.90, 1.03, 1.10, 1.30)
CONFIRMED = ((1.00, 6), (1.00, 24), (0.90, 18), (1.10, 18))
"""True ratio and most pairs of the confirmations that the intervals are judged by."""

_NULL, _POWER, _COVERAGE = 20, 10, 25
_PASSES = 6
_ROOM = 1_000_000
"""Seeds of two rows lie this far apart."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of study.

    Attributes:
        table: ``null``, ``power`` or ``coverage``.
        noise: Name of the noise model.
        ratio: What is planted.
        pairs: Most pairs of a confirmation alone; 0 for a whole session.
        each: Studies per pass.
        place: Number of the row, which sets its seeds.
    """

    table: str
    noise: str
    ratio: float
    pairs: int
    each: int
    place: int

    @property
    def key(self) -> str:
        """Name of the row in a file."""
        return f"{self.table}|{self.noise}|{self.ratio:g}|{self.pairs}"

    def run(self, number: int) -> Outcome:
        """Return study number `number` of this row, from 0."""
        seed = self.place * _ROOM + number
        model = models()[self.noise]
        if self.table == "coverage":
            return confirmation(self.ratio, model, seed, self.pairs)
        return session(self.ratio, model, seed)


def rows(*, quick: bool = False) -> list[Row]:
    """Return every row in the order of the tables."""
    wanted: list[tuple[str, str, float, int, int]] = []
    wanted += [("null", name, 1.0, 0, 2 if quick else _NULL) for name in models()]
    for name in models():
        if name in HOSTILE or "harder" in name or "fitted" in name or "loaded" in name:
            continue
        ratios = (1.10,) if quick else PLANTED
        wanted += [("power", name, ratio, 0, _POWER) for ratio in ratios]
    if quick:
        wanted = [row for row in wanted if row[0] == "null" or row[1] == "normal 5 %"]
    for name in models():
        for ratio, pairs in CONFIRMED[1:2] if quick else CONFIRMED:
            wanted.append(("coverage", name, ratio, pairs, 10 if quick else _COVERAGE))
    return [Row(*row, place) for place, row in enumerate(wanted)]


class Studies:
    """Every finished study, kept in a file if there is one.

    Args:
        path: The file; begun, or gone on with. A last line that a crash has torn is cut off.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.found: dict[str, dict[int, Outcome]] = {}
        if path is not None and path.exists():
            content = path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            if whole != content:
                path.write_bytes(whole)
            for line in whole.splitlines():
                told = json.loads(line)
                key, number = told.pop("row"), told.pop("study")
                self.found.setdefault(key, {})[number] = Outcome(**told)

    def add(self, row: Row, number: int, outcome: Outcome) -> None:
        """Keep one study."""
        self.found.setdefault(row.key, {})[number] = outcome
        if self._path is not None:
            with self._path.open("a") as file:
                line = {"row": row.key, "study": number, **outcome.as_dict()}
                file.write(json.dumps(line) + "\n")

    def has(self, row: Row, number: int) -> bool:
        """Return whether this study is done."""
        return number in self.found.get(row.key, {})

    def of(self, row: Row) -> list[Outcome]:
        """Return the finished studies of a row."""
        return list(self.found.get(row.key, {}).values())


def run(studies: Studies, wanted: Sequence[Row], passes: int, until: float) -> bool:
    """Run what is missing; return whether all is done before `until`, by the monotonic clock."""
    for number in range(passes):
        for row in wanted:
            for study in range(number * row.each, (number + 1) * row.each):
                if studies.has(row, study):
                    continue
                if time.monotonic() >= until:
                    return False
                studies.add(row, study, row.run(study))
    return True


def report(studies: Studies, wanted: Sequence[Row]) -> tuple[list[str], bool]:
    """Return the lines of all tables, and whether every promise holds."""
    lines, holds = [], True
    for title, table, make in (
        ("No parameter matters: whole sessions", "null", null_table),
        ("Something is planted: whole sessions", "power", power_table),
        ("The published interval: confirmations alone", "coverage", width_table),
    ):
        mine = [(row.noise, row.ratio, row.pairs, studies.of(row)) for row in wanted]
        mine = [
            cell for cell, row in zip(mine, wanted, strict=True) if row.table == table and cell[3]
        ]
        found, good = make(mine)
        lines += ["", title, "", *found]
        holds &= good
    everything = [(row.table, row.noise, row.ratio, studies.of(row)) for row in wanted]
    found, good = promise_table(everything)
    return [*lines, "", "Promises", "", *found], holds and good


def _known(studies: Studies) -> Iterator[Row]:
    yield from (row for row in rows() if studies.of(row))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the studies or read them; return 0 when every promise holds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, help="file of the studies; begun, or gone on with")
    parser.add_argument("--passes", type=int, default=_PASSES, help="over all rows")
    parser.add_argument("--minutes-most", type=float, help="start no study later than this")
    parser.add_argument("--table", type=Path, metavar="FILE", help="print a file's tables; no run")
    parser.add_argument("--quick", action="store_true", help="a few studies of every row, for CI")
    chosen = parser.parse_args(arguments)
    began = time.process_time()
    if chosen.table:
        studies = Studies(chosen.table)
        wanted, done = list(_known(studies)), True
    else:
        studies, wanted = Studies(chosen.out), rows(quick=chosen.quick)
        minutes = float("inf") if chosen.minutes_most is None else chosen.minutes_most
        until = time.monotonic() + 60 * minutes
        done = run(studies, wanted, 1 if chosen.quick else chosen.passes, until)
    lines, holds = report(studies, wanted)
    print("\n".join(lines))
    verdict = "Every promise holds" if holds else "A PROMISE IS BROKEN"
    more = "" if done else "; the time is used up, the same command goes on"
    print(f"\n{verdict}; {time.process_time() - began:.0f} s of CPU{more}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
