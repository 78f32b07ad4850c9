"""How the wall clock is shared out before anything runs. Whole runs in, a plan out."""

import math
from dataclasses import dataclass

from sealtune.errors import TooLittleTimeError

LOOKS: tuple[int, ...] = (6, 9, 12, 18, 24)
"""After how many pairs a confirmation may be decided."""

DEFAULT_MINUTES = 20.0
TRIALS_PER_SENTINEL = 6
_LEAST = {"A/A": 6, "search": 8, "screening": 4, "confirmation": 12, "minimising": 4}
_MOST_RUNS = 10_000


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of the run.

    Attributes:
        name: ``A/A``, ``search``, ``screening``, ``confirmation`` or ``minimising``.
        runs: Benchmark runs planned.
        seconds: Wall time planned for them [s].
        says: What happens in it, one sentence for the person.
    """

    name: str
    runs: int
    seconds: float
    says: str


@dataclass(frozen=True, slots=True)
class Clock:
    """The plan of a whole run, shown before the person says yes.

    Attributes:
        phases: In order; together they take `total_seconds`.
        search_trials: Settings that the search may try; the rest of its runs are sentinels.
        pairs: Pairs that the confirmation may use at most, one of `LOOKS`.
        run_seconds: What one run costs, warm-up and settling included [s].
    """

    phases: tuple[Phase, ...]
    search_trials: int
    pairs: int
    run_seconds: float

    @property
    def total_seconds(self) -> float:
        """The whole wall clock after set-up [s]."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def reserved_seconds(self) -> float:
        """What the search may never use: confirmation and minimising [s]."""
        return self.phase("confirmation").seconds + self.phase("minimising").seconds

    def phase(self, name: str) -> Phase:
        """Return the phase called `name`.

        Raises:
            KeyError: There is none.
        """
        return {phase.name: phase for phase in self.phases}[name]


def plan_clock(
    minutes: float | None,
    trials: int | None,
    run_seconds: float,
    overhead_seconds: float,
    n_knobs: int,
    *,
    start_up_seconds: float = 0.0,
) -> Clock:
    """Share out the wall clock; confirmation and minimising are served first.

    Args:
        minutes: Whole wall clock after set-up; with neither this nor `trials`, 20.
        trials: Settings to try. Alone it sets the clock; beside `minutes` the smaller one wins.
        run_seconds: Measured part of a run [s], > 0.
        overhead_seconds: Warm-up and settling around it [s], >= 0.
        n_knobs: Parameters in the plan, >= 1.
        start_up_seconds: What goes from `minutes` before the first run [s], >= 0.

    Returns:
        The plan; its `total_seconds` and the start-up never exceed `minutes` together.

    Raises:
        TooLittleTimeError: Six pairs do not fit; names the minutes that would do.

    >>> clock = plan_clock(20, None, 5, 2, 8)
    >>> [(phase.name, phase.runs) for phase in clock.phases]  # doctest: +NORMALIZE_WHITESPACE
    [('A/A', 9), ('search', 90), ('screening', 10), ('confirmation', 36), ('minimising', 26)]
    """
    cost = run_seconds + overhead_seconds
    if cost <= 0 or n_knobs < 1:
        raise ValueError(f"need a run above 0 s and a knob, got {cost} s and {n_knobs} knobs")
    if trials is not None and trials < 1:
        raise TooLittleTimeError(
            "0 trials leave nothing to confirm", fix="Allow at least 1 trial."
        )
    if minutes is None and trials is not None:
        return _plan(_runs_for(trials, n_knobs), cost, n_knobs, trials)
    minutes = DEFAULT_MINUTES if minutes is None else minutes
    # A whole number of runs that just fits must not be lost to rounding.
    usable = minutes * 60 - start_up_seconds
    runs = math.floor(usable / cost + 1e-9) if math.isfinite(minutes) else _MOST_RUNS
    needed = sum(_LEAST.values())
    if runs < needed:
        enough = _minutes(needed * cost + start_up_seconds)
        raise TooLittleTimeError(
            f"{minutes:g} minutes have room for {max(runs, 0)} runs of {cost:g} s; six pairs of "
            f"confirming runs and what goes before them need {needed}: {enough} minutes would do",
            fix=f"Give it --minutes {enough} or more.",
        )
    return _plan(min(runs, _MOST_RUNS), cost, n_knobs, trials)


def looks_within(pairs: int) -> tuple[int, ...]:
    """Return the looks that `pairs` pairs allow; empty below the first.

    >>> looks_within(17)
    (6, 9, 12)
    """
    return tuple(look for look in LOOKS if look <= pairs)


def _shares(runs: int, n_knobs: int) -> dict[str, int]:
    confirmation = 2 * max(looks_within(max(LOOKS[0], int(0.27 * runs / 2))))
    # Singling out one of n knobs by halving takes about log2(n) steps of at least a pair each.
    halving = 2 * (1 + math.ceil(math.log2(n_knobs))) + 4 if n_knobs > 1 else 4
    minimising = max(round(0.15 * runs), min(halving, round(0.2 * runs)), _LEAST["minimising"])
    shares = {
        "A/A": min(12, max(6, round(0.05 * runs))),
        "screening": min(16, max(4, round(0.06 * runs))),
        "confirmation": confirmation,
        "minimising": min(60, minimising),
    }
    search = runs - sum(shares.values())
    missing = _LEAST["search"] - search
    if missing > 0:
        shares["minimising"] = max(_LEAST["minimising"], shares["minimising"] - missing)
        search = runs - sum(shares.values())
    return {**shares, "search": search}


def _trials_in(search_runs: int) -> int:
    return search_runs - math.ceil(search_runs / (TRIALS_PER_SENTINEL + 1))


def _runs_for(trials: int, n_knobs: int) -> int:
    runs = sum(_LEAST.values())
    while _trials_in(_shares(runs, n_knobs)["search"]) < trials and runs < _MOST_RUNS:
        runs += 1
    return runs


def _plan(runs: int, cost: float, n_knobs: int, trials: int | None) -> Clock:
    shares = _shares(runs, n_knobs)
    possible = _trials_in(shares["search"])
    wanted = possible if trials is None else min(trials, possible)
    if wanted < possible:
        shares["search"] = wanted + math.ceil(wanted / TRIALS_PER_SENTINEL)
    pairs = shares["confirmation"] // 2
    says = {
        "A/A": "the same settings measured again and again: how noisy this machine is",
        "search": f"{wanted} settings tried, the original measured again every "
        f"{TRIALS_PER_SENTINEL}",
        "screening": "up to three candidates compared by fresh runs, one kept",
        "confirmation": f"up to {pairs} pairs, original against candidate, in random order; "
        "ends earlier when the answer is clear",
        "minimising": "parameters put back one group after another, to see which ones matter",
    }
    return Clock(
        phases=tuple(Phase(name, shares[name], shares[name] * cost, says[name]) for name in says),
        search_trials=wanted,
        pairs=pairs,
        run_seconds=cost,
    )


def _minutes(seconds: float) -> str:
    return f"{math.ceil(seconds / 6) / 10:g}"
