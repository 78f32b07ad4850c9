"""A session's runs against the baseline of their own time, and its pairs with their interval."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sealtune.benchmarks.measurement import Direction, Measurement
from sealtune.store import TrialRow
from sealtune.web.measured import (
    Baseline,
    BaselineRun,
    Confirmation,
    IntervalAt,
    PairRow,
    Run,
)

BAND_SIGMAS = 2.0
FEWEST_PAIRS = 6
"""Fewer cannot exclude anything at the confidence of a first look."""


def runs_of(rows: Sequence[TrialRow], direction: Direction) -> tuple[tuple[Run, ...], Baseline]:
    """Return every run with its ratio and the best so far, and the baseline with its band."""
    from sealtune.verdict.regimes import spread
    from sealtune.verdict.sentinels import Sentinels

    sentinels = Sentinels(direction)
    logs = []
    for row in rows:
        if row.phase in ("aa", "sentinel") and sentinels.add(_measured(row), row.started):
            logs.append(math.log(row.value or 1.0))
    runs: list[Run] = []
    best: float | None = None
    for number, row in enumerate(rows, start=1):
        ratio = _ratio(row, sentinels)
        run = _run(number, row, ratio)
        if row.phase == "search":
            record = ratio is not None and not row.cut_short and (best is None or ratio > best)
            best = ratio if record else best
            run = replace(run, best=best, record=record)
        runs.append(run)
    sigma = spread(logs) if len(logs) > 1 else None
    level = [
        _baseline_run(run, sentinels, sigma) for run in runs if run.phase in ("aa", "sentinel")
    ]
    return tuple(runs), Baseline(tuple(level), sigma, _changes(runs, sentinels))


def _measured(row: TrialRow) -> Measurement:
    return Measurement(**row.measurement_fields())


def _ratio(row: TrialRow, sentinels: Any) -> float | None:  # noqa: ANN401 - loaded late
    comparable = row.phase in ("aa", "sentinel", "search", "screening") and len(sentinels)
    if not comparable or row.value is None or row.value <= 0:
        return None
    return float(sentinels.relative(_measured(row), row.started))


def _run(number: int, row: TrialRow, ratio: float | None) -> Run:
    return Run(
        number=number,
        phase=row.phase,
        index=row.index + 1,
        at=row.started,
        setting=row.setting,
        baseline=not row.setting,
        value=row.value,
        ratio=ratio,
        best=None,
        record=False,
        cut_short=row.cut_short,
        failure=row.failure,
        unsafe=row.unsafe,
        score=row.score,
        strategy=row.strategy,
        seconds=row.seconds,
        errors=row.errors,
        latency_ms=row.latency_ms,
        metrics=row.state,
    )


def _baseline_run(
    run: Run,
    sentinels: Any,  # noqa: ANN401 - loaded late
    sigma: float | None,
) -> BaselineRun:
    if not len(sentinels):
        return BaselineRun(run.number, run.value, None, None, None)
    level = float(sentinels.baseline(run.at))
    if sigma is None:
        return BaselineRun(run.number, run.value, level, None, None)
    share = math.exp(BAND_SIGMAS * sigma)
    return BaselineRun(run.number, run.value, level, level / share, level * share)


def _changes(
    runs: Sequence[Run],
    sentinels: Any,  # noqa: ANN401 - loaded late
) -> tuple[Mapping[str, float], ...]:
    if not len(sentinels):
        return ()
    return tuple(
        {
            "number": min(run.number for run in runs if run.at >= change.first_after),
            "before": change.before,
            "after": change.after,
        }
        for change in sentinels.changes
    )


def confirmation_of(
    rows: Sequence[TrialRow],
    direction: Direction,
    *,
    planned_runs: int,
    looks: Sequence[int] | None = None,
) -> Confirmation | None:
    """Return the confirmation's pairs and the interval so far; ``None`` before the first run.

    Args:
        rows: The runs of the phase ``confirm``, two for each pair.
        direction: Whether larger or smaller values are better.
        planned_runs: Runs that the phase was given; 0 when unknown.
        looks: The schedule as decided, once the session is over.
    """
    from sealtune.verdict.bounds import MINIMUM_GAIN
    from sealtune.verdict.clock import looks_within

    if not rows:
        return None
    # An interrupted pair is measured again from its beginning when the session goes on.
    arms = [(rows[place], rows[place + 1]) for place in range(0, len(rows) - 1, 2)]
    pairs = [_pair(place, both, direction) for place, both in enumerate(arms, start=1)]
    setting = next((row.setting for row in rows if row.setting), {})
    planned = planned_runs // 2 or len(pairs)
    schedule = tuple(looks or looks_within(planned))
    good = [math.log(pair.ratio) for pair in pairs if pair.ratio]
    course = _course(good, schedule)
    return Confirmation(setting, planned, schedule, tuple(pairs), course, 1 + MINIMUM_GAIN)


def _pair(place: int, rows: tuple[TrialRow, TrialRow], direction: Direction) -> PairRow:
    from sealtune.verdict.pairs import log_ratio

    first, second = rows
    order = "BA" if first.setting else "AB"
    baseline, candidate = (second, first) if first.setting else (first, second)
    logarithm = log_ratio(_measured(candidate), _measured(baseline), direction)
    return PairRow(
        place,
        order,
        baseline.value,
        candidate.value,
        None if logarithm is None else math.exp(logarithm),
        baseline.failure or candidate.failure,
    )


def _course(logs: Sequence[float], looks: tuple[int, ...]) -> tuple[IntervalAt, ...]:
    """Return the interval after each pair; between looks as strict as the next one."""
    if len(logs) < FEWEST_PAIRS or not looks:
        return ()
    import numpy as np

    from sealtune.verdict.bounds import interval_towards

    course = []
    for count in range(FEWEST_PAIRS, len(logs) + 1):
        found = interval_towards(np.array(logs[:count]), looks)
        course.append(
            IntervalAt(
                count,
                math.exp(found.centre),
                math.exp(found.low),
                math.exp(found.high),
                count in looks,
            )
        )
    return tuple(course)
