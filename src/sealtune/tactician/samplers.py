"""One ask/tell face for every tactician, and the peers that Optuna provides behind it."""

import itertools
import math
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sealtune.space.knobs import Setting
from sealtune.space.space import Space
from sealtune.tactician.axes import Axis, axes
from sealtune.tactician.failures import WorstSoFar
from sealtune.tactician.names import check_tactician

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import Trial

_OPTUNA = ("tpe", "gp", "cmaes", "random")
_MODELLING = ("tpe", "gp")
_MOST_STARTUP = 10
"""Optuna's own number of random trials before TPE and GP begin to learn."""
_LEAST_STARTUP = 5
_SIGMA = 0.25
"""First standard deviation of CMA-ES, as a share of the range: the best should lie within two."""
_LOADED_LATE = {"cmaes": ("cmaes",), "gp": ("torch", "scipy.optimize")}
"""What Optuna would load at a sampler's first proposal, between two trials."""


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


def build_peer(
    name: str, space: Space, start: Setting, *, trials: int, seed: int, resumed: int = 0
) -> Sampler:
    """Return the tactician `name`, one of `sealtune.tactician.names.PEERS`, as its authors would.

    Args:
        name: Which one.
        space: Where to search.
        start: First setting to propose.
        trials: Planned number of trials.
        seed: Same seed and same scores, same proposals.
        resumed: Trials of an interrupted search that it will be told first: a grid or a sequence
            goes on behind them, others draw afresh, for they would propose the same ones again.

    Raises:
        ConfigError: Its package is not installed; the fix is the line that installs it.
    """
    check_tactician(name)
    if name == "grid":
        return GridSampler(space, start, trials, seed)
    if name == "sobol":
        from sealtune.tactician.sobol import SobolSampler

        return SobolSampler(space, start, seed)
    seed += resumed
    if name == "smac":
        from sealtune.tactician.smac import SmacSampler

        return SmacSampler(space, start, trials=trials, seed=seed)
    if name == "hebo":
        from sealtune.tactician.hebo import HeboSampler

        return HeboSampler(space, start, seed)
    return OptunaSampler(name, space, start, seed, trials)


