"""Statistics over finished searches; only seeds that every method has are counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.families import FAMILIES
from bench.search_quality.runs import EVERY, Outcome
from sealtune.verdict.statistics import bootstrap_interval, hodges_lehmann

Vector = NDArray[np.float64]
WORST = 1.5
"""Regrets are clipped to 0..1.5: how bad a bad recommendation is matters no further."""
_RESAMPLES = 4000


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Cell:
    """The default against the best peer on one surface after so many trials.

    Attributes:
        surface: Name of the surface.
        count: Trials.
        peer: The peer with the smallest median regret here.
        default: Median regret of the default.
        best: Median regret of that peer.
        difference: Default less peer, paired by seed; below 0 the default is better.
    """

    surface: str
    count: int
    peer: str
    default: float
    best: float
    difference: Estimate

    @property
    def verdict(self) -> Literal["wins", "within", "loses"]:
        """Which side of 0 the whole interval lies on, if it is one."""
        if self.difference.high < 0:
            return "wins"
        return "loses" if self.difference.low > 0 else "within"


class Figures:
    """Regrets and trials of every method on every surface, over the seeds that all have.

    Args:
        outcomes: Finished searches.
        counts: Trials after which was judged.

    Attributes:
        methods: In the order of their first search.
        surfaces: Those with a seed that every method has; families first, then recordings.
        unfinished: The other ones.
        dropped: Searches that are not counted: not every method has finished their seed.
    """

    def __init__(self, outcomes: Sequence[Outcome], counts: Sequence[int]) -> None:
        self.counts = tuple(counts)
        self.methods = tuple(dict.fromkeys(one.job.method for one in outcomes))
        self._regrets: dict[tuple[str, str, int, int], float] = {}
        self._whole: dict[tuple[str, str, int], Outcome] = {}
        for one in outcomes:
            job = one.job
            for count, regret in one.regrets.items():
                clipped = min(max(regret, 0.0), WORST)
                self._regrets[job.surface, job.method, job.seed, count] = clipped
            if job.whole:
                self._whole[job.surface, job.method, job.seed] = one
        drawn = {one.job.surface for one in outcomes}
        names = [*(n for n in FAMILIES if n in drawn), *sorted(drawn - set(FAMILIES))]
        self._seeds = {name: self._common(name) for name in names}
        self.surfaces = tuple(name for name in names if self._seeds[name])
        self.unfinished = tuple(name for name in names if not self._seeds[name])
        counted = sum(len(seeds) for seeds in self._seeds.values()) * len(self.methods)
        self.dropped = len(self._whole) - counted

    def seeds(self, surface: str) -> tuple[int, ...]:
        """Return the seeds with which every method has finished on `surface`."""
        return self._seeds[surface]

    def _common(self, surface: str) -> tuple[int, ...]:
        drawn = sorted({seed for where, _, seed in self._whole if where == surface})
        return tuple(
            seed
            for seed in drawn
            if all((surface, method, seed) in self._whole for method in self.methods)
            and all(
                (surface, method, seed, count) in self._regrets
                for method in self.methods
                for count in self.counts
            )
        )

    def regrets(self, surface: str, method: str, count: int) -> Vector:
        """Return the regret by seed, clipped, ``(seeds,)``."""
        return np.array(
            [self._regrets[surface, method, seed, count] for seed in self.seeds(surface)]
        )

    def searches(self, method: str, surface: str | None = None) -> list[Outcome]:
        """Return the counted whole searches of `method`, on one surface or on all."""
        where = [surface] if surface else self.surfaces
        return [self._whole[name, method, seed] for name in where for seed in self.seeds(name)]

    def needed(self, method: str, surface: str | None = None) -> Vector:
        """Return the trials to 95 % of each search; if never, one look more than it had."""
        found = self.searches(method, surface)
        return np.array([float(never(o) if o.reached is None else o.reached) for o in found])

    def cells(self, default: str, peers: Sequence[str]) -> list[Cell]:
        """Return the comparison of `default` with the best of `peers` in every cell."""
        return [self._cell(s, c, default, peers) for s in self.surfaces for c in self.counts]

    def _cell(self, surface: str, count: int, default: str, peers: Sequence[str]) -> Cell:
        regrets = {name: self.regrets(surface, name, count) for name in (default, *peers)}
        medians = {name: float(np.median(values)) for name, values in regrets.items()}
        peer = min(peers, key=lambda name: medians[name])
        difference = centre(regrets[default] - regrets[peer])
        return Cell(surface, count, peer, medians[default], medians[peer], difference)

    def pooled(self, one: str, other: str, count: int) -> list[Vector]:
        """Return regrets of `one` less those of `other`, paired, by surface."""
        return [
            self.regrets(surface, one, count) - self.regrets(surface, other, count)
            for surface in self.surfaces
        ]

    def ranks(self, methods: Sequence[str]) -> tuple[dict[str, float], dict[str, float]]:
        """Return the mean rank of `methods`: of the medians over cells, and over all seeds.

        1 is the best; equals share their mean rank.
        """
        cells, singles = [], []
        for surface in self.surfaces:
            for count in self.counts:
                rows = np.array([self.regrets(surface, m, count) for m in methods])
                cells.append(_ranked(np.median(rows, axis=1)))
                singles += [_ranked(column) for column in rows.T]
        return (
            dict(zip(methods, np.mean(cells, axis=0).tolist(), strict=True)),
            dict(zip(methods, np.mean(singles, axis=0).tolist(), strict=True)),
        )


def never(outcome: Outcome) -> int:
    """Return what a search that never reached 95 % counts as: one look more than it had."""
    return outcome.job.told + EVERY


def median(values: Vector) -> Estimate:
    """Return the median of `values` and its bootstrap interval."""
    drawn = np.median(values[_picks(len(values))], axis=1)
    return _estimate(float(np.median(values)), drawn)


def centre(differences: Vector) -> Estimate:
    """Return the Hodges-Lehmann estimate of `differences` and its bootstrap interval."""
    low, high = bootstrap_interval(differences, np.random.default_rng(0))
    return Estimate(hodges_lehmann(differences), low, high)


def mean(groups: Sequence[Vector]) -> Estimate:
    """Return the mean over groups of their means; each group is resampled by itself."""
    means = [group[_picks(len(group), at)].mean(axis=1) for at, group in enumerate(groups)]
    return _estimate(float(np.mean([g.mean() for g in groups])), np.mean(means, axis=0))


def ratio(one: Vector, other: Vector) -> Estimate:
    """Return the ratio of the medians of two paired series, and its bootstrap interval."""
    rows = _picks(len(one))
    drawn = np.median(one[rows], axis=1) / np.median(other[rows], axis=1)
    return _estimate(float(np.median(one) / np.median(other)), drawn)


def _picks(count: int, seed: int = 0) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, count, (_RESAMPLES, count))


def _estimate(value: float, drawn: Vector) -> Estimate:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value, float(low), float(high))


def _ranked(values: Vector) -> Vector:
    """Return ranks from 1, smallest first; equals share their mean rank."""
    below = (values[None, :] < values[:, None]).sum(axis=1)
    equal = (values[None, :] == values[:, None]).sum(axis=1)
    return np.asarray(below + (equal + 1) / 2)
