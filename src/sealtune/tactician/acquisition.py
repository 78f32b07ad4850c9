"""How much the next run is worth: the knowledge gradient.

A search ends by recommending the setting with the best modelled mean. The gradient is by how much
one more run at a place is expected to raise that mean, noise included. So a promising setting that
is poorly known is run again when that tells more than a new one, and a loser never is.

Source: Frazier, Powell & Dayanik, "The knowledge-gradient policy for correlated normal beliefs",
INFORMS Journal on Computing 2009.
"""

import numpy as np

from sealtune.tactician.process import GaussianProcess, Matrix

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


def knowledge_gradient(
    process: GaussianProcess,
    candidates: Matrix,
    means: Matrix,
    rivals: Matrix,
    rival_means: Matrix,
) -> Matrix:
    """Return the expected gain of the recommendation by one run at each candidate, ``(m,)``.

    Args:
        process: Tells how a run at one place moves the belief at another.
        candidates: Features of the places that may be run, ``(m, f)``.
        means: What is expected there, ``(m,)``.
        rivals: Features of what could be recommended already, ``(k, f)``, at least one.
        rival_means: What is expected there, ``(k,)``.
    """
    _, deviation, covariance = process.posterior(candidates, rivals)
    scale = np.sqrt(deviation**2 + process.noise)
    moves = covariance / scale[:, None]
    own = deviation**2 / scale
    best = float(rival_means.max())
    gain = np.zeros(len(candidates))
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        known = (rival_means + node * moves).max(axis=1)
        gain += weight * (np.maximum(known, means + node * own) - best)
    return gain
