"""One dimension of a search space: an integer range or a set of choices, encoded to [0, 1]."""

import math
from dataclasses import dataclass
from typing import Literal

Value = int | str
Setting = dict[str, Value]
"""Knob name to the value to write. The empty setting means "as found": the originals."""
When = tuple[str, tuple[str, ...]]
"""Name of a choice, and those of its values under which a knob exists at all."""


@dataclass(frozen=True, slots=True)
class IntKnob:
    """Integers from `low` to `high`, both included, in steps of `step` counted from `low`.

    Attributes:
        name: Parameter name, unique within a space.
        low: Smallest value.
        high: Largest value, at least `low`.
        start: Where the search begins; the middle of the (scaled) range when ``None``.
        scale: ``log`` makes equal ratios equally far apart; ``low`` 0 is then treated as 0 plus
            the positive range from `step` on.
        step: Granularity.
        when: The choice under which it exists, see `When`; always, when ``None``.

    Raises:
        ValueError: Empty range, step below 1, start outside, a log scale below zero, or a `when`
            without choices.

    >>> IntKnob("a", 0, 100).decode(0.25)
    25
    >>> IntKnob("b", 1, 10_000, scale="log").decode(0.5)
    100
    """

    name: str
    low: int
    high: int
    start: int | None = None
    scale: Literal["linear", "log"] = "linear"
    step: int = 1
    when: When | None = None

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"{self.name}: min {self.low} is above max {self.high}")
        if self.step < 1:
            raise ValueError(f"{self.name}: step {self.step}, need at least 1")
        if self.scale == "log" and self.low < 0:
            raise ValueError(f"{self.name}: a log scale needs min >= 0, got {self.low}")
        if self.start is not None and not self.low <= self.start <= self.high:
            raise ValueError(f"{self.name}: start {self.start} outside {self.low}..{self.high}")
        object.__setattr__(self, "when", _condition(self.name, self.when))

    def _axis(self, value: float) -> float:
        # 0 has no logarithm: the axis is shifted by one step, which keeps 0 a reachable value.
        shift = self.step if self.low == 0 else 0
        return math.log(value + shift) if self.scale == "log" else float(value)

    def decode(self, position: float) -> int:
        """Return the integer at `position`, clipped to [0, 1]."""
        position = min(1.0, max(0.0, position))
        low, high = self._axis(self.low), self._axis(self.high)
        raw = low + position * (high - low)
        if self.scale == "log":
            raw = math.exp(raw) - (self.step if self.low == 0 else 0)
        steps = round((raw - self.low) / self.step)
        return min(self.high, max(self.low, self.low + steps * self.step))

    def encode(self, value: Value) -> float:
        """Return the position of `value` in [0, 1]; values outside the range are clipped."""
        number = min(self.high, max(self.low, int(value)))
        low, high = self._axis(self.low), self._axis(self.high)
        return 0.5 if high == low else (self._axis(number) - low) / (high - low)

    @property
    def first(self) -> int:
        """Where the search begins."""
        return self.decode(0.5) if self.start is None else self.start


@dataclass(frozen=True, slots=True)
class ChoiceKnob:
    """One of a fixed, ordered set of texts; [0, 1] is split into equal bins.

    `when` is the choice of another knob under which this one exists, see `When`.

    >>> knob = ChoiceKnob("c", ["x", "y"])
    >>> knob.decode(0.4), knob.decode(1.0), knob.encode("y")
    ('x', 'y', 0.75)
    """

    name: str
    choices: tuple[str, ...]
    start: str | None = None
    when: When | None = None

    def __init__(
        self,
        name: str,
        choices: "list[str] | tuple[str, ...]",
        start: str | None = None,
        when: When | None = None,
    ) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "choices", tuple(choices))
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "when", _condition(name, when))
        if not self.choices or len(set(self.choices)) != len(self.choices):
            raise ValueError(f"{name}: needs distinct choices, got {list(choices)}")
        if start is not None and start not in self.choices:
            raise ValueError(f"{name}: start {start!r} is not among {list(choices)}")

    def decode(self, position: float) -> str:
        """Return the choice whose bin holds `position`, clipped to [0, 1]."""
        index = int(min(1.0, max(0.0, position)) * len(self.choices))
        return self.choices[min(index, len(self.choices) - 1)]

    def encode(self, value: Value) -> float:
        """Return the middle of the bin of `value`; the first bin for an unknown one."""
        index = self.choices.index(str(value)) if str(value) in self.choices else 0
        return (index + 0.5) / len(self.choices)

    @property
    def first(self) -> str:
        """Where the search begins."""
        return self.choices[0] if self.start is None else self.start


Dimension = IntKnob | ChoiceKnob


def _condition(name: str, when: When | None) -> When | None:
    """Return `when` with its choices as a tuple, however they were given."""
    if when is None:
        return None
    choice, values = when
    if not values:
        raise ValueError(f"{name}: when {when!r}; need a knob's name and some of its choices")
    return choice, tuple(values)
