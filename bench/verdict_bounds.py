"""Recompute the constants of `sealtune.verdict.bounds`: ranks exactly, the rest by simulation.

Run from the root of the repository:

    python -m bench.verdict_bounds [--studies 200000]
    python -m bench.verdict_bounds --hostile [--studies 10000]

The second shows what the ranks are for: how often the published interval misses the truth on
machines whose runs follow a pattern, beside an interval by multipliers alone.

The ranks spend `WORST` over the looks of a schedule, the least possible at the first ones, and
hold for any noise that does not know the coin. The multipliers then make the wider of both
intervals miss at most ``0.04 * n_k / n_last`` of all studies up to look k; each is the largest
that any of eight usual noise models needs, 0 where the ranks do it alone.
"""

import argparse
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from sealtune.verdict.bounds import MULTIPLIERS, WORST
from sealtune.verdict.clock import LOOKS
from sealtune.verdict.statistics import (
    hodges_lehmann_rows,
    pairwise_means_rows,
    rank_misses,
    standard_error_rows,
)

Array = NDArray[np.float64]
Looks = tuple[int, ...]
ALPHA = 0.04
"""One point less than the 5 % promised, for noise that no model here foresaw."""
CHUNK = 5_000
SCHEDULES = [LOOKS[:last] for last in range(1, len(LOOKS) + 1)]

PATTERNS = {
    "fast and slow in turn, apart by 2 sd": (1.0, -1.0),
    "fast and slow in turn, apart by 10 sd": (5.0, -5.0),
    "period of three, apart by 10 sd": (5.0, 0.0, -5.0),
    "period of four, apart by 10 sd": (5.0, -5.0, -5.0, 5.0),
}
"""Levels that repeat, on noise of standard deviation 1."""

_NEVER = 1_000_000
"""A rank so large that the interval by ranks never holds anything."""


