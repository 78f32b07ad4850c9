"""What is looked at in a description: its meaning, its terms, and how like the examples it is."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sealtune.catalogue.workloads import load_workloads
from sealtune.strategist.embedding.encoder import SIZE
from sealtune.strategist.embedding.examples import NONE
from sealtune.strategist.vocabulary import HINT, Hit, find_terms

Array = npt.NDArray[np.float32]

# How much each part may count; chosen by cross-validation, see bench/reading.py.
_MEANING, _WORDING, _TERMS, _LIKENESS = 3.0, 7.0, 1.0, 5.0
_NEIGHBOURS = 5


def class_names() -> tuple[str, ...]:
    """Return the classes in the order of workloads.toml, and `NONE` at the end."""
    return (*(workload.name for workload in load_workloads().classes), NONE)


def term_scores(texts: Sequence[str]) -> Array:
    """Return what the vocabulary finds, ``(len(texts), 3 * classes + 2)``.

    For each class the weight of its loud terms, the number of its hints and the weight of its
    loudest term; then the share of strange words and the length, all of the order of 1.
    """
    names = class_names()[:-1]
    rows = []
    for text in texts:
        found = find_terms(text)
        loud, quiet, most = zip(*(_sums(found.hits[name]) for name in names), strict=True)
        rows.append([*loud, *quiet, *most, found.strangers, np.log1p(found.count) / 3])
    return np.array(rows, np.float32)


def _sums(hits: Sequence[Hit]) -> tuple[float, float, float]:
    loud = sum(hit.weight for hit in hits if hit.weight > HINT)
    quiet = sum(hit.weight <= HINT for hit in hits)
    most = max((hit.weight for hit in hits), default=0.0)
    return min(loud, 8) / 4, min(quiet, 4) / 2, most / 4


def likeness(cosines: Array, kinds: npt.NDArray[np.uint8]) -> Array:
    """Return how near the examples of each class are, ``(texts, 2 * classes)``.

    For each class the cosine with the nearest example and the mean over the nearest five.

    Args:
        cosines: Shape (texts, examples).
        kinds: Class of each example, shape (examples,).
    """
    columns = []
    for kind in range(len(class_names())):
        nearest = np.sort(cosines[:, kinds == kind], axis=1)[:, -_NEIGHBOURS:]
        columns += [nearest[:, -1], nearest.mean(axis=1)]
    return np.stack(columns, axis=1)


def join(vectors: Array, terms: Array, alike: Array) -> Array:
    """Return all features side by side, on the scales that the layer was trained with.

    Args:
        vectors: From `encode`, shape (texts, 2 * 384).
        terms: From `term_scores`.
        alike: From `likeness`.
    """
    meaning, wording = vectors[:, :SIZE], vectors[:, SIZE:]
    return np.hstack([_MEANING * meaning, _WORDING * wording, _TERMS * terms, _LIKENESS * alike])
