"""A proposal unlike everything tried: so that a memory can be found wrong."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sealtune.space.available import Availability
from sealtune.space.build import build_space
from sealtune.space.config import TuningConfig
from sealtune.space.knobs import Setting
from sealtune.space.space import Space, Vector
from sealtune.strategist.memory.places import fitting, value_in

_DRAWN = 64


def novel(
    config: TuningConfig,
    availability: Availability,
    tried: Sequence[Mapping[str, int | str]],
    refused: Callable[[Setting], bool],
) -> Setting | None:
    """Return a setting that differs from everything tried, ``None`` if there is none.

    One of the further half of 64 random settings, drawn from the config's seed: far enough to
    tell something new, and not the far corner of the space.

    Args:
        config: Its ranges, its start and its seed.
        availability: What this machine offers.
        tried: Settings of earlier sessions.
        refused: Whether a setting must not be proposed.
    """
    space = build_space(config, availability).space
    generator = np.random.default_rng([config.training_config.seed or 0, 11])
    rows = generator.random((_DRAWN, len(space)))
    known = np.array([space.encode(space.start), *(_position(space, one) for one in tried)])
    distance = np.abs(rows[:, None, :] - known[None, :, :]).mean(axis=2).min(axis=1)
    for row in rows[distance >= np.median(distance)]:
        setting = space.decode(row)
        if not refused(setting) and not any(_same(setting, one) for one in tried):
            return setting
    return None


def _position(space: Space, setting: Mapping[str, int | str]) -> Vector:
    """Return where a past setting lies here; what it does not name is at the start."""
    held: Setting = dict(space.start)
    for name in space.names:
        value = fitting(space.knob(name), value_in(setting, name))
        if value is not None:
            held[name] = value
    return space.encode(held)


def _same(setting: Setting, past: Mapping[str, int | str]) -> bool:
    return all(str(value_in(past, name)) == str(value) for name, value in setting.items())
