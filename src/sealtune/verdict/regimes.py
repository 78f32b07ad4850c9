"""Whether the machine itself changed: levels and change points of a series of baseline runs.

Vocabulary: a *change* is a sudden move of the baseline that lasts, such as a neighbour that woke
up; one outlying run is none, and slow drift is none. The runs between two changes are a *stretch*.
All values are logarithms of the metric, so that sizes are shares. Nothing here measures.

The limits are calibrated by simulation, see ``python -m bench.regimes``.
"""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product

FEWEST_RUNS = 3
"""Fewest runs on either side of a change: two could be two outliers."""

WINDOW = 6
"""Runs on either side of a possible change that are looked at, besides the nearest three."""

SMALLEST_CHANGE = 0.03
"""A change below this, as a logarithm, moves no trial by more than its own noise."""

ODD_SIGMAS = 3.0
"""A run further than this from its neighbours is measured again at once."""

_CERTAIN, _EARLY = 3.7, 14.0
"""Limit of the evidence in a long series, and how much more a short one must show."""

_STEEPER = 0.8
"""What a step may leave unexplained of what a slope does."""

_LEVER = 15
"""Runs on either side of a possible change that say how the machine drifts."""

_SMALLEST_SPREAD = 0.002
_CLIP = 2.0
_STEP_CLIP = 2.5
_NEAR = (3.0, 2.0, 1.0)  # weights of a run itself and of its neighbours on each side


@dataclass(frozen=True, slots=True)
class Change:
    """A sudden move of the baseline that lasted.

    Attributes:
        index: Position of the first run after it.
        last_before: When the last run before it was measured, in the series' time.
        first_after: When the first run after it was; it happened between the two.
        before: Level of the metric before it, in the metric's unit.
        after: Level after it.
    """

    index: int
    last_before: float
    first_after: float
    before: float
    after: float

    @property
    def shift(self) -> float:
        """Logarithm of level after over level before."""
        return math.log(self.after / self.before)


def spread(logs: Sequence[float]) -> float:
    """Return the standard deviation of one run, slow drift taken out and outliers weighed down.

    From the differences of neighbours, each clipped at two and a half times their usual size.

    >>> round(spread([0.0, 0.1, 0.0, 0.1, 0.0, 3.0, 0.0]), 2)
    0.16
    """
    steps = [abs(later - earlier) for earlier, later in pairwise(logs)]
    if not steps:
        return _SMALLEST_SPREAD
    # A coarse metric often repeats itself exactly: then the steps that there are say how large.
    usual = statistics.median(steps) or statistics.median([*filter(None, steps)] or [0.0])
    limit = _STEP_CLIP * 1.4826 * usual
    square = statistics.fmean(min(step, limit) ** 2 for step in steps)
    return max(_SMALLEST_SPREAD, math.sqrt(square / 2))


def find_changes(at: Sequence[float], logs: Sequence[float]) -> tuple[Change, ...]:
    """Return the changes of a series, in order.

    The surest split comes first, then those of the two stretches it leaves, and so on.

    Args:
        at: When each run was measured, ascending.
        logs: Logarithm of each run's metric.
    """
    scale = spread(logs)
    found: list[Change] = []
    stretches = [(0, len(logs))]
    while stretches:
        low, high = stretches.pop()
        change = _surest(at, logs, (low, high), scale)
        if change is not None:
            found.append(change)
            stretches += [(low, change.index), (change.index, high)]
    return tuple(sorted(found, key=lambda change: change.index))


def levels(logs: Sequence[float], scale: float | None = None) -> list[float]:
    """Return the baseline's level at each run of one stretch.

    A weighted mean of a run and its two neighbours on each side, in which a run far from the
    others counts little or nothing. One or two runs are taken as they are.

    Args:
        logs: The runs of the stretch.
        scale: Standard deviation of one run; that of `logs` when ``None``.
    """
    if len(logs) < FEWEST_RUNS:
        return list(logs)
    scale = spread(logs) if scale is None else scale
    return [_level(logs, place, scale) for place in range(len(logs))]


def odd_runs(logs: Sequence[float], scale: float) -> int:
    """Return how many of a stretch's last runs, 0 to 3, are unlike what came before them.

    All of them lie on one side. Fewer than three runs before them are nothing to compare with.
    """
    for count in range(FEWEST_RUNS, 0, -1):
        before, last = logs[:-count], logs[-count:]
        if len(before) < FEWEST_RUNS:
            continue
        usual = _level(before, len(before) - 1, scale)
        limit = max(SMALLEST_CHANGE, ODD_SIGMAS * scale)
        if min(last) > usual + limit or max(last) < usual - limit:
            return count
    return 0


def _level(logs: Sequence[float], place: int, scale: float) -> float:
    """Return the level at run number `place` of three or more."""
    reach = len(_NEAR) - 1
    around = range(max(0, place - reach), min(len(logs), place + reach + 1))
    middle = statistics.median(logs[i] for i in around)
    # Within two standard deviations a run counts in full, beyond four not at all.
    weights = [
        _NEAR[abs(i - place)] * min(1.0, max(0.0, 2.0 - abs(logs[i] - middle) / (2.0 * scale)))
        for i in around
    ]
    if (total := sum(weights)) <= 0:
        return logs[place]
    return sum(w * logs[i] for w, i in zip(weights, around, strict=True)) / total


