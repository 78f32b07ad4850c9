"""What a comparison of searches stands on: a space, noisy answers, and the truth behind them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sealtune.benchmarks.measurement import Measurement
from sealtune.space.knobs import Setting
from sealtune.space.space import Space

_MATTERS = 0.1
"""A knob matters if moving it alone from the optimum may cost this share of the gain."""

Benchmark = Callable[[Setting], Measurement]


@dataclass(frozen=True)
class Ground:
    """A surface to search, whose truth is known to the judge alone.

    Attributes:
        name: What it is called in tables.
        space: Where to search; it starts at the values as found.
        gain: Natural logarithm of the noise-free metric over that at the start; higher is
            better, minus infinity where every run fails.
        optimum: Setting with the largest `gain`.
        noise: Standard deviation of the logarithm of one run.
        benchmark: Returns a benchmark whose noise begins anew: the same at every call.
        fidelity: Rank correlation of the truth with recorded points that it has not seen;
            ``None`` where the truth is exact.
    """

    name: str
    space: Space
    gain: Callable[[Setting], float]
    optimum: Setting
    noise: float
    benchmark: Callable[[], Benchmark]
    fidelity: float | None = None

    @cached_property
    def best(self) -> float:
        """Gain at the optimum, the most that can be reached."""
        return self.gain(self.optimum)

    def regret(self, setting: Setting) -> float:
        """Return how far `setting` is from the best: 0 is the best, 1 the start or a failure.

        Counted in logarithms and not clipped: worse than the start is above 1.
        """
        gain = self.gain(setting)
        return 1.0 if gain == -math.inf else (self.best - gain) / self.best

    @cached_property
    def matters(self) -> tuple[str, ...]:
        """Names of the knobs that matter: moved alone from the optimum they cost 10 %."""
        return tuple(name for name in self.space.names if self._worst_of(name) > _MATTERS)

    def _worst_of(self, name: str) -> float:
        """Return the largest regret when only `name` leaves the optimum."""
        knob = self.space.knob(name)
        line = {knob.decode(place) for place in np.linspace(0.0, 1.0, 21)}
        moved = (self.space.repair({**self.optimum, name: value}) for value in line)
        return max(self.regret(setting) for setting in moved)
