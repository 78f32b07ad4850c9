"""What a search is given and what it leaves behind: budget, trials, result."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from sealtune.benchmarks.measurement import Measurement
from sealtune.space.knobs import Setting
from sealtune.space.space import Space
from sealtune.tactician.model import SettingModel

State = Literal["complete", "cut_short", "failed"]
Ended = Literal["budget", "time", "failures", "stopped"]


class StopSearch(Exception):
    """Raised by `measure` or `on_trial` to end a search early; its trials are kept."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a search may go on.

    Attributes:
        trials: Most trials, those of `history` included; at least 1.
        seconds: Most wall clock by the monotonic clock, looked at before each trial [s].
        max_failures_in_row: One failure more than this ends the search.

    Raises:
        ValueError: Nothing could be tried.
    """

    trials: int
    seconds: float | None = None
    max_failures_in_row: int = 3

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ValueError(f"trials: {self.trials}, need at least 1")
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"seconds: {self.seconds}, need more than 0")
        if self.max_failures_in_row < 0:
            raise ValueError(f"max_failures_in_row: {self.max_failures_in_row}, need 0 or more")


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One finished trial.

    Attributes:
        index: Position in the search, from 0.
        setting: What was asked for.
        measurement: What came of it.
        score: What the tactician learnt from, higher is better; ``None`` for a failure.
        relative: Metric against the baseline of its time, above 1 is better; ``None`` without
            a baseline, and for a failure. It is what candidates are selected on, if there.
    """

    index: int
    setting: Setting
    measurement: Measurement
    score: float | None
    relative: float | None = None

    @property
    def value(self) -> float | None:
        """The primary metric in its own unit; ``None`` for a failure."""
        return self.measurement.value

    @property
    def state(self) -> State:
        """How the trial ended."""
        if self.score is None:
            return "failed"
        return "cut_short" if self.measurement.cut_short else "complete"


@dataclass(frozen=True)
class SearchResult:
    """All trials of a search and what they recommend.

    Attributes:
        space: Where was searched.
        trials: Every trial in order.
        start: The setting the search began at: the strategist's, or the present one.
        ended: Why no further trial was run.
    """

    space: Space
    trials: tuple[TrialRecord, ...]
    start: Setting
    ended: Ended = "budget"

    @cached_property
    def best_setting(self) -> Setting:
        """The tried setting with the highest modelled mean; the start if nothing worked."""
        return self.recommended(len(self.trials))

    def recommended(self, count: int) -> Setting:
        """Return what the search would have recommended after its first `count` trials."""
        ranked = _ranked(self.space, self.trials[:count], self.start, caution=0.0)
        return ranked[0] if ranked else self.start

    def candidates(self, count: int = 3, caution: float = 1.0) -> tuple[Setting, ...]:
        """Return up to `count` distinct settings worth fresh runs, most promising first.

        Chosen by the lower confidence bound of the model, never by the largest single value.
        Only what was tried can be chosen, so each one is known to be accepted by the kernel.

        Args:
            count: Most settings to return, at least 1.
            caution: How many standard deviations of the model the bound lies below its mean.
        """
        return tuple(_ranked(self.space, self.trials, self.start, caution)[:count])


def merits(trials: Sequence[TrialRecord]) -> list[float | None]:
    """Return what selection compares: logarithm of the metric, higher is better.

    Relative to the baseline where every trial has one; of the bare metric otherwise. A metric
    that is not positive throughout is taken as it is.
    """
    ok = [trial for trial in trials if trial.score is not None]
    if all(trial.relative is not None for trial in ok):
        numbers = [trial.relative for trial in trials]
        sign = 1.0
    else:
        numbers = [trial.value if trial.score is not None else None for trial in trials]
        sign = -1.0 if ok[0].measurement.direction == "minimize" else 1.0
    positive = all(number > 0 for number in numbers if number is not None)
    return [
        None if number is None else sign * (math.log(number) if positive else number)
        for number in numbers
    ]


def _ranked(
    space: Space, trials: Sequence[TrialRecord], start: Setting, caution: float
) -> list[Setting]:
    """Return the distinct settings that gave a number at least once, best bound first."""
    if not any(trial.score is not None for trial in trials):
        return []
    # A failure says nothing about the speed of what lies beside it.
    found = [(trial.setting, merit) for trial, merit in zip(trials, merits(trials), strict=True)]
    worked = [(setting, merit) for setting, merit in found if merit is not None]
    model = SettingModel(space).fit([one for one, _ in worked], [merit for _, merit in worked])
    distinct: list[Setting] = []
    for trial in trials:
        if trial.score is not None and trial.setting not in distinct:
            distinct.append(trial.setting)
    mean, deviation = model.predict(distinct)
    order = (mean - caution * deviation).argsort(kind="stable")[::-1]
    return [distinct[index] for index in order]
