"""Leads any tactician through a prior: proposals early, and a curriculum of growing spaces."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sealtune.space.knobs import Setting
from sealtune.space.space import Space
from sealtune.tactician.model import SettingModel
from sealtune.tactician.prior import Prior
from sealtune.tactician.relearning import Relearns
from sealtune.tactician.samplers import Sampler

STAGED_SHARE = 0.6
"""Most of the trials that the stages of a curriculum may use before every knob has joined."""

Build = Callable[[Space, Setting, int], Sampler]
"""Builds a tactician for a space, a start in it and a number of trials."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Some trials in which only some knobs vary.

    Attributes:
        names: The knobs that vary; the others stay at the start.
        first: Number of the first trial, from 0.
        trials: How many.
    """

    names: tuple[str, ...]
    first: int
    trials: int


def phases(space: Space, stages: Sequence[Sequence[str]], trials: int) -> tuple[Phase, ...]:
    """Return the curriculum: equal shares, the last phase varies every knob.

    The phases before it share at most `STAGED_SHARE` of the trials.

    >>> from sealtune.space.knobs import IntKnob
    >>> space = Space([IntKnob("a", 0, 1), IntKnob("b", 0, 1), IntKnob("c", 0, 1)])
    >>> [(p.names, p.trials) for p in phases(space, [["c"]], 10)]
    [(('c',), 5), (('a', 'b', 'c'), 5)]
    """
    reached: set[str] = set()
    growing: list[tuple[str, ...]] = []
    for stage in stages:
        # What exists only under one choice of another brings that other along.
        named = [space.knob(name) for name in stage]
        reached |= set(stage) | {knob.when[0] for knob in named if knob.when is not None}
        names = tuple(name for name in space.names if name in reached)
        if names and names not in growing and names != space.names:
            growing.append(names)
    share = min(1.0 / (len(growing) + 1), STAGED_SHARE / max(1, len(growing)))
    each = int(share * trials)
    if not each:
        growing = []
    found = [Phase(names, at * each, each) for at, names in enumerate(growing)]
    spent = each * len(growing)
    return (*found, Phase(space.names, spent, max(1, trials - spent)))


class GuidedSampler:
    """A tactician that first tries the proposals, and searches stage after stage.

    Each phase has a tactician of its own, over the knobs that vary in it. It begins at the best
    setting known and is told every earlier trial that its space can hold.

    Args:
        space: Where to search.
        prior: Made for `space` by `Prior.within`.
        trials: Planned number of trials.
        build: Builds the tactician of a phase.
    """

    def __init__(self, space: Space, prior: Prior, trials: int, build: Build) -> None:
        self._space = space
        self._start = prior.start
        self._waiting = list(prior.proposals)
        self._phases = phases(space, prior.stages, trials)
        self._build = build
        self._trials: list[tuple[Setting, float | None]] = []
        self._begun = False
        self._enter(0, prior.start)
        self.name = self._inner.name

    def ask(self) -> Setting:
        """Return the setting to try next: the start, the proposals, then the tactician's own."""
        if self._begun and self._waiting:
            return dict(self._waiting.pop(0))
        self._begun = True
        return self._space.repair({**self._start, **self._inner.ask()})

    def tell(self, setting: Setting, score: float | None) -> None:
        """Learn that `setting` got `score`, higher is better; ``None`` if it failed."""
        self._trials.append((setting, score))
        self._begun = True
        if setting in self._waiting:
            self._waiting.remove(setting)
        self._pass_on(setting, score)
        following = self._at + 1
        if following < len(self._phases) and len(self._trials) >= self._phases[following].first:
            self._enter(following, self._incumbent())

    def retell(self, trials: Sequence[tuple[Setting, float | None]]) -> None:
        """Replace all that was told: the same trials in their order, with corrected scores."""
        self._trials = list(trials)
        if isinstance(self._inner, Relearns):
            self._inner.retell(
                [(self._part(one), score) for one, score in trials if self._fits(one)]
            )

    def _enter(self, number: int, start: Setting) -> None:
        """Begin phase `number` with what is known."""
        phase = self._phases[number]
        self._at = number
        self._start = {**self._start, **start}  # what does not vary yet stays at the best known
        self._names = frozenset(phase.names)
        inside = [knob for knob in self._space.knobs if knob.name in self._names]
        part = Space(inside, self._space.couplings)
        self._inner = self._build(part, self._part(start), phase.trials)
        for setting, score in self._trials:
            self._pass_on(setting, score)

    def _part(self, setting: Setting) -> Setting:
        return {name: value for name, value in setting.items() if name in self._names}

    def _pass_on(self, setting: Setting, score: float | None) -> None:
        """Tell the tactician inside, unless a knob that it does not know was away from start."""
        if self._fits(setting):
            self._inner.tell(self._part(setting), score)

    def _fits(self, setting: Setting) -> bool:
        """Return whether all that the tactician inside does not vary is at the start."""
        return self._space.repair({**self._start, **self._part(setting)}) == setting

    def _incumbent(self) -> Setting:
        """Return the trial that the model thinks best; the start if nothing worked."""
        if all(score is None for _, score in self._trials):
            return self._start
        tried = [setting for setting, _ in self._trials]
        model = SettingModel(self._space).fit(tried, [score for _, score in self._trials])
        return tried[int(model.predict(tried)[0].argmax())]
