"""Scores of search trials against the baseline: as it was known at first, and as it is known now.

A trial is scored at once, by the baseline runs before it. The ones after it say more: whether the
machine drifted, or changed. So scores are corrected while a search goes on, and a session that is
resumed goes through the same corrections again, in the same order. Nothing here measures.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sealtune.benchmarks.measurement import Measurement
from sealtune.plan import Plan
from sealtune.space.knobs import Setting
from sealtune.store import TrialRow
from sealtune.tactician import Reward, Sampler, TrialRecord
from sealtune.tactician.relearning import Relearns
from sealtune.verdict import Sentinels
from sealtune.verdict.pairs import usable

_WORTH_TELLING = 0.005
"""A baseline that moved by less, as a share, is no news to the tactician."""


class Scores:
    """The scores of one lane's trials.

    Args:
        sentinels: The baseline over time; whoever measures adds to it.
        told: Number of an earlier process' trial to the ratio that the tactician knows it by.
    """

    def __init__(
        self, sentinels: Sentinels, told: Mapping[int, float | None] | None = None
    ) -> None:
        self._sentinels = sentinels
        self._when: dict[int, float] = {}
        self._rewards: dict[int, Reward] = {}
        self.told: dict[int, float | None] = dict(told or {})
        self._seen = 0

    def relative(self, run: Measurement, at: float) -> float | None:
        """Return metric / baseline at `at`, above 1 when better; ``None`` for a failure."""
        if run.value is None or run.value <= 0 or not len(self._sentinels):
            return None
        return self._sentinels.relative(run, at)

    def score(self, run: Measurement, at: float, reward: Reward) -> float | None:
        """Return the reward of `run` against the baseline at `at`, ``None`` for a failure."""
        if not len(self._sentinels):
            return reward(run)
        level = self._sentinels.baseline(at)
        return reward.against(replace(reward.reference, value=level))(run)

    def keep(self, trial: TrialRecord, at: float, reward: Reward) -> None:
        """Remember when a trial ended, and by which reward it was scored."""
        self._when[trial.index], self._rewards[trial.index] = at, reward
        self.told[trial.index] = trial.relative

    def again(self, trials: Iterable[TrialRecord]) -> tuple[TrialRecord, ...]:
        """Return `trials` with ratio and score against the baseline as it is known now.

        Trials that were not kept here stay as they are: their baselines are of another time.
        """
        return tuple(
            self._anew(trial)
            if trial.relative is not None and trial.index in self._when
            else trial
            for trial in trials
        )

    def corrected(self, trials: Iterable[TrialRecord]) -> tuple[TrialRecord, ...] | None:
        """Return `trials` anew for the tactician; ``None`` if nothing that it was told moved."""
        if len(self._sentinels) == self._seen:
            return None
        self._seen = len(self._sentinels)
        better = self.again(trials)
        if not any(self._moved(trial) for trial in better):
            return None
        self.told.update({trial.index: trial.relative for trial in better})
        return better

    def _anew(self, trial: TrialRecord) -> TrialRecord:
        run, at = trial.measurement, self._when[trial.index]
        score = self.score(run, at, self._rewards[trial.index])
        return replace(trial, relative=self.relative(run, at), score=score)

    def _moved(self, trial: TrialRecord) -> bool:
        before = self.told.get(trial.index)
        if before is None or trial.relative is None:
            return False
        return abs(math.log(trial.relative / before)) > _WORTH_TELLING


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a tactician learnt from one finished trial.

    Attributes:
        score: What it was told right after it.
        retold: All trials until then with the scores that held by then, if it was told anew.
    """

    score: float | None
    retold: tuple[TrialRecord, ...] | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """One lane's search trials of the interrupted processes of a session.

    Attributes:
        trials: In order, with the ratios and scores that were known in the end.
        lessons: What its tactician learnt from each, in the same order.
        told: Number of a trial to the ratio that the tactician knows it by.
    """

    trials: tuple[TrialRecord, ...] = ()
    lessons: tuple[Lesson, ...] = ()
    told: Mapping[int, float | None] | None = None


