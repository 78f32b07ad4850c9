"""A machine that does not exist, for dry runs and for the registered environment.

Nothing is read from or written to any kernel. The response surface is drawn from the seed and
the names of the knobs; it knows no knob, so what it prefers says nothing about a real machine.
"""

import math
import zlib
from collections.abc import Callable, Mapping

import numpy as np

from sealtune.benchmarks.base import ShouldStop
from sealtune.benchmarks.measurement import Direction, Measurement, failed
from sealtune.space.knobs import ChoiceKnob, Setting, Value
from sealtune.space.space import Space

NOISE = 0.04
OUTLIERS = 0.03
FAILURES = 0.01
BASELINE = 1000.0
INTERVALS = 10


class SimulatedMachine:
    """Runs trials against a smooth random surface: few knobs matter, some of them together.

    About a third of the knobs matter. One run has about 4 % noise; 3 % of the runs are outliers
    and 1 % fail. A lower-is-better metric is the inverse of the surface.

    Args:
        space: What may be set.
        seed: Same seed and knob names, same surface; same calls, same noise.
        originals: What the simulated machine is set to at first; a knob it does not name is at
            its start. Its metric is `BASELINE`.
        direction: Whether larger or smaller is better.
        seconds: How long a run claims to have taken; it returns at once [s].
        pace: Factor on the speed of run number n, from 0: how the machine drifts, or jumps.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        *,
        originals: Mapping[str, Value] | None = None,
        direction: Direction = "maximize",
        seconds: float = 5.0,
        pace: Callable[[int], float] | None = None,
    ) -> None:
        self._space = space
        self._direction = direction
        self._seconds = seconds
        self._pace, self._runs = pace, 0
        self._originals: Setting = {**space.start, **(originals or {})}
        self._noise = np.random.default_rng([seed, 1])
        self._shape(np.random.default_rng([seed, *(zlib.crc32(n.encode()) for n in space.names)]))
        self._level = self._log_speed(self._originals)

    def _shape(self, generator: np.random.Generator) -> None:
        """Draw optimum, width and weight of each knob, and one pair that acts together."""
        count = len(self._space)
        matter = generator.permutation(count)[: max(1, math.ceil(count / 3))]
        self._weight = np.zeros(count)
        self._weight[matter] = generator.dirichlet(np.full(len(matter), 2.0))
        self._optimum = generator.uniform(0.0, 1.0, count)
        self._width = generator.uniform(0.25, 0.5, count)
        self._pair = (int(matter[0]), int(matter[-1]))
        self._gain = generator.uniform(0.3, 0.7)
        # Choices are in no order: each one gets a place of its own on the hill.
        self._places = {
            (knob.name, choice): generator.random()
            for knob in self._space.knobs
            if isinstance(knob, ChoiceKnob)
            for choice in knob.choices
        }

    def _log_speed(self, setting: Mapping[str, Value]) -> float:
        values = {**self._originals, **setting}
        place = np.array(
            [
                self._places.get(
                    (knob.name, str(values[knob.name])), knob.encode(values[knob.name])
                )
                for knob in self._space.knobs
            ]
        )
        hill = np.exp(-0.5 * ((place - self._optimum) / self._width) ** 2)
        together = hill[self._pair[0]] * hill[self._pair[1]]
        return float(self._gain * (0.8 * self._weight @ hill + 0.2 * together))

    def validate(self, name: str, value: Value) -> bool:
        """Return whether `value` is within the range of the knob called `name`."""
        if name not in self._space.names:
            return False
        knob = self._space.knob(name)
        if isinstance(knob, ChoiceKnob):
            return value in knob.choices
        return isinstance(value, int) and knob.low <= value <= knob.high

    def speed(self, setting: Mapping[str, Value]) -> float:
        """Return the noise-free metric of `setting`, unnamed knobs at their originals."""
        ratio = math.exp(self._log_speed(setting) - self._level)
        return BASELINE / ratio if self._direction == "minimize" else BASELINE * ratio

    def measure(
        self, setting: Mapping[str, Value], *, should_stop: ShouldStop | None = None
    ) -> Measurement:
        """Return one noisy run of `setting`; the empty setting is the baseline.

        Args:
            setting: Knob name to value; a knob that it does not name is at its original.
            should_stop: Asked after each interval, given all so far; true cuts the run short.
        """
        pace = self._pace(self._runs) if self._pace is not None else 1.0
        pace = 1 / pace if self._direction == "minimize" else pace
        self._runs += 1
        if self._noise.random() < FAILURES:
            return failed("simulated: the benchmark gave no result", seconds=self._seconds)
        value = self.speed(setting) * pace * math.exp(self._noise.normal(0.0, NOISE))
        if self._noise.random() < OUTLIERS:
            value *= self._noise.choice([0.7, 0.8, 1.25])
        intervals = value * np.exp(self._noise.normal(0.0, 0.05, INTERVALS))
        intervals *= value / intervals.mean()
        run = [float(interval) for interval in intervals]
        return self._reported(*_until_stopped(run, should_stop))

    def _reported(self, intervals: list[float], cut_short: bool) -> Measurement:
        """Return the measurement of a run with these intervals."""
        value = sum(intervals) / len(intervals)
        maximize = self._direction == "maximize"
        pace = 1000.0 / value if maximize else value / 1000.0
        return Measurement(
            value,
            metric="simulated operations" if maximize else "simulated time",
            unit="1/s" if maximize else "us",
            direction=self._direction,
            intervals=tuple(intervals),
            interval_seconds=self._seconds / INTERVALS,
            latency_ms={"p50": pace, "p99": 3.0 * pace},
            seconds=self._seconds * len(intervals) / INTERVALS,
            state={
                "cpu_usage": float(self._noise.uniform(60.0, 95.0)),
                "memory_used_percent": float(self._noise.uniform(30.0, 40.0)),
                "io_wait_percent": float(self._noise.uniform(0.0, 10.0)),
            },
            cut_short=cut_short,
        )

    def reset(self) -> None:
        """Do nothing: every measurement begins from the originals."""


def _until_stopped(
    intervals: list[float], should_stop: ShouldStop | None
) -> tuple[list[float], bool]:
    """Return the intervals that ran before `should_stop` ended the run, and whether it did."""
    if should_stop is not None:
        for count in range(1, len(intervals)):
            if should_stop(intervals[:count]):
                return intervals[:count], True
    return intervals, False
