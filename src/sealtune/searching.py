"""The session's side of a search: each run recorded, the baseline measured again in between."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sealtune.benchmarks.measurement import Direction, Measurement
from sealtune.ledger import Ledger
from sealtune.plan import Plan
from sealtune.scoring import Scores
from sealtune.space.knobs import Setting
from sealtune.store.base import Phase
from sealtune.tactician import Reward, SearchResult, StopSearch, TrialRecord
from sealtune.trial import Racing
from sealtune.verdict import Sentinels
from sealtune.verdict.regimes import Change
from sealtune.workbench import Machine

EXTRA_BASELINES = 2
"""Most runs spent at once on an odd baseline run: three that agree are a change."""

CUTS_IN_A_ROW = 4
"""So many runs cut one after another may be the machine's doing: the baseline is due."""

RESTLESS_CHANGES = 3
"""From so many changes on the machine is no place to measure on."""


@dataclass
class Runs:
    """Measures and records; what a phase measures with.

    Attributes:
        plan: What is measured.
        ledger: Where every run goes.
        machine: What it runs on.
        baselines: Good baseline runs so far, in order.
        baseline_times: When each of them ended, by the ledger's clock [s].
        told: Changes of the machine that the person has been told of.
    """

    plan: Plan
    ledger: Ledger
    machine: Machine
    sentinels: Sentinels
    baselines: list[Measurement] = field(default_factory=list)
    baseline_times: list[float] = field(default_factory=list)
    told: list[Change] = field(default_factory=list)

    @property
    def direction(self) -> Direction:
        """Whether larger or smaller values are better."""
        return self.plan.adapter.direction

    def of(self, phase: Phase) -> Callable[[Setting], Measurement]:
        """Return the `measure` of one phase: a fresh run, recorded under its name."""

        def measure(setting: Setting) -> Measurement:
            run = self.machine.measure(setting)
            at = self.ledger.moment()
            if not setting:
                self.remember(run, at)
            # In pairs the reference arm counts, which may be another one than the baseline.
            ratio = self._ratio(run) if setting and phase == "screening" else None
            self.ledger.record(phase, setting, run, live=self.machine.live(), ratio=ratio, at=at)
            return run

        return measure

    def remember(self, run: Measurement, at: float) -> None:
        """Take a baseline run, which ended at `at`, into the sentinels."""
        if self.sentinels.add(run, at):
            self.baselines.append(run)
            self.baseline_times.append(at)

    def tell_changes(self) -> None:
        """Tell the person of each change of the machine once, and when there are too many."""
        for change in self.sentinels.changes:
            if any(_same(change, known) for known in self.told):
                continue
            self.told.append(change)
            self.ledger.note(self._sentence(change))
            if len(self.told) == RESTLESS_CHANGES:
                self.ledger.note(
                    f"This machine changed {RESTLESS_CHANGES} times while searching: it is too "
                    "restless for a small gain to be seen. Stop what else runs on it (`top` names "
                    "it) or take a quieter time; longer runs (--run-seconds) even out spells."
                )

    def _sentence(self, change: Change) -> str:
        minutes = max(0.0, change.first_after - self.sentinels.start) / 60
        gain = math.exp(change.shift if self.direction == "maximize" else -change.shift)
        size = f"{gain - 1:.0%} faster" if gain > 1 else f"{1 - gain:.0%} slower"
        return (
            f"After {minutes:.0f} min the machine itself became {size} (baseline "
            f"{change.before:.4g} -> {change.after:.4g} {self.plan.adapter.unit}); every trial is "
            "compared with the baseline of its own time."
        )

    def _ratio(self, run: Measurement) -> float | None:
        if run.value is None or run.value <= 0 or not self.baselines:
            return None
        return self.sentinels.relative(run, self.ledger.clock())


def _same(change: Change, known: Change) -> bool:
    """Return whether both are the same move of the machine; later runs may shift its place."""
    return change.shift * known.shift > 0 and abs(change.index - known.index) <= 2


