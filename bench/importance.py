"""Does the report name the parameters that matter, and only those?

    python -m bench.importance [--repeats N] [--first SEED] [--only WORD] [--processes N]

Searches of machines whose knobs are known: ``null`` (6 knobs, none matters), ``two`` (6 knobs, one
matters much and one half as much) and the families of `bench.synthetic`, at 30, 60 and 120 trials,
by a random search and by an adaptive one (TPE), whose trials crowd where it went. The true shares
come from the noise-free machine. A knob is idle when its true share is below 0.1 %.
"""

import argparse
import math
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from bench.synthetic import surface
from sealtune.space.knobs import IntKnob, Setting
from sealtune.space.space import Space
from sealtune.tactician import search
from sealtune.verdict.importance import Importance, rank_suspects, weigh_knobs
from sealtune.verdict.sensitivity import Probe

MACHINES = ("null", "two", "smooth", "wide", "mixed")
TRIALS = (30, 60, 120)
SEARCHES = ("random", "tpe")
IDLE, MATTERS = 0.001, 0.3
_NOISE = 0.08


@dataclass(frozen=True)
class Job:
    """One search that is explained."""

    machine: str
    by: str
    trials: int
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What the explanation got right.

    Attributes:
        wrong: Some idle knob was told.
        first: The told knob with the largest share is the truly first one; ``None``: none told.
        big: Told and all knobs with a true share above `MATTERS`.
        held: Told knobs whose interval holds the true share, and all told ones.
        suspect: Whether the first suspect is the truly first knob.
        seconds: CPU of the explanation [s].
    """

    job: Job
    wrong: bool
    first: bool | None
    big: tuple[int, int]
    held: tuple[int, int]
    suspect: bool
    seconds: float


class Truth:
    """The noise-free machine as a model."""

    def __init__(self, space: Space, speed: Callable[[Setting], float]) -> None:
        self._space, self._speed = space, speed

    def predict_at(
        self, positions: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the true log speed, and no doubt."""
        logs = [math.log(self._speed(self._space.decode(row))) for row in positions]
        return np.array(logs), np.zeros(len(logs))


def machine(name: str, seed: int) -> tuple[Space, Callable[[Setting], float], float]:
    """Return space, noise-free speed and noise of a machine."""
    if name not in ("null", "two"):
        found = surface(name, seed)
        return found.space, found.speed, found.noise
    space = Space([IntKnob(f"n{i}", 0, 1000) for i in range(6)])

    def speed(setting: Setting) -> float:
        if name == "null":
            return 1.0
        return math.exp(0.35 * int(setting["n1"]) / 1000 + 0.14 * (int(setting["n4"]) > 500))

    return space, speed, _NOISE


def run(job: Job) -> Outcome:
    """Search, explain, and compare with the truth."""
    space, speed, noise = machine(job.machine, job.seed)
    generator = np.random.default_rng([job.seed, 9])

    def measure(setting: Setting) -> float:
        return speed(setting) * math.exp(generator.normal(0.0, noise))

    result = search(space, measure, job.trials, tactician=job.by, seed=job.seed)
    settings = [trial.setting for trial in result.trials]
    values = [trial.value for trial in result.trials]
    began = time.process_time()
    found = weigh_knobs(space, settings, values, seed=job.seed)
    seconds = time.process_time() - began
    suspects = rank_suspects(settings, [value or 1.0 for value in values], space)
    truth = Probe(space, 210, np.random.default_rng(job.seed)).ask(Truth(space, speed)).shares
    return judged(job, found, dict(zip(space.names, truth, strict=True)), suspects[0], seconds)


def judged(
    job: Job, found: Importance, true: dict[str, float], suspect: str, seconds: float
) -> Outcome:
    """Return how well `found` fits the true shares."""
    told = [one for one in found.knobs if one.told]
    best = max(true, key=lambda name: true[name])
    big = {name for name, share in true.items() if share > MATTERS}
    return Outcome(
        job,
        wrong=any(true[one.knob] < IDLE for one in told),
        first=told[0].knob == best if told else None,
        big=(len(big & {one.knob for one in told}), len(big)),
        held=(sum(one.low <= true[one.knob] <= one.high for one in told), len(told)),
        suspect=suspect == best,
        seconds=seconds,
    )


def print_row(outcomes: Sequence[Outcome]) -> None:
    """Print one line of the table."""
    job, count = outcomes[0].job, len(outcomes)
    named = [one.first for one in outcomes if one.first is not None]
    cells = [
        f"{job.machine:7}",
        f"{job.by:6}",
        f"{job.trials:6}",
        f"{sum(one.wrong for one in outcomes)} of {count}",
        part([one.big for one in outcomes]),
        f"{sum(named)} of {len(named)}",
        part([one.held for one in outcomes]),
        f"{sum(one.suspect for one in outcomes)} of {count}",
        f"{np.mean([one.seconds for one in outcomes]):.1f}",
    ]
    print("| " + " | ".join(cells) + " |")


def part(counts: Sequence[tuple[int, int]]) -> str:
    """Return a sum of parts as ``a of b``."""
    return f"{sum(one for one, _ in counts)} of {sum(all_ for _, all_ in counts)}"


def main() -> None:
    """Run all searches and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--first", type=int, default=0, help="first seed; 1000 for development")
    parser.add_argument("--only", default="", help="rows whose name holds this, e.g. 'two tpe 60'")
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    # One thread each (read when numpy loads in the spawned processes): they share the cores.
    os.environ["OMP_NUM_THREADS"] = "1"
    rows = [(name, by, trials) for name in MACHINES for by in SEARCHES for trials in TRIALS]
    rows = [row for row in rows if chosen.only in " ".join(map(str, row))]
    seeds = range(chosen.first, chosen.first + chosen.repeats)
    print(
        "| machine | search | trials | idle knob told | big ones told | first is right | "
        "interval holds | first suspect right | CPU s |"
    )
    print("|" + "---|" * 9)
    with ProcessPoolExecutor(chosen.processes, mp_context=get_context("spawn")) as pool:
        for row in rows:
            print_row(list(pool.map(run, [Job(*row, seed) for seed in seeds])))
    print(f"\nseeds {seeds.start} to {seeds.stop - 1}")


if __name__ == "__main__":
    main()
