"""What an expert would try on a workload with its traits, before any machine is looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sealtune.catalogue.workload import ExpertKnob, Trait, Workload

_RANK = {"high": 0, "medium": 1, "low": 2}


@dataclass(frozen=True, slots=True)
class Advice:
    """What to try, most promising first.

    Attributes:
        first: What belongs into a plan.
        spare: What fills the gaps that a machine leaves.
        adjusted: Parameter to the title of the trait that changed its range, start or place.
    """

    first: tuple[ExpertKnob, ...]
    spare: tuple[ExpertKnob, ...]
    adjusted: Mapping[str, str]

    def about(self, knob: str) -> ExpertKnob | None:
        """Return what is known about `knob` here, ``{dev}`` included; ``None`` for nothing."""
        return next((e for e in (*self.first, *self.spare) if e.knob == knob), None)


def advise(workloads: Sequence[Workload], traits: Sequence[Trait]) -> Advice:
    """Return what to try on a workload of these traits; on a mixture when there are several.

    Args:
        workloads: The class; or the nearest classes, nearest first.
        traits: Traits read, in the order of workloads.toml. The first one that says something
            about a parameter decides.
    """
    single = [_advise(workload, traits) for workload in workloads]
    return single[0] if len(single) == 1 else _mix(single)


def _advise(workload: Workload, traits: Sequence[Trait]) -> Advice:
    listed = {expert.knob: expert for expert in (*workload.parameters, *workload.reserve)}
    experts, adjusted = dict(listed), dict[str, str]()
    for trait in traits:
        for adjustment in trait.adjust:
            if adjustment.holds_for(workload) and adjustment.knob not in adjusted:
                experts[adjustment.knob] = adjustment.over(listed.get(adjustment.knob))
                adjusted[adjustment.knob] = trait.title
    preferred = [knob for trait in traits for knob in trait.prefer if knob in experts]
    avoided = {knob for trait in traits for knob in trait.avoid} - {*preferred, *adjusted}
    added = [knob for knob in adjusted if knob not in listed]
    own = [expert.knob for expert in workload.parameters if expert.knob not in avoided]
    first = list(dict.fromkeys([*preferred, *added, *own]))
    rest = [knob for knob in listed if knob not in first]
    rest.sort(key=lambda knob: (knob in avoided, knob not in adjusted))
    return Advice(
        tuple(experts[knob] for knob in first), tuple(experts[knob] for knob in rest), adjusted
    )


def _mix(single: Sequence[Advice]) -> Advice:
    """Return the parameters of all: by confidence, then place, then nearness of the class."""
    entries = [
        (_RANK[expert.confidence], place, nearness, expert)
        for nearness, advice in enumerate(single)
        for place, expert in enumerate(advice.first)
    ]
    merged: dict[str, ExpertKnob] = {}
    for _, _, _, expert in sorted(entries, key=lambda entry: entry[:3]):
        known = merged.get(expert.knob)
        merged[expert.knob] = _covering(known, expert) if known else expert
    spare = {expert.knob: expert for advice in reversed(single) for expert in advice.spare}
    return Advice(
        tuple(merged.values()),
        tuple(expert for knob, expert in spare.items() if knob not in merged),
        {knob: title for advice in reversed(single) for knob, title in advice.adjusted.items()},
    )


def _covering(first: ExpertKnob, other: ExpertKnob) -> ExpertKnob:
    """Return `first` with a range that covers both."""
    lows, highs = (first.low, other.low), (first.high, other.high)
    return replace(
        first,
        low=None if None in lows else min(low for low in lows if low is not None),
        high=None if None in highs else max(high for high in highs if high is not None),
    )
