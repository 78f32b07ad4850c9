"""The trust region: where around the best setting known the search looks closely.

Source: Eriksson et al., "Scalable global optimization via local Bayesian optimization" (TuRBO),
NeurIPS 2019: grows on success, shrinks on failure, longer along what matters little.
"""

import numpy as np

from sealtune.tactician.process import Matrix

_FIRST, _LEAST, _MOST = 0.8, 0.05, 1.6
_GROW, _SHRINK = 1.6, 0.6
_SUCCESSES = 2


class TrustRegion:
    """A box around the incumbent.

    Args:
        size: Number of knobs; so many failures in a row (4 at least) shrink the box.
    """

    def __init__(self, size: int) -> None:
        self._patience = max(4, size)
        self.side = _FIRST
        self._successes = self._failures = 0

    def judge(self, is_success: bool) -> None:
        """Learn whether the last trial became the incumbent."""
        self._successes = self._successes + 1 if is_success else 0
        self._failures = 0 if is_success else self._failures + 1
        if self._successes >= _SUCCESSES:
            self.side, self._successes = min(_MOST, self.side * _GROW), 0
        if self._failures >= self._patience:
            self.side, self._failures = self.side * _SHRINK, 0
        if self.side < _LEAST:
            self.side = _FIRST  # nothing is left to find here: look around again

    def box(self, centre: Matrix, lengths: Matrix) -> tuple[Matrix, Matrix]:
        """Return the corners of the box around `centre` ``(n,)``, within [0, 1]^n.

        Args:
            centre: The incumbent's position.
            lengths: Length scale of each knob, ``(n,)``.
        """
        share = np.clip(lengths / np.exp(np.log(lengths).mean()), 0.4, 5.0)
        half = 0.5 * self.side * share
        return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)
