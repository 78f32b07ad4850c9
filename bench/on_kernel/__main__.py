"""Do searches find on the real kernel what a recording says there is?

    sudo python -m bench.on_kernel --out FILE.jsonl [--minutes-most M]
    python -m bench.on_kernel --table FILE.jsonl
    python -m bench.on_kernel --dry-run --out FILE.jsonl
    sudo python -m bench.on_kernel --again FILE.jsonl --rounds 18 --out AGAIN.jsonl
    python -m bench.on_kernel --table AGAIN.jsonl MORE.jsonl

For each recorded scenario and each seed all tacticians search on the same machine at the same
time, taking turns, each learning from its own trials. Then what each recommends, the best recorded
point and the values as found run in fresh interleaved rounds. Every run is in the file at once;
Ctrl-C and `--minutes-most` end the bench with every parameter put back, and the same command goes
on with it. `--again` searches nothing: what an earlier file's searches recommended runs in fresh
rounds. See docs/on-kernel.md.
"""

import argparse
import itertools
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.on_kernel.book import Book, Told, read_book
from bench.on_kernel.outcome import trials_of
from bench.on_kernel.pooling import pool
from bench.on_kernel.sitting import TimeUpError, sit, sit_again
from bench.on_kernel.study import SCENARIOS, SURFACES, Ready, Wishes, prepare_scenario
from bench.on_kernel.table import tables
from sealtune.entry import check_ready
from sealtune.errors import ConfigError, InputError, SealtuneError
from sealtune.guard import recovery
from sealtune.report.format import clock as clock_text
from sealtune.workbench import signals_interrupt

Say = Callable[[str], None]
Clock = Callable[[], float]

_EVERY = 10.0
"""Seconds between two lines of progress, at least [s]."""


class Progress:
    """Says now and then how far the bench is, and how long it still takes.

    Args:
        total: About how many runs there are in all.
        done: How many of them other processes have run.
        say: Prints a line.
        clock: Monotonic seconds [s].
    """

    def __init__(self, total: int, done: int, say: Say, clock: Clock) -> None:
        self._total, self._done, self._here = total, done, 0
        self._say, self._clock = say, clock
        self._began = self._last = clock()

    def __call__(self, where: str) -> None:
        """Count a run, and say so if nothing was said for a while."""
        self._here += 1
        now = self._clock()
        if now - self._last < _EVERY:
            return
        self._last = now
        done = self._done + self._here
        left = max(0, self._total - done) * (now - self._began) / self._here
        self._say(f"{where}; {done} of about {self._total} runs, {clock_text(left)} left")


def bench(
    wishes: Wishes,
    path: Path,
    *,
    minutes: float | None = None,
    say: Say = print,
    clock: Clock = time.monotonic,
) -> bool:
    """Run what is not in `path` yet, and return whether it is then complete.

    Args:
        wishes: What is compared.
        path: The file; begun, or gone on with.
        minutes: No run starts later than this; no limit when ``None``.
        say: Prints a line.
        clock: Monotonic seconds [s].

    Raises:
        KeyboardInterrupt: By a signal; parameters are back.
        SealtuneError: Bad wishes, another file, no root, a broken benchmark; parameters are back.
    """
    wishes.check()
    earlier = _earlier(wishes.again, wishes) if wishes.again else None
    until = clock() + minutes * 60 if minutes is not None else float("inf")
    if not wishes.dry_run and os.geteuid() == 0:
        recovery.restore()  # plans must be made from this machine's own values
    with signals_interrupt(), Book(path, wishes.study) as book:
        readies = [prepare_scenario(name, wishes) for name in wishes.scenarios]
        for ready in readies:
            book.begin(ready.scenario)
        progress = _announce(wishes, readies, book, say, clock)
        try:
            if earlier:
                for ready in readies:
                    sit_again(
                        ready, wishes.seeds, earlier, book, lambda: clock() < until, progress
                    )
                return True
            # Seed by seed: a bench that is ended early has something of every scenario.
            for seed, ready in itertools.product(wishes.seeds, readies):
                sit(ready, seed, book, lambda: clock() < until, progress)
        except TimeUpError:
            say(
                f"The time is used up; {len(book.runs)} runs are in {path}. Run it again to go on."
            )
            return False
    return True


