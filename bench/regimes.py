"""Is a change of the machine told from its noise, and what is a trial compared with?

    python -m bench.regimes [--sessions N] [--quick]

Drives the product's own sentinels through the baseline runs of a search: nine A/A runs, then one
every seven runs, with the extra ones that an odd run asks for. Three tables: how often a machine
that did not change is said to have changed (promised: under 2 %, for noise and for slow drift),
how often a true change is found, and how far the baseline that a trial is compared with lies from
the true one, beside plain interpolation.

The limits were set with the seeds 1000 and up (``--first 1000``); the tables use 0 and up.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.verdict_shares import interval, upper_bound
from sealtune.benchmarks.measurement import Measurement
from sealtune.searching import EXTRA_BASELINES
from sealtune.verdict import Sentinels

RUN_SECONDS = 7.0
OPENING = 9
SENTINELS = 20
PROMISED = 0.02
ENOUGH = 500
TRIALS = 6

Noise = Callable[[np.random.Generator], float]
"""Logarithm of one run's factor."""

Level = Callable[[float], float]
"""Logarithm of the machine's true level at a time [s]."""


def normal(sd: float) -> Noise:
    """Return normal noise with standard deviation `sd`."""
    return lambda rng: float(rng.normal(0, sd))


def heavy_tails(rng: np.random.Generator) -> float:
    """Return noise of t with 3 degrees of freedom, standard deviation 5 %."""
    return float(0.05 / math.sqrt(3) * rng.standard_t(3))


def outliers(rng: np.random.Generator) -> float:
    """Return 5 % noise in which 3 % of the runs lose another 20 to 50 %."""
    stall = rng.uniform(0.2, 0.7) if rng.random() < 0.03 else 0.0
    return float(rng.normal(0, 0.05) - stall)


def still(_moment: float) -> float:
    """Return the level of a machine that does not change."""
    return 0.0


def slope(total: float) -> Level:
    """Return a steady drift by `total` over the session."""
    length = RUN_SECONDS * (OPENING + (TRIALS + 1) * SENTINELS)
    return lambda moment: total * moment / length


def wave(moment: float) -> float:
    """Return a slow swing by 10 % up and down, once an hour."""
    return 0.1 * math.sin(2 * math.pi * moment / 3600)


CASES: dict[str, tuple[Noise, Level]] = {
    "normal 2 %": (normal(0.02), still),
    "normal 5 %": (normal(0.05), still),
    "normal 15 %": (normal(0.15), still),
    "heavy tails (t3) 5 %": (heavy_tails, still),
    "5 % and 3 % outliers": (outliers, still),
    "5 %, steady drift by 20 %": (normal(0.05), slope(0.2)),
    "2 %, steady drift by 20 %": (normal(0.02), slope(0.2)),
    "5 %, swing by 10 %": (normal(0.05), wave),
}


@dataclass(frozen=True, slots=True)
class Session:
    """What the sentinels made of one search.

    Attributes:
        first: Sentinel, from 0, after which a change was first known; ``None`` for none.
        changes: Changes known at the end.
        exact: The one change known at the end is where it truly was.
        extra: Runs spent on odd ones.
        errors: Error of the baseline at the trials as logarithm, of the product and of plain
            interpolation, root of the mean square; trials beside a true change left out.
    """

    first: int | None
    changes: int
    exact: bool
    extra: int
    errors: tuple[float, float]


def session(noise: Noise, level: Level, rng: np.random.Generator, jump: float = 0.0) -> Session:
    """Measure the baselines of one search.

    Args:
        noise: Of single runs.
        level: Of the machine over time.
        rng: Draws all that is random.
        jump: Logarithm by which the machine changes in the trials before a sentinel, which is
            drawn from the fourth to the fourth last; 0 for never.
    """
    robust, plain = Sentinels(), Sentinels(robust=False)
    when = int(rng.integers(3, SENTINELS - 3)) if jump else SENTINELS
    after = int(rng.integers(0, TRIALS + 1))  # trials of that stretch before it changes
    changed_at = RUN_SECONDS * (OPENING + (TRIALS + 1) * when + after + 0.5)
    first: int | None = None
    now, extra, runs_before = 0.0, 0, 0
    trials: list[float] = []

    def truth(moment: float) -> float:
        return level(moment) + (jump if moment >= changed_at else 0.0)

    def baseline() -> None:
        nonlocal now, runs_before
        now += RUN_SECONDS
        runs_before += now < changed_at
        run = Measurement(1000 * math.exp(truth(now) + noise(rng)))
        robust.add(run, now)
        plain.add(run, now)

    for _ in range(OPENING):
        baseline()
    for number in range(SENTINELS):
        if number != when:
            trials += [now + RUN_SECONDS * n for n in range(1, TRIALS + 1)]
        now += RUN_SECONDS * TRIALS
        baseline()
        for _ in range(EXTRA_BASELINES):
            if not robust.unsettled:
                break
            baseline()
            extra += 1
            changed_at += RUN_SECONDS if number < when else 0.0
        if first is None and robust.changes:
            first = number
    errors = []
    for sentinels in (robust, plain):
        found = [math.log(sentinels.baseline(at) / 1000) - truth(at) for at in trials]
        errors.append(math.sqrt(float(np.mean(np.square(found)))))
    places = [change.index for change in robust.changes]
    return Session(first, len(places), places == [runs_before], extra, (errors[0], errors[1]))


