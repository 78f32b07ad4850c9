"""One study: a whole session, or a confirmation alone, on a machine whose truth is known.

Drives the product's own procedures (A/A, sentinels, selection, screening, confirmation,
minimising) on a virtual clock, so that a session of 20 minutes takes a tenth of a second. Only
the proposals are the bench's: they are drawn evenly, as a random search does.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.verdict_noise import Noise, NoiseModel
from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.errors import BenchmarkFailedError, TooManyFailuresError
from sealtune.searching import EXTRA_BASELINES
from sealtune.space import IntKnob, Space
from sealtune.space.knobs import Setting
from sealtune.tactician.record import SearchResult, TrialRecord
from sealtune.verdict import (
    Clock,
    Confirmation,
    Sentinels,
    assess_noise,
    confirm,
    looks_within,
    minimise,
    plan_clock,
    screen,
)
from sealtune.verdict.pairs import usable

RUN_SECONDS = 7.0
MINUTES = 20.0
MOST_TRIALS = 40
MOST_FAILURES = 3
SPACE = Space([IntKnob(name, 0, 100) for name in "abcdef"])
Effect = Callable[[Setting], float]


def planted(ratio: float) -> Effect:
    """Return the true speed of a setting, the originals being 1.

    A gain is hidden: only the upper quarter of the parameter ``a`` has it. A loss is everywhere:
    whatever is set costs it, or no search would ever propose to confirm it.
    """
    if ratio < 1:
        return lambda setting: ratio if setting else 1.0
    return lambda setting: ratio if int(setting.get("a", 0)) >= 75 else 1.0


class Bench:
    """A machine with known true speeds, noise and a virtual clock.

    Args:
        effect: True speed of a setting, the originals 1.
        noise: Factor of each run; ``None`` fails it.
    """

    def __init__(self, effect: Effect, noise: Noise) -> None:
        self._effect, self._noise = effect, noise
        self.now = 0.0

    def measure(self, setting: Setting) -> Measurement:
        """Return one fresh run and let the clock advance by it."""
        self.now += RUN_SECONDS
        factor = next(self._noise)
        if factor is None:
            return failed("the benchmark gave no result", seconds=RUN_SECONDS)
        return Measurement(1000 * self._effect(setting) * factor, seconds=RUN_SECONDS)

    def clock(self) -> float:
        """Return the virtual time [s]."""
        return self.now


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one study said, and what was true.

    Attributes:
        verdict: ``improved``, ``none``, ``worse``, ``unsafe``, or ``error`` when too many runs
            failed for any verdict.
        truth: True ratio of the setting that was confirmed.
        estimate: Published gain of the confirmation; ``None`` without one.
        low: Low end of its interval.
        high: High end of it.
        pairs: Good pairs.
        saved: Minutes that ending early gave back.
        minimal_truth: True ratio of the smallest setting, where one was looked for.
        minimal_low: Low end of the gain that is published in the end.
        minimal_high: High end of it.
    """

    verdict: str
    truth: float = 1.0
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    pairs: int = 0
    saved: float = 0.0
    minimal_truth: float | None = None
    minimal_low: float | None = None
    minimal_high: float | None = None

    @property
    def held(self) -> bool | None:
        """Whether the interval holds the truth; ``None`` without an interval."""
        if self.low is None or self.high is None:
            return None
        return self.low <= self.truth <= self.high

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that are set."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def session(ratio: float, model: NoiseModel, seed: int) -> Outcome:
    """Run a session of 20 minutes, search to minimising.

    Args:
        ratio: What is planted, see `planted`; 1 for nothing.
        model: Noise of the machine.
        seed: Makes it reproducible.
    """
    rng = np.random.default_rng(seed)
    bench = Bench(planted(ratio), model(np.random.default_rng([seed, 3])))
    clock = plan_clock(MINUTES, None, RUN_SECONDS - 2, 2, len(SPACE))
    try:
        chosen = _chosen(bench, clock, rng)
        if chosen is None:
            return Outcome("none")
        looks = looks_within(clock.pairs)
        found = confirm(bench.measure, chosen, looks=looks, seed=seed, clock=bench.clock)
    except (TooManyFailuresError, BenchmarkFailedError):
        return Outcome("error")
    end = bench.now + clock.phase("minimising").seconds
    return _outcome(found, planted(ratio), chosen, bench, end)