def _surest(
    at: Sequence[float], logs: Sequence[float], stretch: tuple[int, int], scale: float
) -> Change | None:
    """Return the clearest change within a stretch, ``None`` if there is none."""
    limit = _CERTAIN * (1 + _EARLY / max(1, len(logs)))
    splits = [
        split
        for split in _splits(logs, stretch, scale)
        if split.evidence > limit and abs(split.new - split.old) > SMALLEST_CHANGE
    ]
    for split in sorted(splits, key=lambda split: -split.evidence):
        window, here = slice(split.low, split.high), split.index
        beyond_drift = split.evidence * (1 - _drift(at, logs, stretch, split, scale))
        step = beyond_drift > limit and _is_step(at[window], logs[window], here - split.low)
        if step and _is_clean(logs, split):
            return Change(here, at[here - 1], at[here], math.exp(split.old), math.exp(split.new))
    return None


@dataclass(frozen=True, slots=True)
class _Split:
    """A possible change before run `index`, seen in the runs from `low` to before `high`."""

    evidence: float
    index: int
    low: int
    high: int
    old: float
    new: float


def _splits(logs: Sequence[float], stretch: tuple[int, int], scale: float) -> Iterator[_Split]:
    """Yield every possible split of a stretch."""
    first, end = stretch
    for index in range(first + FEWEST_RUNS, end - FEWEST_RUNS + 1):
        # The nearest three alone find a spell that was over before a whole window.
        lows = {index - FEWEST_RUNS, max(first, index - WINDOW)}
        highs = {index + FEWEST_RUNS, min(end, index + WINDOW)}
        old = {low: _centre(logs[low:index], scale) for low in lows}
        new = {high: _centre(logs[index:high], scale) for high in highs}
        for low, high in product(lows, highs):
            error = scale * math.sqrt(1 / (index - low) + 1 / (high - index))
            evidence = abs(new[high] - old[low]) / error
            yield _Split(evidence, index, low, high, old[low], new[high])


def _is_clean(logs: Sequence[float], split: _Split) -> bool:
    """Return whether all runs lie on their own side of it; with more than three, all but one.

    Two outliers and a usual run have the centre of the outliers, and are no change. The two runs
    next to it must be on their sides, or it would be found one run early.
    """
    middle, up = (split.old + split.new) / 2, split.new > split.old
    before, after = logs[split.low : split.index], logs[split.index : split.high]
    crossed = [(value > middle) == up for value in before]
    back = [(value > middle) != up for value in after]
    allowed = [int(len(side) > FEWEST_RUNS) for side in (before, after)]
    if crossed[-1] or back[0]:
        return False
    return sum(crossed) <= allowed[0] and sum(back) <= allowed[1]


def _centre(logs: Sequence[float], scale: float) -> float:
    """Return the mean of a few runs, each at most two standard deviations from their median."""
    middle, reach = statistics.median(logs), _CLIP * scale
    return statistics.fmean(min(max(value, middle - reach), middle + reach) for value in logs)


def _drift(
    at: Sequence[float],
    logs: Sequence[float],
    stretch: tuple[int, int],
    split: _Split,
    scale: float,
) -> float:
    """Return which share of a move the slope of its two sides explains, 0 to 1."""
    slopes, lever = [], 0.0
    for side in (range(stretch[0], split.index), range(split.index, stretch[1])):
        near = side[-_LEVER:] if side.stop == split.index else side[:_LEVER]
        pairs = combinations(near, 2)
        slopes += [(logs[b] - logs[a]) / (at[b] - at[a]) for a, b in pairs if at[b] > at[a]]
        middle = statistics.fmean(at[i] for i in near)
        lever += sum((at[i] - middle) ** 2 for i in near)
    if not slopes or lever <= 0:
        return 0.0
    slope, doubt = statistics.median(slopes), scale / math.sqrt(lever)
    # A slope that may be none counts as none, or every slope of chance would hide a change.
    if abs(slope) <= doubt:
        return 0.0
    before = statistics.fmean(at[split.low : split.index])
    after = statistics.fmean(at[split.index : split.high])
    return min(1.0, max(0.0, slope * (after - before) / (split.new - split.old)))


def _is_step(at: Sequence[float], logs: Sequence[float], split: int) -> bool:
    """Return whether a step describes these runs better than a slope does: else it is drift."""
    before, after = statistics.median(logs[:split]), statistics.median(logs[split:])
    step = [abs(v - (before if i < split else after)) for i, v in enumerate(logs)]
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for earlier, later in combinations(zip(at, logs, strict=True), 2)
        if later[0] > earlier[0]
    ]
    slope = statistics.median(slopes) if slopes else 0.0
    flat = [value - slope * moment for moment, value in zip(at, logs, strict=True)]
    middle = statistics.median(flat)
    line = [abs(value - middle) for value in flat]
    return _most(step) < _STEEPER * _most(line)


def _most(residuals: Sequence[float]) -> float:
    """Return the sum of all but the largest, which may be an outlier's."""
    return sum(sorted(residuals)[:-1])
