"""What is known of a running session: the events of its process, as one plain picture."""

import time
from collections.abc import Mapping
from typing import Any

from sealtune.report.format import percent
from sealtune.toolbox.plain import printable

MOST_NOTES = 5
"""How many of the last notes are shown."""

PHASES = {
    "prepare": "preparing the benchmark",
    "aa": "baseline: how noisy is this machine",
    "search": "search",
    "screening": "screening the candidates",
    "confirm": "confirming by fresh pairs",
    "minimise": "minimising: which parameters carry the gain",
    "restore": "every parameter is back",
    "explain": "explaining; no benchmark runs any more",
}


class Picture:
    """What a session is doing. Not thread-safe: its owner holds the lock.

    Args:
        total_seconds: The whole session at most [s].
        simulated: Nothing real is touched; its clock does not run with ours.
    """

    def __init__(self, total_seconds: float, *, simulated: bool) -> None:
        self.total_seconds, self.simulated = total_seconds, simulated
        self.session = ""
        self.phase = "prepare"
        self.result: Mapping[str, Any] | None = None
        self.failure: tuple[str, str] | None = None
        self._left, self._told_at = total_seconds, time.monotonic()
        self._run: Mapping[str, Any] = {}
        self._trials = self._trials_planned = self._failed = 0
        self._best: float | None = None
        self._best_setting: Mapping[str, Any] = {}
        self._pairs: list[float] = []
        self._pairs_planned = 0
        self._notes: list[str] = []

    def take(self, said: Mapping[str, Any]) -> None:
        """Take in one thing that the process said."""
        kind = said.get("kind")
        if "left" in said:
            self._left, self._told_at = float(said["left"]), time.monotonic()
        if kind == "begun":
            self.session = str(said["session"])
        elif kind == "phase":
            self.phase, self._run = str(said["name"]), {}
        elif kind == "run":
            self._take_run(said)
        elif kind == "pair":
            self._pairs.append(float(said["ratio"]))
            self._pairs_planned = int(said["total"])
        elif kind == "note":
            self._notes = [*self._notes, printable(str(said["text"]))][-MOST_NOTES:]
        elif kind == "finished":
            self.result = dict(said["result"])
        elif kind == "failed":
            self.failure = (str(said["error"]), str(said["fix"]))

    def _take_run(self, said: Mapping[str, Any]) -> None:
        self._run = said
        self._failed += said["value"] is None
        if said["phase"] == "search" and not said["baseline"]:
            self._trials, self._trials_planned = int(said["index"]), int(said["total"])
        if said["best"] is not None:
            self._best, self._best_setting = float(said["best"]), said["best_setting"]

    @property
    def over(self) -> bool:
        """Whether there is a result, or there will be none."""
        return self.result is not None or self.failure is not None

    @property
    def seconds_left(self) -> float:
        """Until the latest planned end [s]."""
        if self.over:
            return 0.0
        passed = 0.0 if self.simulated else time.monotonic() - self._told_at
        return max(0.0, self._left - passed)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        picture: dict[str, Any] = {
            "session": self.session,
            "state": self._state(),
            "simulated": self.simulated,
            "phase": self.phase,
            "doing": self.sentence(),
            "seconds_left_at_most": round(self.seconds_left),
            "trials": {"done": self._trials, "planned": self._trials_planned},
            "failed_runs": self._failed,
            "best_so_far_not_confirmed": self._best_so_far(),
            "confirmation_pairs": {
                "ratios": [round(ratio, 4) for ratio in self._pairs],
                "planned_at_most": self._pairs_planned,
            },
            "notes": list(self._notes),
        }
        if self.result is not None:
            picture["result"] = dict(self.result)
        if self.failure is not None:
            picture["error"], picture["fix"] = self.failure
        return picture

    def _state(self) -> str:
        if self.failure is not None:
            return "failed"
        return "running" if self.result is None else "finished"

    def _best_so_far(self) -> dict[str, Any] | None:
        if self._best is None:
            return None
        return {"ratio": round(self._best, 4), "setting": dict(self._best_setting)}

    def sentence(self) -> str:
        """Return what is going on in one line."""
        mark = "SIMULATED: " if self.simulated else ""
        if self.failure is not None:
            return f"{mark}ended without a result: {self.failure[0]}"
        if self.result is not None:
            return f"{mark}{self.result['sentence']}"
        line = PHASES.get(self.phase, self.phase)
        if self._run:
            of = f"/{self._run['total']}" if self._run["total"] else ""
            line += f", run {self._run['index']}{of}"
        if self.phase == "search" and self._best is not None:
            line += f", best so far {percent(self._best)} (not confirmed)"
        if self.phase == "confirm" and self._pairs:
            line += ", pairs " + " ".join(percent(ratio) for ratio in self._pairs)
        return mark + line
