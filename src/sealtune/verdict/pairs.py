"""Pairs of fresh runs: the only kind of evidence a verdict accepts.

Every pair is one run of the originals (the empty setting) and one of the candidate, next to each
other in time and in an order drawn by a fair coin. The coin makes the log ratio symmetric around
its true value whatever the machine was doing, which is what the interval rests on.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sealtune.benchmarks.measurement import Direction, Measurement
from sealtune.errors import TooManyFailuresError
from sealtune.space.knobs import Setting

Measure = Callable[[Setting], Measurement]
Seconds = Callable[[], float]
"""A monotonic clock [s]."""

MAX_FAILURES_IN_A_ROW = 3

FAR_MORE_OFTEN = 3
"""A candidate breaks runs if it fails more than so many times as often as the reference."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One run of a reference and one of a candidate, in random order.

    Attributes:
        index: Position among all pairs of its procedure, failed ones included, from 0.
        order: ``AB`` when the reference ran first, else ``BA``.
        reference: The run of the reference, usually the originals.
        candidate: The run of the candidate.
        direction: Whether larger or smaller values are better.
    """

    index: int
    order: str
    reference: Measurement
    candidate: Measurement
    direction: Direction = "maximize"

    @property
    def log_ratio(self) -> float | None:
        """Log of candidate over reference, above 0 when better; ``None`` if an arm failed."""
        return log_ratio(self.candidate, self.reference, self.direction)

    @property
    def ratio(self) -> float | None:
        """Candidate over reference, above 1 when better; ``None`` if an arm failed."""
        logarithm = self.log_ratio
        return None if logarithm is None else math.exp(logarithm)


@dataclass(frozen=True, slots=True)
class Gain:
    """How much better a setting is, as ratios to the baseline: 1.10 is 10 % better.

    Attributes:
        estimate: Hodges-Lehmann centre of the pairs.
        ci_low: Low end of the interval that the decision used.
        ci_high: High end of it.
        confidence: Coverage of the interval, already adjusted for the looks.
        pairs: Pairs it rests on.
        confirmed: Whether it counts as an improvement.
    """

    estimate: float
    ci_low: float
    ci_high: float
    confidence: float
    pairs: int
    confirmed: bool


def usable(measurement: Measurement) -> bool:
    """Return whether `measurement` is a full run with a value above 0, so that ratios exist."""
    return measurement.ok and measurement.value is not None and measurement.value > 0


def log_ratio(
    candidate: Measurement, reference: Measurement, direction: Direction
) -> float | None:
    """Return the log of candidate over reference, above 0 when better, or ``None``."""
    top, bottom = candidate.value, reference.value
    if top is None or bottom is None or not (usable(candidate) and usable(reference)):
        return None
    difference = math.log(top) - math.log(bottom)
    return difference if direction == "maximize" else -difference


class PairRunner:
    """Runs pairs, numbers them and counts what failed.

    Args:
        measure: One fresh run of a setting, from the original state; ``{}`` means the originals.
        rng: Draws the order of the arms.
        direction: Whether larger or smaller values are better.
        on_pair: Called with every pair, failed ones included.

    Attributes:
        reference_failures: Failed reference runs so far.
        candidate_failures: Failed candidate runs so far.
        unsafe: A guard rail tripped in a candidate run.
        last_failure: Why the last failed run failed.
    """

    def __init__(
        self,
        measure: Measure,
        rng: np.random.Generator,
        direction: Direction = "maximize",
        on_pair: Callable[[Pair], None] | None = None,
    ) -> None:
        self._measure, self._rng, self._direction = measure, rng, direction
        self._on_pair = on_pair
        self._count = self._failures_in_a_row = self._reference_failures_in_a_row = 0
        self.reference_failures = self.candidate_failures = 0
        self.unsafe = False
        self.last_failure = ""

    def run(self, candidate: Setting, reference: Setting | None = None) -> Pair:
        """Measure one pair; both arms run even if the first fails, to tell whose fault it is.

        Raises:
            TooManyFailuresError: More than three runs, or reference runs, failed in a row.
        """
        reference_first = bool(self._rng.random() < 0.5)
        arms = {"A": dict(reference or {}), "B": dict(candidate)}
        runs: dict[str, Measurement] = {}
        order = "AB" if reference_first else "BA"
        for arm in order:
            runs[arm] = self._measure(dict(arms[arm]))
            self._count_failure(arm, runs[arm])
        pair = Pair(self._count, order, runs["A"], runs["B"], self._direction)
        self._count += 1
        if self._on_pair is not None:
            self._on_pair(pair)
        return pair

    def _count_failure(self, arm: str, measurement: Measurement) -> None:
        if usable(measurement):
            self._failures_in_a_row = 0
            if arm == "A":
                self._reference_failures_in_a_row = 0
            return
        self.last_failure = measurement.failure or "the run was cut short or its value is not > 0"
        self._failures_in_a_row += 1
        if arm == "B":
            self.candidate_failures += 1
            self.unsafe = self.unsafe or measurement.unsafe
        else:
            self.reference_failures += 1
            self._reference_failures_in_a_row += 1
        # A reference that never works gives no pair, even if the candidate does work.
        in_a_row = max(self._failures_in_a_row, self._reference_failures_in_a_row)
        if in_a_row > MAX_FAILURES_IN_A_ROW:
            raise TooManyFailuresError(
                f"{in_a_row} runs failed in a row; the last: {self.last_failure}"
            )

    @property
    def candidate_breaks_runs(self) -> bool:
        """Whether the candidate tripped a guard rail, or fails again and again of its own.

        Where any run may fail, three failures come sooner or later: it has to fail far more often
        than the reference beside it.
        """
        repeated = self.candidate_failures >= MAX_FAILURES_IN_A_ROW
        often = self.candidate_failures > FAR_MORE_OFTEN * self.reference_failures
        return self.unsafe or (repeated and often)
