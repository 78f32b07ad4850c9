"""What the stages of a session found: each fills its part, and the result is drawn from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sealtune.comparing import Compared, pooled
from sealtune.plan import Plan
from sealtune.space.knobs import Setting
from sealtune.tactician import SearchResult, TrialRecord
from sealtune.verdict import Clock, Confirmation, Importance, Minimal, Noise, Screening


class Accounts(Protocol):
    """What the result needs of the session's ledger."""

    session: str
    cut_short: int
    failed: int
    best: float | None
    notes: list[str]
    guards: list[str]

    def seconds(self) -> dict[str, float]:
        """Return the time buckets [s]."""
        ...


class Restored(Protocol):
    """What the guard's last restore did; each entry is (parameter, value found, original)."""

    @property
    def foreign(self) -> list[tuple[str, str, str]]:
        """Changed by somebody else meanwhile, and left alone."""
        ...

    @property
    def failed(self) -> list[tuple[str, str, str]]:
        """Not put back."""
        ...


@dataclass(frozen=True)
class Searched:
    """One strategy of a contest after its search.

    Attributes:
        number: Its position in the contest, from 1.
        plan: Its plan.
        search: Its trials.
        promise: Lower bound of the best setting it tried, as log gain; not confirmed.
    """

    number: int
    plan: Plan
    search: SearchResult | None
    promise: float


@dataclass
class Found:
    """What is known so far; each stage fills its field, an interruption leaves the rest empty.

    `plan` is that of the strategy whose search counts, `searched` all of a contest, best first,
    `compared` the tacticians that took turns: `search` then holds the trials of all of them.
    """

    plan: Plan | None = None
    searched: tuple[Searched, ...] = ()
    compared: tuple[Compared, ...] = ()
    clock: Clock | None = None
    noise: Noise | None = None
    search: SearchResult | None = None
    screening: Screening | None = None
    confirmation: Confirmation | None = None
    minimal: Minimal | None = None
    importance: Importance | None = None
    baseline_reward: float = 100.0
    interrupted: bool = False
    restored: Restored | None = None

    @property
    def the_clock(self) -> Clock:
        """How the time is shared out.

        Raises:
            ValueError: Nothing has been measured yet.
        """
        if self.clock is None:
            raise ValueError("the clock is set after the A/A runs")
        return self.clock

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        """Every trial of the search, those of all strategies of a contest."""
        searches = [one.search for one in self.searched] or [self.search]
        return tuple(trial for search in searches if search for trial in search.trials)

    def candidates(self, count: int) -> tuple[Setting, ...]:
        """Return up to `count` settings worth fresh runs, most promising first.

        Of tacticians that were compared, the best one of each comes first, by its own trials.
        """
        if self.compared:
            return pooled(self.compared, count)
        return self.search.candidates(count) if self.search else ()

    @property
    def chosen(self) -> Setting:
        """The candidate that screening kept; empty before."""
        return (self.screening.chosen or {}) if self.screening else {}

    @property
    def promising(self) -> Setting:
        """The best setting of the search by its own single runs; empty when no trial worked."""
        search = self.search
        worked = search and any(trial.score is not None for trial in search.trials)
        return search.best_setting if search and worked else {}

    @property
    def published(self) -> Confirmation | None:
        """The pairs that the published gain rests on.

        Those of the smallest setting where they confirmed it, else those of the full candidate.
        """
        minimal = self.minimal
        if minimal is not None and minimal.gain_of == "minimal" and minimal.recheck is not None:
            return minimal.recheck
        return self.confirmation

    def was_restored(self, report: Restored) -> None:
        """Keep what the final restore did."""
        self.restored = report


def differing(setting: Mapping[str, int | str], originals: Mapping[str, str]) -> Setting:
    """Return the part of `setting` that differs from what the machine had."""
    return {name: value for name, value in setting.items() if str(value) != originals.get(name)}
