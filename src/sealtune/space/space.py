"""The search space: dimensions, encoding to [0, 1]^n and the couplings between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sealtune.space.knobs import ChoiceKnob, Dimension, IntKnob, Setting, Value

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Below:
    """A coupling: the integer knob `lower` must stay strictly under the knob `upper`."""

    lower: str
    upper: str


@dataclass(frozen=True, slots=True)
class Space:
    """What may be tried: an ordered set of dimensions and the couplings between them.

    A knob may exist only under some choices of another (its `when`); that other one exists always:
    one level is enough for what kernels have. A setting is canonical when its couplings hold and
    every knob that does not exist there stands at its start: what cannot be told apart on the
    machine is one setting, and one position.

    Raises:
        ValueError: Empty, two dimensions of one name, or a `when` that names no choice of this
            space, a value that it does not have, or a knob that is itself conditional.

    >>> space = Space([IntKnob("a", 0, 100, start=60), IntKnob("b", 1, 10**6, scale="log")])
    >>> space.decode(space.encode({"a": 60, "b": 1000}))
    {'a': 60, 'b': 1000}
    """

    knobs: tuple[Dimension, ...]
    couplings: tuple[Below, ...] = ()

    def __init__(self, knobs: Sequence[Dimension], couplings: Sequence[Below] = ()) -> None:
        object.__setattr__(self, "knobs", tuple(knobs))
        object.__setattr__(self, "couplings", tuple(couplings))
        names = [knob.name for knob in self.knobs]
        if not names:
            raise ValueError("a space needs at least one knob")
        if len(set(names)) != len(names):
            raise ValueError(f"a knob appears twice: {sorted(names)}")
        self._check_conditions()

    def _check_conditions(self) -> None:
        known = {knob.name: knob for knob in self.knobs}
        for knob in self.knobs:
            if knob.when is None:
                continue
            name, values = knob.when
            other = known.get(name)
            if not isinstance(other, ChoiceKnob):
                raise ValueError(f"{knob.name}: when {name!r}: no choice of this space")
            if other.when is not None:
                raise ValueError(f"{knob.name}: when {name!r}: it is itself conditional")
            if unknown := [value for value in values if value not in other.choices]:
                allowed = ", ".join(other.choices)
                raise ValueError(f"{knob.name}: when {name} {unknown}; allowed: {allowed}")

    def __len__(self) -> int:
        return len(self.knobs)

    @property
    def names(self) -> tuple[str, ...]:
        """Knob names in the order of the vector's entries."""
        return tuple(knob.name for knob in self.knobs)

    @property
    def start(self) -> Setting:
        """The setting where the search begins, repaired."""
        return self.repair({knob.name: knob.first for knob in self.knobs})

    def knob(self, name: str) -> Dimension:
        """Return the dimension called `name`.

        Raises:
            KeyError: There is none.
        """
        return {knob.name: knob for knob in self.knobs}[name]

    def decode(self, vector: Sequence[float] | Vector) -> Setting:
        """Return the setting at `vector`, shape ``(n,)``, entries clipped to [0, 1], repaired."""
        if len(vector) != len(self.knobs):
            raise ValueError(f"need {len(self.knobs)} numbers, got {len(vector)}")
        raw: Setting = {
            knob.name: knob.decode(float(position))
            for knob, position in zip(self.knobs, vector, strict=True)
        }
        return self.repair(raw)

    def encode(self, setting: dict[str, Value]) -> Vector:
        """Return the position of `setting` in [0, 1]^n; a missing knob is at its start."""
        return np.array([k.encode(setting.get(k.name, k.first)) for k in self.knobs])

    def active(self, setting: Mapping[str, Value]) -> frozenset[str]:
        """Return the names of the knobs that exist under `setting`; a missing one is at its start.

        Only these may be written, shown or compared; the others of a setting mean nothing.

        >>> deadline = IntKnob("read_expire", 50, 1000, when=("scheduler", ("mq-deadline",)))
        >>> space = Space([ChoiceKnob("scheduler", ["none", "mq-deadline"]), deadline])
        >>> sorted(space.active({"scheduler": "none", "read_expire": 100}))
        ['scheduler']
        """
        return frozenset(knob.name for knob in self.knobs if self._exists(knob, setting))

    def _exists(self, knob: Dimension, setting: Mapping[str, Value]) -> bool:
        if knob.when is None:
            return True
        name, values = knob.when
        return str(setting.get(name, self.knob(name).first)) in values

    def settled(self, setting: Mapping[str, Value]) -> Setting:
        """Return `setting` with each of its knobs that does not exist there at its start."""
        active, starts = self.active(setting), {knob.name: knob.first for knob in self.knobs}
        return {
            name: starts[name] if name in starts and name not in active else value
            for name, value in setting.items()
        }

    def repair(self, setting: Setting) -> Setting:
        """Return `setting` made canonical: every coupling kept, what does not exist at its start.

        A knob that must be lower is lowered. Only where its range does not go low enough is the
        upper one raised, as little as need be. Chains of couplings hold as a whole; one that the
        ranges cannot satisfy is left broken. Knobs that `setting` does not name stay out of it.
        """
        fixed = self.settled(setting)
        active = self.active(fixed)
        pairs = [
            (lower, upper)
            for lower, upper in self._coupled()
            if {lower.name, upper.name} <= active & set(fixed)
        ]
        floors = {knob.name: knob.low for pair in pairs for knob in pair}
        # As many rounds as couplings: what one raises, or lowers, may move the next in a chain.
        for lower, upper in pairs * len(pairs):
            needed = _lowest_above(upper, floors[lower.name])
            floors[upper.name] = max(floors[upper.name], needed)
        for name, floor in floors.items():
            fixed[name] = max(int(fixed[name]), floor)
        for lower, upper in pairs * len(pairs):
            limit = int(fixed[upper.name])
            if int(fixed[lower.name]) >= limit:
                fixed[lower.name] = _highest_below(lower, limit)
        return fixed

    def _coupled(self) -> list[tuple[IntKnob, IntKnob]]:
        """Return the couplings whose knobs are both integers of this space."""
        known = {knob.name: knob for knob in self.knobs if isinstance(knob, IntKnob)}
        return [
            (known[coupling.lower], known[coupling.upper])
            for coupling in self.couplings
            if coupling.lower in known and coupling.upper in known
        ]


