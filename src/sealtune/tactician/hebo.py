"""HEBO as a tactician; an optional package (see `sealtune.tactician.names`).

As its authors run it: a Sobol design of one more than there are knobs, then a Gaussian process on
a power transform of the scores and several acquisition functions at once.

Source: Cowen-Rivers et al., "HEBO: Pushing The Limits of Sample-Efficient Hyper-parameter
Optimisation", JAIR 2022.
"""

import contextlib
import io
import random
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from sealtune.space.knobs import Setting
from sealtune.space.space import Space
from sealtune.tactician.axes import Axis, axes
from sealtune.tactician.failures import WorstSoFar


class HeboSampler:
    """HEBO behind the common face; it minimises, so a score is told with its sign turned.

    Args:
        space: Where to search.
        start: First setting to propose.
        seed: Same seed and scores, same proposals.
    """

    name = "hebo"

    def __init__(self, space: Space, start: Setting, seed: int) -> None:
        self._space, self._start, self._seed = space, dict(start), seed
        # A knob of one value is none to HEBO. Names of our own: a parameter's has dots.
        self._axes = {f"k{at}": axis for at, axis in enumerate(axes(space)) if axis.count != 1}
        with _quiet():
            design = import_module("hebo.design_space.design_space").DesignSpace()
            design.parse([_parameter(key, axis) for key, axis in self._axes.items()])
            optimiser = import_module("hebo.optimizers.hebo").HEBO
            self._hebo = optimiser(design, scramble_seed=seed % 2**31)
        self._columns: list[str] = list(design.para_names)
        self._first, self._asked = True, 0
        self._failures: WorstSoFar[Setting] = WorstSoFar()

    def ask(self) -> Setting:
        """Return the setting to try next."""
        if self._first:
            self._first = False
            return dict(self._start)
        self._asked += 1
        with _quiet(), _seeded(self._seed, self._asked):
            row = self._hebo.suggest(n_suggestions=1).iloc[0]
        values = {axis.knob.name: axis.value(row[key]) for key, axis in self._axes.items()}
        return self._space.repair({**self._start, **values})

    def tell(self, setting: Setting, score: float | None) -> None:
        """Learn that `setting` got `score`; a failure counts as the worst so far."""
        if setting == self._start:
            self._first = False
        for one, value in self._failures.scored(setting, score):
            with _quiet():
                self._hebo.observe(self._row(one), np.array([[-value]]))

    def retell(self, trials: Sequence[tuple[Setting, float | None]]) -> None:
        """Learn anew from corrected scores."""
        self._hebo.X, self._hebo.y = self._hebo.X.iloc[:0], np.zeros((0, 1))
        self._failures = WorstSoFar()
        for setting, score in trials:
            self.tell(setting, score)

    def _row(self, setting: Setting) -> Any:  # noqa: ANN401 - a pandas DataFrame
        """Return where `setting` lies: what was measured, not what was asked before a repair."""
        places = {key: axis.place(setting[axis.knob.name]) for key, axis in self._axes.items()}
        return import_module("pandas").DataFrame([places])[self._columns]


def _parameter(key: str, axis: Axis) -> dict[str, Any]:
    """Return HEBO's picture of one axis."""
    if axis.kind == "category":
        return {"name": key, "type": "cat", "categories": list(axis.choices)}
    if axis.count is not None:
        return {"name": key, "type": "int", "lb": 0, "ub": axis.count - 1}
    return {"name": key, "type": "num", "lb": 0.0, "ub": 1.0}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what HEBO prints and warns of off the person's screen."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _seeded(*seed: int) -> Iterator[None]:
    """Seed the global generators that HEBO draws from; what others drew from them goes on."""
    import torch

    drawn = int(np.random.SeedSequence(seed).generate_state(1)[0])
    kept = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(drawn)
        np.random.seed(drawn)
        random.seed(drawn)
        try:
            yield
        finally:
            np.random.set_state(kept[0])
            random.setstate(kept[1])
