"""Where a knob does best, in words from a model's partial curve; nothing where it is not clear."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sealtune.space.knobs import Value

Matrix = NDArray[np.float64]

_NEARLY_BEST = 0.3
"""Levels this share of the curve's height below its top still belong to the best region."""

_CLEAR = 0.9
"""Share of the resamples in which a level outside the region must do worse than the top."""


def best_region(levels: Sequence[Value], curve: Matrix, resampled: Matrix) -> str:
    """Return where the foretold merit is highest, in words; ``""`` unless that is clear.

    Every level outside the region does worse than the top of the curve, in nearly all resamples.

    Args:
        levels: Values of the knob, ascending if they are numbers.
        curve: ``(l,)`` merit at each, by all trials.
        resampled: ``(r, l)`` the same by each resample of the trials, r >= 1.

    >>> best_region((0, 50, 100), np.array([0.0, 1.0, 1.1]), np.array([[0.0, 0.9, 1.0]]))
    'larger is better up to about 50'
    >>> best_region(("x", "y"), np.array([0.0, 1.0]), np.array([[0.1, 0.8]]))
    'best: y'
    """
    top = int(curve.argmax())
    worse = (resampled < resampled[:, [top]]).mean(axis=0)
    near = curve >= curve[top] - _NEARLY_BEST * np.ptp(curve)
    inside = np.flatnonzero(near | (worse < _CLEAR)).tolist()
    first, last = inside[0], inside[-1]
    best = [levels[place] for place in inside]
    if len(best) == len(levels):
        return ""
    if isinstance(levels[0], str):
        return f"best: {' or '.join(str(level) for level in best)}"
    if last - first + 1 > len(best):
        return ""  # two hills
    if last + 1 == len(levels):
        return "larger is better" + (f" up to about {best[0]}" if len(best) > 1 else "")
    if first == 0:
        return "smaller is better" + (f" down to about {best[-1]}" if len(best) > 1 else "")
    if len(best) == 1:
        return f"best around {best[0]}"
    return f"best between about {best[0]} and {best[-1]}"
