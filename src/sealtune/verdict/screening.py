"""From up to three candidates to one, by a few fresh runs that are then set aside."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sealtune.benchmarks.measurement import Direction, Measurement
from sealtune.errors import TooManyFailuresError
from sealtune.space.knobs import Setting
from sealtune.verdict.pairs import MAX_FAILURES_IN_A_ROW, Measure, Seconds, log_ratio, usable
from sealtune.verdict.statistics import hodges_lehmann


@dataclass(frozen=True, slots=True)
class Screened:
    """One candidate's fresh runs.

    Attributes:
        setting: The candidate.
        ratios: Each good run over the baseline run of its round, above 1 when better.
        estimate: Centre of `ratios`; ``None`` without any. Not a gain: the choice flatters it.
        failures: Runs that failed.
        unsafe: A guard rail tripped in one of them.
    """

    setting: Setting
    ratios: tuple[float, ...]
    estimate: float | None
    failures: int
    unsafe: bool = False


@dataclass(frozen=True, slots=True)
class Screening:
    """Which candidate goes on to the confirmation.

    Attributes:
        chosen: The best of them; ``None`` when every one failed.
        table: All candidates, in the order given.
    """

    chosen: Setting | None
    table: tuple[Screened, ...]


def screen(
    measure: Measure,
    candidates: Sequence[Setting],
    pairs: int,
    rng: np.random.Generator,
    *,
    direction: Direction = "maximize",
    deadline: float | None = None,
    clock: Seconds = time.monotonic,
    on_run: Callable[[Setting, Measurement], None] | None = None,
) -> Screening:
    """Measure each candidate `pairs` times beside the baseline and keep the best.

    A round is one run of the originals and one of each candidate in random order, so all of them
    meet the same machine. A single candidate is kept without a run. A candidate that
    trips a guard rail, or does not finish more runs than it fails, is out.

    Args:
        measure: One fresh run of a setting from the original state; ``{}`` means the originals.
        candidates: Settings to compare, best guess first, 1 to 3 of them.
        pairs: Rounds, at least 1.
        rng: Draws the order within a round.
        direction: Whether larger or smaller values are better.
        deadline: When to start no further round, on `clock` [s]; the first is always run.
        clock: Monotonic seconds.
        on_run: Called with every run and its setting.

    Raises:
        TooManyFailuresError: The originals failed in more than three rounds in a row.
        ValueError: No candidate, or no round.
    """
    if not candidates or pairs < 1:
        raise ValueError(f"need candidates and rounds, got {len(candidates)} and {pairs}")
    if len(candidates) == 1:
        only = dict(candidates[0])
        return Screening(only, (Screened(only, (), None, 0),))
    logs: list[list[float]] = [[] for _ in candidates]
    failures = [0] * len(candidates)
    unsafe: set[int] = set()
    baseline_failures = rounds = 0
    started = clock()
    while rounds < pairs:
        cost = (clock() - started) / rounds if rounds else 0.0
        if rounds and deadline is not None and clock() + cost > deadline:
            break
        runs = _round(measure, candidates, rng, on_run)
        for place, run in enumerate(runs[1:]):
            failures[place] += not usable(run)
            if run.unsafe:
                unsafe.add(place)
            ratio = log_ratio(run, runs[0], direction)
            if ratio is not None:
                logs[place].append(ratio)
        baseline_failures = 0 if usable(runs[0]) else baseline_failures + 1
        if baseline_failures > MAX_FAILURES_IN_A_ROW:
            raise TooManyFailuresError(
                f"{baseline_failures} baseline runs failed in a row: {runs[0].failure}"
            )
        rounds += usable(runs[0])
    return _choose(candidates, logs, failures, unsafe)


def _round(
    measure: Measure,
    candidates: Sequence[Setting],
    rng: np.random.Generator,
    on_run: Callable[[Setting, Measurement], None] | None,
) -> list[Measurement]:
    settings: list[Setting] = [{}, *(dict(candidate) for candidate in candidates)]
    runs: dict[int, Measurement] = {}
    for place in rng.permutation(len(settings)).tolist():
        runs[place] = measure(dict(settings[place]))
        if on_run is not None:
            on_run(settings[place], runs[place])
    return [runs[place] for place in range(len(settings))]


def _choose(
    candidates: Sequence[Setting],
    logs: list[list[float]],
    failures: list[int],
    unsafe: set[int],
) -> Screening:
    table = tuple(
        Screened(
            setting=dict(setting),
            ratios=tuple(math.exp(value) for value in values),
            estimate=math.exp(hodges_lehmann(np.array(values))) if values else None,
            failures=failures[place],
            unsafe=place in unsafe,
        )
        for place, (setting, values) in enumerate(zip(candidates, logs, strict=True))
    )
    fit = [row for row in table if row.failures < len(row.ratios) and not row.unsafe]
    best = max(fit, key=lambda row: row.estimate or 0.0, default=None)
    return Screening(None if best is None else best.setting, table)
