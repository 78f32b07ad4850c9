"""One tactician's search: asks and tells, and counts what it takes."""

import time
from dataclasses import dataclass
from typing import Self

from sealtune.plan import Plan
from sealtune.space.knobs import Setting
from sealtune.tactician import Sampler, TrialRecord, prepare_tactician
from sealtune.tactician.resuming import rebuilt


@dataclass
class Lane:
    """One tactician's search.

    Attributes:
        name: The tactician.
        sampler: The same, after the trials it has had.
        done: How many those are.
        thinking: What it has taken since its last run [s].
    """

    name: str
    sampler: Sampler
    done: int
    thinking: float = 0.0

    @classmethod
    def of(
        cls, plan: Plan, name: str, trials: int, seed: int, had: tuple[TrialRecord, ...]
    ) -> Self:
        """Return tactician `name` for a search of `trials`, after the trials it has `had`."""

        def build(resumed: int) -> Sampler:
            return prepare_tactician(
                name,
                plan.built.space,
                trials,
                prior=plan.prior,
                seed=seed,
                resumed=resumed,
            )

        return cls(name, rebuilt(build, had), len(had))

    def ask(self) -> Setting:
        """Return what to try next."""
        began = time.perf_counter()
        setting = self.sampler.ask()
        self.thinking += time.perf_counter() - began
        return setting

    def tell(self, setting: Setting, score: float | None) -> None:
        """Learn from a trial whose line is in the file."""
        self.done += 1
        began = time.perf_counter()
        self.sampler.tell(setting, score)
        self.thinking = time.perf_counter() - began
