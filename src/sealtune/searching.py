"""The session's side of a search: each run recorded, the baseline measured again in between."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sealtune.benchmarks.measurement import Direction, Measurement
from sealtune.ledger import Ledger
from sealtune.plan import Plan
from sealtune.space.knobs import Setting
from sealtune.store.base import Phase
from sealtune.tactician import Reward, SearchResult, StopSearch, TrialRecord
from sealtune.trial import Racing
from sealtune.verdict import Sentinels
from sealtune.workbench import Machine


@dataclass
class Runs:
    """Measures and records; what a phase measures with.

    Attributes:
        plan: What is measured.
        ledger: Where every run goes.
        machine: What it runs on.
        baselines: Good baseline runs so far, in order.
    """

    plan: Plan
    ledger: Ledger
    machine: Machine
    sentinels: Sentinels
    baselines: list[Measurement] = field(default_factory=list)

    @property
    def direction(self) -> Direction:
        """Whether larger or smaller values are better."""
        return self.plan.adapter.direction

    def of(self, phase: Phase) -> Callable[[Setting], Measurement]:
        """Return the `measure` of one phase: a fresh run, recorded under its name."""

        def measure(setting: Setting) -> Measurement:
            run = self.machine.measure(setting)
            if not setting:
                self.remember(run)
            # In pairs the reference arm counts, which may be another one than the baseline.
            ratio = self._ratio(run) if setting and phase == "screening" else None
            self.ledger.record(phase, setting, run, live=self.machine.live(), ratio=ratio)
            return run

        return measure

    def remember(self, run: Measurement) -> None:
        """Take a baseline run into the sentinels."""
        if self.sentinels.add(run, self.ledger.clock()):
            self.baselines.append(run)

    def _ratio(self, run: Measurement) -> float | None:
        if run.value is None or run.value <= 0 or not self.baselines:
            return None
        return self.sentinels.relative(run, self.ledger.clock())


class SearchRuns:
    """What the tactician measures and is rewarded with.

    A reward too (`sealtune.tactician.search`): called with a measurement it gives the score
    against the baseline of that moment.

    Args:
        runs: Measures and records.
        reward: Turns a measurement into a score, given a reference.
        stop_at: When no further trial starts, by the ledger's clock [s].
        strategy: Number of the strategy that is searched for, from 1.
    """

    def __init__(self, runs: Runs, reward: Reward, stop_at: float, strategy: int = 1) -> None:
        self._runs, self._reward, self._stop_at = runs, reward, stop_at
        self._strategy = strategy
        self._racing = Racing.against(runs.baselines)
        self._since, self._failed = 0, False
        self._when: dict[int, float] = {}
        self.trials: list[TrialRecord] = []
        self._last = 0.0

    def measure(self, setting: Setting) -> Measurement:
        """Run one trial, and the baseline before it when that is due.

        Raises:
            StopSearch: The time of the search is used up.
        """
        runs = self._runs
        if runs.sentinels.due(self._since, self._failed):
            self._baseline()
        if runs.ledger.clock() >= self._stop_at:
            raise StopSearch
        rule = self._racing.hopeless if self._racing else None
        run = runs.machine.measure(setting, should_stop=rule)
        self._last = runs.ledger.clock()
        self._since += 1
        self._failed = run.value is None or run.cut_short
        return run

    def __call__(self, run: Measurement) -> float | None:
        """Return the reward of `run`, ``None`` for a failure."""
        return self._reward(run)

    def relative(self, run: Measurement) -> float | None:
        """Return metric / baseline of its time, above 1 when better; ``None`` for a failure."""
        if run.value is None or run.value <= 0:
            return None
        return self._runs.sentinels.relative(run, self._last)

    def keep(self, trial: TrialRecord) -> None:
        """Record a finished trial."""
        self.trials.append(trial)
        self._when[trial.index] = self._last
        self._runs.ledger.record(
            "search",
            trial.setting,
            trial.measurement,
            live=self._runs.machine.live(),
            ratio=trial.relative,
            score=trial.score,
            strategy=self._strategy,
        )

    def since(self, index: int) -> tuple[TrialRecord, ...]:
        """Return the trials recorded here from number `index` of the search on."""
        return tuple(trial for trial in self.trials if trial.index >= index)

    def rescored(self, result: SearchResult) -> SearchResult:
        """Return `result` with each trial against the baseline between its two neighbours.

        While searching only the sentinel before a trial is known; now the one after it is too.
        """
        self._baseline()
        sentinels = self._runs.sentinels
        trials = tuple(
            replace(trial, relative=sentinels.relative(trial.measurement, self._when[trial.index]))
            if trial.relative is not None and trial.index in self._when
            else trial
            for trial in result.trials
        )
        return replace(result, trials=trials)

    def _baseline(self) -> None:
        runs = self._runs
        run = runs.machine.measure({})
        runs.remember(run)
        if run.ok:
            self._since, self._failed = 0, False
            # One run is as noisy as a trial: the reward compares with the middle of the last five.
            recent = [run.value for run in runs.baselines[-5:] if run.value is not None]
            middle = replace(run, value=statistics.median(recent))
            self._reward = self._reward.against(middle)
        runs.ledger.record("sentinel", {}, run, live=runs.machine.live())
