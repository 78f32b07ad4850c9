"""One search, from the start to the judgement of what it recommends."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.ground import Ground
from bench.search_quality.grounds import ground
from bench.search_quality.methods import belief, build, searches_for_each
from sealtune.space.knobs import Setting
from sealtune.tactician import Budget, Sampler, SearchResult, search

ENOUGH = 0.95
"""Share of the reachable gain, in logarithms, that counts as having found the best."""
EVERY = 5
"""Trials between two looks at the recommendation."""


@dataclass(frozen=True)
class Job:
    """One search.

    Attributes:
        surface: Name of the surface.
        method: Who searches.
        seed: Of the surface, of its noise and of the search.
        told: How many trials it is told that it has, and gets.
        counts: After how many of them its recommendation is judged, rising.
        whole: Whether it is this search that tells the trials to 95 % and the time.
    """

    surface: str
    method: str
    seed: int
    told: int
    counts: tuple[int, ...]
    whole: bool = True


@dataclass(frozen=True)
class Outcome:
    """What a search came to.

    Attributes:
        job: Which it was.
        regrets: By count, not clipped: 0 the best, 1 the start or a failure.
        reached: Trials after which the recommendation has 95 % of the reachable gain and keeps
            it to the end; ``None`` if never, or if the search is not the whole one.
        cpu_seconds: CPU time between trials, of ask and tell alone, per trial [s].
        failures: Trials that gave no value.
        knobs: Size of the space.
        gain: Logarithm of the best over the start.
        noise: Standard deviation of the logarithm of one run.
        fidelity: Of a recording: how well its model ranks points that it has not seen.
    """

    job: Job
    regrets: dict[int, float]
    reached: int | None
    cpu_seconds: float
    failures: int
    knobs: int
    gain: float
    noise: float
    fidelity: float | None


class Timed:
    """A searcher whose thinking is timed.

    Attributes:
        seconds: CPU time of this process spent in ask and tell [s].
    """

    def __init__(self, inner: Sampler) -> None:
        self._inner = inner
        self.name = inner.name
        self.seconds = 0.0

    def __getattr__(self, name: str) -> object:
        # Whatever else the search loop may want of a tactician, it gets from the real one.
        return getattr(self._inner, name)

    def ask(self) -> Setting:
        """Return the setting to try next."""
        began = time.process_time()
        setting = self._inner.ask()
        self.seconds += time.process_time() - began
        return setting

    def tell(self, setting: Setting, score: float | None) -> None:
        """Learn the score of a trial."""
        began = time.process_time()
        self._inner.tell(setting, score)
        self.seconds += time.process_time() - began


def run(job: Job) -> Outcome:
    """Search once; judge the recommendations without noise."""
    where = ground(job.surface, job.seed)
    prior = belief(job.method, where, job.seed)
    searcher = Timed(build(job.method, where, prior, job.told, job.seed))
    # A search that is ended early by a row of failures would be judged by luck.
    budget = Budget(job.told, max_failures_in_row=job.told)
    result = search(
        where.space, where.benchmark(), budget, tactician=searcher, prior=prior, seed=job.seed
    )
    regrets = {count: where.regret(result.recommended(count)) for count in job.counts}
    return Outcome(
        job,
        regrets,
        reached(result, where) if job.whole else None,
        searcher.seconds / job.told,
        sum(trial.score is None for trial in result.trials),
        len(where.space),
        where.best,
        where.noise,
        where.fidelity,
    )


def reached(result: SearchResult, where: Ground) -> int | None:
    """Return after how many trials `result` recommends 95 % of the gain, and keeps doing so.

    Looked at backwards from the last trial, every fifth one: what was lost again does not count,
    and a search that ends without it costs one look.
    """
    found = None
    total = len(result.trials)
    looks = sorted({total, *range(EVERY, total, EVERY)}, reverse=True)
    for count in looks:
        if where.regret(result.recommended(count)) > 1.0 - ENOUGH:
            return found
        found = count
    return found


def jobs(
    methods: Sequence[str],
    surfaces: Sequence[str],
    seeds: Sequence[int],
    counts: Sequence[int],
    *,
    separate: bool = False,
) -> list[Job]:
    """Return all searches, seed after seed: wherever it is stopped, all have the same seeds.

    Args:
        methods: Who searches.
        surfaces: What is searched.
        seeds: With which seeds.
        counts: Trials after which is judged.
        separate: Let every method that plans by its budget search once for each count.
    """
    most = max(counts)
    rising = tuple(sorted(counts))
    found = []
    for seed in seeds:
        for surface in surfaces:
            for method in methods:
                if searches_for_each(method, separate=separate):
                    found += [
                        Job(surface, method, seed, count, (count,), count == most)
                        for count in rising
                    ]
                else:
                    found.append(Job(surface, method, seed, most, rising))
    return found
