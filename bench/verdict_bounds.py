"""Recompute the constants of `sealtune.verdict.bounds` by simulation.

Run from the root of the repository: ``python bench/verdict_bounds.py [--studies 200000]``.

For each schedule of looks the chance that any look's interval misses the truth is spent in
proportion to the pairs used: at look k at most ``0.04 * n_k / n_last`` of all studies may have
missed so far. Each multiplier is the largest that any noise model needs.
"""

import argparse
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sealtune.verdict.clock import LOOKS
from sealtune.verdict.statistics import hodges_lehmann_rows, standard_error_rows

Array = NDArray[np.float64]
ALPHA = 0.04
"""One point less than the 5 % promised, for noise that no model here foresaw."""
CHUNK = 10_000


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


def distances(runs: Array, rng: np.random.Generator) -> Array:
    """Return |estimate| in standard errors at each look, shape ``(studies, looks)``."""
    differences = runs[..., 1] - runs[..., 0]
    # The coin that decides which arm of a pair runs first.
    differences *= rng.choice([-1.0, 1.0], size=differences.shape)
    columns = []
    for look in LOOKS:
        chunks = [differences[i : i + CHUNK, :look] for i in range(0, len(differences), CHUNK)]
        ratios = [np.abs(hodges_lehmann_rows(rows)) / standard_error_rows(rows) for rows in chunks]
        columns.append(np.concatenate(ratios))
    return np.stack(columns, axis=1)


def spend(table: Array, looks: tuple[int, ...]) -> list[float]:
    """Return the multiplier per look that spends `ALPHA` in proportion to the pairs."""
    multipliers: list[float] = []
    missed = np.zeros(len(table), dtype=bool)
    for column, look in enumerate(looks):
        allowed = int(ALPHA * look / looks[-1] * len(table)) - int(missed.sum())
        remaining = np.sort(table[~missed, column])
        multipliers.append(float(remaining[-allowed - 1]))
        missed |= table[:, column] > multipliers[-1]
    return multipliers


def main() -> None:
    """Print the table of `sealtune.verdict.bounds`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    needed: dict[tuple[int, ...], list[list[float]]] = {}
    for name, runs in noise_models(arguments.studies, rng):
        table = distances(runs, rng)
        for last in range(1, len(LOOKS) + 1):
            found = spend(table, LOOKS[:last])
            needed.setdefault(LOOKS[:last], []).append(found)
            print(f"# {name:22} {LOOKS[:last]}: {[round(value, 2) for value in found]}")
    print("MULTIPLIERS = {")
    for looks, rows in needed.items():
        worst = np.max(rows, axis=0) + 0.005
        print(f"    {looks}: {tuple(round(float(value), 2) for value in worst)},")
    print("}")


if __name__ == "__main__":
    main()
