"""What a person or a program asked for, before anything of it is looked at."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sealtune.errors import ConfigError, InputError
from sealtune.space.config import TuningConfig, load_config

MOST_MINUTES = 10_080
MOST_TRIALS = 10_000
SHORTEST_RUN, LONGEST_RUN = 1, 600
MOST_SEED = 2**31
MOST_STRATEGIES = 16


@dataclass(frozen=True, slots=True)
class Request:
    """What a person or a program asked for, not yet looked at.

    Attributes:
        description: The workload in plain English; unused with `config`.
        config: A ready config, in place of a description.
        rivals: Further configs to compare with `config`; the best of them is tuned further.
        minutes: Whole wall clock after set-up; 20 when neither this nor `trials` is given.
        trials: Search trials; beside `minutes` the smaller one wins.
        benchmark: Adapter name, such as ``redis``, in place of the strategist's choice.
        tactician: One of `sealtune.tactician.TACTICIANS`.
        compare: Further ones that share the trials with it, in turn.
        only: Tune these parameters and no others.
        exclude: Leave these parameters alone.
        models: Strategists to ask, ``provider:model`` or ``embedded``, as the person named them.
        strategies: How many strategies to compare.
        use_memory: Start from what earlier sessions found on like machines.
        use_prior: Start from expert values and narrowed ranges; else present values, safe ranges.
        seed: Makes every choice reproducible; drawn when ``None``.
        dry_run: A simulated machine and benchmark; touches nothing.
        run_seconds: Length of one run without warm-up [s]; the benchmark's own when ``None``.
        workdir: Where benchmarks put their files; must lie on the disk to be tuned.
        approved_command: Exactly the benchmark command that the person allowed to run.
        command: The command line, for the record.
    """

    description: str = ""
    config: TuningConfig | None = None
    rivals: tuple[TuningConfig, ...] = ()
    minutes: float | None = None
    trials: int | None = None
    benchmark: str | None = None
    tactician: str = "ppo"
    compare: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    strategies: int = 1
    use_memory: bool = True
    use_prior: bool = True
    seed: int | None = None
    dry_run: bool = False
    run_seconds: float | None = None
    workdir: Path | None = None
    approved_command: str | None = None
    command: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the request as plain values, the configs left out (the plan stores its own)."""
        fields = asdict(replace(self, config=None, rivals=()))
        return {**fields, "workdir": str(self.workdir) if self.workdir else None}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Request":
        """Return the request that `as_dict` gave."""
        known = {name: fields[name] for name in cls.__slots__ if name in fields}
        known["rivals"] = tuple(load_config(dict(rival)) for rival in known.get("rivals") or ())
        for name in ("compare", "only", "exclude", "models"):
            known[name] = tuple(known.get(name) or ())
        known["workdir"] = Path(known["workdir"]) if known.get("workdir") else None
        return cls(**known)

    def check(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            InputError: Names the option, what was found and what is allowed.
        """
        if self.minutes is not None and not 0 < self.minutes <= MOST_MINUTES:
            raise InputError(f"--minutes {self.minutes:g}: allowed: above 0, up to {MOST_MINUTES}")
        if self.trials is not None and not 1 <= self.trials <= MOST_TRIALS:
            raise InputError(f"--trials {self.trials}: allowed: 1 to {MOST_TRIALS}")
        if not 1 <= self.strategies <= MOST_STRATEGIES:
            raise InputError(f"--strategies {self.strategies}: allowed: 1 to {MOST_STRATEGIES}")
        self._check_compare()
        seconds = self.run_seconds
        if seconds is not None and not SHORTEST_RUN <= seconds <= LONGEST_RUN:
            allowed = f"{SHORTEST_RUN} to {LONGEST_RUN}"
            raise InputError(f"--run-seconds {seconds:g}: allowed: {allowed}")
        if self.seed is not None and not 0 <= self.seed < MOST_SEED:
            raise InputError(f"--seed {self.seed}: allowed: 0 to {MOST_SEED - 1}")

    def _check_compare(self) -> None:
        """Refuse to compare tacticians and strategies at once, or a tactician with itself."""
        if not self.compare:
            return
        named = f"--compare {','.join(self.compare)}"
        if self.strategies > 1 or self.rivals:
            raise ConfigError(
                f"{named} compares tacticians on one strategy, not beside --strategies or several "
                "models",
                fix="Compare one or the other: leave --compare or --strategies away.",
            )
        everyone = (self.tactician, *self.compare)
        twice = sorted({name for name in everyone if everyone.count(name) > 1})
        if twice:
            raise ConfigError(
                f"{named}: {', '.join(twice)} would search twice (--tactician {self.tactician})",
                fix="Name each tactician once; that of --tactician takes part by itself.",
            )
