"""How good is what each tactician recommends after 30 and after 60 trials?

    python -m bench.search_quality [--quick] [--seeds N] [--gp] [--processes N]

Every method begins at the same start, gets the same 60 noisy trials, and is judged by the
noise-free speed of what it recommends after the first 30 and after all 60, as a share of the
reachable gain (0 the start, 1 the best there is). The recommendation comes from the same model for
all of them, so the table compares what they tried. The two ablations show what PPO contributes:
``ppo-only`` learns without the model, ``model`` proposes without the policy.

Nothing was tuned on what is printed: development used surfaces 1000 and up, this table 0 and up.
"""

import argparse
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from bench.synthetic import FAMILIES, Surface, surface
from sealtune.space.knobs import Setting
from sealtune.tactician import PolicyOptions, Sampler, prepare_tactician, search

TRIALS = (30, 60)
METHODS = ("ppo", "ppo-only", "model", "tpe", "cmaes", "random")
MISLED = ("ppo", "random")


@dataclass(frozen=True)
class Job:
    """One search: a method on a surface, from its start or from a bad one."""

    method: str
    family: str
    seed: int
    misled: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a search came to: share of the reachable gain per count in `TRIALS`, CPU per trial."""

    job: Job
    shares: tuple[float, ...]
    cpu_seconds: float


def run(job: Job) -> Outcome:
    """Search once and judge the recommendations without noise."""
    where = surface(job.family, job.seed)
    prior = bad_start(where, job.seed) if job.misled else None
    tactician = built(job.method, where, prior, job.seed)
    began = time.process_time()
    result = search(
        where.space,
        where.measure(job.seed),
        max(TRIALS),
        tactician=tactician,
        prior=prior,
        seed=job.seed,
    )
    cpu = (time.process_time() - began) / max(TRIALS)
    return Outcome(job, tuple(where.share(result.recommended(count)) for count in TRIALS), cpu)


def built(method: str, where: Surface, prior: Setting | None, seed: int) -> Sampler:
    """Return the tactician of `method`; ``model`` is ppo with its policy taken away."""
    options = PolicyOptions(policy=False) if method == "model" else None
    name = "ppo" if method == "model" else method
    return prepare_tactician(
        name, where.space, max(TRIALS), prior=prior, seed=seed, options=options
    )


def bad_start(where: Surface, seed: int) -> Setting:
    """Return the worst of 30 random settings: what a mistaken strategist would begin with."""
    generator = np.random.default_rng([seed, 5])
    drawn = [where.space.decode(row) for row in generator.random((30, len(where.space)))]
    return min(drawn, key=where.speed)


def interval(values: Sequence[float], statistic: str = "median") -> tuple[float, float, float]:
    """Return median or mean of `values` and its bootstrap 95 % interval."""
    array = np.asarray(values)
    rows = np.random.default_rng(0).integers(0, len(array), (4000, len(array)))
    measure = np.median if statistic == "median" else np.mean
    low, high = np.quantile(measure(array[rows], axis=1), [0.025, 0.975])
    return float(measure(array)), float(low), float(high)


def shares(
    outcomes: Sequence[Outcome], method: str, *, misled: bool = False
) -> NDArray[np.float64]:
    """Return ``(families, seeds, counts)`` of the shares of one method, in a fixed order."""
    rows = [
        [o.shares for o in outcomes if (o.job.method, o.job.family, o.job.misled) == key]
        for key in ((method, family, misled) for family in FAMILIES)
    ]
    return np.array(rows, dtype=np.float64)


def print_table(outcomes: Sequence[Outcome], methods: Sequence[str]) -> None:
    """Print the share of the reachable gain, median over seeds with its interval."""
    head = [f"{family} {count}" for count in TRIALS for family in FAMILIES]
    print("share of the reachable gain of the recommendation, median [95 % interval]\n")
    print("| method   | " + " | ".join(f"{one:16}" for one in head) + " | mean | CPU s/trial |")
    print("|----------|" + "|".join("-" * 18 for _ in head) + "|------|-------------|")
    for method in methods:
        found = shares(outcomes, method)
        cells = []
        for number in range(len(TRIALS)):
            for row in found[:, :, number]:
                middle, low, high = interval(row.tolist())
                cells.append(f"{middle:.2f} [{low:.2f} {high:.2f}]".ljust(16))
        cpu = np.mean([o.cpu_seconds for o in outcomes if o.job.method == method])
        print(f"| {method:8} | " + " | ".join(cells) + f" | {found.mean():.2f} | {cpu:11.3f} |")


def print_paired(
    outcomes: Sequence[Outcome], one: str, other: str, *, misled: bool = False
) -> None:
    """Print the mean difference of two methods, paired over surfaces and seeds."""
    difference = shares(outcomes, one, misled=misled) - shares(outcomes, other, misled=misled)
    for number, count in enumerate(TRIALS):
        values = difference[:, :, number].ravel()
        middle, low, high = interval(values.tolist(), "mean")
        won = int((values > 0).sum())
        start = "from a misleading start" if misled else "from the present setting"
        print(
            f"{one} minus {other}, {count} trials, {start}: "
            f"{middle:+.3f} [{low:+.3f} {high:+.3f}], better on {won} of {len(values)}"
        )


def main() -> None:
    """Run all searches on a few processes and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="3 seeds, to see that it works")
    parser.add_argument("--seeds", type=int, default=10, help="surfaces per family")
    parser.add_argument("--first", type=int, default=0, help="first seed; 1000 for development")
    parser.add_argument("--gp", action="store_true", help="with Optuna's GP, several times slower")
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    # One thread each (read when numpy loads in the spawned processes): they share the cores.
    os.environ["OMP_NUM_THREADS"] = "1"
    methods = (*METHODS[:3], "gp", *METHODS[3:]) if chosen.gp else METHODS
    seeds = range(chosen.first, chosen.first + (3 if chosen.quick else chosen.seeds))
    jobs = [
        Job(method, family, seed, misled)
        for misled, names in ((False, methods), (True, MISLED))
        for method in names
        for family in FAMILIES
        for seed in seeds
    ]
    began = time.monotonic()
    with ProcessPoolExecutor(chosen.processes, mp_context=get_context("spawn")) as pool:
        outcomes = list(pool.map(run, jobs))
    print_table(outcomes, methods)
    print()
    for other in ("random", "model", "tpe", "cmaes"):
        print_paired(outcomes, "ppo", other)
    print_paired(outcomes, "ppo-only", "random")
    print_paired(outcomes, "ppo", "random", misled=True)
    print(f"\n{len(jobs)} searches, seeds {seeds.start} to {seeds.stop - 1}, ", end="")
    print(f"{time.monotonic() - began:.0f} s on {chosen.processes} processes")


if __name__ == "__main__":
    main()