def _earlier(path: Path, wishes: Wishes) -> Told:
    """Return what the searches of `path` were, all those that are asked for.

    Raises:
        ConfigError: Not such a file, or a search is missing in it.
    """
    told = read_book(path)
    if told.study.simulated != wishes.dry_run:
        raise InputError(f"--again {path}: a simulated file goes with --dry-run, and only that")
    for name, seed, tactician in itertools.product(
        wishes.scenarios, wishes.seeds, wishes.tacticians
    ):
        scenario = told.scenarios.get(name)
        had = trials_of(scenario, told.of(name, seed), tactician) if scenario else ()
        if len(had) < told.study.trials:
            raise ConfigError(
                f"{path}: {name}, seed {seed}: {tactician} has {len(had)} of "
                f"{told.study.trials} trials",
                fix="Choose others by --scenarios, --seeds, --tacticians, or end the searches.",
            )
    return told


def _announce(
    wishes: Wishes, readies: Sequence[Ready], book: Book, say: Say, clock: Clock
) -> Progress:
    """Say what will be done and for how long, and who is in the way."""
    if wishes.dry_run:
        say("SIMULATED: no kernel parameter and no benchmark is touched.")
    for ready in readies:
        for notice in ready.notices:
            say(f"Note  {notice}")
    for reason in check_ready(readies[0].plan):
        say(f"Busy  {reason} What is measured now is measured beside it.")
    mine = set(itertools.product(wishes.scenarios, wishes.seeds))
    done = sum((run.scenario, run.seed) in mine for run in book.runs)
    total = wishes.runs * len(mine)
    seconds = sum(ready.cost for ready in readies) * wishes.runs * len(wishes.seeds)
    left = seconds * max(0.0, 1 - done / total)
    what = "confirmed anew" if wishes.again else f"with {wishes.trials} trials each"
    say(
        f"{len(wishes.scenarios)} scenarios, {len(wishes.seeds)} seeds, "
        f"{', '.join(wishes.tacticians)} {what}: about {total} runs, "
        f"{done} of them done; about {clock_text(left)} from now."
    )
    return Progress(total, done, say, clock)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench or print a table; return the exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        return _table(chosen.table) if chosen.table else _run(chosen)
    except SealtuneError as error:
        print(f"error: {error}\nfix:   {error.fix}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Interrupted; every parameter is put back. The same command goes on.")
        return 130


def _table(paths: Sequence[Path]) -> int:
    print(tables(pool({path: read_book(path) for path in paths})))
    return 0


def _run(chosen: argparse.Namespace) -> int:
    if chosen.out is None:
        raise InputError("--out: needs a file for the runs, or --table a file to show")
    if chosen.minutes_most is not None and chosen.minutes_most <= 0:
        raise InputError(f"--minutes-most {chosen.minutes_most:g}: allowed: above 0")
    wishes = Wishes(
        scenarios=_names(chosen.scenarios),
        tacticians=_names(chosen.tacticians),
        trials=chosen.trials,
        seeds=tuple(range(chosen.first, chosen.first + chosen.seeds)),
        rounds=chosen.rounds,
        run_seconds=chosen.run_seconds,
        dry_run=chosen.dry_run,
        surfaces=chosen.surfaces,
        workdir=chosen.workdir,
        again=chosen.again,
    )
    if bench(wishes, chosen.out, minutes=chosen.minutes_most, say=_say):
        return _table([chosen.out])
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.on_kernel", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--scenarios", default=",".join(SCENARIOS))
    parser.add_argument("--tacticians", default="ppo,tpe,random")
    parser.add_argument("--trials", type=int, default=40, help="of each search")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--first", type=int, default=0, help="first seed; 1000 for development")
    parser.add_argument("--rounds", type=int, default=6, help="confirming rounds")
    parser.add_argument("--run-seconds", type=float, default=1.0, help="length of one run [s]")
    parser.add_argument("--minutes-most", type=float, help="start no run later than this")
    parser.add_argument("--surfaces", type=Path, default=SURFACES, help="configs and recordings")
    parser.add_argument("--workdir", type=Path, help="where benchmarks put their files")
    parser.add_argument("--dry-run", action="store_true", help="simulated; touches nothing")
    parser.add_argument("--out", type=Path, help="file of the runs; begun, or gone on with")
    parser.add_argument("--again", type=Path, metavar="FILE", help="only confirm FILE's anew")
    parser.add_argument(
        "--table",
        type=Path,
        metavar="FILE",
        nargs="+",
        help="print a file's tables, no run; several of --again are read as one",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
