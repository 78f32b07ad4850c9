"""Keeps a search away from where the machine suffered."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sealtune.space.knobs import Setting
from sealtune.space.space import Space

_STEPS = (0.25, 0.5, 0.75, 0.9)
"""How far a proposal is drawn back to the nearest setting that worked, as shares of the way."""

_NEARER = 0.75
"""How far the setting that worked may be, as a share of the way to an unsafe one."""

_BERTH, _WIDEST = 0.05, 0.2
"""How far off an unsafe setting to stay, for each one that there was, and at most; a parameter's
whole range is 1."""


class Proposes(Protocol):
    """A tactician, as far as it matters here: it may be told of what it did not propose."""

    name: str

    def ask(self) -> Setting:
        """Return the setting to try next."""
        ...

    def tell(self, setting: Setting, score: float | None) -> None:
        """Learn that `setting` got `score`, higher is better; ``None`` if it failed."""
        ...


class Avoiding:
    """A tactician whose proposals are drawn back from where a guard rail tripped.

    To a tactician a failure is as bad as the worst that worked. Where all else is promising it
    goes there again, and more than three failures in a row end a search. So a proposal must lie
    clearly nearer to a setting that worked (the originals do) than to any unsafe one: else it is
    drawn back towards the former until it does. From two unsafe trials in a row on, it is drawn
    back half of the way to the originals, then three quarters.

    Args:
        tactician: Who proposes, and learns as ever.
        space: Where it searches.
        originals: The machine's own values, which always work.
        unsafe: Whether a setting that failed was unsafe.
    """

    def __init__(
        self,
        tactician: Proposes,
        space: Space,
        originals: Setting,
        unsafe: Callable[[Setting], bool],
    ) -> None:
        self.name, self._tactician = tactician.name, tactician
        self._space, self._is_unsafe = space, unsafe
        self._worked = [self._place(originals)]
        self._unsafe: list[NDArray[np.float64]] = []
        self._in_a_row = 0

    def ask(self) -> Setting:
        """Return what the tactician proposes, drawn back if that is near an unsafe setting."""
        proposal = self._tactician.ask()
        place = self._place(proposal)
        if self._in_a_row > 1:
            share = 1 - 0.5 ** (self._in_a_row - 1)
            return self._space.decode(place + share * (self._worked[0] - place))
        if self._is_safe(place):
            return proposal
        worked, originals = (
            min(self._worked, key=lambda one: _distance(one, place)),
            self._worked[0],
        )
        nearer = proposal
        for towards, step in product((worked, originals), _STEPS):
            nearer = self._space.decode(place + step * (towards - place))
            if self._is_safe(self._place(nearer)):
                break
        return nearer

    def tell(self, setting: Setting, score: float | None) -> None:
        """Learn that `setting` got `score`, higher is better; ``None`` if it failed."""
        if score is not None:
            self._worked.append(self._place(setting))
            self._in_a_row = 0
        elif self._is_unsafe(setting):
            self._unsafe.append(self._place(setting))
            self._in_a_row += 1
        self._tactician.tell(setting, score)

    def retell(self, trials: Sequence[tuple[Setting, float | None]]) -> None:
        """Replace all that was told, for a tactician that can learn anew."""
        if (retell := getattr(self._tactician, "retell", None)) is not None:
            retell(trials)

    def _is_safe(self, place: NDArray[np.float64]) -> bool:
        """Whether `place` is clearly nearer to what worked than to what was unsafe."""
        if not self._unsafe:
            return True
        worked = min(_distance(one, place) for one in self._worked)
        unsafe = min(_distance(one, place) for one in self._unsafe)
        return worked < unsafe * _NEARER and unsafe > min(_BERTH * len(self._unsafe), _WIDEST)

    def _place(self, setting: Setting) -> NDArray[np.float64]:
        """Return where `setting` lies; what does not exist under it makes no difference."""
        return self._space.encode(self._space.settled(setting))


def _distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(one - other))