class Replayed:
    """A tactician that is told an interrupted search as it was told it then, whoever tells.

    Args:
        sampler: The tactician, as it was before its first trial.
        lessons: What it learns, one from each `tell`.
    """

    def __init__(self, sampler: Sampler, lessons: Sequence[Lesson]) -> None:
        self.name, self.sampler = sampler.name, sampler
        self._lessons = iter(lessons)

    def ask(self) -> Setting:
        """Return what the tactician proposes."""
        return self.sampler.ask()

    def tell(self, setting: Setting, _score: float | None) -> None:
        """Tell it what it was told of `setting` at first, and all anew if it was told so then."""
        lesson = next(self._lessons)
        self.sampler.tell(setting, lesson.score)
        if lesson.retold is not None and isinstance(self.sampler, Relearns):
            self.sampler.retell([(trial.setting, trial.score) for trial in lesson.retold])


def pasts(plan: Plan, rows: Sequence[TrialRow]) -> dict[int, Past]:
    """Return each lane's part of an interrupted search, from the stored runs in their order."""
    found: dict[int, Past] = {}
    for process in _processes(rows, plan.clock.phase("A/A").runs):
        _go_through(plan, process, found)
    return found


def _processes(rows: Iterable[TrialRow], baselines: int) -> list[list[TrialRow]]:
    """Split `rows` into those of each process that searched: each begins with A/A runs of its own.

    A process that was interrupted before them all leaves runs in front of the next one's.
    """
    processes: list[list[TrialRow]] = [[]]
    for row in rows:
        if row.phase == "aa" and processes[-1] and processes[-1][-1].phase != "aa":
            processes.append([])
        processes[-1].append(row)
    return [_begun(process, baselines) for process in processes]


def _begun(process: list[TrialRow], baselines: int) -> list[TrialRow]:
    """Return `process` from the A/A run on that was the first of so many good ones."""
    good = [at for at, row in enumerate(process) if row.phase == "aa" and usable(_run_of(row))]
    return process[good[-baselines] :] if len(good) > baselines else process


def _go_through(plan: Plan, process: Iterable[TrialRow], found: dict[int, Past]) -> None:
    """Add to `found` what one process measured, and what its tacticians learnt on the way."""
    sentinels = Sentinels(plan.adapter.direction)
    first_runs: list[Measurement] = []
    reward: Reward | None = None
    scores: dict[int, Scores] = {}
    for row in process:
        run = _run_of(row)
        if row.phase in ("aa", "sentinel") and sentinels.add(run, row.started):
            reward = _reward_after(run, row, plan, first_runs, reward)
        if row.phase != "search":
            continue
        past = found.get(row.strategy, Past())
        lane = scores.setdefault(row.strategy, Scores(sentinels, past.told))
        at = len(past.trials)
        relative = lane.relative(run, row.started) if row.score is not None else None
        trial = TrialRecord(at, _setting(plan, row), run, row.score, relative)
        if reward is not None:
            lane.keep(trial, row.started, reward)
        trials = (*past.trials, trial)
        lesson = Lesson(row.score, lane.corrected(trials))
        found[row.strategy] = Past(
            lesson.retold or trials, (*past.lessons, lesson), dict(lane.told)
        )
    for strategy, lane in scores.items():
        past = found[strategy]
        found[strategy] = replace(past, trials=lane.again(past.trials))


def _reward_after(
    run: Measurement,
    row: TrialRow,
    plan: Plan,
    first_runs: list[Measurement],
    reward: Reward | None,
) -> Reward | None:
    """Return what scores the trials after a good baseline run."""
    if row.phase == "aa":
        first_runs.append(run)
        return plan.reward_for(first_runs)
    return reward.against(run) if reward is not None else None


def _run_of(row: TrialRow) -> Measurement:
    return Measurement(**row.measurement_fields())


def _setting(plan: Plan, row: TrialRow) -> Setting:
    """Return what the tactician asked for: it names every parameter, the store what existed."""
    plans = dict(enumerate((plan, *plan.rivals), start=1))
    space = plans.get(row.strategy, plan).built.space
    return space.repair({**space.start, **row.setting})
