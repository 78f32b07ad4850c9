"""What a session's stored runs tell: the learning curve with its baselines, and what failed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sealtune.benchmarks.measurement import Direction, Measurement
from sealtune.report.format import setting_text
from sealtune.store import TrialRow

if TYPE_CHECKING:
    from sealtune.verdict import Sentinels

Kind = Literal["trial", "baseline"]
State = Literal["complete", "cut_short", "failed"]

PHASES = {
    "aa": "A/A",
    "search": "search",
    "sentinel": "baseline",
    "screening": "screening",
    "confirm": "confirmation",
    "minimise": "minimising",
}
"""Phase of a stored run to what people call it."""


@dataclass(frozen=True, slots=True)
class Point:
    """One run on the learning curve.

    Attributes:
        kind: A ``trial`` of the search, or a run of the ``baseline`` beside it.
        number: Position among those of its kind, from 1.
        state: How it ended.
        ratio: Better than the baseline of its own time by this factor, also for a
            lower-is-better metric; ``None`` for a failure, or where there is no baseline yet.
        best: Highest ratio of a complete trial until then, not confirmed; ``None`` before one.
        row: The stored run.
    """

    kind: Kind
    number: int
    state: State
    ratio: float | None
    best: float | None
    row: TrialRow


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that gave no value, or was stopped because it was hopeless.

    Attributes:
        run: Which one, e.g. ``search 12``.
        why: What happened, in the words of the benchmark or of the guard.
        setting: What was tried.
        kind: ``failed``, ``unsafe`` (a guard rail tripped) or ``cut short``.
    """

    run: str
    why: str
    setting: str
    kind: Literal["failed", "unsafe", "cut short"]


def curve(trials: Sequence[TrialRow]) -> tuple[Point, ...]:
    """Return the runs of the search and of the baseline beside it, in their order.

    Every ratio is to the baseline of its own time, as all baseline runs together show it. A
    session that was resumed has one stretch per process: their baselines are never mixed.
    """
    points: list[Point] = []
    counts: Counter[Kind] = Counter()
    best: float | None = None
    for stretch in _stretches(trials):
        baseline = _baseline(stretch)
        for row in stretch:
            kind: Kind = "trial" if row.phase == "search" else "baseline"
            ratio, state = _ratio(row, baseline), _state(row)
            if kind == "trial" and state == "complete" and ratio is not None:
                best = ratio if best is None else max(best, ratio)
            counts[kind] += 1
            points.append(Point(kind, counts[kind], state, ratio, best, row))
    return tuple(points)


def search_ratios(trials: Sequence[TrialRow]) -> list[float | None]:
    """Return the ratio of each search trial, ``None`` for a failure; for a sparkline."""
    return [point.ratio for point in curve(trials) if point.kind == "trial"]


def failures(trials: Sequence[TrialRow]) -> tuple[Failure, ...]:
    """Return the runs that failed or were cut short, in their order."""
    found = []
    for row in trials:
        run = f"{PHASES.get(row.phase, row.phase)} {row.index + 1}"
        setting = setting_text(row.setting)
        if row.value is None:
            why = row.failure or "no value"
            found.append(Failure(run, why, setting, "unsafe" if row.unsafe else "failed"))
        elif row.cut_short:
            why = f"stopped after {row.seconds:.3g} s: it could not become better any more"
            found.append(Failure(run, why, setting, "cut short"))
    return tuple(found)


def unit_of(trials: Sequence[TrialRow]) -> tuple[str, str, Direction]:
    """Return metric, unit and direction, as the first good run has them."""
    good = next((row for row in trials if row.value is not None), None)
    if good is None:
        return "", "", "maximize"
    return good.metric, good.unit, _direction([good])


def _stretches(trials: Sequence[TrialRow]) -> Iterator[list[TrialRow]]:
    """Yield the runs of each process that searched: each begins with A/A runs of its own."""
    stretch: list[TrialRow] = []
    for row in trials:
        if row.phase not in ("aa", "search", "sentinel"):
            continue
        if row.phase == "aa" and stretch and stretch[-1].phase != "aa":
            yield stretch
            stretch = []
        stretch.append(row)
    if stretch:
        yield stretch


def _baseline(stretch: Sequence[TrialRow]) -> "Sentinels":
    from sealtune.verdict import Sentinels

    baseline = Sentinels(_direction(stretch))
    for row in stretch:
        if row.phase != "search" and row.value is not None:
            baseline.add(_run(row), row.started)
    return baseline


def _direction(rows: Sequence[TrialRow]) -> Direction:
    given = next((row.direction for row in rows if row.value is not None), "maximize")
    return "minimize" if given == "minimize" else "maximize"


def _run(row: TrialRow) -> Measurement:
    return Measurement(**row.measurement_fields())


def _ratio(row: TrialRow, baseline: "Sentinels") -> float | None:
    if row.value is None or row.value <= 0 or not len(baseline):
        return None
    return baseline.relative(_run(row), row.started)


def _state(row: TrialRow) -> State:
    if row.value is None:
        return "failed"
    return "cut_short" if row.cut_short else "complete"
