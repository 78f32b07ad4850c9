"""SMAC3 as a tactician; an optional package (see `sealtune.tactician.names`).

Set up as its authors do for few dimensions and few, noisy trials that somebody else measures: the
black-box facade (a Gaussian process, trained anew after every trial), not deterministic (or the
process would have no noise), each configuration asked for once (their ask-and-tell example).

Source: Lindauer et al., "SMAC3: A Versatile Bayesian Optimization Package for Hyperparameter
Optimization", JMLR 2022.
"""

import logging
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from sealtune.space.knobs import Setting
from sealtune.space.space import Space
from sealtune.tactician.axes import axes
from sealtune.tactician.failures import WorstSoFar

_PER_KNOB, _SHARE = 8, 4
"""Their first design: eight configurations a knob, a quarter of the trials at most."""
_BEYOND = 10
"""Times the planned trials that SMAC is told it may run: it complains when asked for more."""
_FIRST_KEY = 0


class SmacSampler:
    """SMAC3 behind the common face; it minimises, so a score is told with its sign turned.

    Args:
        space: Where to search.
        start: First setting to propose.
        trials: Planned number of trials; sizes SMAC's first design.
        seed: Same seed and scores, same proposals.
    """

    name = "smac"

    def __init__(self, space: Space, start: Setting, *, trials: int, seed: int) -> None:
        self._space, self._start = space, dict(start)
        self._generator = np.random.default_rng(seed)
        # A knob of one value is none to SMAC. Names of our own: a parameter's has dots.
        self._axes = {f"k{at}": axis for at, axis in enumerate(axes(space)) if axis.count != 1}
        self._facade = self._new_facade(trials, seed)
        # SMAC's name for one run of a configuration; its own once it has drawn one.
        self._key: int | None = _FIRST_KEY
        self._first, self._spent = True, False
        self._waiting: list[tuple[Setting, Any]] = []
        self._told: list[Any] = []
        self._failures: WorstSoFar[Any] = WorstSoFar()

    def ask(self) -> Setting:
        """Return the setting to try next."""
        if self._first:
            self._first = False
            return dict(self._start)
        info = self._next()
        if info is None:  # every configuration was asked for: some once more
            return self._space.decode(self._generator.random(len(self._space)))
        self._key = info.seed
        config = dict(info.config)  # without what does not exist there
        values = {self._axes[key].knob.name: self._axes[key].value(config[key]) for key in config}
        setting = self._space.repair({**self._start, **values})
        self._waiting.append((setting, info))
        return dict(setting)

    def tell(self, setting: Setting, score: float | None) -> None:
        """Learn that `setting` got `score`; a failure counts as the worst so far."""
        if setting == self._start:
            self._first = False
        asked = next((entry for entry in self._waiting if entry[0] == setting), None)
        if asked is not None:
            self._waiting.remove(asked)
        self._told.append(asked[1] if asked is not None else self._info(setting))
        self._report(self._told[-1], score)

    def retell(self, trials: Sequence[tuple[Setting, float | None]]) -> None:
        """Learn anew from corrected scores: each takes the place of the one told before."""
        self._failures = WorstSoFar()
        for info, (_, score) in zip(self._told, trials, strict=True):
            self._report(info, score)

    def _report(self, info: Any, score: float | None) -> None:  # noqa: ANN401 - SMAC's TrialInfo
        value_of = import_module("smac.runhistory.dataclasses").TrialValue
        for one, value in self._failures.scored(info, score):
            self._facade.tell(one, value_of(cost=-value), save=False)

    def _next(self) -> Any:  # noqa: ANN401 - SMAC's TrialInfo
        """Return what SMAC wants to try; ``None`` once it has nothing new."""
        if self._spent:
            return None
        try:
            return self._facade.ask()
        except Exception as error:
            # Of several versions: StopIteration, or an exception of its own.
            if "StopIteration" not in repr(error) and "Exhausted" not in type(error).__name__:
                raise
            self._spent = True
            return None

    def _info(self, setting: Setting) -> Any:  # noqa: ANN401 - SMAC's TrialInfo
        """Return a run that SMAC did not ask for, under its own key for a run."""
        there = self._space.active(setting)
        values = {
            key: axis.place(setting[axis.knob.name])
            for key, axis in self._axes.items()
            if axis.knob.name in there
        }
        config = import_module("ConfigSpace").Configuration(self._configspace, values=values)
        info = import_module("smac.runhistory.dataclasses").TrialInfo
        return info(config=config, seed=self._key)

    def _new_facade(self, trials: int, seed: int) -> Any:  # noqa: ANN401 - SMAC's facade
        smac = import_module("smac")
        logging.getLogger("smac").setLevel(logging.ERROR)
        self._configspace = self._new_configspace(seed)
        # It insists on a directory; nothing in it is of use, nothing of it stays.
        directory = tempfile.mkdtemp(prefix="sealtune-smac-")
        weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        scenario = smac.Scenario(
            self._configspace,
            output_directory=Path(directory),
            deterministic=False,
            n_trials=_BEYOND * max(trials, 1),
            seed=seed % 2**31,
        )
        facade = smac.BlackBoxFacade
        first = max(1, min(_PER_KNOB * len(self._axes), trials // _SHARE))
        return facade(
            scenario,
            _never_called,
            initial_design=facade.get_initial_design(scenario, n_configs=first),
            intensifier=facade.get_intensifier(scenario, max_config_calls=1),
            logging_level=False,
            overwrite=True,
        )

    def _new_configspace(self, seed: int) -> Any:  # noqa: ANN401 - SMAC's ConfigurationSpace
        kinds = import_module("ConfigSpace")
        space = kinds.ConfigurationSpace(seed=seed % 2**31)
        for key, axis in self._axes.items():
            place = axis.place(self._start[axis.knob.name])
            if axis.kind == "category":
                space.add(kinds.Categorical(key, list(axis.choices), default=place))
            elif axis.count is not None:
                space.add(kinds.Integer(key, (0, axis.count - 1), default=place))
            else:
                space.add(kinds.Float(key, (0.0, 1.0), default=place))
        keys = {axis.knob.name: key for key, axis in self._axes.items()}
        for key, axis in self._axes.items():
            name, choices = axis.knob.when or ("", ())
            if name in keys:
                parent = space[keys[name]]
                space.add(kinds.InCondition(space[key], parent, list(choices)))
        return space


def _never_called(config: object, seed: int = 0) -> NoReturn:
    """Stand in for the target: SMAC is asked and told, and runs nothing itself."""
    raise RuntimeError("SMAC was to be asked and told only")
