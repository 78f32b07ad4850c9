"""The session's side of a search: baselines in between, corrected scores, hopeless runs cut."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from sealtune.benchmarks.measurement import Measurement
from sealtune.ledger import Ledger
from sealtune.report.events import Note, RunFinished
from sealtune.searching import Runs, SearchRuns
from sealtune.space.knobs import IntKnob
from sealtune.space.space import Space
from sealtune.tactician import Budget, Reward, search
from sealtune.verdict import Sentinels
from sealtune.workbench import Machine, SimulatedClock

SPACE = Space([IntKnob("a", 0, 100, start=50)])
BASELINES = 9


class Forgetful:
    """A store that keeps nothing."""

    def add_trial(self, session, trial):
        pass


class Walk:
    """Proposes 0, 1, 2, ... and remembers what it was told, and told again."""

    name = "walk"

    def __init__(self):
        self.asked, self.told, self.retold = 0, [], 0

    def ask(self):
        self.asked += 1
        return {"a": (self.asked - 1) % 101}

    def tell(self, setting, score):
        self.told.append((setting, score))

    def retell(self, trials):
        self.retold += 1
        self.told = list(trials)


class Stage:
    """A search on a machine that follows a script.

    Args:
        level: Factor of the whole machine at run number n, from 0.
        speed: True ratio of a setting to the baseline.
        baselines: Factor of single baseline runs by their number, for outliers.
        noise: Standard deviation of a run.
    """

    def __init__(
        self, level=lambda n: 1.0, speed=lambda setting: 1.1, *, baselines=None, noise=0.01,
        direction="maximize", racing=True,
    ):  # fmt: skip
        self.level, self.speed, self.odd = level, speed, baselines or {}
        self.noise, self.direction = noise, direction
        self.rng, self.clock, self.events = np.random.default_rng(1000), SimulatedClock(), []
        self.count = self.baseline_count = 0
        self.truths = []
        adapter = SimpleNamespace(direction=direction, unit="1/s")
        ledger = Ledger(Forgetful(), "x", self.events.append, self.clock, math.inf)
        machine = Machine(self.measure, dict)
        plan = SimpleNamespace(adapter=adapter, existing=dict)
        self.runs = Runs(plan, ledger, machine, Sentinels(direction))
        for _ in range(BASELINES):
            self.runs.of("aa")({})
        self.side = SearchRuns(self.runs, Reward(self.runs.baselines[-1]), math.inf, racing=racing)

    def measure(self, setting, *, should_stop=None):
        factor = self.level(self.count) * math.exp(self.rng.normal(0, self.noise))
        factor *= self.speed(setting) if setting else self.odd.get(self.baseline_count, 1.0)
        self.baseline_count += not setting
        self.count += 1
        value = 1000 * factor if self.direction == "maximize" else 1000 / factor
        intervals = [value * x for x in (0.97, 1.03, 1.0, 0.99, 1.01, 1.0, 0.98, 1.02, 1.0, 1.0)]
        for seen in range(1, 10):
            if should_stop is not None and should_stop(intervals[:seen]):
                intervals = intervals[:seen]
                break
        self.clock.advance(0.5 * len(intervals) + 2)
        return Measurement(
            sum(intervals) / len(intervals),
            direction=self.direction,
            intervals=tuple(intervals),
            cut_short=len(intervals) < 10,
        )

    def search(self, trials, sampler=None):
        result = search(
            SPACE,
            self.side.measure,
            Budget(trials, max_failures_in_row=3),
            tactician=sampler or Walk(),
            reward=self.side,
            on_trial=self.side.keep,
            corrected=self.side.corrected,
        )
        return self.side.rescored(result)

    @property
    def notes(self):
        return [event.text for event in self.events if isinstance(event, Note)]

    def finished(self, phase):
        return [e for e in self.events if isinstance(e, RunFinished) and e.phase == phase]


def test_a_still_machine_needs_no_note_and_no_extra_baseline():
    """
    Without noise nothing is corrected: a baseline every six trials, one at the end, no note.
    """
    stage, sampler = Stage(noise=0.0), Walk()
    result = stage.search(24, sampler)

    assert [] == stage.notes
    assert 4 == len(stage.finished("sentinel"))
    assert 0 == sampler.retold
    assert [1.1] * 24 == pytest.approx([trial.relative for trial in result.trials])


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_a_change_of_the_machine_is_recognised_told_once_and_corrected(direction):
    """
    When the machine becomes 30 % slower, the person is told once, and after it trials are compared
    with the new baseline: all but those beside the change come out at their true ratio.
    """
    stage = Stage(lambda n: 0.7 if n >= 34 else 1.0, direction=direction)
    result = stage.search(40)

    (note,) = stage.notes
    assert "slower" in note
    assert "its own time" in note
    wrong = [t.index for t in result.trials if not 1.03 < t.relative < 1.17]
    assert len(wrong) <= 6
    assert all(result.trials[index].relative < 1.1 for index in wrong)  # never flattered


def test_the_tactician_is_told_the_corrected_scores():
    """
    A sampler that can relearn knows in the end the scores of the records, in their order.
    """
    stage, sampler = Stage(lambda n: 0.7 if n >= 34 else 1.0), Walk()
    stage.search(40, sampler)
    kept = stage.side.trials

    assert sampler.retold > 0
    assert [trial.setting for trial in kept] == [setting for setting, _ in sampler.told]
    assert [trial.score for trial in kept] == pytest.approx(
        [score for _, score in sampler.told], rel=0.02
    )


def test_scores_follow_a_drifting_machine():
    """
    On a machine that slows down by a third bit by bit, equal settings end with equal scores, and
    nobody is told of a change.
    """
    stage = Stage(lambda n: math.exp(-0.005 * n))
    result = stage.search(60)

    assert [] == stage.notes
    assert [1.1] * 60 == pytest.approx([trial.relative for trial in result.trials], rel=0.06)
    assert max(t.score for t in result.trials) - min(t.score for t in result.trials) < 8


def test_an_odd_baseline_is_measured_again_at_once_and_does_no_harm():
    """
    One baseline run at half speed costs one extra run, is no change, and bends no score.
    """
    stage = Stage(baselines={BASELINES + 1: 0.5})
    result = stage.search(24)

    assert [] == stage.notes
    assert 5 == len(stage.finished("sentinel"))
    assert all(1.05 < trial.relative < 1.16 for trial in result.trials)


def test_a_restless_machine_is_called_so_once():
    """
    From the third change on the person is told what to do about it, once.
    """
    stage = Stage(lambda n: 0.6 if (n // 30) % 2 else 1.0)
    stage.search(120)

    changes = [note for note in stage.notes if "became" in note]
    assert len(changes) >= 3
    assert 1 == sum("restless" in note for note in stage.notes)
    assert {"slower", "faster"} <= set(" ".join(changes).split())


def test_hopeless_runs_are_cut_and_bring_no_baseline_of_their_own():
    """
    Where every second setting runs at half speed, those are cut early; the baselines stay as far
    apart in time as without racing, and the cut runs keep about their true value.
    """

    def speed(setting):
        return 1.1 if setting["a"] % 2 else 0.5

    stage = Stage(speed=speed)
    result = stage.search(48)
    full = Stage(speed=speed, racing=False)
    full.search(48)

    cut = [trial for trial in result.trials if trial.measurement.cut_short]
    assert 24 == len(cut)
    assert all(len(trial.measurement.intervals) == 2 for trial in cut)
    assert [0.5] * 24 == pytest.approx([trial.relative for trial in cut], rel=0.06)
    assert len(stage.finished("sentinel")) < len(full.finished("sentinel"))
    assert not any(trial.measurement.cut_short for trial in full.side.trials)


def test_many_cuts_in_a_row_call_for_the_baseline():
    """
    When everything is suddenly hopeless it may be the machine: after four cuts it is asked, and
    what runs at the new level is no longer cut.
    """
    stage = Stage(lambda n: 0.4 if n >= BASELINES + 2 else 1.0)
    result = stage.search(30)

    cut = [trial.index for trial in result.trials if trial.measurement.cut_short]
    assert [2, 3, 4, 5] == cut
    (note,) = stage.notes
    assert "60% slower" in note or "59% slower" in note or "61% slower" in note
    assert all(1.03 < trial.relative < 1.17 for trial in result.trials[6:])