class SearchRuns:
    """What the tactician measures and is rewarded with.

    A reward too (`sealtune.tactician.search`): called with a measurement it gives the score
    against the baseline of that moment.

    Args:
        runs: Measures and records.
        reward: Turns a measurement into a score, given a reference.
        stop_at: When no further trial starts, by the ledger's clock [s].
        strategy: Number of the strategy that is searched for, from 1.
        racing: Whether hopeless runs are cut short, where the benchmark gives intervals.
        told: Number of an interrupted process' trial to the ratio that the tactician knows it by.
    """

    def __init__(
        self,
        runs: Runs,
        reward: Reward,
        stop_at: float,
        strategy: int = 1,
        *,
        racing: bool = True,
        told: Mapping[int, float | None] | None = None,
    ) -> None:
        self._runs, self._reward, self._stop_at = runs, reward, stop_at
        self._strategy, self._races = strategy, racing
        self._racing = self._rule()
        self._since, self._cuts, self._failed = 0.0, 0, False
        self._scores = Scores(runs.sentinels, told)
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
        racing = self._racing.beside(self._second_best) if self._racing else None
        run = runs.machine.measure(setting, should_stop=racing.hopeless if racing else None)
        self._last = runs.ledger.moment()
        # Drift is a matter of time: what was cut short brings the next baseline less close.
        self._since += len(run.intervals) / racing.intervals if racing and run.cut_short else 1.0
        self._cuts = self._cuts + 1 if run.cut_short else 0
        self._failed = run.value is None or self._cuts >= CUTS_IN_A_ROW
        return run

    def __call__(self, run: Measurement) -> float | None:
        """Return the reward of `run`, ``None`` for a failure."""
        return self._scores.score(run, self._last, self._reward)

    def relative(self, run: Measurement) -> float | None:
        """Return metric / baseline of its time, above 1 when better; ``None`` for a failure."""
        return self._scores.relative(run, self._last)

    def keep(self, trial: TrialRecord) -> None:
        """Record a finished trial."""
        self.trials.append(trial)
        self._scores.keep(trial, self._last, self._reward)
        self._runs.ledger.record(
            "search",
            self._runs.plan.existing(trial.setting),
            trial.measurement,
            live=self._runs.machine.live(),
            ratio=trial.relative,
            score=trial.score,
            strategy=self._strategy,
            at=self._last,
        )

    def since(self, index: int) -> tuple[TrialRecord, ...]:
        """Return the trials recorded here from number `index` of the search on."""
        return tuple(trial for trial in self.trials if trial.index >= index)

    def corrected(self, trials: tuple[TrialRecord, ...]) -> tuple[TrialRecord, ...] | None:
        """Return `trials` against the baseline as it is known now; ``None`` if nothing moved.

        Trials of an interrupted session stay as they are: their baselines are of another time.
        """
        better = self._scores.corrected(trials)
        if better is not None:
            self.trials = list(self._scores.again(self.trials))
        return better

    def follow(self, other: "SearchRuns") -> None:
        """Go on with the one series of baselines where `other`, which shares it, has left it."""
        self._since, self._cuts, self._failed = other._since, other._cuts, other._failed
        self._reward, self._racing = other._reward, other._racing

    def rescored(self, result: SearchResult, *, baseline: bool = True) -> SearchResult:
        """Return `result` with each trial against the baseline between its two neighbours.

        While searching only the sentinel before the last trials is known; now the one after them
        is too.

        Args:
            result: The search as its tactician saw it.
            baseline: Whether to measure that one now; a search beside this one may have.
        """
        if baseline:
            self._baseline()
        return replace(result, trials=self._scores.again(result.trials))

    @property
    def _second_best(self) -> float:
        """The second best whole trial against its baseline: one lucky run sets no bar."""
        whole = [t.relative for t in self.trials if t.relative is not None and t.measurement.ok]
        return sorted(whole)[-2] if len(whole) > 1 else 1.0

    def _baseline(self) -> None:
        """Measure the baseline; one that looks odd again at once, outlier or change."""
        runs = self._runs
        self._sentinel()
        for _ in range(EXTRA_BASELINES):
            if not runs.sentinels.unsettled or runs.ledger.clock() >= self._stop_at:
                break
            self._sentinel()
        runs.tell_changes()
        self._racing = self._rule()

    def _sentinel(self) -> None:
        runs = self._runs
        run = runs.machine.measure({})
        at = runs.ledger.moment()
        runs.remember(run, at)
        if run.ok:
            self._since, self._cuts, self._failed = 0.0, 0, False
            if run.value is not None and run.value > 0:
                self._reward = self._reward.against(run)
        runs.ledger.record("sentinel", {}, run, live=runs.machine.live(), at=at)

    def _rule(self) -> Racing | None:
        """Return the racing rule that the baseline runs so far give."""
        runs = self._runs
        if not self._races:
            return None
        return Racing.against(
            runs.baselines, [runs.sentinels.baseline(at) for at in runs.baseline_times]
        )
