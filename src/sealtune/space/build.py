"""From a `TuningConfig` and what this machine offers to the `Space` that is searched."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from sealtune.catalogue import load_catalogue
from sealtune.catalogue.knob import Knob
from sealtune.errors import ConfigError, KnobError
from sealtune.space.available import Availability, AvailableKnob, LeftOut
from sealtune.space.config import ActionParam, TuningConfig
from sealtune.space.knobs import ChoiceKnob, Dimension, IntKnob, Value, When
from sealtune.space.space import Below, Space


@dataclass(frozen=True, slots=True)
class PlannedKnob:
    """One parameter that will be tuned: what the person is shown before saying yes.

    Attributes:
        available: The parameter on this machine, with its present value.
        low: Smallest value that will be tried (kind ``int``, else 0).
        high: Largest value that will be tried (kind ``int``, else 0).
        choices: Values that will be tried (kind ``choice``, else empty).
        start: Where the search begins.
        why: The reason, one sentence.
        scale: How the range is divided.
        notices: What was narrowed or widened, and why.
        when: The choice under which it exists, if that is tuned too; see `IntKnob`.
    """

    available: AvailableKnob
    low: int
    high: int
    choices: tuple[str, ...]
    start: Value
    why: str
    scale: Literal["linear", "log"] = "linear"
    notices: tuple[str, ...] = ()
    when: When | None = None

    @property
    def name(self) -> str:
        """The parameter's name, its device filled in."""
        return self.available.knob.name

    @property
    def present(self) -> Value:
        """The value as found, a number for kind ``int``; its start where it does not exist now."""
        if not self.available.exists:
            return self.start
        text = self.available.present
        return int(text) if self.available.knob.kind == "int" else text


@dataclass(frozen=True, slots=True)
class Built:
    """What will be searched, and what had to be said about it.

    Attributes:
        space: The search space; its start is the strategist's guess, or the present values.
        plan: One entry for each dimension, in the order of the space.
        notices: What was narrowed or widened, each naming its parameter.
        left_out: What was asked for and cannot be tuned here, with the reason.
    """

    space: Space
    plan: tuple[PlannedKnob, ...]
    notices: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


def build_space(
    config: TuningConfig, availability: Availability, *, no_prior: bool = False
) -> Built:
    """Return the space that `config` describes on the machine that `availability` describes.

    Ranges are cut to the safe ones and widened to include the present value; both are said.

    Args:
        config: What is to be tuned.
        availability: What this machine offers, from `available_knobs` over the whole catalogue.
        no_prior: Ignore ranges and starting values: whole safe ranges, from the present values.

    Raises:
        KnobError: A range lies wholly outside what is safe on this machine.
        ConfigError: Nothing of it can be tuned here; the message says why for each parameter.
    """
    offered = {item.knob.name: item for item in availability.offered}
    reasons = {item.name: item.reason for item in availability.left_out}
    plan: list[PlannedKnob] = []
    left_out: list[LeftOut] = []
    for param in config.action_space:
        knob = load_catalogue().resolve(param.param)
        name = _here(knob, (*offered, *reasons))
        if name in offered:
            wanted = ActionParam(param=param.param, why=param.why) if no_prior else param
            plan.append(_plan(wanted, offered[name]))
        else:
            left_out.append(LeftOut(name, reasons.get(name, "This machine does not offer it.")))
    plan, never = _possible(_once(plan), reasons)
    left_out += never
    if not plan:
        told = "\n".join(f"{item.name}: {item.reason}" for item in left_out)
        raise ConfigError(f"action_space: nothing of it can be tuned on this machine\n{told}")
    plan = [_beside_absent(_searchable(item), plan, offered) for item in plan]
    space = Space([_dimension(item) for item in plan], _couplings(plan))
    notices = tuple(f"{item.name}: {text}" for item in plan for text in item.notices)
    return Built(space, tuple(plan), notices, tuple(left_out))


def _here(knob: Knob, names: Iterable[str]) -> str:
    """Return the name of `knob` on this machine: ``{dev}`` replaced by the tuned device."""
    if "{dev}" not in knob.name:
        return knob.name
    before, _, after = knob.name.partition("{dev}")
    return next((n for n in names if n.startswith(before) and n.endswith(after)), knob.name)


def _once(plan: list[PlannedKnob]) -> list[PlannedKnob]:
    """Return `plan` without repeats: ``{dev}`` and its device may both have been asked for."""
    return list({item.name: item for item in reversed(plan)}.values())[::-1]