def confirmation(ratio: float, model: NoiseModel, seed: int, pairs: int) -> Outcome:
    """Confirm a setting whose true ratio is `ratio` by at most `pairs` pairs."""
    bench = Bench(planted(ratio), model(np.random.default_rng([seed, 7])))
    setting: Setting = {"a": 100}
    try:
        found = confirm(bench.measure, setting, looks=looks_within(pairs), seed=seed)
    except TooManyFailuresError:
        return Outcome("error")
    return _outcome(found, planted(ratio), setting)


def _outcome(
    found: Confirmation,
    effect: Effect,
    chosen: Setting,
    bench: Bench | None = None,
    end: float = 0.0,
) -> Outcome:
    """Return what a confirmation said; minimise what it confirmed where there is a `bench`."""
    if found.gain is None:
        return Outcome(found.outcome, effect(chosen))
    gain = found.gain
    saved = 2 * (found.looks[-1] - gain.pairs) * RUN_SECONDS / 60
    minimal = None
    if bench is not None and found.outcome == "improved":
        try:
            minimal = minimise(bench.measure, chosen, found, deadline=end, clock=bench.clock)
        except TooManyFailuresError:
            minimal = None
    of = (minimal.setting if minimal.gain_of == "minimal" else chosen) if minimal else chosen
    return Outcome(
        found.outcome,
        effect(chosen),
        gain.estimate,
        gain.ci_low,
        gain.ci_high,
        gain.pairs,
        saved,
        effect(of) if minimal else None,
        minimal.gain.ci_low if minimal else None,
        minimal.gain.ci_high if minimal else None,
    )


def _chosen(bench: Bench, clock: Clock, rng: np.random.Generator) -> Setting | None:
    sentinels = Sentinels()

    def remember(run: Measurement) -> None:
        sentinels.add(run, bench.now)

    assess_noise(bench.measure, clock.phase("A/A").runs, on_run=remember)
    candidates = _search(bench, sentinels, rng, min(MOST_TRIALS, clock.search_trials))
    if not candidates:
        return None
    rounds = max(1, clock.phase("screening").runs // (1 + len(candidates)))
    return screen(bench.measure, candidates, rounds, rng).chosen


def _search(
    bench: Bench, sentinels: Sentinels, rng: np.random.Generator, trials: int
) -> tuple[Setting, ...]:
    """Draw settings evenly; measure the baseline in between as a session does."""
    found: list[tuple[Setting, Measurement, float]] = []
    since, in_a_row = 0, 0

    def baseline() -> None:
        sentinels.add(bench.measure({}), bench.now)
        for _ in range(EXTRA_BASELINES):
            if sentinels.unsettled:
                sentinels.add(bench.measure({}), bench.now)

    for _ in range(trials):
        if sentinels.due(since, failed=in_a_row > 0):
            baseline()
            since = 0
        setting = SPACE.decode(rng.random(len(SPACE)))
        run = bench.measure(setting)
        found.append((setting, run, bench.now))
        since += 1
        in_a_row = 0 if usable(run) else in_a_row + 1
        if in_a_row > MOST_FAILURES:
            break
    baseline()
    records = []
    for index, (setting, run, at) in enumerate(found):
        ratio = sentinels.relative(run, at) if usable(run) else None
        score = None if ratio is None else 100 * ratio
        records.append(TrialRecord(index, setting, run, score, ratio))
    return SearchResult(SPACE, tuple(records), SPACE.start).candidates(3)