def sessions(name: str, count: int, seed: int, jump: float = 0.0) -> list[Session]:
    """Return `count` sessions of one case."""
    noise, level = CASES[name]
    place = list(CASES).index(name)
    return [
        session(noise, level, np.random.default_rng([seed + i, 31, place]), jump)
        for i in range(count)
    ]


def false_table(count: int, seed: int) -> bool:
    """Print how often nothing is taken for a change; return whether the promise holds."""
    print(f"\nThe machine does not change: {count} searches per row\n")
    print("| noise | a change was reported | share | upper 95 % bound | extra runs a search |")
    print("|---|---|---|---|---|")
    holds = True
    for name in CASES:
        found = sessions(name, count, seed)
        hits = sum(one.first is not None for one in found)
        bound = upper_bound(hits, count)
        # Of a hundred searches two are no sign of more than 2 %.
        certain = interval(hits, count)[0] >= PROMISED
        holds &= hits / count < PROMISED or (count < ENOUGH and not certain)
        extra = np.mean([one.extra for one in found])
        print(f"| {name} | {hits} of {count} | {hits / count:.1%} | {bound:.1%} | {extra:.2f} |")
    return holds


def found_table(count: int, seed: int) -> None:
    """Print how often a true change is found."""
    print(f"\nThe machine changes once: {count} searches per row\n")
    print("| change | noise | found | in its place | told of more | extra runs a search |")
    print("|---|---|---|---|---|---|")
    for ratio in (0.7, 0.8, 0.9, 1.25):
        for name in ("normal 2 %", "normal 5 %", "heavy tails (t3) 5 %", "5 % and 3 % outliers"):
            found = sessions(name, count, seed, math.log(ratio))
            hits = np.mean([one.changes > 0 for one in found])
            exact = np.mean([one.exact for one in found])
            more = np.mean([one.changes > 1 for one in found])
            extra = np.mean([one.extra for one in found])
            print(
                f"| x{ratio:.2f} | {name} | {hits:.0%} | {exact:.0%} | {more:.1%} | {extra:.2f} |"
            )


def error_table(count: int, seed: int) -> None:
    """Print the error of what trials are compared with."""
    print(f"\nError of the baseline at a trial, root mean square: {count} searches per row\n")
    print("| noise | change | sealtune | plain interpolation |")
    print("|---|---|---|---|")
    for name in CASES:
        for ratio in (1.0, 0.8):
            found = sessions(name, count, seed, math.log(ratio))
            ours, plain = np.sqrt(np.mean(np.square([one.errors for one in found]), axis=0))
            print(
                f"| {name} | {f'x{ratio}' if ratio != 1 else 'none'} | {ours:.1%} | {plain:.1%} |"
            )


def main() -> int:
    """Print the three tables; return 0 when the promise holds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sessions", type=int, default=1000, help="searches per row")
    parser.add_argument("--first", type=int, default=0, help="first seed; 1000 for development")
    parser.add_argument("--quick", action="store_true", help="100 searches per row")
    chosen = parser.parse_args()
    count = 100 if chosen.quick else chosen.sessions
    began = time.monotonic()
    holds = false_table(count, chosen.first)
    found_table(max(50, count // 5), chosen.first)
    error_table(max(50, count // 5), chosen.first)
    print(f"\n{'The promise holds' if holds else 'THE PROMISE IS BROKEN'}; ", end="")
    print(f"seeds {chosen.first} and up, {time.monotonic() - began:.0f} s")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
