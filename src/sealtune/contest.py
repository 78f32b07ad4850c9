"""Several strategies compared on one machine: successive halving, most trials to the best.

Source: Karnin, Koren & Somekh, "Almost Optimal Exploration in Multi-Armed Bandits", ICML 2013.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from sealtune.tactician import SearchResult
from sealtune.tactician.model import SettingModel
from sealtune.tactician.record import merits

LEAST_TRIALS = 4
"""Fewest trials in its first round by which a strategy may be judged."""


@dataclass(frozen=True)
class Entrant:
    """One strategy in the contest.

    Attributes:
        number: Its position, from 1, as the person was shown it.
        search: Its trials so far.
    """

    number: int
    search: SearchResult | None = None

    @property
    def promise(self) -> float:
        """Lower confidence bound of the best setting it tried, as log gain; -inf for none."""
        if self.search is None or all(trial.score is None for trial in self.search.trials):
            return -math.inf
        trials = self.search.trials
        settings = [trial.setting for trial in trials]
        model = SettingModel(self.search.space).fit(settings, merits(trials))
        worked = [trial.setting for trial in trials if trial.score is not None]
        mean, deviation = model.predict(worked)
        return float((mean - deviation).max())


Search = Callable[[Entrant, int], SearchResult]
"""Searches on until the entrant has had so many trials in all."""


def rounds(entrants: int, trials: int) -> tuple[tuple[int, int], ...]:
    """Return (entrants left, trials each has had in all by its end) for each round.

    Every round gets an equal share of `trials`, divided among those that are left; the last one
    has the search to itself.

    >>> rounds(4, 60)
    ((4, 5), (2, 15), (1, 35))
    >>> rounds(1, 60)
    ((1, 60),)
    """
    sizes = [entrants]
    while sizes[-1] > 1:
        sizes.append(math.ceil(sizes[-1] / 2))
    share, total = trials / len(sizes), 0
    plan = []
    for size in sizes:
        total += int(share / size)
        plan.append((size, total))
    return tuple(plan)


def most_entrants(trials: int) -> int:
    """Return how many strategies `trials` can compare, at least 1.

    >>> most_entrants(60), most_entrants(20), most_entrants(3)
    (4, 2, 1)
    """
    count = 1
    while rounds(count + 1, trials)[0][1] >= LEAST_TRIALS:
        count += 1
    return count


def contest(count: int, trials: int, search: Search) -> tuple[Entrant, ...]:
    """Give each of `count` entrants a short search of equal size, keep the better half, and so on.

    Returns:
        All entrants with their trials, the winner first, the others by when they fell out.
    """
    left = [Entrant(number) for number in range(1, count + 1)]
    out: list[Entrant] = []
    for size, total in rounds(count, trials):
        left.sort(key=lambda entrant: -entrant.promise)
        left, fallen = left[:size], left[size:]
        out = [*fallen, *out]
        left = [replace(entrant, search=search(entrant, total)) for entrant in left]
    return (*left, *out)
