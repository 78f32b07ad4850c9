"""The search loop: ask, measure, tell, until the budget is used up."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from sealtune.benchmarks.measurement import Direction, Measurement, failed
from sealtune.errors import MeasurementError
from sealtune.space.knobs import Setting
from sealtune.space.space import Space
from sealtune.tactician.guided import GuidedSampler
from sealtune.tactician.names import PEERS, check_tactician
from sealtune.tactician.prior import FocusBox, Prior, as_prior
from sealtune.tactician.record import Budget, Ended, SearchResult, StopSearch, TrialRecord
from sealtune.tactician.relearning import Relearns
from sealtune.tactician.samplers import Sampler, build_peer

if TYPE_CHECKING:
    from sealtune.tactician.policy import PolicyOptions

Measure = Callable[[Setting], Measurement | float]
RewardFunction = Callable[[Measurement], float | None]
Correct = Callable[[tuple[TrialRecord, ...]], tuple[TrialRecord, ...] | None]


@runtime_checkable
class KnowsBaseline(Protocol):
    """A reward that can also say how a metric compares with the baseline of its time."""

    def relative(self, measurement: Measurement) -> float | None:
        """Return metric / baseline, inverted where lower is better; ``None`` for a failure."""


def prepare_tactician(
    name: str,
    space: Space,
    budget: int | Budget,
    *,
    prior: Setting | Prior | None = None,
    seed: int = 0,
    options: "PolicyOptions | None" = None,
    resumed: int = 0,
) -> Sampler:
    """Build a tactician ahead of time and hand it to `search`.

    The first PPO of a process takes 2 to 10 seconds of CPU to build: do it before the first
    baseline run, never during a measurement.

    Args:
        name: One of `TACTICIANS`.
        space: Where to search.
        budget: Planned number of trials.
        prior: A setting to begin at, or a whole `Prior`; knobs without one begin at their start.
        seed: Same seed and same scores, same proposals.
        options: A `sealtune.tactician.PolicyOptions`, for ``ppo`` and ``ppo-only``.
        resumed: Trials of an interrupted search that it will be told first. PPO goes on as that
            search would have; a peer draws afresh, for it would propose the same ones again.

    Raises:
        ConfigError: There is no such tactician, or the prior is not of this space.
    """
    check_tactician(name)
    belief = as_prior(prior).within(space)
    trials = budget if isinstance(budget, int) else budget.trials

    def build(part: Space, start: Setting, share: int) -> Sampler:
        # A later stage begins at the best known; a focus that does not hold it has been refuted.
        focus = {
            knob: (low, high)
            for knob, (low, high) in belief.focus.items()
            if knob in start
            and (start[knob] == belief.start[knob] or low <= int(start[knob]) <= high)
        }
        known = replace(belief, start=start, focus=focus)
        return _built(name, part, known, share, seed, options, resumed)

    if belief.proposals or belief.stages:
        return GuidedSampler(space, belief, trials, build)
    return build(space, belief.start, trials)


def _built(
    name: str,
    space: Space,
    prior: Prior,
    trials: int,
    seed: int,
    options: "PolicyOptions | None",
    resumed: int,
) -> Sampler:
    """Return the tactician `name`; of `prior` it takes start and focus."""
    if name in PEERS:
        return build_peer(name, space, prior.start, trials=trials, seed=seed, resumed=resumed)
    from sealtune.tactician.policy import PLAIN, PolicyOptions
    from sealtune.tactician.ppo import PolicySampler

    usual = PolicyOptions() if name == "ppo" else PLAIN
    return PolicySampler(
        name,
        space,
        prior.start,
        trials=trials,
        seed=seed,
        options=options or usual,
        focus=FocusBox(space, prior.focus, prior.start) if prior.focus else None,
    )


def search(
    space: Space,
    measure: Measure,
    budget: int | Budget,
    *,
    direction: Direction = "maximize",
    tactician: str | Sampler = "ppo",
    prior: Setting | Prior | None = None,
    seed: int = 0,
    on_trial: Callable[[TrialRecord], None] | None = None,
    reward: RewardFunction | None = None,
    history: Sequence[TrialRecord] = (),
    told: int = 0,
    corrected: Correct | None = None,
) -> SearchResult:
    """Look for the setting with the best measurement.

    Args:
        space: Where to search.
        measure: Runs one trial; a plain float will do. A `MeasurementError` makes it a failed
            trial, `StopSearch` ends the search, anything else passes through.
        budget: Number of trials, or a `Budget`.
        direction: For plain floats; a `Measurement` brings its own.
        tactician: One of `TACTICIANS`, or what `prepare_tactician` returned.
        prior: A setting to begin at, or a whole `Prior`; knobs without one begin at their start.
        seed: Same seed and same measurements, same search.
        on_trial: Called with every new trial, right after it.
        reward: Score of a measurement, higher is better, ``None`` for a failure; without it
            the metric itself, negated where lower is better.
        history: Trials of an interrupted search: learnt from, counted, not run again.
        told: How many of them `tactician` has learnt from already, in an earlier call.
        corrected: Asked after each trial whether the scores so far have to change, because the
            machine did: all trials anew, or ``None``. The tactician is told again.

    Raises:
        ConfigError: Unknown tactician, or a prior that is not of this space.
    """
    limits = Budget(budget) if isinstance(budget, int) else budget
    start = as_prior(prior).within(space).start
    sampler = (
        prepare_tactician(tactician, space, limits, prior=prior, seed=seed, resumed=len(history))
        if isinstance(tactician, str)
        else tactician
    )
    trials = list(history)
    for trial in trials[told:]:
        sampler.tell(trial.setting, trial.score)
    deadline = time.monotonic() + limits.seconds if limits.seconds is not None else None
    ended: Ended | None = None
    try:
        while (ended := _over(trials, limits, deadline)) is None:
            setting = sampler.ask()
            trial = _run(len(trials), setting, measure, direction, reward)
            trials.append(trial)
            if on_trial is not None:
                on_trial(trial)  # first of all: what was measured is kept, whatever happens next
            sampler.tell(setting, trial.score)
            trials = _relearnt(trials, sampler, corrected)
    except StopSearch:
        ended = "stopped"
    return SearchResult(space, tuple(trials), start, ended)


def _relearnt(
    trials: list[TrialRecord], sampler: Sampler, corrected: Correct | None
) -> list[TrialRecord]:
    """Return `trials` with the scores that hold now, and see that the tactician knows them."""
    better = corrected(tuple(trials)) if corrected is not None else None
    if better is None:
        return trials
    if isinstance(sampler, Relearns):
        sampler.retell([(trial.setting, trial.score) for trial in better])
    return list(better)


def _over(trials: Sequence[TrialRecord], limits: Budget, deadline: float | None) -> Ended | None:
    """Return why no further trial may start, or ``None``."""
    if len(trials) >= limits.trials:
        return "budget"
    if deadline is not None and time.monotonic() >= deadline:
        return "time"
    recent = trials[-(limits.max_failures_in_row + 1) :]
    if len(recent) > limits.max_failures_in_row and all(t.score is None for t in recent):
        return "failures"
    return None


def _run(
    index: int,
    setting: Setting,
    measure: Measure,
    direction: Direction,
    reward: RewardFunction | None,
) -> TrialRecord:
    """Measure one setting and score it."""
    try:
        measured = measure(dict(setting))
    except MeasurementError as error:
        measured = failed(str(error))
    measurement = _as_measurement(measured, direction)
    if measurement.value is None:
        return TrialRecord(index, setting, measurement, None)
    relative = reward.relative(measurement) if isinstance(reward, KnowsBaseline) else None
    score = reward(measurement) if reward is not None else _plain(measurement)
    return TrialRecord(index, setting, measurement, score, relative if score is not None else None)


def _as_measurement(measured: Measurement | float, direction: Direction) -> Measurement:
    """Return `measured` as a measurement; a number that is none (NaN, infinity) is a failure."""
    if isinstance(measured, Measurement):
        return measured
    try:
        return Measurement(float(measured), direction=direction)
    except ValueError:
        return failed(f"the measured value is {measured}")


def _plain(measurement: Measurement) -> float | None:
    """Return the metric, negated where lower is better."""
    if measurement.value is None:
        return None
    return -measurement.value if measurement.direction == "minimize" else measurement.value
