"""Bounds of a share that was counted: Clopper and Pearson's, exact."""


def upper_bound(hits: int, total: int, confidence: float = 0.95) -> float:
    """Return the one-sided upper bound of a share."""
    from scipy.stats import beta

    return 1.0 if hits >= total else float(beta.ppf(confidence, hits + 1, total - hits))


def interval(hits: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the two-sided interval of a share; 0 to 1 without any study."""
    tail = (1 - confidence) / 2
    lower = 0.0 if hits == 0 else 1 - upper_bound(total - hits, total, 1 - tail)
    return lower, upper_bound(hits, total, 1 - tail) if total else 1.0
