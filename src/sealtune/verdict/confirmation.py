"""The decision: fresh interleaved pairs, looked at a few fixed times, until all is clear."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sealtune.benchmarks.measurement import Direction
from sealtune.space.knobs import Setting
from sealtune.verdict.bounds import (
    CONFIDENCE,
    MINIMUM_GAIN,
    Interval,
    calibrated_interval,
    require_calibrated,
)
from sealtune.verdict.clock import LOOKS
from sealtune.verdict.guards import DEFAULT_MARGINS, GuardFinding, check_guards
from sealtune.verdict.pairs import Gain, Measure, Pair, PairRunner, Seconds
from sealtune.verdict.statistics import bootstrap_interval, signed_rank_p, standard_error

Outcome = Literal["improved", "none", "worse", "unsafe"]
_POWER_80 = 0.84


@dataclass(frozen=True, slots=True)
class Checks:
    """Second opinions beside the decision; none of them decides, except the guards.

    Attributes:
        wilcoxon_p: Exact two-sided signed-rank p that the candidate equals the baseline.
        bootstrap_low: Low end of the 95 % bootstrap interval of the ratio, one look only.
        bootstrap_high: High end of it.
        detectable: True ratio that these pairs would have confirmed four times in five.
        guards: One finding per guard metric that the benchmark reports.
    """

    wilcoxon_p: float
    bootstrap_low: float
    bootstrap_high: float
    detectable: float
    guards: tuple[GuardFinding, ...]


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What fresh pairs say about one candidate.

    Attributes:
        outcome: ``improved``, ``none``, ``worse`` or ``unsafe``.
        gain: Estimate and the interval that decided; ``None`` when runs failed before six pairs.
        pairs: Good pairs, in order; all of them are in `gain`.
        failed_pairs: Pairs in which an arm failed; each was repeated.
        looks: The schedule that was fixed before the first look.
        checks: Second opinions; ``None`` together with `gain`.
        reason: Why it ended as it did, one sentence.
        seconds_per_pair: Mean wall time of a pair [s].
    """

    outcome: Outcome
    gain: Gain | None
    pairs: tuple[Pair, ...]
    failed_pairs: tuple[Pair, ...]
    looks: tuple[int, ...]
    checks: Checks | None
    reason: str
    seconds_per_pair: float


def confirm(
    measure: Measure,
    candidate: Setting,
    *,
    looks: tuple[int, ...] = LOOKS,
    direction: Direction = "maximize",
    seed: int = 0,
    minimum_gain: float = MINIMUM_GAIN,
    guard_margins: Mapping[str, float] = DEFAULT_MARGINS,
    deadline: float | None = None,
    clock: Seconds = time.monotonic,
    on_pair: Callable[[Pair], None] | None = None,
) -> Confirmation:
    """Decide whether `candidate` beats the originals, by fresh interleaved pairs alone.

    The first pair shows what a pair costs; the schedule is then cut to the looks that fit before
    `deadline` and stays fixed. The first look is always reached, even past the deadline: without
    it there is no verdict. Time must not depend on the result, which holds for timed benchmarks.

    Args:
        measure: One fresh run of a setting from the original state; ``{}`` means the originals.
        candidate: The setting to judge.
        looks: Numbers of pairs after which to decide: the first n of 6, 9, 12, 18, 24.
        direction: Whether larger or smaller values are better.
        seed: Draws the order of the arms.
        minimum_gain: Smallest gain worth having, as a share: 0.01 is 1 %.
        guard_margins: How much worse each guard metric may be, see `sealtune.verdict.guards`.
        deadline: When to stop, on `clock` [s]; never, when ``None``.
        clock: Monotonic seconds.
        on_pair: Called with every pair, failed ones included.

    Raises:
        TooManyFailuresError: More than three runs, or baseline runs, failed in a row.
        ValueError: A schedule that is not calibrated.
    """
    require_calibrated(looks)
    rng = np.random.default_rng(seed)
    runner = PairRunner(measure, rng, direction, on_pair)
    good: list[Pair] = []
    bad: list[Pair] = []
    started, fixed = clock(), looks
    last: _Look | None = None
    looked = 0

    def concluded(found: _Look, count: int) -> Confirmation:
        return Confirmation(
            outcome=found.outcome,
            gain=_gain(found, count),
            pairs=tuple(good[:count]),
            failed_pairs=tuple(bad),
            looks=fixed,
            checks=_checks(found, good[:count], minimum_gain, rng),
            reason=found.reason,
            seconds_per_pair=cost,
        )

    while True:
        pair = runner.run(candidate)
        (bad if pair.log_ratio is None else good).append(pair)
        cost = (clock() - started) / (len(good) + len(bad))
        left = math.inf if deadline is None else deadline - clock()
        if len(good) + len(bad) == 1:
            fixed = tuple(n for n in looks if n == looks[0] or (n - 1) * cost <= left)
        if runner.candidate_breaks_runs:
            return _broken(runner, good, bad, fixed, cost)
        if pair.log_ratio is None or len(good) not in fixed:
            if last is not None and left <= 0:  # failed pairs took the time of the next look
                return concluded(last, looked)
            continue
        last, looked = _look(good, fixed, minimum_gain, guard_margins), len(good)
        upcoming = [n for n in fixed if n > looked]
        if last.decided or not upcoming or (upcoming[0] - looked) * cost > left:
            return concluded(last, looked)


