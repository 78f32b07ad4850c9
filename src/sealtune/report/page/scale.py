"""An axis of ratios to the original: logarithmic, so that x2 and half are equally far from 1."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sealtune.report.format import percent

_STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_MARGIN = 0.06
_NARROWEST = math.log(1.04)


@dataclass(frozen=True, slots=True)
class Scale:
    """Ratios from `low` to `high`, drawn from `start` to `end`.

    Attributes:
        low: Smallest ratio, above 0.
        high: Largest ratio.
        start: Where `low` is drawn [px].
        end: Where `high` is drawn [px]; may lie before `start`.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, ratio: float) -> float:
        """Return where `ratio` is drawn, kept within the axis [px]."""
        share = math.log(max(ratio, 1e-9) / self.low) / math.log(self.high / self.low)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Return up to `most` round ratios within the axis, 1 among them."""
        for step in _STEPS:
            first, last = math.ceil((self.low - 1) / step), math.floor((self.high - 1) / step)
            if last - first < most:
                return [1 + step * number for number in range(first, last + 1)]
        return [1.0]


def scale_of(ratios: Iterable[float | None], start: float, end: float) -> Scale:
    """Return an axis that holds 1 and every known ratio, with a little air."""
    known = [math.log(ratio) for ratio in ratios if ratio is not None and ratio > 0]
    low, high = min([0.0, *known]), max([0.0, *known])
    air = max(_MARGIN * (high - low), (_NARROWEST - (high - low)) / 2)
    return Scale(math.exp(low - air), math.exp(high + air), start, end)


def tick_text(ratio: float) -> str:
    """Return the label of a tick.

    >>> tick_text(1.0), tick_text(1.1), tick_text(1.005), tick_text(3.0)
    ('original', '+10 %', '+0.5 %', 'x3')
    """
    if abs(ratio - 1) < 1e-9:
        return "original"
    return percent(ratio).replace(".0 %", " %")
