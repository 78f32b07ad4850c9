"""What is believed before the first trial: where to begin, and how firmly."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sealtune.space.knobs import Setting


@dataclass(frozen=True)
class Prior:
    """A belief about where the best setting lies; what the trials say wins over it.

    Attributes:
        start: First setting to try; knobs it does not name begin at their own start.
        focus: Knob name to the part of its range worth trying first, low and high, both included.
        proposals: Settings worth an early trial, best first; unnamed knobs stay at the start.
        stages: Knob names in stages (a curriculum): those of the first stage are searched alone
            first, then those of the second beside them, and so on. Knobs in no stage join last.
    """

    start: Setting = field(default_factory=dict)
    focus: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    proposals: tuple[Setting, ...] = ()
    stages: tuple[tuple[str, ...], ...] = ()
