"""Searches on a recorded surface of a real kernel, without the machine.

    python -m bench.replay FILE --tacticians ppo,tpe,random --trials 30,60 --seeds 8 [--recorded]

What is asked for is answered by a model of the recording (extra-trees, fitted on one half of the
points; how well it ranks the other half is printed), or with ``--recorded`` by the nearest point
that was really measured. Every answer carries noise that was recorded, in the order in which it
came. The table shows the regret of what each tactician recommends after so many trials: 0 is the
best there is, 1 the values as found, more than 1 is worse than those.

Development uses seeds from 1000 on and one half of the points, tests the seeds below and the other
half: what was tuned on the one has not seen the other.
"""

import argparse
import math
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.forest import LEAVES, Forest, chosen_leaf
from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.space.knobs import ChoiceKnob, Setting
from sealtune.survey.surface import Point, Surface, load_surface
from sealtune.tactician import prepare_tactician, search
from sealtune.verdict.statistics import bootstrap_interval, hodges_lehmann

DEVELOPMENT = 1000
"""First seed of development; those below are for tests."""

_SAMPLES = 4096
_TOPS = 4
"""How many of the best samples the search for the optimum climbs from."""
_LINE = tuple(at / 40 for at in range(41))


class Replay:
    """A recorded surface as something to search: call it with a setting, get a measurement.

    The value is the baseline's median times the ratio of the setting times recorded noise, in
    the recorded metric. A setting whose nearest recorded point failed always, fails.

    Args:
        surface: The recording.
        seed: Seed of the noise, and of the model; 1000 and up belong to development.
        held_out: Answer from a model fitted on half of the points. Else from the nearest
            recorded point: one of its own runs, or its only run with noise of other points.
        drift: Let the baseline move as it did while recording.
    """

    def __init__(
        self, surface: Surface, seed: int, *, held_out: bool = True, drift: bool = False
    ) -> None:
        self.surface, self.space = surface, surface.space
        self._generator = np.random.default_rng([seed, 78])
        self._held_out, self._seed = held_out, seed
        as_found = Point(surface.originals, tuple(math.exp(e) for e in self._baseline_noise()))
        self._points = (*surface.points, as_found)
        self._places = np.array([self.space.encode(p.setting) for p in self._points])
        self._noise = np.array(surface.residuals or surface.baseline_residuals or (0.0,))
        self._moment = int(self._generator.integers(len(self._noise)))
        self._level = float(np.median(surface.baselines))
        self._course = np.array(surface.baselines) / self._level if drift else np.ones(1)
        self._turn = int(self._generator.integers(len(self._course)))

    def _baseline_noise(self) -> NDArray[np.float64]:
        """Return the baseline's residuals around 0: as found is as good as as found."""
        found = np.array(self.surface.baseline_residuals or (0.0,))
        return np.asarray(found - found.mean())

    def __call__(self, setting: Setting) -> Measurement:
        """Return one noisy run of `setting`."""
        point = self._nearest(setting)
        if point.ratio is None:
            return failed("recorded: the nearest point gave no value")
        if self._held_out:
            ratio = math.exp(self.log_ratio(setting) + self._next_noise())
        elif len(point.ratios) > 1:
            ratio = float(self._generator.choice(point.ratios))
        else:
            ratio = point.ratios[0] * math.exp(self._next_noise())
        level = self._level * self._next_course()
        header = self.surface.header
        value = level * ratio if header.direction == "maximize" else level / ratio
        return Measurement(
            value, metric=header.metric, unit=header.unit, direction=header.direction
        )

    def _next_noise(self) -> float:
        # In the recorded order from a random moment on: bad quarters of an hour stay together.
        self._moment = (self._moment + 1) % len(self._noise)
        return float(self._noise[self._moment])

    def _next_course(self) -> float:
        self._turn = (self._turn + 1) % (6 * len(self._course))
        return float(self._course[self._turn // 6])  # a baseline stood for six runs

    def log_ratio(self, setting: Setting) -> float:
        """Return the noise-free logarithm of `setting` over the baseline; -inf if it fails."""
        ratio = self._nearest(setting).ratio
        if ratio is None:
            return -math.inf
        return float(self._model.predict([setting])[0]) if self._held_out else math.log(ratio)

    def regret(self, setting: Setting) -> float:
        """Return how far `setting` is from the best; 0 is the best, 1 the values as found.

        Counted in logarithms. A setting that failed always is as bad as as found.
        """
        found, start = self.log_ratio(setting), self.log_ratio(self.surface.originals)
        if found == -math.inf:
            return 1.0
        return max(0.0, self.best - found) / max(self.best - start, 1e-9)

    @cached_property
    def best(self) -> float:
        """Largest noise-free logarithm of a ratio that a search could reach.

        Of recorded points the best repeated one: the largest single run is the luckiest.
        """
        if not self._held_out:
            return max(0.0, math.log(self.surface.best.ratio or 1.0))
        return self.log_ratio(self.optimum)

    @cached_property
    def optimum(self) -> Setting:
        """The setting with the largest noise-free ratio; of recorded points the best repeated one.

        Of the model the highest place reached from the best of many samples, axis by axis.
        """
        if not self._held_out:
            return self.surface.best.setting
        rows = np.random.default_rng(0).random((_SAMPLES, len(self.space)))
        drawn = [self.space.decode(row) for row in rows]
        known = [point.setting for point in self._points]
        tried = [s for s in (*known, *drawn) if self._nearest(s).ratio is not None]
        order = self._model.predict(tried).argsort()[::-1]
        return max((self._climbed(tried[i]) for i in order[:_TOPS]), key=self.log_ratio)

    def _climbed(self, setting: Setting) -> Setting:
        """Return the top of the model above `setting`, going along one axis after the other."""
        for _ in range(3):
            for knob in self.space.knobs:
                values = [knob.decode(place) for place in _LINE]
                line = [self.space.repair({**setting, knob.name: value}) for value in values]
                reached = [s for s in line if self._nearest(s).ratio is not None]
                line = [setting, *reached]  # first: it stays where nothing is better
                setting = line[int(self._model.predict(line).argmax())]
        return setting

    def afresh(self) -> "Replay":
        """Return the same replay with its noise from the beginning.

        It shares the model, which costs a second to fit.
        """
        fresh = Replay(
            self.surface, self._seed, held_out=self._held_out, drift=len(self._course) > 1
        )
        for name in ("_model", "optimum", "best", "halves"):
            if name in self.__dict__:
                fresh.__dict__[name] = self.__dict__[name]
        return fresh

    @cached_property
    def halves(self) -> tuple[list[Point], list[Point]]:
        """The points that the model learns from, and those that it has not seen."""
        good = [point for point in self.surface.points if point.ratio is not None]
        order = np.random.default_rng(0).permutation(len(good))
        first, second = order[::2], order[1::2]
        mine, other = (first, second) if self._seed >= DEVELOPMENT else (second, first)
        return [good[i] for i in mine], [good[i] for i in other]

    @cached_property
    def _model(self) -> Forest:
        measured = [(p.setting, [math.log(r) for r in p.ratios]) for p in self.halves[0]]
        leaf = chosen_leaf(self.space, measured)
        # The values as found were measured more often than anything: they are a leaf themselves.
        measured.append((self._points[-1].setting, [0.0] * max(LEAVES)))
        rows = [setting for setting, logs in measured for _ in logs]
        values = np.array([value for _, logs in measured for value in logs])
        return Forest(self.space, rows, values, seed=self._seed, leaf=leaf)

    @cached_property
    def rank_correlation(self) -> float:
        """Spearman's correlation of the model with the points that it has not seen."""
        from scipy.stats import spearmanr

        unseen = self.halves[1]
        values = [point.ratio or 1.0 for point in unseen]
        predicted = self._model.predict([point.setting for point in unseen])
        return float(spearmanr(values, predicted).statistic)

    def _nearest(self, setting: Setting) -> Point:
        """Return the recorded point nearest to `setting`; another choice is as far as can be."""
        away = np.abs(self._places - self.space.encode(setting))
        for index, knob in enumerate(self.space.knobs):
            if _is_choice(knob):
                away[:, index] = away[:, index] > 0
        return self._points[int((away**2).sum(axis=1).argmin())]


def _is_choice(knob: object) -> bool:
    return isinstance(knob, ChoiceKnob)


@dataclass(frozen=True)
class Job:
    """One search on the replay of a file."""

    file: Path
    tactician: str
    trials: tuple[int, ...]
    seed: int
    held_out: bool
    drift: bool


def run(job: Job) -> tuple[float, ...]:
    """Search once; return the regret of what is recommended after each count of trials."""
    replay = Replay(load_surface(job.file), job.seed, held_out=job.held_out, drift=job.drift)
    most = max(job.trials)
    tactician = prepare_tactician(job.tactician, replay.space, most, seed=job.seed)
    result = search(replay.space, replay, most, tactician=tactician, seed=job.seed)
    return tuple(replay.regret(result.recommended(count)) for count in job.trials)


def table(jobs: Sequence[Job], regrets: Sequence[tuple[float, ...]]) -> str:
    """Return the regret of each tactician: the middle of its seeds and the bootstrap interval."""
    lines = []
    for name in dict.fromkeys(job.tactician for job in jobs):
        rows = [row for job, row in zip(jobs, regrets, strict=True) if job.tactician == name]
        cells = []
        for values in np.array(rows).T:
            low, high = bootstrap_interval(values, np.random.default_rng(0))
            cells.append(f"{hodges_lehmann(values):.2f} [{low:.2f} {high:.2f}]".ljust(16))
        lines.append(f"| {name:8} | " + " | ".join(cells) + " |")
    head = " | ".join(f"{count} trials".ljust(16) for count in jobs[0].trials)
    return "\n".join([f"| method   | {head} |", *lines])


def main() -> None:
    """Run the searches on a few processes and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("file", type=Path, help="a recording, see docs/surfaces.md")
    parser.add_argument("--tacticians", default="ppo,tpe,random")
    parser.add_argument("--trials", default="30,60")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first", type=int, default=0, help="first seed; 1000 for development")
    parser.add_argument("--recorded", action="store_true", help="measured points, no model")
    parser.add_argument("--drift", action="store_true", help="the baseline moves as it did")
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # read by numpy in the spawned processes
    trials = tuple(int(count) for count in chosen.trials.split(","))
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    jobs = [
        Job(chosen.file, name, trials, seed, not chosen.recorded, chosen.drift)
        for name in chosen.tacticians.split(",")
        for seed in seeds
    ]
    with ProcessPoolExecutor(chosen.processes, mp_context=get_context("spawn")) as pool:
        regrets = list(pool.map(run, jobs))
    replay = Replay(load_surface(chosen.file), seeds.start, held_out=not chosen.recorded)
    kind = "development" if seeds.start >= DEVELOPMENT else "test"
    print(f"regret: 0 the best, 1 as found; {kind} seeds {seeds.start} to {seeds.stop - 1}\n")
    print(table(jobs, regrets))
    print(f"\nbest {math.exp(replay.best):.3f} of the baseline; ", end="")
    print(f"one run varies by {replay.surface.noise:.1%}", end="")
    if not chosen.recorded:
        print(f"; the model ranks unseen points with {replay.rank_correlation:.2f}", end="")
    print()


if __name__ == "__main__":
    main()
