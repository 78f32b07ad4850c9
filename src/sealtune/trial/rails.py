"""Guard rails relative to the baseline: what a trial may do to the machine and to its users.

They catch a catastrophe, at once and in one run; whether a setting is merely worse is for the
verdict's guards, which judge pairs of runs. So every limit here is far from the baseline.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sealtune.benchmarks.measurement import Measurement

LATENCY_FACTOR = 10.0
LATENCY_FLOOR_MS = 50.0
"""A tail ten times as long, and longer by more than a few turns of the scheduler."""

ERROR_FACTOR = 3.0
ERROR_FLOOR_SHARE = 0.05
ERROR_MOST_SHARE = 0.5
"""Three times the share of errors, and at least one operation in twenty: by then users see it. No
baseline makes it right that most operations fail."""

ERROR_FLOOR_PER_SECOND = 10.0
"""The same where the benchmark does not say how many operations there were."""

_BAD = " in the bad tenth of its parts"
_TAILS = ("p99" + _BAD, "p95" + _BAD, "p99", "p95")
"""What is compared, if both runs have it. Parts, because a tail that is long now and then does not
show in the middle one of their percentiles, which is what is reported."""


@dataclass(frozen=True, slots=True)
class Rails:
    """Limits for trials, from runs of the originals.

    Attributes:
        limits: For the guard, which looks while a setting is held; see `sealtune.guard.watch`.
        tails_ms: Worst latency of a baseline run [ms]: per percentile of the whole run, and of the
            bad tenth of its parts.
        errors: Worst share of failed operations of a baseline run; failed operations per second
            where the share is not known.
        advice: What the person should know, whole sentences.
    """

    limits: Mapping[str, float] = field(default_factory=dict)
    tails_ms: Mapping[str, float] = field(default_factory=dict)
    errors: float = 0.0
    advice: tuple[str, ...] = ()

    @classmethod
    def from_baselines(cls, runs: Iterable[Measurement], seen: Mapping[str, float]) -> "Rails":
        """Return the limits that suit a baseline.

        Args:
            runs: Runs of the originals; failed ones say nothing.
            seen: For each of the guard's rails the most that lasted during these runs.
        """
        used, stalled = seen.get("memory_used", 0.0), seen.get("memory_full", 0.0)
        limits = {
            # Ordinary work waits for memory hardly ever: a quarter of the time is thrashing.
            "memory_full": max(0.25, stalled + 0.15),
            # Some benchmarks wait for the disk all the time; near 1 there is nothing to tell.
            "io_full": max(0.8, seen.get("io_full", 0.0) + 0.1),
            "swap_mebibytes": max(64.0, 4 * seen.get("swap_mebibytes", 0.0)),
            # A tenth of the memory that was free to use; where that is little, the guard's limit.
            "memory_used": 1 - max(0.02, 0.1 * (1 - used)),
            "hung_tasks": seen.get("hung_tasks", 0.0),
        }
        rails, failing = cls(limits), 0.0
        for run in runs:
            rails = rails.beside(run)
            share, known = _errors(run)
            failing = max(failing, share) if run.ok and known else failing
        return replace(rails, advice=_advice(used, stalled, failing))

    def beside(self, run: Measurement) -> "Rails":
        """Return the same with one more baseline run: its bad hour is no setting's doing."""
        if not run.ok:
            return self
        tails = {
            name: max(wait, self.tails_ms.get(name, 0.0)) for name, wait in _tails(run).items()
        }
        errors = max(self.errors, _errors(run)[0])
        return replace(self, tails_ms={**self.tails_ms, **tails}, errors=errors)

    def judge(self, run: Measurement) -> str | None:
        """Return which rail a trial's finished run breached, ``None`` when it may count.

        A run without a value breaches none: it is a failed trial already.
        """
        if run.value is None:
            return None
        return self._tail(run) or self._failures(run)

    def _tail(self, run: Measurement) -> str | None:
        # The longest percentile that both have: one of them may come without, cut short.
        # Of few parts the bad tenth is the worst one, which is no fair figure for a run that was
        # ended early; one that has few because they took so long is what is looked for.
        if run.cut_short:
            run = replace(run, tails_ms={})
        waits = _tails(run)
        name = next((n for n in _TAILS if n in waits and n in self.tails_ms), None)
        if name is None:
            return None
        wait, usual = waits[name], self.tails_ms[name]
        limit = max(LATENCY_FACTOR * usual, usual + LATENCY_FLOOR_MS)
        if wait <= limit:
            return None
        found = f"{name[:3]} latency was {wait:.4g} ms{name[3:]}"
        return f"{found}, the baseline's worst is {usual:.4g} ms (limit {limit:.4g})"

    def _failures(self, run: Measurement) -> str | None:
        errors, is_share = _errors(run)
        if is_share:
            limit = min(ERROR_MOST_SHARE, max(ERROR_FLOOR_SHARE, ERROR_FACTOR * self.errors))
            form, what = "{:.1%}", "of the operations failed"
        else:
            limit = max(ERROR_FLOOR_PER_SECOND, ERROR_FACTOR * self.errors)
            form, what = "{:.4g}", "operations a second failed"
        if errors <= limit:
            return None
        found, usual, most = (form.format(value) for value in (errors, self.errors, limit))
        return f"{found} {what}, at most {usual} in the baseline (limit {most})"


def _tails(run: Measurement) -> dict[str, float]:
    """Return how long the slow operations of a run took [ms], by the names of `_TAILS`."""
    bad = {name + _BAD: wait for name, wait in run.tails_ms.items()}
    return {name: wait for name, wait in {**run.latency_ms, **bad}.items() if name in _TAILS}


def _errors(run: Measurement) -> tuple[float, bool]:
    """Return failed operations, and whether as a share of all rather than per second."""
    if run.unit != "1/s" or run.direction != "maximize":
        return run.errors / max(run.seconds, 1.0), False
    # A rate counts what went well, per second measured: that is known from the intervals only.
    seconds = len(run.intervals) * run.interval_seconds or run.seconds
    good = (run.value or 0.0) * seconds
    return run.errors / max(run.errors + good, 1.0), True


def _advice(used: float, stalled: float, failing: float) -> tuple[str, ...]:
    """Return what to say of a machine that is beyond a rail before anything was changed."""
    memory = "Stop what else needs memory here, or give the benchmark less."
    advice = []
    if used > 0.98:
        advice.append((f"only {1 - used:.1%} of the memory was available", memory))
    if stalled > 0.5:
        advice.append((f"all work stood still for memory {stalled:.0%} of the time", memory))
    if failing > ERROR_MOST_SHARE:
        what = f"{failing:.0%} of the benchmark's operations failed"
        advice.append((what, "Run the benchmark by hand and see why."))
    return tuple(
        f"Before anything was changed, {what}: every trial will count as unsafe. {fix}"
        for what, fix in advice
    )
