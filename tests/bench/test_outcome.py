"""What a comparison came to: shares, gains and how soon, from runs whose truth is known."""

import math

import numpy as np
import pytest
from bench.on_kernel.book import Told
from bench.on_kernel.lines import AS_FOUND, RECORDED, Run, Scenario, Study
from bench.on_kernel.outcome import arms_of, outcomes, rounds_left, trials_of
from bench.on_kernel.table import tables
from tests.survey.conftest import HEADER

NOISE = 0.01
BEST = {"ahead": 64, "share": 80, "scheduler": "none"}
TRIALS = 8


def truth(setting):
    """Best with a share of 80: +22 %; 1 % noise is put on it."""
    return 0.2 * math.exp(-(((setting["share"] - 80) / 15) ** 2)) if setting else 0.0


def at(share):
    return {**BEST, "share": share}


class Maker:
    """Writes the runs of a comparison whose truth is known."""

    def __init__(self, paths, *, seeds=3, direction="maximize", best=BEST, worth=1.0):
        self.header = HEADER.model_copy(update={"direction": direction})
        self.study = Study(
            simulated=True,
            tacticians=tuple(paths),
            trials=TRIALS,
            rounds=6,
            run_seconds=1.0,
            machine={"kernel": "6.1", "cpus": 2, "cpu_model": ""},
        )
        self.scenario = Scenario(name="made", header=self.header, best=best, recorded=1.25)
        self.worth, self.paths = worth, paths
        self.generator = np.random.default_rng(1000)
        self.runs = []
        for seed in range(1000, 1000 + seeds):
            self.sitting(seed)

    def add(self, seed, phase, arm, setting, number=0, *, fails=False, stretch=0):
        logarithm = self.worth * truth(setting) + self.generator.normal(0.0, NOISE)
        sign = 1 if self.header.direction == "maximize" else -1
        self.runs.append(
            Run(
                n=len(self.runs),
                stretch=stretch,
                scenario="made",
                seed=seed,
                phase=phase,
                arm=arm,
                number=number,
                setting=setting,
                value=None if fails else 100.0 * math.exp(sign * logarithm),
                score=None if fails or phase != "search" else logarithm,
                failure="crashed" if fails else None,
                seconds=2.0,
                thinking=0.5 if phase == "search" else 0.0,
            )
        )

    def sitting(self, seed):
        for number in range(TRIALS):
            if number % 3 == 0:
                self.add(seed, "baseline", AS_FOUND, {})
            for tactician, path in self.paths.items():
                self.add(seed, "search", tactician, at(path[number]), number)
        for number in range(6):
            self.round(seed, number)

    def round(self, seed, number, *, stretch=0, arms=None):
        for arm in arms or arms_of(self.study):
            setting = {AS_FOUND: {}, RECORDED: self.scenario.best}.get(arm)
            if setting is None:
                setting = at(max(self.paths[arm], key=lambda share: truth(at(share))))
            for _ in range(3 if arm == "crashing" else 1):
                self.add(
                    seed, "confirm", arm, setting, number, fails=arm == "crashing", stretch=stretch
                )

    @property
    def told(self):
        return Told(self.study, {"made": self.scenario}, tuple(self.runs), 0)


QUICK = [50, 60, 80, 85, 75, 80, 90, 80]
SLOW = [10, 20, 30, 40, 50, 60, 68, 68]
LOST = [10, 20, 30, 40, 10, 20, 30, 40]


def row_of(outcome, arm):
    return next(row for row in outcome.rows if row.arm == arm)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_shares_and_gains_are_those_of_the_truth(direction):
    """The best point's finder has all of the gain, the others as much as their setting has."""
    (outcome,) = outcomes(Maker({"quick": QUICK, "slow": SLOW}, direction=direction).told)
    quick, slow = row_of(outcome, "quick"), row_of(outcome, "slow")

    assert quick.share.low < 1.0 < quick.share.high
    assert quick.gain.centre == pytest.approx(0.2, abs=0.01)
    true = truth(at(68)) / 0.2
    assert slow.share.centre == pytest.approx(true, abs=0.05)
    assert slow.share.low < true < slow.share.high
    assert slow.share.high < 0.8


