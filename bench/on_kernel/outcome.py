"""What the runs say: how good each recommendation is, and how soon a search came near the best."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench.on_kernel.book import Told
from bench.on_kernel.lines import AS_FOUND, RECORDED, Run, Scenario, Study
from sealtune.space.knobs import Setting
from sealtune.tactician import SettingModel, TrialRecord
from sealtune.tactician.record import merits
from sealtune.verdict import MINIMUM_GAIN, Sentinels, looks_within
from sealtune.verdict.bounds import Interval, calibrated_interval, interval_towards
from sealtune.verdict.pairs import log_ratio, usable
from sealtune.verdict.statistics import hodges_lehmann, hodges_lehmann_rows

Matrix = NDArray[np.float64]

MOST_TRIES = 3
"""How often an arm is run in one round until it gives a value."""
NEAR = 0.9
_DRAWS = 2000


def trials_of(scenario: Scenario, runs: Iterable[Run], tactician: str) -> tuple[TrialRecord, ...]:
    """Return the trials of one search, each against the baseline between its two neighbours.

    Args:
        scenario: Where it searched.
        runs: The runs of this scenario and one seed.
        tactician: Who searched.
    """
    runs = tuple(runs)
    baselines: dict[int, Sentinels] = {}
    for run in runs:
        if run.phase == "baseline":
            sentinels = baselines.setdefault(run.stretch, Sentinels(scenario.header.direction))
            sentinels.add(run.measured(scenario), run.n)
    records = []
    for run in runs:
        if run.phase == "search" and run.arm == tactician:
            measured, around = run.measured(scenario), baselines.get(run.stretch)
            relative = around.relative(measured, run.n) if around and usable(measured) else None
            records.append(TrialRecord(run.number, run.setting, measured, run.score, relative))
    return tuple(records)


def arms_of(study: Study) -> tuple[str, ...]:
    """Return the arms of a confirming round."""
    return (AS_FOUND, RECORDED, *study.tacticians)


def rounds_of(study: Study, scenario: Scenario, runs: Iterable[Run]) -> dict[int, dict[str, Run]]:
    """Return the complete rounds: number to the last run of each arm.

    The runs of a round belong together: one that was broken off is not pieced together later.
    """
    tried: dict[tuple[int, int], dict[str, list[Run]]] = {}
    for run in runs:
        if run.phase == "confirm":
            arms = tried.setdefault((run.number, run.stretch), {})
            arms.setdefault(run.arm, []).append(run)
    return {
        number: {arm: arms[arm][-1] for arm in arms_of(study)}
        for (number, _), arms in tried.items()
        if all(_settled(scenario, arms.get(arm, [])) for arm in arms_of(study))
    }


def _settled(scenario: Scenario, tries: Sequence[Run]) -> bool:
    """Return whether an arm gave a value, or will give none."""
    return bool(tries) and (len(tries) >= MOST_TRIES or usable(tries[-1].measured(scenario)))


def rounds_left(study: Study, scenario: Scenario, runs: Iterable[Run]) -> list[int]:
    """Return the numbers of the rounds that are still to be run, in order."""
    done = rounds_of(study, scenario, runs)
    return [number for number in range(study.rounds) if number not in done]


@dataclass(frozen=True)
class Row:
    """One arm on one scenario, over all seeds.

    Attributes:
        arm: A tactician, or `RECORDED`.
        gain: Mean over the seeds of its logarithmic gain over as found, with 95 % interval.
        share: The same as a share of what the best recorded point gave in the same rounds;
            ``None`` where that is no gain.
        near: For each seed the trials until a setting within 90 % of the best recorded gain was
            tried, ``None`` if none was; empty for `RECORDED` and where there is no gain.
        search_seconds: What one search took, runs and thinking [s]; without the baselines.
        thinking_seconds: What the tactician took of it [s].
        failed: Confirming runs that gave no value, of all; they count as no gain.
    """

    arm: str
    gain: Interval
    share: Interval | None
    near: tuple[int | None, ...]
    search_seconds: float
    thinking_seconds: float
    failed: int


@dataclass(frozen=True)
class Outcome:
    """What one scenario came to.

    Attributes:
        study: What is compared.
        scenario: Where.
        searches: Seed to its runs, of the seeds that are complete.
        missing: Seeds that are not.
    """

    study: Study
    scenario: Scenario
    searches: Mapping[int, Sequence[Run]]
    missing: tuple[int, ...]

    @cached_property
    def rounds(self) -> dict[int, dict[int, dict[str, Run]]]:
        """Seed to its confirming rounds."""
        return {
            seed: rounds_of(self.study, self.scenario, runs)
            for seed, runs in self.searches.items()
        }

    @cached_property
    def gains(self) -> dict[str, Matrix]:
        """Arm to its logarithmic gains over as found, ``(seeds, rounds)``; a failure is 0."""
        return {
            arm: np.array(
                [
                    [self._gain(rounds[number], arm) for number in sorted(rounds)]
                    for rounds in self.rounds.values()
                ]
            )
            for arm in arms_of(self.study)[1:]
        }

    def _gain(self, runs: Mapping[str, Run], arm: str) -> float:
        found, reference = (runs[name].measured(self.scenario) for name in (arm, AS_FOUND))
        # What does not run would not be applied either: nothing gained, nothing lost.
        return log_ratio(found, reference, self.scenario.header.direction) or 0.0

    def setting(self, seed: int, arm: str) -> Setting:
        """Return what `arm` set in the confirming rounds of `seed`."""
        return dict(next(iter(self.rounds[seed].values()))[arm].setting)

    def confirmed(self, seed: int, arm: str) -> Interval:
        """Return the logarithmic gain of one recommendation with its calibrated interval.

        More rounds than the last look has come from several files alone; their interval is as
        strict as that look's.
        """
        values = self.gains[arm][list(self.searches).index(seed)]
        looks = looks_within(self.study.rounds)
        strict = interval_towards if len(values) > looks[-1] else calibrated_interval
        return strict(values, looks)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The best recorded point, then every tactician; nothing without a complete seed."""
        if not self.searches:
            return ()
        draws = _Draws(len(self.searches), self.study.rounds)
        best = draws.interval(self.gains[RECORDED])
        worth = best.low > np.log1p(MINIMUM_GAIN)
        searched = any(run.phase == "search" for runs in self.searches.values() for run in runs)
        near = self._near(best.centre) if worth and searched else {}
        return tuple(
            self._row(arm, draws, worth=worth, near=near.get(arm, ()))
            for arm in arms_of(self.study)[1:]
        )

    def _row(self, arm: str, draws: "_Draws", *, worth: bool, near: tuple[int | None, ...]) -> Row:
        gains = self.gains[arm]
        searched = [
            run
            for runs in self.searches.values()
            for run in runs
            if run.phase == "search" and run.arm == arm
        ]
        confirming = [rounds[n][arm] for rounds in self.rounds.values() for n in rounds]
        thinking = sum(run.thinking for run in searched) / len(self.searches)
        running = sum(run.seconds for run in searched) / len(self.searches)
        return Row(
            arm=arm,
            gain=draws.interval(gains),
            share=draws.share(gains, self.gains[RECORDED]) if worth else None,
            near=near,
            search_seconds=running + thinking,
            thinking_seconds=thinking,
            failed=sum(not usable(run.measured(self.scenario)) for run in confirming),
        )

    def _near(self, best: float) -> dict[str, tuple[int | None, ...]]:
        """Return for each tactician and seed after how many trials it was near `best`.

        One trial is one noisy run, and the luckiest of forty looks like a gain. So a setting is
        judged by what all runs of all tacticians and seeds together say of it, by one model.
        """
        trials = {
            (arm, seed): trials_of(self.scenario, runs, arm)
            for arm in self.study.tacticians
            for seed, runs in self.searches.items()
        }
        model = self._model([trial for known in trials.values() for trial in known])
        found: dict[str, tuple[int | None, ...]] = {}
        for (arm, _), known in trials.items():
            good = [trial for trial in known if trial.score is not None]
            means = model.predict([trial.setting for trial in good])[0] if good else ()
            first = (
                trial.index + 1
                for trial, mean in zip(good, means, strict=True)
                if mean >= NEAR * best
            )
            found[arm] = (*found.get(arm, ()), next(first, None))
        return found

    def _model(self, trials: Sequence[TrialRecord]) -> SettingModel:
        """Return a model of every search and confirming run, in logarithmic gains."""
        settings = [trial.setting for trial in trials]
        values = merits(trials)
        for place, seed in enumerate(self.searches):
            for arm, gains in self.gains.items():
                settings += [self.setting(seed, arm)] * self.study.rounds
                values += gains[place].tolist()
        return SettingModel(self.scenario.header.space).fit(settings, values)