def _possible(
    plan: list[PlannedKnob], refused: dict[str, str]
) -> tuple[list[PlannedKnob], list[LeftOut]]:
    """Give each conditional parameter its condition; leave out what would never exist.

    `refused` is what cannot be tuned on this machine, with the reason.
    """
    tried = {item.name: item.choices for item in plan}
    kept: list[PlannedKnob] = []
    left_out: list[LeftOut] = []
    for item in plan:
        under = item.available.knob.under
        if under is None or (item.available.exists and under.param not in tried):
            kept.append(item)
        elif under.param not in tried:
            reason = f"It exists only {under}; that is another now and not tuned: add it as well."
            if under.param in refused:
                reason = f"It exists only {under}; that is another now. {refused[under.param]}"
            left_out.append(LeftOut(item.name, reason))
        elif values := tuple(value for value in under.values if value in tried[under.param]):
            kept.append(replace(item, when=(under.param, values)))
        else:
            others = ", ".join(tried[under.param])
            reason = f"It exists only {under}, which is not among those tried: {others}."
            left_out.append(LeftOut(item.name, reason))
    return kept, left_out


def _plan(param: ActionParam, available: AvailableKnob) -> PlannedKnob:
    why = param.why or available.knob.why
    if available.knob.kind == "choice":
        return _plan_choice(param, available, why)
    return _plan_range(param, available, why)


def _plan_choice(param: ActionParam, available: AvailableKnob, why: str) -> PlannedKnob:
    present, notices = available.present, list(available.notices)
    wanted = available.choices if param.choices is None else param.choices
    choices = [choice for choice in wanted if choice in available.choices]
    missing = [choice for choice in wanted if choice not in available.choices]
    if missing:
        notices.append(f"{', '.join(missing)} left out: not offered here.")
    if available.exists and present not in choices:
        choices.append(present)
        notices.append(f"The present value {present!r} was added to the choices.")
    if len(choices) < 2:
        choices = list(available.choices)
        notices.append(f"Nothing but {present!r} was left; all choices are tried.")
    first = present if present in choices else choices[0]
    start = first if param.start is None or str(param.start) not in choices else str(param.start)
    return PlannedKnob(
        available, 0, 0, tuple(choices), start, why, notices=tuple(dict.fromkeys(notices))
    )


def _plan_range(param: ActionParam, available: AvailableKnob, why: str) -> PlannedKnob:
    knob, present = available.knob, int(available.present)
    low = available.low if param.min is None else param.min
    high = available.high if param.max is None else param.max
    safe = f"{available.low}..{available.high}"
    if low > available.high or high < available.low:
        raise KnobError(f"{knob.name}: {low}..{high} lies outside the safe range; allowed: {safe}")
    notices = list(available.notices)
    cut_low, cut_high = max(low, available.low), min(high, available.high)
    if (cut_low, cut_high) != (low, high):
        notices.append(f"{low}..{high} narrowed to {cut_low}..{cut_high}; safe here is {safe}.")
    # The catalogue counts its steps from the safe minimum; bounds between two steps move down.
    cut_low -= (cut_low - available.low) % knob.step
    cut_high -= (cut_high - available.low) % knob.step
    low, high = cut_low, cut_high
    if available.exists:
        low, high = min(cut_low, present), max(cut_high, present)
    if (low, high) != (cut_low, cut_high):
        notices.append(f"{cut_low}..{cut_high} widened to include the present value {present}.")
    start = min(high, max(low, present))
    if isinstance(param.start, int):
        start = min(high, max(low, param.start))
        if start != param.start:
            notices.append(f"The start {param.start} was moved to {start}, into the range.")
    return PlannedKnob(
        available, low, high, (), start, why, param.scale or knob.scale, tuple(notices)
    )


def _searchable(item: PlannedKnob) -> PlannedKnob:
    if item.available.knob.kind == "int" and item.low == item.high:
        raise ConfigError(
            f"{item.name}: min and max are both {item.low}; allowed: a range within "
            f"{item.available.low}..{item.available.high}"
        )
    return item


def _beside_absent(
    item: PlannedKnob, plan: list[PlannedKnob], offered: dict[str, AvailableKnob]
) -> PlannedKnob:
    """Keep `item` on its side of a coupled parameter that is not tuned and so stays put."""
    tuned = {other.name for other in plan}
    low, high = item.low, item.high
    for other in offered.values():
        if other.knob.name in tuned:
            continue
        if other.knob.name == item.available.knob.below:
            high = min(high, int(other.present) - 1)
        if other.knob.below == item.name:
            low = max(low, int(other.present) + 1)
    if (low, high) == (item.low, item.high) or not low <= int(item.present) <= high or low == high:
        return item
    start = min(high, max(low, int(item.start)))
    notice = f"Kept to {low}..{high}, on its side of a coupled parameter that is not tuned."
    return replace(item, low=low, high=high, start=start, notices=(*item.notices, notice))


def _dimension(item: PlannedKnob) -> Dimension:
    if item.available.knob.kind == "choice":
        return ChoiceKnob(item.name, item.choices, str(item.start), item.when)
    step = item.available.knob.step
    scale = item.scale if item.low >= 0 else "linear"
    return IntKnob(item.name, item.low, item.high, int(item.start), scale, step, item.when)


def _couplings(plan: list[PlannedKnob]) -> list[Below]:
    names = {item.name for item in plan}
    return [
        Below(item.name, item.available.knob.below)
        for item in plan
        if item.available.knob.below in names and item.available.knob.below is not None
    ]
