"""The list of sessions: one line each, with a small curve; built again only where it changed."""

from dataclasses import dataclass
from typing import Any, cast

from sealtune.benchmarks.measurement import Direction
from sealtune.store import SqliteStore
from sealtune.store.moments import Progress
from sealtune.web.history import runs_of

CURVE_POINTS = 40


@dataclass(frozen=True, slots=True)
class _Line:
    progress: Progress
    living: bool
    shown: dict[str, Any]


class Listing:
    """The newest sessions of a store.

    Args:
        store: Only read.
    """

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._lines: dict[str, _Line] = {}

    def lines(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest sessions, newest first."""
        found = self._store.progress(limit)
        lines = {one.id: self._line(one) for one in found}
        if len(lines) >= len(self._lines):
            self._lines = lines
        return [line.shown for line in lines.values()]

    def _line(self, progress: Progress) -> _Line:
        living = progress.status == "running" and self._store.living(progress.id)
        known = self._lines.get(progress.id)
        if known is not None and (known.progress, known.living) == (progress, living):
            return known
        return _Line(progress, living, self._shown(progress, living=living))

    def _shown(self, progress: Progress, *, living: bool) -> dict[str, Any]:
        row = self._store.session(progress.id)
        result = row.result or {}
        status = "interrupted" if progress.status == "running" and not living else row.status
        return {
            "id": row.id,
            "workload": row.workload,
            "description": row.description,
            "simulated": row.simulated,
            "status": status,
            "state": "done" if status == "finished" else status,
            "started": row.started,
            "finished": row.finished,
            "trials": row.trials,
            "outcome": str(result.get("verdict") or status),
            "verdict": result.get("verdict"),
            "gain": result.get("gain"),
            "metric": result.get("metric"),
            "tactician": row.arguments.get("tactician", ""),
            "curve": self._curve(row.id),
        }

    def _curve(self, session: str) -> list[float | None]:
        """Return the best ratio so far after each search trial, thinned out."""
        rows = self._store.trials(session)
        if not rows:
            return []
        runs, _ = runs_of(rows, cast(Direction, rows[0].direction))
        best = [run.best for run in runs if run.phase == "search"]
        if len(best) <= CURVE_POINTS:
            return best
        last = len(best) - 1
        return [best[round(place * last / (CURVE_POINTS - 1))] for place in range(CURVE_POINTS)]
