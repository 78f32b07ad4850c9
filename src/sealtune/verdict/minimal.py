"""The smallest setting that keeps a confirmed gain, and what each knob has to do with it."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sealtune.benchmarks.measurement import Direction
from sealtune.errors import TooManyFailuresError
from sealtune.space.knobs import Setting
from sealtune.verdict.bounds import MINIMUM_GAIN
from sealtune.verdict.clock import LOOKS, looks_within
from sealtune.verdict.confirmation import Confirmation, confirm
from sealtune.verdict.guards import DEFAULT_MARGINS
from sealtune.verdict.halving import Halving, Step
from sealtune.verdict.pairs import Gain, Measure, Pair, PairRunner, Seconds

Status = Literal["carries", "no effect found", "undecided", "not tested"]
_RECHECK_LOOKS = (6, 9, 12)


@dataclass(frozen=True, slots=True)
class KnobEffect:
    """What one knob of the candidate contributes.

    Attributes:
        knob: Its name.
        status: ``carries`` (without it the gain is lost), ``no effect found`` (the gain stays
            without it), ``undecided`` (tested alone, too few pairs) or ``not tested``.
        ratio: How much better the setting is with it than without; ``None`` when not tested.
        ci_low: Low end of a plain 95 % interval, not adjusted for the number of steps.
        ci_high: High end of it.
        pairs: Pairs behind it.
        together: Knobs that were put back in the same step, itself included.
    """

    knob: str
    status: Status
    ratio: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    pairs: int = 0
    together: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Minimal:
    """The smallest setting that was shown to keep the gain.

    Attributes:
        setting: What to apply.
        gain: The published gain.
        gain_of: Which setting `gain` was measured on: this ``minimal`` one, by fresh pairs
            against the baseline, or the full ``candidate`` when time did not allow that.
        effects: One per knob of the candidate, in its order.
        steps: Every step, in order.
        untested: Knobs still in `setting` that were not shown to matter.
        recheck: Fresh pairs of `setting` against the baseline, if there was time.
        reason: How it ended, one sentence.
    """

    setting: Setting
    gain: Gain
    gain_of: Literal["minimal", "candidate"]
    effects: tuple[KnobEffect, ...]
    steps: tuple[Step, ...]
    untested: tuple[str, ...]
    recheck: Confirmation | None
    reason: str


def minimise(
    measure: Measure,
    candidate: Setting,
    confirmation: Confirmation,
    *,
    deadline: float | None = None,
    clock: Seconds = time.monotonic,
    direction: Direction = "maximize",
    seed: int = 0,
    minimum_gain: float = MINIMUM_GAIN,
    guard_margins: Mapping[str, float] = DEFAULT_MARGINS,
    suspects: tuple[str, ...] = (),
    valid: Callable[[Setting], bool] | None = None,
    on_pair: Callable[[Pair], None] | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Minimal:
    """Put knobs back group by group while the gain stays; check what remains against the baseline.

    With plenty of room, six pairs are kept for that last check. If it does not confirm the
    smaller setting, the full candidate is returned. What the clock leaves undecided stays in the
    setting and is named in `Minimal.untested`.

    Args:
        measure: One fresh run of a setting from the original state; ``{}`` means the originals.
        candidate: The confirmed setting; leave out knobs that equal the originals.
        confirmation: Its confirmation, outcome ``improved``.
        deadline: When to stop, on `clock` [s]; never, when ``None``.
        clock: Monotonic seconds.
        direction: Whether larger or smaller values are better.
        seed: Draws the order of the arms.
        minimum_gain: As in `confirm`, for the last check.
        guard_margins: As in `confirm`, for the last check.
        suspects: Knobs thought to carry the gain, strongest first, see `rank_suspects`.
        valid: Says whether a part of the candidate may be written on top of the originals: a
            coupled pair cannot always be taken apart. What may not is left undecided.
        on_pair: Called with every pair; in a step its reference arm is the full candidate.
        on_step: Called after every step.

    Raises:
        ValueError: The candidate's gain was not confirmed.
    """
    cost = max(confirmation.seconds_per_pair, 1e-9)
    room = math.inf if deadline is None else (deadline - clock()) / cost
    # Naming what carries the gain comes first; the last check only where both fit.
    spare = LOOKS[0] if room >= LOOKS[0] + 4 * math.log2(2 * len(candidate)) else 0

    def pairs_left() -> float:
        return math.inf if deadline is None else (deadline - clock()) / cost

    rng = np.random.default_rng([seed, 1])
    halving = Halving(
        PairRunner(measure, rng, direction, on_pair),
        candidate,
        confirmation,
        lambda: pairs_left() >= 1 + spare,
        valid,
        on_step,
    )
    if len(candidate) > 1 and room >= 1 + spare:
        halving.run(suspects)
    elif len(candidate) > 1:
        halving.stopped = "the time was up"
    setting = {name: candidate[name] for name in halving.kept}
    looks = looks_within(int(min(pairs_left(), _RECHECK_LOOKS[-1])))
    recheck = None
    if len(setting) < len(candidate) and looks and not halving.failing:
        recheck = _recheck(
            lambda: confirm(
                measure,
                setting,
                looks=looks,
                direction=direction,
                seed=seed + 1,
                minimum_gain=minimum_gain,
                guard_margins=guard_margins,
                deadline=deadline,
                clock=clock,
                on_pair=on_pair,
            )
        )
    return _sum_up(candidate, confirmation, halving, recheck)


def _recheck(run: Callable[[], Confirmation]) -> Confirmation | None:
    try:
        return run()
    except TooManyFailuresError:
        return None


def _sum_up(
    candidate: Setting,
    confirmation: Confirmation,
    halving: Halving,
    recheck: Confirmation | None,
) -> Minimal:
    effects = _effects(candidate, confirmation, halving, recheck)
    setting = {name: candidate[name] for name in halving.kept}
    gain, reason = confirmation.gain, halving.stopped or "every knob was singled out"
    gain_of: Literal["minimal", "candidate"] = "candidate"
    if recheck is not None and recheck.outcome == "improved":
        gain, gain_of = recheck.gain, "minimal"
    elif recheck is not None:
        setting = dict(candidate)
        effects = tuple(
            replace(effect, status="undecided") if effect.status == "no effect found" else effect
            for effect in effects
        )
        reason = f"the smaller setting was not confirmed ({recheck.reason}); the full one stays"
    if gain is None:
        raise ValueError("only a confirmed gain can be traced to its knobs")
    return Minimal(
        setting=setting,
        gain=gain,
        gain_of="minimal" if len(setting) == len(candidate) and recheck is None else gain_of,
        effects=effects,
        steps=tuple(halving.steps),
        untested=tuple(
            effect.knob
            for effect in effects
            if effect.knob in setting and effect.status != "carries"
        ),
        recheck=recheck,
        reason=reason,
    )


def _effects(
    candidate: Setting,
    confirmation: Confirmation,
    halving: Halving,
    recheck: Confirmation | None,
) -> tuple[KnobEffect, ...]:
    effects = []
    for knob in candidate:
        steps = [step for step in halving.steps if knob in step.without]
        step = steps[-1] if steps else None
        if knob in halving.kept and len(halving.kept) == 1:
            effects.append(_only_one_left(knob, confirmation, halving, recheck))
        elif step is not None and (step.outcome == "keeps" or step.without == (knob,)):
            effects.append(_from_step(knob, step))
        else:
            effects.append(KnobEffect(knob, "not tested"))
    return tuple(effects)


def _from_step(knob: str, step: Step) -> KnobEffect:
    names: dict[str, Status] = {"keeps": "no effect found", "loses": "carries"}
    status = names.get(step.outcome, "undecided")
    if step.ratio is None or step.ci_low is None or step.ci_high is None:
        return KnobEffect(knob, status, together=step.without)
    # The step measured "without over with"; the knob's effect is the other way round.
    return KnobEffect(
        knob,
        status,
        ratio=1 / step.ratio,
        ci_low=1 / step.ci_high,
        ci_high=1 / step.ci_low,
        pairs=len(step.pairs),
        together=step.without,
    )


def _only_one_left(
    knob: str, confirmation: Confirmation, halving: Halving, recheck: Confirmation | None
) -> KnobEffect:
    if recheck is not None and recheck.gain is not None:
        gain = recheck.gain
        return KnobEffect(
            knob, "carries", gain.estimate, gain.ci_low, gain.ci_high, gain.pairs, (knob,)
        )
    full = confirmation.gain
    last = next((step for step in reversed(halving.steps) if step.outcome == "keeps"), None)
    if full is None or last is None or last.ratio is None or last.ci_high is None:
        return KnobEffect(knob, "carries", together=(knob,))
    # Alone against the full candidate, times the full candidate against the baseline.
    centre = math.log(full.estimate) + math.log(last.ratio)
    half = math.hypot(math.log(full.ci_high / full.estimate), math.log(last.ci_high / last.ratio))
    return KnobEffect(
        knob,
        "carries",
        math.exp(centre),
        math.exp(centre - half),
        math.exp(centre + half),
        len(last.pairs),
        (knob,),
    )
