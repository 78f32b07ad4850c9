"""What does a tactician cost? CPU seconds of asking and telling, per trial, on one processor.

    python -m bench.search_cpu [--tacticians NAMES] [--trials 30,60,120] [--knobs 6,12] [--seeds N]

One search of as many trials as the largest count. A cell is the mean CPU time of the ten trials up
to that count: what a trial costs when so much is known. *Worst* is the most expensive single trial
of all, *whole* the mean over the search. Building a tactician (loading torch) is not part of it:
that happens before anything is measured.

The claim: at 120 trials `ppo` costs at most 0.5 s a trial. Exit code 1 when it does not hold.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from bench.synthetic import Surface, surface
from sealtune.tactician import TACTICIANS, prepare_tactician

FAMILY_OF = {6: "smooth", 12: "wide"}
"""Number of knobs to the family of surfaces that has so many."""
TOLD = 10
CLAIM_SECONDS, CLAIM_TRIALS, CLAIMANT = 0.5, 120, "ppo"


@dataclass(frozen=True, slots=True)
class Job:
    """One search whose cost is measured."""

    tactician: str
    knobs: int
    trials: int
    seed: int


def costs(job: Job) -> tuple[float, ...]:
    """Return the CPU seconds of each trial of one search [s]."""
    where: Surface = surface(FAMILY_OF[job.knobs], job.seed)
    measure = where.measure(job.seed)
    sampler = prepare_tactician(job.tactician, where.space, job.trials, seed=job.seed)
    spent = []
    for _ in range(job.trials):
        began = time.process_time()
        setting = sampler.ask()
        asked = time.process_time() - began
        score = measure(setting)
        began = time.process_time()
        sampler.tell(setting, score)
        spent.append(asked + time.process_time() - began)
    return tuple(spent)


def around(spent: Sequence[float], count: int) -> float:
    """Return the mean of the trials up to number `count`, ten at most.

    >>> around([1.0] * 20 + [3.0] * 10, 30)
    3.0
    """
    return float(np.mean(spent[max(0, count - TOLD) : count]))


def table(jobs: Sequence[Job], found: Sequence[Sequence[float]], counts: Sequence[int]) -> str:
    """Return one row for each tactician and number of knobs; the mean over its seeds."""
    head = " | ".join(f"at {count}".rjust(7) for count in counts)
    lines = [f"| tactician | knobs | {head} |   whole |   worst |"]
    lines.append("|" + "|".join("-" * len(cell) for cell in lines[0].split("|")[1:-1]) + "|")
    for name, knobs in dict.fromkeys((job.tactician, job.knobs) for job in jobs):
        rows = [
            spent
            for job, spent in zip(jobs, found, strict=True)
            if (job.tactician, job.knobs) == (name, knobs)
        ]
        cells = [float(np.mean([around(row, count) for row in rows])) for count in counts]
        cells += [float(np.mean(rows)), float(np.max(rows))]
        shown = " | ".join(f"{cell:7.4f}" for cell in cells)
        lines.append(f"| {name:9} | {knobs:5} | {shown} |")
    return "\n".join(lines)


def claim(jobs: Sequence[Job], found: Sequence[Sequence[float]]) -> tuple[bool, str] | None:
    """Return whether the claim holds and a sentence; ``None`` if it was not measured."""
    seen = [
        around(spent, CLAIM_TRIALS)
        for job, spent in zip(jobs, found, strict=True)
        if job.tactician == CLAIMANT and len(spent) >= CLAIM_TRIALS
    ]
    if not seen:
        return None
    most = max(seen)
    holds = most <= CLAIM_SECONDS
    word = "holds" if holds else "DOES NOT HOLD"
    told = f"{CLAIMANT} at {CLAIM_TRIALS} trials: {most:.3f} s at most, claimed {CLAIM_SECONDS} s"
    return holds, f"{told}: {word}"


def _alone() -> None:
    """Keep this process on one processor."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def main() -> int:
    """Measure one search after the other and print the table; 1 when the claim fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--tacticians", default=",".join(TACTICIANS))
    parser.add_argument("--trials", default="30,60,120")
    parser.add_argument("--knobs", default="6,12", help="6 and 12 are on offer")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=1000, help="first seed")
    chosen = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # read when numpy loads in the spawned process
    counts = sorted(int(count) for count in chosen.trials.split(","))
    jobs = [
        Job(name, int(knobs), counts[-1], chosen.first + seed)
        for name in chosen.tacticians.split(",")
        for knobs in chosen.knobs.split(",")
        for seed in range(chosen.seeds)
    ]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_alone) as pool:
        found = list(pool.map(costs, jobs))
    print("CPU seconds per trial, ask and tell, on one processor\n")
    print(table(jobs, found, counts))
    said = claim(jobs, found)
    if said is None:
        return 0
    print(f"\n{said[1]}")
    return 0 if said[0] else 1


if __name__ == "__main__":
    sys.exit(main())
