"""One ask/tell face for every tactician, and the peers that Optuna provides behind it."""

import itertools
import math
import warnings
from typing import TYPE_CHECKING, Protocol

import numpy as np

from sealtune.space.knobs import ChoiceKnob, IntKnob, Setting
from sealtune.space.space import Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import Trial


class Sampler(Protocol):
    """Proposes settings and learns from their scores.

    Any number of settings may be asked for before the first score is told, and scores may be
    told in any order, also of settings that were never asked for.
    """

    name: str

    def ask(self) -> Setting:
        """Return the setting to try next, couplings kept."""

    def tell(self, setting: Setting, score: float | None) -> None:
        """Learn that `setting` got `score`, higher is better; ``None`` if it failed."""


class OptunaSampler:
    """A sampler of Optuna's on an in-memory study; begins with the start like every tactician.

    Args:
        name: ``tpe``, ``gp``, ``cmaes`` or ``random``.
        space: Where to search.
        start: First setting to propose.
        seed: Same seed and scores, same proposals.
    """

    def __init__(self, name: str, space: Space, start: Setting, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.name = name
        self._space = space
        self._distributions = _distributions(name, space)
        with warnings.catch_warnings():
            # Experimental (multivariate, gp) and, from Optuna 6 on, to be renamed (x0).
            warnings.simplefilter("ignore")
            sampler = self._sampler(name, start, seed)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._study.enqueue_trial(self._positions(start))
        self._waiting: list[tuple[Setting, Trial]] = []

    def _sampler(self, name: str, start: Setting, seed: int) -> "BaseSampler":
        import optuna

        samplers = optuna.samplers
        if name == "tpe":
            return samplers.TPESampler(seed=seed, multivariate=True)
        if name == "gp":
            return samplers.GPSampler(seed=seed, deterministic_objective=False)
        if name == "cmaes":
            middle = {key: float(value) for key, value in self._positions(start).items()}
            return samplers.CmaEsSampler(
                x0=middle, sigma0=0.25, seed=seed, warn_independent_sampling=False
            )
        return samplers.RandomSampler(seed=seed)

    def ask(self) -> Setting:
        """Return the setting to try next."""
        trial = self._study.ask(self._distributions)
        setting = self._setting(trial.params)
        self._waiting.append((setting, trial))
        return setting

    def tell(self, setting: Setting, score: float | None) -> None:
        """Learn that `setting` got `score`; a failure is Optuna's state FAIL."""
        from optuna.trial import TrialState, create_trial

        state = TrialState.FAIL if score is None else TrialState.COMPLETE
        for entry in self._waiting:
            if entry[0] == setting:
                self._waiting.remove(entry)
                self._study.tell(entry[1], score, state=state)
                return
        self._study.add_trial(
            create_trial(
                state=state,
                value=score,
                params=self._positions(setting),
                distributions=self._distributions,
            )
        )

    def _positions(self, setting: Setting) -> dict[str, float | str]:
        return {
            knob.name: (
                str(setting[knob.name])
                if isinstance(knob, ChoiceKnob) and self._is_categorical(knob.name)
                else knob.encode(setting[knob.name])
            )
            for knob in self._space.knobs
        }

    def _is_categorical(self, name: str) -> bool:
        return type(self._distributions[name]).__name__ == "CategoricalDistribution"

    def _setting(self, params: dict[str, float | str]) -> Setting:
        setting: Setting = {
            knob.name: value
            if isinstance(value := params[knob.name], str)
            else knob.decode(float(value))
            for knob in self._space.knobs
        }
        return self._space.repair(setting)


def _distributions(name: str, space: Space) -> "dict[str, BaseDistribution]":
    """Return Optuna's picture of `space`: positions in [0, 1], and choices as categories."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    # Optuna's CMA-ES would sample categories at random, whatever it has learnt.
    return {
        knob.name: FloatDistribution(0.0, 1.0)
        if isinstance(knob, IntKnob) or name == "cmaes"
        else CategoricalDistribution(knob.choices)
        for knob in space.knobs
    }


class GridSampler:
    """Every combination of a few values per knob, in random order; then again.

    As many values per knob as the number of trials allows. With more knobs than even two values
    each allow, the last ones stay at the start: knobs come in order of importance.

    Args:
        space: Where to search.
        start: First setting to propose.
        trials: Planned number of trials.
        seed: Order of the combinations.
    """

    name = "grid"

    def __init__(self, space: Space, start: Setting, trials: int, seed: int) -> None:
        gridded = min(len(space), max(1, int(math.log2(max(2, trials)))))
        levels = max(2, int(trials ** (1.0 / gridded) + 1e-9))
        axes = [
            np.unique([knob.decode(place) for place in np.linspace(0.0, 1.0, levels)]).tolist()
            for knob in space.knobs[:gridded]
        ]
        grid = [
            space.repair({**start, **dict(zip(space.names, row, strict=False))})
            for row in itertools.product(*axes)
        ]
        order = np.random.default_rng(seed).permutation(len(grid))
        self._grid = [grid[i] for i in order]
        self._left = [start, *self._grid]
        self._open: list[Setting] = []

    def ask(self) -> Setting:
        """Return the setting to try next."""
        setting = dict(self._left.pop(0))
        self._open.append(setting)
        self._refill()
        return dict(setting)

    def tell(self, setting: Setting, score: float | None) -> None:
        """Learn nothing; a trial that was not asked for is of an earlier run, and is skipped."""
        if setting in self._open:
            self._open.remove(setting)
        elif setting in self._left:
            self._left.remove(setting)
            self._refill()

    def _refill(self) -> None:
        if not self._left:
            self._left = list(self._grid)