@dataclass(frozen=True, slots=True)
class _Look:
    outcome: Outcome
    decided: bool
    reason: str
    interval: Interval
    guards: tuple[GuardFinding, ...]


def _look(
    pairs: list[Pair], looks: tuple[int, ...], minimum_gain: float, margins: Mapping[str, float]
) -> _Look:
    interval = calibrated_interval(_logs(pairs), looks)
    guards = check_guards(pairs, margins, looks)
    return _Look(*_decide(interval, guards, minimum_gain), interval, guards)


def _logs(pairs: list[Pair]) -> NDArray[np.float64]:
    return np.array([pair.log_ratio for pair in pairs], dtype=float)


def _gain(found: _Look, pairs: int) -> Gain:
    return Gain(
        estimate=math.exp(found.interval.centre),
        ci_low=math.exp(found.interval.low),
        ci_high=math.exp(found.interval.high),
        confidence=CONFIDENCE,
        pairs=pairs,
        confirmed=found.outcome == "improved",
    )


def _checks(
    found: _Look, pairs: list[Pair], minimum_gain: float, rng: np.random.Generator
) -> Checks:
    logs = _logs(pairs)
    low, high = np.exp(bootstrap_interval(logs, rng))
    margin = found.interval.centre - found.interval.low
    return Checks(
        wilcoxon_p=signed_rank_p(logs),
        bootstrap_low=float(low),
        bootstrap_high=float(high),
        detectable=(1 + minimum_gain) * math.exp(margin + _POWER_80 * standard_error(logs)),
        guards=found.guards,
    )


def _decide(
    interval: Interval, guards: tuple[GuardFinding, ...], minimum_gain: float
) -> tuple[Outcome, bool, str]:
    low, high = math.exp(interval.low), math.exp(interval.high)
    for finding in guards:
        if finding.violated:
            # A slower tail is a bad bargain; errors and pressure are a danger.
            outcome: Outcome = "worse" if finding.unit == "ratio" else "unsafe"
            change = (
                f"x{finding.worsening:.2f}"
                if finding.unit == "ratio"
                else f"{finding.worsening:+.3g}"
            )
            return outcome, True, f"{finding.metric} is worse beyond its margin ({change})"
    if low > 1 + minimum_gain:
        return "improved", True, f"the whole interval lies above {1 + minimum_gain:.2f}"
    if high < 1:
        return "worse", True, "the whole interval lies below 1"
    if high < 1 + minimum_gain:
        return "none", True, f"a gain of {minimum_gain:.0%} is excluded"
    if low > 1:
        least = f"{minimum_gain:.0%}, the least that is worth having"
        return "none", False, f"some gain is certain, but not that it is {least}"
    return "none", False, "the pairs that fit do not show a gain for certain"


def _broken(
    runner: PairRunner, good: list[Pair], bad: list[Pair], looks: tuple[int, ...], cost: float
) -> Confirmation:
    what = "tripped a guard rail" if runner.unsafe else f"failed {runner.candidate_failures} times"
    return Confirmation(
        outcome="unsafe",
        gain=None,
        pairs=tuple(good),
        failed_pairs=tuple(bad),
        looks=looks,
        checks=None,
        reason=f"the candidate {what}: {runner.last_failure}",
        seconds_per_pair=cost,
    )