def test_the_first_setting_near_the_best_counts_not_the_first_lucky_run():
    """Trials are judged by what all runs together say: the third is near, of the lost none."""
    (outcome,) = outcomes(Maker({"quick": QUICK, "lost": LOST}).told)

    assert row_of(outcome, "quick").near == (3, 3, 3)
    assert row_of(outcome, "lost").near == (None, None, None)


def test_each_recommendation_has_its_calibrated_interval():
    """For each seed the gain of what was recommended, with an interval that holds the truth."""
    (outcome,) = outcomes(Maker({"quick": QUICK}).told)
    for seed in (1000, 1001, 1002):
        gain = outcome.confirmed(seed, "quick")
        assert gain.low < 0.2 < gain.high
        assert outcome.setting(seed, "quick")["share"] == 80


def test_seconds_are_of_one_search():
    """What a search took are its runs and its thinking, not those of the confirmation."""
    (outcome,) = outcomes(Maker({"quick": QUICK}).told)
    row = row_of(outcome, "quick")

    assert row.search_seconds == pytest.approx(TRIALS * 2.5)
    assert row.thinking_seconds == pytest.approx(TRIALS * 0.5)


def test_without_a_recorded_gain_there_is_nothing_to_share():
    """Where the best recorded point is no better than as found, no share is computed."""
    told = Maker({"quick": QUICK}, worth=0.0).told
    (outcome,) = outcomes(told)

    assert row_of(outcome, "quick").share is None
    assert "no gain to share" in tables(told)


def test_what_fails_gained_nothing():
    """A recommendation whose confirming runs fail has no gain; the table says how often."""
    told = Maker({"quick": QUICK, "crashing": QUICK}).told
    (outcome,) = outcomes(told)
    row = row_of(outcome, "crashing")

    assert row.share.centre == 0.0
    assert row.failed == 18
    assert "18 confirming runs of crashing failed" in tables(told)


def test_a_seed_that_is_not_complete_is_not_counted():
    """Half a confirmation says nothing; the table names the seed."""
    maker = Maker({"quick": QUICK})
    maker.runs = [run for run in maker.runs if run.seed != 1002 or run.number != 5]
    (outcome,) = outcomes(maker.told)

    assert outcome.missing == (1002,)
    assert list(outcome.searches) == [1000, 1001]
    assert "seed 1002 is not complete" in tables(maker.told)


def test_a_file_without_a_complete_seed_has_an_empty_table():
    """Right after its beginning a file can be shown."""
    maker = Maker({"quick": QUICK}, seeds=1)
    maker.runs = maker.runs[:10]

    assert "seed 1000 is not complete" in tables(maker.told)


def test_a_round_is_not_pieced_together_from_two_processes():
    """Arms that ran before and after an interruption are not compared: the round is run again."""
    maker = Maker({"quick": QUICK}, seeds=1)
    maker.runs = [run for run in maker.runs if run.phase != "confirm" or run.number < 5]
    maker.round(1000, 5, stretch=0, arms=(AS_FOUND, RECORDED))
    maker.round(1000, 5, stretch=1, arms=("quick",))
    assert rounds_left(maker.study, maker.scenario, maker.runs) == [5]
    maker.round(1000, 5, stretch=1, arms=(AS_FOUND, RECORDED))
    assert rounds_left(maker.study, maker.scenario, maker.runs) == []


def test_a_trial_is_compared_with_baselines_of_its_own_process():
    """A machine that is another one after an interruption moves no ratio."""
    maker = Maker({"quick": QUICK}, seeds=1)
    maker.runs = [run for run in maker.runs if run.phase != "confirm"]
    half = len(maker.runs) // 2
    later = [
        run.model_copy(update={"stretch": 1, "value": run.value * 3}) for run in maker.runs[half:]
    ]
    known = trials_of(maker.scenario, [*maker.runs[:half], *later], "quick")

    assert len(known) == TRIALS
    for trial in known:
        assert math.log(trial.relative) == pytest.approx(truth(trial.setting), abs=0.06)


def test_the_table_has_a_line_for_each_and_says_simulated():
    """Best recorded point first, every tactician, then every seed of each."""
    text = tables(Maker({"quick": QUICK, "slow": SLOW}).told)

    assert text.startswith("SIMULATED")
    assert text.count("| made ") == 3 + 9
    assert "| best recorded" in text
    assert "3, 3, 3" in text
    assert "biased upwards" in text