class OptunaSampler:
    """A sampler of Optuna's on an in-memory study; begins with the start like every tactician.

    Args:
        name: ``tpe``, ``gp``, ``cmaes`` or ``random``.
        space: Where to search.
        start: First setting to propose.
        seed: Same seed and scores, same proposals.
        trials: Planned number of trials; sizes the random beginning of ``tpe`` and ``gp``.

    Raises:
        ValueError: Another name.
    """

    def __init__(
        self, name: str, space: Space, start: Setting, seed: int, trials: int = 100
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        for module in _LOADED_LATE.get(name, ()):
            import_module(module)
        if name not in _OPTUNA:
            raise ValueError(f"{name}: none of {', '.join(_OPTUNA)}")
        self.name = name
        self._space, self._start, self._seed = space, dict(start), seed
        # From 30 trials on as Optuna has it; of fewer, ten random ones leave too few to learn by.
        self._startup = max(_LEAST_STARTUP, min(_MOST_STARTUP, trials // 3))
        # Optuna's CMA-ES would sample categories at random, whatever it has learnt; its variant
        # for whole numbers (with margin) finds less in 30 trials than it does by positions.
        self._axes = axes(space, whole=name != "cmaes")
        self._distributions = {axis.knob.name: _distribution(axis) for axis in self._axes}
        self._study = optuna.create_study(direction="maximize")
        self._failures: WorstSoFar[tuple[Setting, Trial | None]] = WorstSoFar()
        self._begun = False
        self._told: list[tuple[Setting, float | None]] = []
        self._waiting: list[tuple[Setting, Trial]] = []

    def ask(self) -> Setting:
        """Return the setting to try next."""
        first = not self._begun and all(setting != self._start for setting, _ in self._told)
        if not self._begun:
            self._begin()
        if first:
            self._study.enqueue_trial(self._places(self._start))
        trial = self._study.ask(self._distributions)
        setting = dict(self._start) if first else self._space.repair(self._values(trial.params))
        self._waiting.append((setting, trial))
        return dict(setting)

    def tell(self, setting: Setting, score: float | None) -> None:
        """Learn that `setting` got `score`; a failure counts as the worst so far."""
        asked = next((entry for entry in self._waiting if entry[0] == setting), None)
        if asked is not None:
            self._waiting.remove(asked)
        elif not self._begun:
            self._told.append((setting, score))
        trial = asked[1] if asked is not None else None
        for (where, mine), value in self._failures.scored((setting, trial), score):
            self._report(where, mine, value)

    def retell(self, trials: Sequence[tuple[Setting, float | None]]) -> None:
        """Learn anew from corrected scores; who learns nothing, or by generations, goes on.

        CMA-ES ranks only trials of one generation, whose baselines lie close together.
        """
        if self.name not in _MODELLING or not self._begun:
            return
        from optuna import create_study

        self._study = create_study(direction="maximize")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Of the same seed it would draw what it has drawn before.
            self._study.sampler = self._sampler(self._start, self._seed + len(trials))
        self._failures, self._waiting = WorstSoFar(), []
        for setting, score in trials:
            self.tell(setting, score)

    def _begin(self) -> None:
        """Build the sampler: now that it is known what an earlier search has found."""
        self._begun = True
        # CMA-ES knows nothing of trials that are not its own, but can begin at the best of them.
        scored = [(score, -at) for at, (_, score) in enumerate(self._told) if score is not None]
        centre = self._told[-max(scored)[1]][0] if scored else self._start
        with warnings.catch_warnings():
            # Experimental (multivariate, gp) and, from Optuna 6 on, to be renamed (x0).
            warnings.simplefilter("ignore")
            self._study.sampler = self._sampler(centre, self._seed)

    def _sampler(self, centre: Setting, seed: int) -> "BaseSampler":
        from optuna import samplers

        if self.name == "tpe":
            return samplers.TPESampler(
                seed=seed, multivariate=True, n_startup_trials=self._startup
            )
        if self.name == "gp":
            return samplers.GPSampler(
                seed=seed, deterministic_objective=False, n_startup_trials=self._startup
            )
        if self.name == "cmaes":
            return samplers.CmaEsSampler(
                x0=self._places(centre),
                sigma0=_SIGMA,
                seed=seed,
                warn_independent_sampling=False,
            )
        return samplers.RandomSampler(seed=seed)

    def _report(self, setting: Setting, trial: "Trial | None", value: float) -> None:
        """Tell the study where `value` was measured."""
        from optuna.trial import TrialState, create_trial

        moved = trial is not None and self._values(trial.params) != setting
        if trial is not None and not (moved and self.name in _MODELLING):
            self._study.tell(trial, value)
            return
        if trial is not None:
            # A coupling, or a knob that does not exist there: a model must not learn the value
            # of a place that nobody went to. (CMA-ES needs its own point, and copes.)
            self._study.tell(trial, state=TrialState.FAIL)
        self._study.add_trial(
            create_trial(
                value=value, params=self._places(setting), distributions=self._distributions
            )
        )

    def _places(self, setting: Setting) -> dict[str, Any]:
        return {axis.knob.name: axis.place(setting[axis.knob.name]) for axis in self._axes}

    def _values(self, params: dict[str, Any]) -> Setting:
        return {axis.knob.name: axis.value(params[axis.knob.name]) for axis in self._axes}


def _distribution(axis: Axis) -> "BaseDistribution":
    """Return Optuna's picture of one axis."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if axis.kind == "category":
        return CategoricalDistribution(axis.choices)
    if axis.count is not None:
        return IntDistribution(0, axis.count - 1)
    return FloatDistribution(0.0, 1.0)


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
        columns = [
            np.unique([knob.decode(place) for place in np.linspace(0.0, 1.0, levels)]).tolist()
            for knob in space.knobs[:gridded]
        ]
        grid = [
            space.repair({**start, **dict(zip(space.names, row, strict=False))})
            for row in itertools.product(*columns)
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
