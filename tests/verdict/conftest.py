"""A machine whose true speeds, noise and clock are known."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from sealtune.benchmarks.measurement import Measurement, failed


class FakeMachine:
    """`measure` for a known `speed(setting)`, with log-normal noise and a virtual clock."""

    def __init__(self, speed, *, noise=0.0, seed=0, direction="maximize", seconds=7.0, extra=None):
        self.speed, self.noise, self.direction = speed, noise, direction
        self.rng = np.random.default_rng(seed)
        self.seconds, self.now, self.runs = seconds, 0.0, []
        self.extra = extra or (lambda setting: {})

    def measure(self, setting):
        self.now += self.seconds
        self.runs.append(dict(setting))
        speed = self.speed(setting)
        if speed is None:
            return failed("the benchmark broke")
        value = 1000 * speed * math.exp(self.rng.normal(0, self.noise))
        if self.direction == "minimize":
            value = 1e6 / value
        return Measurement(value, direction=self.direction, **self.extra(setting))

    def clock(self):
        return self.now


@pytest.fixture
def machine() -> Callable[..., FakeMachine]:
    return FakeMachine
