"""Which knobs mattered in a search, and how sure that is: a guess from its single noisy runs.

The search's own model, which learns the noise and one relevance per knob, is asked over the whole
space how much of what it foretells goes through each knob (`Probe`). Two things keep that honest:
the same from resampled trials gives the interval, and knobs that certainly do nothing, added as
shuffled copies of the real ones, show how much importance chance alone hands out.

What a knob of the confirmed setting contributes is another question, answered by fresh pairs
(`minimise`). See docs/importance.md.

Sources: Sobol, "Global sensitivity indices for nonlinear mathematical models", 2001 (total
effects); Politis and Romano, 1994 (subsampling); Kursa and Rudnicki, "Feature selection with the
Boruta package", 2010 (shuffled copies).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sealtune.space.knobs import Setting
from sealtune.space.space import Space
from sealtune.tactician import SettingModel
from sealtune.verdict.regions import best_region
from sealtune.verdict.sensitivity import LEVELS, Probe, Sensitivity

Matrix = NDArray[np.float64]

FEWEST_TRIALS = 12
"""Trials with a number below which nothing is said."""
MOST_TRIALS = 200
"""Trials used, evenly over a longer search: the cost grows with their cube."""
RESAMPLES = 40
SHADOW_FITS = 20
CONFIDENCE = 0.9
METHOD = (
    "total effects of the search's Gaussian process over the whole space; interval from resampled "
    "trials; told only above shuffled copies of the parameters"
)

_FEWEST_TO_RANK = 4
_ROWS, _SHADOW_ROWS = 6 * LEVELS, 3 * LEVELS
_ITERATIONS = 12
_BLOCK = 10
_SURE = 0.95
_SMOOTHING = 1.25
"""Every refit smooths in the same way, which their spread does not show: found by simulation."""

Merits = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class KnobImportance:
    """How much one knob mattered.

    Attributes:
        knob: Its name.
        share: Share of the foretold variation of the log metric that goes through it, alone or
            with others, 0 to 1; shares sum to more than 1 where knobs act together.
        low: Low end of the interval; 0 unless `told`.
        high: High end of it.
        most_important_probability: Share of the resamples in which no knob mattered more.
        told: Whether these trials tell it from a knob that does nothing.
        best: Where it does best, in words; empty where that is not clear.
    """

    knob: str
    share: float
    low: float
    high: float
    most_important_probability: float
    told: bool
    best: str = ""


@dataclass(frozen=True, slots=True)
class Importance:
    """What a search says about its knobs.

    Attributes:
        knobs: Most important first; empty when nothing can be said.
        trials: Trials used, failed ones included.
        reason: Why nothing can be said; empty otherwise.
    """

    knobs: tuple[KnobImportance, ...]
    trials: int
    reason: str = ""


def weigh_knobs(
    space: Space,
    settings: Sequence[Setting],
    ratios: Sequence[float | None],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    shadow_fits: int = SHADOW_FITS,
) -> Importance:
    """Return how much each knob of `space` mattered in a search. Takes seconds of one core.

    Args:
        space: Where was searched.
        settings: Every setting tried, in order.
        ratios: What came of each, relative to the baseline, above 1 is better; ``None`` for a
            failure, which counts as bad as the worst that worked.
        seed: Same seed and trials, same answer.
        resamples: Refits behind the interval, at least 2.
        shadow_fits: Refits with shuffled copies, at least 1.
    """
    merits = [_merit(ratio) for ratio in ratios]
    known = sum(merit is not None for merit in merits)
    if known < FEWEST_TRIALS:
        return Importance(
            (), len(merits), f"{known} trials gave a number, {FEWEST_TRIALS} are needed"
        )
    if len(merits) > MOST_TRIALS:
        places = np.linspace(0, len(merits) - 1, MOST_TRIALS).astype(int)
        settings, merits = [settings[at] for at in places], [merits[at] for at in places]
    generator = np.random.default_rng(seed)
    try:
        probe = Probe(space, _ROWS, generator)
        whole = probe.ask(SettingModel(space).fit(settings, merits))
        again = _resampled(space, settings, merits, probe, generator, resamples)
        above = _above_chance(space, settings, merits, generator, shadow_fits)
        return Importance(_judged(space, probe, whole, again, above), len(merits))
    # An explanation must not cost a verdict, whatever arrays of few trials come to.
    except (ValueError, LookupError, ArithmeticError, MemoryError) as error:
        return Importance((), len(merits), f"the model could not be fitted: {error}")


def rank_suspects(
    settings: Sequence[Setting], ratios: Sequence[float], space: Space
) -> tuple[str, ...]:
    """Return the knobs of `space`, the most important first: a hint, and no evidence.

    Args:
        settings: Settings tried in the search, good runs only.
        ratios: Their values relative to the baseline, > 0, same length.
        space: Where was searched.

    Returns:
        Every knob name once, or nothing when fewer than four trials leave nothing to tell.
    """
    if len(settings) < _FEWEST_TO_RANK:
        return ()
    probe = Probe(space, _ROWS, np.random.default_rng(0))
    try:
        found = probe.ask(SettingModel(space).fit(settings, [_merit(ratio) for ratio in ratios]))
    except (np.linalg.LinAlgError, ValueError):
        return ()
    order = np.argsort(-found.effects, kind="stable")
    return tuple(space.names[place] for place in order)


def _merit(ratio: float | None) -> float | None:
    good = ratio is not None and math.isfinite(ratio) and ratio > 0
    return math.log(ratio) if good and ratio is not None else None


def _resampled(
    space: Space,
    settings: Sequence[Setting],
    merits: Merits,
    probe: Probe,
    generator: np.random.Generator,
    times: int,
) -> list[Sensitivity]:
    """Return the answers from the distinct trials of bootstrap samples.

    Each trial counts once, however often it was drawn: two runs that agree to the last digit would
    tell the model that there is no noise, and it would explain all of it by knobs that do nothing.
    """
    count = len(settings)

    def once() -> Sensitivity:
        drawn = np.unique(generator.integers(0, count, count))
        model = SettingModel(space)
        kept = [merits[at] for at in drawn]
        return probe.ask(model.fit([settings[at] for at in drawn], kept, iterations=_ITERATIONS))

    return _each(once, times)


def _above_chance(
    space: Space,
    settings: Sequence[Setting],
    merits: Merits,
    generator: np.random.Generator,
    times: int,
) -> NDArray[np.bool_]:
    """Return which knobs matter more than the best of the shuffled copies, in nearly every fit.

    A copy is shuffled only among trials of about the same time. An adaptive search converges, so
    even a knob that does nothing has its late values where the good results are; so has its copy.
    """
    names = [f"{name} shuffled" for name in space.names]
    copies = [
        replace(knob, name=name, when=None) for knob, name in zip(space.knobs, names, strict=True)
    ]
    both = Space((*space.knobs, *copies), space.couplings)
    probe = Probe(both, _SHADOW_ROWS, generator)

    def once() -> Sensitivity:
        orders = [_shuffled(len(settings), generator) for _ in names]
        beside = [dict(setting) for setting in settings]
        for knob, name, order in zip(space.knobs, names, orders, strict=True):
            for at, setting in enumerate(beside):
                setting[name] = settings[order[at]].get(knob.name, knob.first)
        return probe.ask(SettingModel(both).fit(beside, merits, iterations=_ITERATIONS))

    fits = [one.effects.reshape(2, len(space)) for one in _each(once, times)]
    wins = np.array([real > copied.max() for real, copied in fits])
    return np.asarray(wins.mean(axis=0) >= _SURE)


def _each(once: Callable[[], Sensitivity], times: int) -> list[Sensitivity]:
    """Return the answers of the fits that worked.

    Raises:
        ValueError: Most did not.
    """
    found: list[Sensitivity] = []
    for _ in range(times):
        try:
            one = once()
        except (np.linalg.LinAlgError, IndexError, ValueError):  # a resample without a number
            continue
        if np.isfinite(one.effects).all():
            found.append(one)
    if 2 * len(found) < times:
        raise ValueError("most resamples gave none")
    return found


def _shuffled(count: int, generator: np.random.Generator) -> NDArray[np.int_]:
    order = np.arange(count)
    for first in range(0, count, _BLOCK):
        generator.shuffle(order[first : first + _BLOCK])
    return order


def _judged(
    space: Space,
    probe: Probe,
    whole: Sensitivity,
    again: Sequence[Sensitivity],
    above: NDArray[np.bool_],
) -> tuple[KnobImportance, ...]:
    shares = whole.shares
    resampled = np.array([one.shares for one in again])
    low, high = _interval(shares, resampled)
    told = above & (low > 0)
    winners = resampled.argmax(axis=1)[resampled.max(axis=1) > 0]
    firsts = np.bincount(winners, minlength=len(space)) / len(resampled)
    found = []
    for place in np.argsort(-shares, kind="stable"):
        curves = np.array([one.curves[place] for one in again])
        region = best_region(probe.levels[place], whole.curves[place], curves)
        found.append(
            KnobImportance(
                space.names[place],
                share=float(shares[place]),
                low=float(low[place]) if told[place] else 0.0,
                high=float(high[place]),
                most_important_probability=float(firsts[place]),
                told=bool(told[place]),
                best=region if told[place] else "",
            )
        )
    return tuple(found)


def _interval(shares: Matrix, resampled: Matrix) -> tuple[Matrix, Matrix]:
    """Return both ends of the interval, ``(n,)`` each, around `shares`.

    On the scale of square roots, which are sizes of effects and spread evenly. A resample holds
    0.63 of the trials and shares them with the others: its spread, as that of a subsample, is
    too small by 1.31, and by `_SMOOTHING`.
    """
    roots, middles = np.sqrt(resampled), np.sqrt(np.median(resampled, axis=0))
    held = 1.0 - math.exp(-1.0)
    stretch = _SMOOTHING * math.sqrt(held / (1.0 - held))
    tail = (1.0 - CONFIDENCE) / 2
    below, over = np.quantile(roots, [tail, 1.0 - tail], axis=0) - middles
    low = np.clip(np.sqrt(shares) + stretch * np.minimum(below, 0.0), 0.0, 1.0) ** 2
    high = np.clip(np.sqrt(shares) + stretch * np.maximum(over, 0.0), 0.0, 1.0) ** 2
    return np.minimum(low, shares), np.maximum(high, shares)
