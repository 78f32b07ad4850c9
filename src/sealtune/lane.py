"""One strategy's way through the search, or one tactician's, from turn to turn."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sealtune.benchmarks.measurement import Measurement
from sealtune.plan import Plan
from sealtune.searching import SearchRuns
from sealtune.space.knobs import Setting
from sealtune.tactician import Budget, Sampler, SearchResult, TrialRecord, search
from sealtune.tactician.record import Ended


@dataclass
class Lane:
    """One strategy's way through the search, or one tactician's.

    Attributes:
        number: Its position, from 1.
        plan: Its plan.
        trials: What it has tried, those of an interrupted session first.
        sampler: Its tactician, kept from round to round.
        told: How many of `trials` the tactician has learnt from.
        thought: CPU that the tactician took in this process [s].
        new: How many trials it had in this process.
        knows: Number of an earlier process' trial to the ratio that the tactician knows it by.
        unsafe: Settings that tripped a guard rail; the tactician keeps away from them.
    """

    number: int
    plan: Plan
    trials: tuple[TrialRecord, ...]
    sampler: Sampler
    told: int = 0
    thought: float = 0.0
    new: int = 0
    knows: Mapping[int, float | None] | None = None
    unsafe: list[Setting] = field(default_factory=list)
    runs: SearchRuns | None = field(default=None, repr=False)

    @property
    def pace(self) -> float:
        """CPU that the tactician took for each trial of this process [s]."""
        return self.thought / max(1, self.new)

    @property
    def measured(self) -> SearchRuns:
        """What it measures with.

        Raises:
            ValueError: The search has not begun.
        """
        if self.runs is None:
            raise ValueError("the search has not begun")
        return self.runs

    def go_on(self, trials: int) -> SearchResult:
        """Search until there are so many trials in all, and keep what came of it."""
        runs = self.measured
        elsewhere = _Stopwatch()

        def measure(setting: Setting) -> Measurement:
            with elsewhere.runs():
                return runs.measure(setting)

        def keep(trial: TrialRecord) -> None:
            with elsewhere.runs():
                runs.keep(trial)
            if trial.measurement.unsafe:
                self.unsafe.append(trial.setting)

        everything = _Stopwatch()
        with everything.runs():
            result = search(
                self.plan.built.space,
                measure,
                Budget(trials),
                tactician=self.sampler,
                prior=self.plan.prior,
                seed=self.plan.seed,
                reward=runs,
                on_trial=keep,
                history=self.trials,
                told=self.told,
                corrected=runs.corrected,
            )
        self.thought += everything.seconds - elsewhere.seconds
        self.new += len(result.trials) - len(self.trials)
        self.trials, self.told = result.trials, len(result.trials)
        return result

    def so_far(self, ended: Ended = "stopped") -> SearchResult:
        """Return its trials until now, one included that an interruption cut off the search."""
        later = self.runs.since(len(self.trials)) if self.runs else ()
        start = self.plan.built.space.start
        return SearchResult(self.plan.built.space, (*self.trials, *later), start, ended)


class _Stopwatch:
    """CPU seconds of this process while it runs; the benchmark has processes of its own."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextlib.contextmanager
    def runs(self) -> Iterator[None]:
        """Run for the body."""
        began = time.process_time()
        try:
            yield
        finally:
            self.seconds += time.process_time() - began
