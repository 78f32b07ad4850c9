"""A Sobol sequence as a tactician: covers the space evenly and learns nothing."""

import numpy as np

from sealtune.space.knobs import Setting
from sealtune.space.space import Space


class SobolSampler:
    """The start, then a scrambled Sobol sequence; a choice has an equal part of its axis.

    What a search without any learning comes to at its best: who does not beat it has learnt
    nothing.

    Args:
        space: Where to search.
        start: First setting to propose.
        seed: Scrambles the sequence.

    Source: Sobol, "On the distribution of points in a cube", 1967; Owen's scrambling, 1998.
    """

    name = "sobol"

    def __init__(self, space: Space, start: Setting, seed: int) -> None:
        from scipy.stats import qmc

        self._space = space
        self._sequence = qmc.Sobol(len(space), rng=np.random.default_rng(seed))
        self._first: list[Setting] = [dict(start)]
        self._open: list[Setting] = []
        self._earlier: list[Setting] = []

    def ask(self) -> Setting:
        """Return the setting to try next."""
        setting = self._first.pop() if self._first else self._next()
        while setting in self._earlier:
            self._earlier.remove(setting)
            setting = self._next()
        self._open.append(setting)
        return dict(setting)

    def tell(self, setting: Setting, score: float | None) -> None:
        """Learn nothing; a trial that was not asked for is of an earlier run, and is skipped."""
        if setting in self._open:
            self._open.remove(setting)
        else:
            self._earlier.append(dict(setting))

    def _next(self) -> Setting:
        return self._space.decode(self._sequence.random(1)[0])
