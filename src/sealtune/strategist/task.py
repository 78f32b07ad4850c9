"""What a strategist is asked, and what it answers; the same for a model and the embedded one."""

from dataclasses import dataclass

from sealtune.machine import Facts
from sealtune.space.available import Availability
from sealtune.space.config import TuningConfig
from sealtune.store.experience import Experience
from sealtune.strategist.reading import Reading


@dataclass(frozen=True, slots=True)
class Task:
    """One question to a strategist: what should be tried on this machine for this workload?

    Attributes:
        description: The workload in plain English.
        facts: The machine.
        availability: What it offers, from `available_knobs` over the whole catalogue.
        installed: Names of the benchmark adapters whose tools were found.
        experiences: What earlier sessions were worth, newest first; may be empty.
        benchmark: Adapter name or whole command that the person insists on.
        only: Tune these parameters and no others.
        exclude: Leave these parameters alone.
        no_prior: Whole safe ranges from the present values; neither expert starts nor memory.
        minutes: Wall clock of the whole session.
        trials: Most trials of the search.
        seed: Seed of everything random, kept in the config.
    """

    description: str
    facts: Facts
    availability: Availability
    installed: tuple[str, ...] = ()
    experiences: tuple[Experience, ...] = ()
    benchmark: str | None = None
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    no_prior: bool = False
    minutes: float | None = None
    trials: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Strategy:
    """An answer: the config, and how it came about.

    Attributes:
        config: What to tune; already checked, its `strategist` field says who wrote it.
        reading: How the description was understood; ``None`` when a model did not say.
        notices: What the person should know beside `config.notices`, such as a fallback.
    """

    config: TuningConfig
    reading: Reading | None
    notices: tuple[str, ...] = ()
