"""Which knobs probably carry a gain, guessed from the search: a hint, and no evidence."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sealtune.space.knobs import Setting
from sealtune.space.space import Space

_FEWEST_ON_A_SIDE = 2


def rank_suspects(
    settings: Sequence[Setting], ratios: Sequence[float], space: Space
) -> tuple[str, ...]:
    """Return the knobs of `space`, the one whose best single split explains most first.

    A knob often acts like a switch (nothing below a threshold, all of it above), which a
    correlation misses and a split finds.

    Args:
        settings: Settings tried in the search, good runs only.
        ratios: Their values relative to the baseline, > 0, same length.
        space: Encodes the settings.

    Returns:
        Every knob name once, or nothing when fewer than four trials leave nothing to split.
    """
    if len(settings) < 2 * _FEWEST_ON_A_SIDE:
        return ()
    positions = np.array([space.encode(setting) for setting in settings])
    logs = np.log(np.asarray(ratios, dtype=float))
    explained = [_explained(positions[:, place], logs) for place in range(len(space))]
    return tuple(space.names[place] for place in np.argsort(explained)[::-1])


def _explained(position: NDArray[np.float64], logs: NDArray[np.float64]) -> float:
    order = np.argsort(position, kind="stable")
    sorted_position, centred = position[order], (logs - logs.mean())[order]
    best = 0.0
    for cut in range(_FEWEST_ON_A_SIDE, len(logs) - _FEWEST_ON_A_SIDE + 1):
        if sorted_position[cut - 1] == sorted_position[cut]:
            continue
        # The squares between the two sides' means, up to the constant total.
        left = centred[:cut].sum()
        best = max(best, left**2 / cut + left**2 / (len(logs) - cut))
    return best