def outcomes(told: Told) -> tuple[Outcome, ...]:
    """Return what each scenario of a file came to, as far as its seeds are complete."""
    return tuple(_outcome(told, scenario) for scenario in told.scenarios.values())


def _outcome(told: Told, scenario: Scenario) -> Outcome:
    seeds = dict.fromkeys(run.seed for run in told.runs if run.scenario == scenario.name)
    searches = {seed: told.of(scenario.name, seed) for seed in seeds}
    whole = {
        seed: runs
        for seed, runs in searches.items()
        if not rounds_left(told.study, scenario, runs)
    }
    missing = tuple(seed for seed in searches if seed not in whole)
    return Outcome(told.study, scenario, whole, missing)


class _Draws:
    """Resampling of seeds, and of the rounds within each: the same draws for every arm.

    With three seeds the interval can hardly be wider than what the three gave: it says how firm
    these three are, and little about a fourth.

    Args:
        seeds: How many there are.
        rounds: Rounds of each.
    """

    def __init__(self, seeds: int, rounds: int) -> None:
        generator = np.random.default_rng(0)
        self._seeds = generator.integers(0, seeds, (_DRAWS, seeds, 1))
        self._rounds = generator.integers(0, rounds, (_DRAWS, seeds, rounds))

    def interval(self, gains: Matrix) -> Interval:
        """Return the mean over seeds of the centre of their rounds, ``(seeds, rounds)``."""
        return _interval(_centre(gains), self._centres(gains))

    def share(self, gains: Matrix, best: Matrix) -> Interval:
        """Return `gains` as a share of `best`, whose centre is above 0."""
        drawn = self._centres(gains) / np.maximum(self._centres(best), 1e-3)
        return _interval(_centre(gains) / _centre(best), drawn)

    def _centres(self, gains: Matrix) -> Matrix:
        drawn = gains[self._seeds, self._rounds]
        centres = hodges_lehmann_rows(drawn.reshape(-1, drawn.shape[-1]))
        return np.asarray(centres.reshape(drawn.shape[:2]).mean(axis=1))


def _centre(gains: Matrix) -> float:
    return float(np.mean([hodges_lehmann(row) for row in gains]))


def _interval(centre: float, drawn: Matrix) -> Interval:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(centre, float(low), float(high))
