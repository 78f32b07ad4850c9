"""What a config believes about the best setting, on this machine: focus, proposals, stages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sealtune.catalogue import load_catalogue
from sealtune.space.checks import is_whole
from sealtune.space.config import TuningConfig
from sealtune.space.knobs import ChoiceKnob, Setting, Value
from sealtune.space.space import Space


@dataclass(frozen=True, slots=True)
class Belief:
    """Where a strategist would look first; every name and value is one of the space.

    Attributes:
        focus: Parameter name to the part of its range worth trying first, both ends included.
        proposals: Whole settings worth an early trial, best first.
        stages: Parameter names in the order in which they join the search.
    """

    focus: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    proposals: tuple[Setting, ...] = ()
    stages: tuple[tuple[str, ...], ...] = ()


def belief_of(config: TuningConfig, space: Space) -> Belief:
    """Return what `config` believes, its names and values made those of `space`.

    What this machine does not offer is left out; numbers are moved into their range.
    """
    focus = {}
    for param in config.action_space:
        name = _here(param.param, space)
        if name is not None and param.focus is not None:
            low, high = (_value(value, name, space) for value in param.focus)
            if isinstance(low, int) and isinstance(high, int) and low < high:
                focus[name] = (low, high)
    proposals = [_setting(proposal, space) for proposal in config.proposals]
    stages = [
        tuple(name for name in (_here(one, space) for one in stage) if name is not None)
        for stage in config.curriculum
    ]
    return Belief(
        focus,
        tuple(setting for setting in proposals if setting),
        tuple(stage for stage in stages if stage),
    )


def _here(name: str, space: Space) -> str | None:
    """Return the space's own name for a parameter, ``None`` if it is not searched."""
    for device in _devices(space):
        resolved = load_catalogue().resolve(name, device=device).name
        if resolved in space.names:
            return resolved
    return None


def _devices(space: Space) -> Sequence[str | None]:
    blocks = (name.split("/")[1] for name in space.names if name.startswith("block/"))
    return (next(blocks, None),)


def _value(value: Value, name: str, space: Space) -> Value | None:
    """Return the searchable value nearest to `value`, ``None`` for a choice that is not there."""
    knob = space.knob(name)
    if isinstance(knob, ChoiceKnob):
        return str(value) if str(value) in knob.choices else None
    if not is_whole(value):
        return None
    return knob.decode(knob.encode(value))


def _setting(proposal: Mapping[str, Value], space: Space) -> Setting:
    """Return the whole setting that `proposal` means, empty when a value of it is not on offer."""
    setting: Setting = dict(space.start)
    for wanted, raw in proposal.items():
        name = _here(wanted, space)
        if name is None:
            continue
        value = _value(raw, name, space)
        if value is None:
            return {}
        setting[name] = value
    return space.repair(setting)