def _highest_below(knob: IntKnob, limit: int) -> int:
    """Return the largest value of `knob` under `limit`, its smallest one if there is none."""
    return knob.low + max(0, (limit - 1 - knob.low) // knob.step) * knob.step


def _lowest_above(knob: IntKnob, limit: int) -> int:
    """Return the smallest value of `knob` over `limit`, its largest one if there is none."""
    steps = max(0, -((knob.low - limit - 1) // knob.step))
    return min(knob.high, knob.low + steps * knob.step)


def union(spaces: Sequence[Space]) -> Space:
    """Return one space that holds every setting of every one of `spaces`.

    A knob of several spaces gets the widest range, all its choices, and the first one's start.
    """
    knobs: dict[str, Dimension] = {}
    for knob in (knob for space in spaces for knob in space.knobs):
        known = knobs.get(knob.name)
        if isinstance(known, IntKnob) and isinstance(knob, IntKnob):
            low, high = min(known.low, knob.low), max(known.high, knob.high)
            knobs[knob.name] = replace(known, low=low, high=high, when=known.when or knob.when)
        elif isinstance(known, ChoiceKnob) and isinstance(knob, ChoiceKnob):
            choices = tuple(dict.fromkeys((*known.choices, *knob.choices)))
            when = known.when or knob.when
            knobs[knob.name] = ChoiceKnob(knob.name, choices, known.start, when)
        else:
            knobs.setdefault(knob.name, knob)
    couplings = dict.fromkeys(pair for space in spaces for pair in space.couplings)
    return Space(tuple(knobs.values()), tuple(couplings))
