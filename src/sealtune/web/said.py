"""What a session said beside its runs, sorted by what the page needs it for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sealtune.store import Moment
from sealtune.web.measured import Run
from sealtune.web.snapshot import Note, PhaseNow, Write


@dataclass(frozen=True)
class Said:
    """The moments of a session, sorted by what they are for.

    Attributes:
        card: The plan, see `sealtune.report.card`; empty for a session of an older sealtune.
        phases: Each beginning of a phase.
        live: What the parameters read after the last run.
        remaining: Until the latest planned end, when it was last said [s].
        said_at: When that was.
        firsts: Name of a phase to the index of its first run since it last began. Told by order:
            wall clock and session clock part when the machine sleeps or its date is set.
        error: Why it failed, with what to do now.
    """

    card: Mapping[str, Any]
    phases: tuple[Moment, ...]
    notes: tuple[Note, ...]
    writes: tuple[Write, ...]
    live: Mapping[str, str]
    remaining: float | None
    said_at: float
    error: str | None
    firsts: Mapping[str, int]

    @classmethod
    def of(cls, moments: Sequence[Moment]) -> "Said":
        """Sort `moments`, which are in order."""
        by_kind: dict[str, list[Moment]] = {}
        for one in moments:
            by_kind.setdefault(one.kind, []).append(one)
        runs = by_kind.get("run", [])
        timed = [one for one in moments if "remaining" in one.body]
        # What ended an earlier process of a resumed session is not said of this one.
        begun = max((at for at, one in enumerate(moments) if one.kind == "plan"), default=0)
        errors = [
            f"{one.body['text']} {one.body['fix']}"
            for one in moments[begun:]
            if one.kind == "error"
        ]
        return cls(
            card=by_kind["plan"][-1].body if "plan" in by_kind else {},
            phases=tuple(by_kind.get("phase", [])),
            notes=tuple(Note(one.at, one.body["text"]) for one in by_kind.get("note", [])),
            writes=tuple(Write(*w) for one in moments for w in one.body.get("writes", ())),
            live=runs[-1].body["live"] if runs else {},
            remaining=timed[-1].body["remaining"] if timed else None,
            said_at=timed[-1].at if timed else 0.0,
            error=errors[-1].strip() if errors else None,
            firsts=_firsts(moments),
        )

    def phase(self, runs: Sequence[Run]) -> PhaseNow | None:
        """Return the phase that began last."""
        if not self.phases:
            return None
        last = self.phases[-1]
        name = last.body["name"]
        first = self.firsts[name]
        done = sum(run.phase == name and run.index > first for run in runs)
        if name == "search":  # a contest and a resumed session go on counting
            done = sum(run.phase == name for run in runs)
        return PhaseNow(
            name, last.body["title"], last.at, last.body["seconds"], last.body["runs"], done
        )

    def planned(self, name: str) -> int:
        """Return the planned runs of the phase; 0 when it is not known."""
        return max(
            (one.body["runs"] for one in self.phases if one.body["name"] == name), default=0
        )


def _firsts(moments: Sequence[Moment]) -> Mapping[str, int]:
    """Return of each phase the index that its next run had when it last began."""
    firsts: dict[str, int] = {}
    told: dict[str, int] = {}
    for one in moments:
        if one.kind == "phase":
            firsts[one.body["name"]] = told.get(one.body["name"], 0)
        elif one.kind == "run":
            told[one.body["phase"]] = one.body["index"] + 1
    return firsts
