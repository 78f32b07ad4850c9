"""A snapshot from what the store holds of a session and what the machine says now."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sealtune.benchmarks.measurement import Direction
from sealtune.machine.metrics import METRICS
from sealtune.report.steps import reproduction
from sealtune.store import Moment, SessionRow, TrialRow
from sealtune.web.history import confirmation_of, runs_of
from sealtune.web.measured import Importance, Run
from sealtune.web.said import Said
from sealtune.web.snapshot import (
    Apply,
    Benchmark,
    GuardLog,
    Held,
    Note,
    Parameter,
    PhaseNow,
    PlannedPhase,
    Snapshot,
    State,
    Stop,
    Verdict,
)

_NO_APPLY = Apply("no", "There is no confirmed gain to keep.", "", "", (), applied=False)
_OVER = Stop(possible=False, asked=False, reason="The session is over.")
_ENDS = {"finished": "done", "failed": "failed", "interrupted": "interrupted"}
_END_TITLES = {
    "done": "done",
    "failed": "failed: no verdict",
    "interrupted": "interrupted: no verdict; finished trials are kept",
    "restoring": "stopping: every parameter is put back",
}


@dataclass(frozen=True)
class Stored:
    """What the store holds of one session.

    Attributes:
        row: The session.
        trials: Its runs, in order.
        moments: What it said beside them.
        living: Whether its process is still there.
    """

    row: SessionRow
    trials: Sequence[TrialRow]
    moments: Sequence[Moment]
    living: bool


@dataclass(frozen=True)
class Present:
    """What is known of this moment beside the store.

    Attributes:
        live: Parameter name to what the kernel says, read just now; empty for a simulation.
        held: What the guard's journal holds; ``None`` if it cannot be read.
        stop: Whether the session can be stopped from here.
        apply: Whether its gain can be kept from here.
    """

    live: Mapping[str, str] = field(default_factory=dict)
    held: Sequence[tuple[str, str, str | None]] | None = ()
    stop: Stop = _OVER
    apply: Apply = _NO_APPLY


def build(stored: Stored, present: Present) -> Snapshot:
    """Return the whole picture of one session."""
    row, result = stored.row, stored.row.result or {}
    said = Said.of(stored.moments)
    benchmark = _benchmark(stored, said.card)
    direction = cast(Direction, benchmark.direction)
    runs, baseline = runs_of(stored.trials, direction)
    best = max((run for run in runs if run.record), key=lambda run: run.ratio or 0, default=None)
    phase = said.phase(runs)
    state = _state(stored, phase, present.stop)
    running = state not in ("done", "failed", "interrupted")
    remaining = said.remaining if running else None
    first = said.firsts.get("confirm", 0)
    return Snapshot(
        id=row.id,
        workload=row.workload,
        description=row.description,
        simulated=row.simulated,
        state=state,
        state_title=_END_TITLES.get(state) or (phase.title if phase else "preparing"),
        phase=phase if running else None,
        started=row.started,
        finished=row.finished,
        eta=None if remaining is None else said.said_at + remaining,
        remaining_seconds=_left(remaining, said.said_at, simulated=row.simulated),
        tactician=str(row.arguments.get("tactician", "")),
        tacticians=tuple(said.card.get("tacticians") or [row.arguments.get("tactician", "")]),
        strategist=str(result.get("strategist") or row.config.get("strategist", "")),
        seed=row.seed,
        command=reproduction(row).command,
        benchmark=benchmark,
        plan=tuple(PlannedPhase(**one) for one in said.card.get("clock", ())),
        notices=tuple(said.card.get("notices", ())),
        parameters=_parameters(stored, said, present, best),
        runs=runs,
        best=None if best is None else {"ratio": best.ratio, "setting": best.setting},
        baseline=baseline,
        confirmation=confirmation_of(
            [one for one in stored.trials if one.phase == "confirm" and one.index >= first],
            direction,
            planned_runs=said.planned("confirm"),
            looks=(result.get("checks") or {}).get("looks"),
        ),
        importance=_importance(result),
        verdict=_verdict(result),
        notes=said.notes or tuple(Note(None, text) for text in result.get("notes", ())),
        guard=GuardLog(
            said.writes,
            tuple(Held(*one) for one in present.held or ()),
            readable=present.held is not None,
        ),
        stop=present.stop,
        apply=present.apply,
        error=said.error,
        facts=row.facts,
        metrics=_metrics(runs),
        read=time.time(),
    )


def _left(remaining: float | None, said_at: float, *, simulated: bool) -> float | None:
    if remaining is None or simulated:  # simulated seconds pass only with simulated runs
        return remaining
    return max(0.0, said_at + remaining - time.time())


def _state(stored: Stored, phase: PhaseNow | None, stop: Stop) -> State:
    status = stored.row.status
    if status == "running" and not stored.living:
        status = "interrupted"  # its process has died; the guard has put everything back
    if status != "running":
        return cast(State, _ENDS[status])
    if stop.asked or (phase and phase.name == "restore"):
        return "restoring"
    return cast(State, phase.name if phase else "prepare")


def _benchmark(stored: Stored, card: Mapping[str, Any]) -> Benchmark:
    known = card.get("benchmark")
    if known:
        return Benchmark(**known)
    name = str(stored.row.benchmark.get("name", ""))
    first = stored.trials[0] if stored.trials else None
    metric = (stored.row.result or {}).get("metric") or {}
    return Benchmark(
        name=name,
        title=name,
        metric=metric.get("name") or (first.metric if first else ""),
        unit=metric.get("unit") or (first.unit if first else ""),
        direction=metric.get("direction") or (first.direction if first else "maximize"),
        run_seconds=None,
    )


def _parameters(
    stored: Stored, said: Said, present: Present, best: Run | None
) -> tuple[Parameter, ...]:
    result = stored.row.result or {}
    told = {row["name"]: row for row in result.get("knobs", ())}
    chosen = result.get("full_config") if result else (best.setting if best else {})
    confirmed = result.get("verdict") == "improved"
    planned = said.card.get("parameters") or [
        _from_config(item, told) for item in stored.row.config.get("action_space", ())
    ]
    rows = []
    for item in planned:
        name = item["name"]
        now, source = present.live.get(name), "kernel"
        if now is None and name in said.live and (stored.living or stored.row.simulated):
            now, source = str(said.live[name]), "run"
        ours = (chosen or {}).get(name)
        changed = ours is not None and str(ours) != item["original"]
        rows.append(
            Parameter(
                name=name,
                what=item["what"],
                why=item["why"],
                unit=item["unit"],
                kind=item["kind"],
                low=item["low"],
                high=item["high"],
                choices=tuple(item["choices"]),
                scale=item["scale"],
                effective=item["effective"],
                original=item["original"],
                now=now,
                now_from=source if now is not None else "",
                best=str(ours) if changed else None,
                kept=told[name]["kept"] if confirmed and name in told else None,
                effect=told[name]["effect"] if name in told else "",
                trade_off=item["trade_off"],
            )
        )
    return tuple(rows)


def _from_config(item: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the config and the result of a session of an older sealtune still say."""
    name = item["param"]
    row = told.get(name, {})
    return {
        "name": name,
        "what": "",
        "why": item.get("why", ""),
        "unit": "",
        "kind": "choice" if item.get("choices") else "int",
        "low": item.get("min"),
        "high": item.get("max"),
        "choices": item.get("choices") or (),
        "scale": item.get("scale") or "linear",
        "effective": "",
        "original": row.get("original"),
        "trade_off": row.get("trade_off", ""),
    }


def _importance(result: Mapping[str, Any]) -> Importance | None:
    basis = result.get("importance_basis")
    return Importance(tuple(result.get("importance", ())), basis) if basis else None


def _verdict(result: Mapping[str, Any]) -> Verdict | None:
    if not result:
        return None
    return Verdict(
        verdict=result["verdict"],
        sentence=result["sentence"],
        gain=result["gain"],
        gain_of=result["gain_of"],
        improvement=result["improvement"],
        setting=result["best_config"],
        full_setting=result["full_config"],
        pairs=tuple(result["pairs"]),
        restored=result["restored"],
        foreign=tuple(result.get("foreign", ())),
        seconds=result["seconds"],
        noise=result["noise"],
        checks=result["checks"],
    )


def _metrics(runs: Sequence[Run]) -> dict[str, dict[str, str]]:
    """Return description and unit of each metric that a run has; names of ours come first."""
    seen = {name for run in runs for name in run.metrics}
    ordered = [name for name in METRICS if name in seen] + sorted(seen - set(METRICS))
    return {
        name: {
            "description": METRICS[name].description if name in METRICS else "",
            "unit": METRICS[name].unit if name in METRICS else "",
        }
        for name in ordered
    }
