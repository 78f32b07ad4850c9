"""What a memory proposes to try early: what gained before, and something new."""

from collections.abc import Mapping
from dataclasses import dataclass

from sealtune.catalogue import load_catalogue
from sealtune.space.available import Availability, AvailableKnob
from sealtune.space.config import TuningConfig
from sealtune.space.knobs import Dimension, Setting
from sealtune.strategist.memory.novelty import novel
from sealtune.strategist.memory.places import (
    Place,
    candidate_of,
    fitting,
    repeats,
    value_in,
)
from sealtune.strategist.memory.recall import Recollection, on_any_device

_OTHERS = 2
"""Proposals from the memory, or one and the strategist's own start."""


@dataclass(frozen=True)
class Knowledge:
    """The config in the making, and what is known.

    Attributes:
        recollection: What is remembered.
        offered: What the machine has, block devices as ``{dev}``.
        axes: The same as dimensions.
        failed: Past settings that failed in a like context.
    """

    recollection: Recollection
    offered: Mapping[str, AvailableKnob]
    axes: Mapping[str, Dimension]
    failed: tuple[Mapping[str, int | str], ...]

    def repeats_failure(self, setting: Setting) -> bool:
        """Whether `setting` comes down to one that failed."""
        return any(repeats(setting, one, self.axes) for one in self.failed)


def catalogue_key(name: str) -> str:
    """Return the catalogue's name of a parameter, a block device as ``{dev}``."""
    return on_any_device(load_catalogue().resolve(name).name)


def propose(
    started: TuningConfig,
    config: TuningConfig,
    places: Mapping[str, Place],
    known: Knowledge,
    availability: Availability,
) -> tuple[dict[str, int | str], ...]:
    """Return what to try early: the smallest setting, other memories, something new."""
    names = {catalogue_key(param.param): param.param for param in started.action_space}
    smallest: Setting = {names[name]: at.value for name, at in places.items() if name in names}
    own_start = _own_start(config, names)
    wishes = [_as_found(smallest, names, known), *_other_settings(names, known), own_start]
    kept: list[dict[str, int | str]] = []
    seen: list[Setting] = [{}, _changed(_own_start(started, names), known)]
    for wish in wishes:
        if (changed := _changed(wish, known)) not in seen and not known.repeats_failure(wish):
            kept.append(wish)
            seen.append(changed)
    tried = [memory.experience.setting for memory in known.recollection.memories]
    fresh = novel(started, availability, [*tried, *known.failed, *kept], known.repeats_failure)
    own = [one for one in started.proposals if not known.repeats_failure(dict(one))]
    early = kept[:_OTHERS]
    if own_start in kept[_OTHERS:]:  # an expert is heard beside the memory
        early[-1] = own_start
    found = [*early, *([fresh] if fresh else []), *own]
    return tuple(one for at, one in enumerate(found) if one not in found[:at])[:10]


def _as_found(setting: Setting, names: Mapping[str, str], known: Knowledge) -> Setting:
    """Return `setting` with every other parameter at its present value."""
    whole: Setting = {}
    for key, name in names.items():
        item = known.offered.get(key)
        if item is not None:
            whole[name] = item.present if item.knob.kind == "choice" else int(item.present)
    return {**whole, **setting}


def _changed(wish: Setting, known: Knowledge) -> Setting:
    """Return what `wish` changes of the present values, by the catalogue's names."""
    named = {catalogue_key(name): value for name, value in wish.items()}
    return {k: v for k, v in named.items() if str(v) != known.offered[k].present}


def _own_start(config: TuningConfig, names: Mapping[str, str]) -> Setting:
    """Return where the strategist itself would have begun."""
    return {
        names[catalogue_key(param.param)]: param.start
        for param in config.action_space
        if param.start is not None and catalogue_key(param.param) in names
    }


def _other_settings(names: Mapping[str, str], known: Knowledge) -> list[Setting]:
    """Return the whole candidates whose gain was confirmed, as far as they are tuned here."""
    found = []
    for memory in known.recollection.memories:
        if memory.experience.verdict == "improved":
            candidate = candidate_of(memory.experience)
            setting = {
                name: value
                for key, name in names.items()
                if key in known.axes
                and (value := fitting(known.axes[key], value_in(candidate, key))) is not None
            }
            found.append(_as_found(setting, names, known))
    return found
