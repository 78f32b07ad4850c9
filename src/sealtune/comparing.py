"""Several tacticians on one strategy: whose turn it is, and who found what. Measures nothing."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sealtune.space.knobs import Setting
from sealtune.tactician import SearchResult, TrialRecord
from sealtune.tactician.model import SettingModel
from sealtune.tactician.record import merits

FEWEST_TRIALS = 8
"""Fewest trials each tactician must get: with fewer, most of them only draw at random."""
ENOUGH_TO_LEARN = 16
"""With fewer trials each, the person is told that they have hardly begun to learn."""
_DEVIATIONS = 2.0
_FEWEST_WORKING = 3
"""With fewer trials that worked a model knows nothing of the noise, and so of no gain."""


@dataclass(frozen=True)
class Compared:
    """One tactician's part of the search.

    Attributes:
        number: Its lane, from 1, under which its trials are stored; 1 is the usual tactician.
        tactician: Its name.
        search: Its own trials, in order.
        seconds_per_trial: CPU it took to propose and to learn, for each trial of this process [s];
            ``None`` when it had none here.
    """

    number: int
    tactician: str
    search: SearchResult
    seconds_per_trial: float | None = None

    @cached_property
    def ranking(self) -> tuple[Setting, ...]:
        """Every setting it tried that worked, in the order in which it would recommend them."""
        return self.search.candidates(max(1, len(self.search.trials)))

    @property
    def failed(self) -> int:
        """How many of its trials failed."""
        return sum(trial.score is None for trial in self.search.trials)

    def first_tried(self, setting: Setting) -> int | None:
        """Return the number of its trial, from 1, that first tried `setting`."""
        tried = [trial.setting for trial in self.search.trials]
        return tried.index(setting) + 1 if setting in tried else None

    def gain(self, setting: Setting) -> tuple[float, float, float] | None:
        """Return what its trials make of `setting`: ratio to the baseline, and two deviations.

        Modelled from its own trials alone and confirmed by nothing; ``None`` without at least
        three trials that can be compared with a baseline.
        """
        trials = self.search.trials
        good = [trial for trial in trials if trial.score is not None]
        if len(good) < _FEWEST_WORKING or any(trial.relative is None for trial in good):
            return None
        model = SettingModel(self.search.space)
        model.fit([trial.setting for trial in trials], merits(trials))
        means, deviations = model.predict([setting])
        mean, reach = float(means[0]), _DEVIATIONS * float(deviations[0])
        return math.exp(mean), math.exp(mean - reach), math.exp(mean + reach)


def turns(lanes: int, rounds: int, seed: int) -> Iterator[tuple[int, int]]:
    """Yield whose turn it is, as (round, lane), both from 0: each lane once a round.

    The order is drawn anew for each round, so that nobody always follows the same other one; it
    depends on `seed` and the round alone, so that a resumed session goes on with it.

    >>> sorted(lane for number, lane in turns(3, 2, seed=5) if number == 1)
    [0, 1, 2]
    """
    for number in range(rounds):
        for lane in np.random.default_rng([seed, number]).permutation(lanes):
            yield number, int(lane)


def together(lanes: Sequence[Compared]) -> SearchResult:
    """Return all trials as one search, in about the order they were run; at least one lane."""
    trials: list[TrialRecord] = sorted(
        (trial for lane in lanes for trial in lane.search.trials), key=lambda trial: trial.index
    )
    numbered = tuple(replace(trial, index=at) for at, trial in enumerate(trials))
    stopped = any(lane.search.ended == "stopped" for lane in lanes)
    return replace(lanes[0].search, trials=numbered, ended="stopped" if stopped else "budget")


def pooled(lanes: Sequence[Compared], count: int) -> tuple[Setting, ...]:
    """Return up to `count` distinct settings: the best of each lane first, then the seconds."""
    rankings = [lane.ranking for lane in lanes]
    longest = max((len(ranking) for ranking in rankings), default=0)
    pool: list[Setting] = []
    for rank in range(longest):
        for ranking in rankings:
            if rank < len(ranking) and ranking[rank] not in pool:
                pool.append(ranking[rank])
    return tuple(pool[:count])


def proposers(lanes: Sequence[Compared], setting: Setting) -> tuple[Compared, ...]:
    """Return who recommended `setting`: the lane that ranks it highest, several if they agree.

    Args:
        lanes: The tacticians that were compared.
        setting: What was tested; knobs that do not exist under it may be left out.
    """
    ranks: dict[int, int] = {}
    for lane in lanes:
        for rank, tried in enumerate(lane.ranking if setting else ()):
            if holds(tried, setting):
                ranks.setdefault(lane.number, rank)
    best = min(ranks.values(), default=None)
    return tuple(lane for lane in lanes if best is not None and ranks.get(lane.number) == best)


def holds(tried: Setting, setting: Setting) -> bool:
    """Return whether `tried` is `setting`, apart from knobs that `setting` leaves out."""
    return tried.items() >= setting.items()
