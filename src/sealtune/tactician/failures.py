"""What a peer is told of a trial that failed: the worst score so far."""

from typing import Generic, TypeVar

Trial = TypeVar("Trial")


class WorstSoFar(Generic[Trial]):
    """Gives failed trials a score, so that a peer learns to keep away from where they lie.

    Optuna's state FAIL is forgotten by its samplers, HEBO drops what is not finite, and an
    infinite cost would spoil the scale of SMAC's model; our own tactician counts a failure as the
    worst that worked, and so do they all. A failure before the first score waits for it.

    >>> failures = WorstSoFar[str]()
    >>> failures.scored("a", None), failures.scored("b", 3.0), failures.scored("c", None)
    ([], [('a', 3.0), ('b', 3.0)], [('c', 3.0)])
    """

    def __init__(self) -> None:
        self._worst: float | None = None
        self._waiting: list[Trial] = []

    def scored(self, trial: Trial, score: float | None) -> list[tuple[Trial, float]]:
        """Return what can be told now that `trial` ended with `score`; ``None`` if it failed."""
        worst = self._worst
        if score is not None:
            worst = score if worst is None else min(worst, score)
        if worst is None:
            self._waiting.append(trial)
            return []
        self._worst = worst
        earlier, self._waiting = self._waiting, []
        return [*((one, worst) for one in earlier), (trial, worst if score is None else score)]
