"""Machines on which half of the space is bad, and runs whose intervals are alike in time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sealtune.benchmarks.base import ShouldStop
from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.space.knobs import IntKnob, Setting
from sealtune.space.space import Space
from sealtune.survey.lines import Run
from sealtune.survey.surface import Surface, load_surface
from sealtune.trial.racing import FEWEST_INTERVALS

SURFACES = Path(__file__).parent / "surfaces"
LEVEL = 1000.0
WARM_UP = 1.0
"""What each run takes before its first interval [s]."""

_SAMPLES = 4096
_KNOBS = 6


@dataclass(frozen=True, slots=True)
class Load:
    """How the intervals of a run vary.

    Attributes:
        between: Standard deviation of whole runs, as a share.
        within: Standard deviation of one interval around its run.
        memory: Correlation of an interval with the one before it.
        stalls: Share of the intervals that run at half speed.
        slow_start: Share by which the first interval of every run is slower.
        outlying: Share of the runs that lose 20 to 50 %.
        intervals: Intervals of a run.
        seconds: Its length without warm-up [s].
    """

    between: float = 0.025
    within: float = 0.06
    memory: float = 0.6
    stalls: float = 0.005
    slow_start: float = 0.0
    outlying: float = 0.0
    intervals: int = 10
    seconds: float = 5.0

    def draw(self, rng: np.random.Generator, speed: float = 1.0) -> list[float]:
        """Return the intervals of one run on a setting that is `speed` times the baseline."""
        steps = rng.normal(0, self.within, self.intervals)
        noise = np.empty(self.intervals)
        noise[0] = steps[0]
        for place in range(1, self.intervals):
            fresh = math.sqrt(1 - self.memory**2) * steps[place]
            noise[place] = self.memory * noise[place - 1] + fresh
        noise += rng.normal(0, self.between)
        noise += np.where(rng.random(self.intervals) < self.stalls, math.log(0.5), 0.0)
        noise[0] += math.log(1 - self.slow_start)
        if rng.random() < self.outlying:
            noise -= rng.uniform(0.2, 0.7)
        return [float(value) for value in LEVEL * speed * np.exp(noise)]


class Machine(Protocol):
    """Something to search on, whose truth is known."""

    space: Space
    seconds: float
    best: float

    def run(self, setting: Setting, rng: np.random.Generator) -> list[float]:
        """Return the intervals of one run, of the values as found for ``{}``; none: it failed."""
        ...

    def merit(self, setting: Setting) -> float:
        """Return the true logarithm of `setting` over the values as found."""
        ...


class Synthetic:
    """Six knobs; one half of the space is at least a fifth slower than the values as found.

    In the other half three knobs make a hill on which the values as found lie half-way.

    Args:
        family: ``cliff``: a threshold of one knob; ``corner``: of a weighted sum of two;
            ``ramp``: of a sum of three, and the further beyond it the worse.
        seed: Draws the surface.
        load: How runs vary.
    """

    FAMILIES = ("cliff", "corner", "ramp")

    def __init__(self, family: str, seed: int, load: Load | None = None) -> None:
        self._load = load or Load()
        self.seconds = self._load.seconds
        rng = np.random.default_rng([seed, 47, self.FAMILIES.index(family)])
        self._ramp = family == "ramp"
        order = rng.permutation(_KNOBS)
        self._hill, weights = order[:3], np.zeros(_KNOBS)
        count = {"cliff": 1, "corner": 2, "ramp": 3}[family]
        # The bad half is decided by knobs of the hill and others.
        weights[order[2 : 2 + count]] = rng.uniform(0.6, 1.0, count) * rng.choice([-1, 1], count)
        self._weights = weights
        self._gain, self._loss = rng.uniform(0.25, 0.5), rng.uniform(0.3, 0.8)
        self._width = rng.uniform(0.25, 0.45)
        drawn = rng.random((_SAMPLES, _KNOBS))
        scores = drawn @ weights
        self._limit, self._end = float(np.median(scores)), float(scores.max())
        good = drawn[scores < self._limit - 0.03]  # rounding must not push one over the edge
        self._optimum = good[int(rng.integers(len(good)))]
        heights = self._height(good)
        found = good[np.argsort(heights)[len(good) // 2]]
        self.space = Space(
            [IntKnob(f"k{n}", 0, 100, start=round(100 * found[n])) for n in range(_KNOBS)]
        )
        self._start = self._log_speed(self.space.start)
        hilltop = self.space.decode(self._optimum)
        self.best = max(self.merit(hilltop), self.merit(self.space.start))

    def _height(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        far = (places[:, self._hill] - self._optimum[self._hill]) / self._width
        return np.asarray(np.exp(-0.5 * (far**2).sum(axis=1)))

    def _log_speed(self, setting: Setting) -> float:
        place = np.asarray(self.space.encode(setting))
        height = self._gain * float(self._height(place[None, :])[0])
        beyond = float(place @ self._weights) - self._limit
        if beyond < 0:
            return height
        depth = 1.0 + beyond / (self._end - self._limit) if self._ramp else 1.0
        return -self._loss * depth

    def merit(self, setting: Setting) -> float:
        """Return the true logarithm of `setting` over the values as found."""
        return self._log_speed({**self.space.start, **setting}) - self._start

    def run(self, setting: Setting, rng: np.random.Generator) -> list[float]:
        """Return the intervals of one run."""
        return self._load.draw(rng, math.exp(self.merit(setting)))


class Recorded:
    """A recorded surface: a setting gets a run of the nearest recorded point, intervals and all.

    Args:
        surface: The recording.

    Raises:
        ValueError: Its runs have too few intervals to race on.
    """

    def __init__(self, surface: Surface) -> None:
        self.space, self.seconds = surface.space, surface.header.run_seconds
        self._sign = 1.0 if surface.header.direction == "maximize" else -1.0
        self._points = surface.points
        self._places = np.array([self.space.encode(point.setting) for point in self._points])
        self._runs: dict[tuple[tuple[str, int | str], ...], list[list[float]]] = {}
        for run, relative in zip(surface.runs, surface.relatives, strict=True):
            if relative is not None and len(run.intervals) >= FEWEST_INTERVALS:
                series = self._levelled(run, relative)
                self._runs.setdefault(tuple(sorted(run.setting.items())), []).append(series)
        if len(self._runs.get((), [])) < 3:
            longest = max((len(run.intervals) for run in surface.runs), default=0)
            raise ValueError(f"{longest} intervals a run: too few to race on")
        self.best = math.log(surface.best.ratio or 1.0)

    def _levelled(self, run: Run, relative: float) -> list[float]:
        """Return intervals as if larger were better and the baseline stood still."""
        mean = sum(run.intervals) / len(run.intervals)
        return [LEVEL * relative * (value / mean) ** self._sign for value in run.intervals]

    def _nearest(self, setting: Setting) -> int:
        far = self._places - np.asarray(self.space.encode({**self.space.start, **setting}))
        return int(np.argmin((far**2).sum(axis=1)))

    def merit(self, setting: Setting) -> float:
        """Return the recorded mean of the nearest point; a point that failed is very bad."""
        ratio = self._points[self._nearest(setting)].ratio
        return math.log(ratio) if ratio else -1.0

    def run(self, setting: Setting, rng: np.random.Generator) -> list[float]:
        """Return a recorded run of the nearest point, none if it never worked."""
        nearest = self._points[self._nearest(setting)].setting if setting else {}
        runs = self._runs.get(tuple(sorted(nearest.items())), [])
        return runs[int(rng.integers(len(runs)))] if runs else []


def recordings() -> dict[str, Path]:
    """Return the recordings that are there, by name."""
    return {path.stem: path for path in sorted(SURFACES.glob("*.jsonl"))}


def recorded(name: str) -> Recorded:
    """Return the recording called `name` as a machine; see `Recorded`."""
    return Recorded(load_surface(recordings()[name]))


def measured(
    intervals: Sequence[float], seconds: float, should_stop: ShouldStop | None
) -> Measurement:
    """Return the run of these intervals, cut short as soon as `should_stop` says so."""
    if not intervals:
        return failed("recorded: it never worked", seconds=WARM_UP)
    seen = list(intervals)
    if should_stop is not None:
        for count in range(1, len(intervals)):
            if should_stop(intervals[:count]):
                seen = list(intervals[:count])
                break
    each = seconds / len(intervals)
    return Measurement(
        sum(seen) / len(seen),
        intervals=tuple(seen),
        interval_seconds=each,
        seconds=WARM_UP + each * len(seen),
        cut_short=len(seen) < len(intervals),
    )