def noise_models(studies: int, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    """Yield the name and the runs, shape ``(studies, pairs, 2)``, of each noise model."""
    shape = (studies, LOOKS[-1], 2)
    yield "normal", rng.normal(size=shape)
    yield "heavy tails (t3)", rng.standard_t(3, size=shape)
    stalled = rng.random(shape) < 0.03
    yield "3 % outliers", np.where(stalled, rng.normal(size=shape) - 6, rng.normal(size=shape))
    walk = np.cumsum(0.3 * rng.normal(size=(studies, LOOKS[-1] * 2)), axis=1)
    yield "random walk", rng.normal(size=shape) + walk.reshape(shape)
    trend = 0.2 * np.arange(LOOKS[-1] * 2).reshape(LOOKS[-1], 2)
    yield "trend", rng.normal(size=shape) + trend
    busy = np.repeat(rng.random((studies, LOOKS[-1] // 6)) < 0.4, 6, axis=1)[..., None]
    yield "busy spells", rng.normal(size=shape) * np.where(busy, 8.0, 1.0)
    yield "uniform", rng.uniform(size=shape)
    yield "stalls (exponential)", -rng.exponential(size=shape)


def ranks(looks: Looks) -> tuple[int, ...]:
    """Return the rank at each look: what is left of `WORST` goes to the later ones."""
    least = [float(rank_misses(look)[0]) for look in looks]
    chosen: list[int] = []
    spent = 0.0
    for place, look in enumerate(looks):
        share = (look - looks[0]) / (looks[-1] - looks[0]) if len(looks) > 1 else 0.0
        allowed = least[0] + (WORST - least[0]) * share
        allowed = min(allowed, WORST - sum(least[place + 1 :])) - spent
        misses = rank_misses(look)
        chosen.append(max(1, int((misses <= allowed + 1e-12).sum())))
        spent += float(misses[chosen[-1] - 1])
    return tuple(chosen)


class Studies:
    """What decides whether an interval holds the truth, 0, at each look of many studies.

    Args:
        runs: ``(studies, pairs, 2)`` runs of both arms without an effect.
        rng: The coin that decides which arm of a pair runs first.
    """

    def __init__(self, runs: Array, rng: np.random.Generator) -> None:
        differences = runs[..., 1] - runs[..., 0]
        differences *= rng.choice([-1.0, 1.0], size=differences.shape)
        self.distance: dict[int, Array] = {}
        self._side: dict[int, Array] = {}
        for look in LOOKS:
            rows = [
                self._look(differences[start : start + CHUNK, :look])
                for start in range(0, len(differences), CHUNK)
            ]
            self.distance[look] = np.concatenate([row[0] for row in rows])
            self._side[look] = np.concatenate([row[1] for row in rows])

    @staticmethod
    def _look(rows: Array) -> tuple[Array, Array]:
        """Return |estimate| in standard errors, and how many pairwise means are on one side."""
        distance = np.abs(hodges_lehmann_rows(rows)) / standard_error_rows(rows)
        means = pairwise_means_rows(rows)
        return distance, np.minimum((means > 0).sum(axis=1), (means < 0).sum(axis=1))

    def ever_missed(
        self, looks: Looks, chosen: tuple[int, ...], multipliers: tuple[float, ...]
    ) -> float:
        """Return the share of studies in which the wider interval misses at any look."""
        missed = np.zeros(len(self.distance[looks[0]]), dtype=bool)
        for look, rank, multiplier in zip(looks, chosen, multipliers, strict=True):
            missed |= self.missed(look, rank) & (self.distance[look] > multiplier)
        return float(missed.mean())

    def missed(self, look: int, rank: int) -> NDArray[np.bool_]:
        """Return where the interval by ranks misses."""
        return np.asarray(self._side[look] < rank)


def spend(studies: Studies, looks: Looks, chosen: tuple[int, ...]) -> list[float]:
    """Return the multiplier per look that spends `ALPHA` in proportion to the pairs."""
    multipliers: list[float] = []
    missed = np.zeros(len(studies.distance[looks[0]]), dtype=bool)
    for look, rank in zip(looks, chosen, strict=True):
        distance = np.where(studies.missed(look, rank), studies.distance[look], 0.0)
        allowed = int(ALPHA * look / looks[-1] * len(missed)) - int(missed.sum())
        remaining = np.sort(distance[~missed])
        multipliers.append(float(remaining[-max(allowed, 0) - 1]))
        missed |= distance > multipliers[-1]
    return multipliers


def detects(look: int, rank: int, multiplier: float, rng: np.random.Generator) -> float:
    """Return the effect that ends above the interval's low end in 80 % of normal studies.

    In standard errors, the true standard deviation of a value over the root of their number.
    """
    lows = []
    for _ in range(8):
        rows = rng.normal(size=(CHUNK, look))
        means = np.sort(pairwise_means_rows(rows), axis=1)
        centre, margin = hodges_lehmann_rows(rows), multiplier * standard_error_rows(rows)
        lows.append(np.minimum(centre - margin, means[:, rank - 1]))
    return float(np.quantile(-np.concatenate(lows), 0.8) * np.sqrt(look))


def hostile(studies: int, rng: np.random.Generator) -> None:
    """Print how often intervals miss when runs follow a pattern, with and without the ranks."""
    chosen = {looks: ranks(looks) for looks in SCHEDULES}
    nowhere = {looks: (_NEVER,) * len(looks) for looks in SCHEDULES}
    usual = [Studies(runs, rng) for _, runs in noise_models(studies, rng)]
    alone = {
        looks: tuple(np.max([spend(one, looks, nowhere[looks]) for one in usual], axis=0))
        for looks in SCHEDULES
    }
    print("| runs | looks | multipliers alone miss | published interval misses |")
    print("|---|---|---|---|")
    place = np.arange(2 * LOOKS[-1]).reshape(LOOKS[-1], 2)
    for name, levels in PATTERNS.items():
        noise = rng.normal(size=(studies, LOOKS[-1], 2))
        found = Studies(noise + np.array(levels)[place % len(levels)], rng)
        for looks in SCHEDULES:
            by_multipliers = found.ever_missed(looks, nowhere[looks], alone[looks])
            published = found.ever_missed(looks, chosen[looks], MULTIPLIERS[looks])
            print(
                f"| {name} | {looks} | {by_multipliers:.1%} | {published:.1%} |",
                flush=True,
            )


def constants(count: int, rng: np.random.Generator) -> None:
    """Print the tables of `sealtune.verdict.bounds`, by `count` studies of each noise model."""
    chosen = {looks: ranks(looks) for looks in SCHEDULES}
    needed: dict[Looks, list[list[float]]] = {looks: [] for looks in SCHEDULES}
    for name, runs in noise_models(count, rng):
        studies = Studies(runs, rng)
        for looks in SCHEDULES:
            found = spend(studies, looks, chosen[looks])
            needed[looks].append(found)
            numbers = [round(value, 2) for value in found]
            print(f"# {name:22} {looks}: {numbers}", flush=True)
    _table("RANKS", chosen)
    worst = {looks: np.max(rows, axis=0) for looks, rows in needed.items()}
    multipliers = {
        looks: tuple(round(float(value) + 0.005, 2) if value else 0.0 for value in row)
        for looks, row in worst.items()
    }
    _table("MULTIPLIERS", multipliers)
    smallest = {
        looks: round(detects(looks[-1], chosen[looks][-1], multipliers[looks][-1], rng), 2)
        for looks in SCHEDULES
    }
    _table("DETECTS", smallest)
    print("# most studies that may miss under any noise:")
    for looks in SCHEDULES:
        misses = [rank_misses(n)[k - 1] for n, k in zip(looks, chosen[looks], strict=True)]
        print(f"# {looks}: {sum(misses):.4f}")


def main() -> None:
    """Print the constants, or what they are for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--studies", type=int, help="per kind of noise")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hostile", action="store_true", help="what the ranks are for")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    if arguments.hostile:
        hostile(arguments.studies or 10_000, rng)
    else:
        constants(arguments.studies or 200_000, rng)


def _table(name: str, rows: Mapping[Looks, object]) -> None:
    print(f"{name} = {{")
    for looks, row in rows.items():
        print(f"    {looks}: {row},")
    print("}")


if __name__ == "__main__":
    main()
