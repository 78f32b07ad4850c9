"""What past sessions found, as plain values: one explained, several compared, all of a topic."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sealtune.report.format import interval, percent, setting_text
from sealtune.store import SessionRow, TrialRow
from sealtune.store.experience import Experience
from sealtune.toolbox.plain import printable

_FAILURES = 3


def short(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what matters of a result just reached."""
    improved = result["verdict"] == "improved" and not result["simulated"]
    return {
        "verdict": result["verdict"],
        "sentence": result["sentence"],
        "gain": result["gain"],
        "best_config": dict(result["best_config"]),
        "session": result["session"],
        "restored": result["restored"],
        "simulated": result["simulated"],
        "can_be_applied": improved,
        "minutes": round(result["seconds"]["total"] / 60, 1),
        "notes": [printable(note) for note in result["notes"]],
    }


_UNDO_LATER = "it is at work, or was killed: it puts every parameter back when it ends; see status"
_UNDO_ENDED = "it puts every parameter back when it ends; nothing was kept; see status"


def explained(
    row: SessionRow, trials: Sequence[TrialRow], *, is_applied: bool | None = False
) -> dict[str, Any]:
    """Return the verdict of a session with its evidence, and what became of each parameter.

    Args:
        row: The session.
        trials: Its runs.
        is_applied: Whether its setting is kept now; ``None`` if that cannot be read.
    """
    head = {**_head(row), "failures": _failures(trials)}
    if row.result is None:
        searched = [trial for trial in trials if trial.phase == "search"]
        return {
            **head,
            "verdict": None,
            "sentence": f"No verdict: the session is {row.status}, nothing is confirmed.",
            "evidence": [f"{len(trials)} runs are kept, {len(searched)} of them of the search"],
            "undo": _UNDO_LATER if row.status == "running" else _UNDO_ENDED,
        }
    result = row.result
    return {
        **head,
        "verdict": result["verdict"],
        "sentence": result["sentence"],
        "metric": dict(result["metric"]),
        "gain": result["gain"],
        "evidence": evidence(result),
        "importance": importance(result),
        "parameters": [_parameter(knob) for knob in result["knobs"]],
        "notes": [printable(note) for note in result["notes"]],
        "restored": result["restored"],
        "applied": is_applied,
        "undo": _undo(row, result, is_applied),
    }


def _parameter(knob: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": knob["name"],
        "before": knob["original"],
        "best": knob["best"],
        "kept": knob["kept"],
        "effect": knob["effect"],
        "why": knob["why"],
        "costs": knob["trade_off"],
    }


def _undo(row: SessionRow, result: Mapping[str, Any], is_applied: bool | None) -> str:
    if result["simulated"]:
        return "simulated: nothing was touched, there is nothing to undo or to keep"
    if is_applied is None:
        return "what is applied cannot be read by this user: `sealtune status` as root tells"
    if is_applied:
        return "its setting is applied: `sealtune revert` undoes it"
    if not result["restored"]:
        return "NOT every parameter is back: run `sealtune restore` as root"
    back = "every parameter is back as it was; nothing of it is kept"
    if result["verdict"] == "improved":
        return f"{back} until `sealtune apply {row.id}`, which `sealtune revert` undoes"
    return back


def evidence(result: Mapping[str, Any]) -> list[str]:
    """Return the figures that the verdict rests on, one sentence each."""
    gain, noise, checks = result["gain"], result["noise"], result["checks"]
    lines = []
    if gain:
        shown = interval(gain["estimate"], gain["ci_low"], gain["ci_high"])
        lines.append(f"{shown} at {gain['confidence']:.0%} from {gain['pairs']} fresh pairs")
    if result["pairs"]:
        ratios = [pair["ratio"] for pair in result["pairs"]]
        shown = ", ".join("failed" if ratio is None else percent(ratio) for ratio in ratios)
        lines.append(f"pairs, original against candidate: {shown}")
    for finding in checks.get("guards", ()):
        if finding["violated"]:
            lines.append(f"{finding['metric']} became worse by more than is allowed")
    if noise:
        lines.append(
            f"single runs vary by {noise['coefficient_of_variation']:.1%}; true gains from "
            f"{percent(noise['detectable_gain'])} on would be seen"
        )
    if result["search_best"] is not None:
        lines.append(f"best single trial {percent(result['search_best'])}; the fresh pairs count")
    lines.append(
        f"{result['trials_run']} trials, {result['trials_cut_short']} cut short, "
        f"{result['trials_failed']} failed"
    )
    return lines


def importance(result: Mapping[str, Any]) -> list[str]:
    """Return which parameters mattered in the search, one sentence each, as a report says it."""
    from sealtune.report.importance import mattered, shown_shares

    found = mattered(result)
    if found is None:
        return []
    lines = [found.heading]
    for row in found.told:
        share, first = shown_shares(row)
        said = f"{row['param']}: share {share}, first {first}"
        said += f", best region {row.get('best') or 'not clear'}"
        effect = found.effects.get(row["param"], "not tested") if found.effects else None
        lines.append(said + (f", fresh pairs {effect}" if effect else ""))
    return [*lines, *(text for text in (found.rest, found.limits) if text)]


def _failures(trials: Sequence[TrialRow]) -> list[str]:
    """Return distinct failure messages: text of a benchmark, so data and nothing else."""
    said = [printable(trial.failure) for trial in trials if trial.failure]
    return list(dict.fromkeys(said))[:_FAILURES]


def _head(row: SessionRow) -> dict[str, Any]:
    return {
        "session": row.id,
        "when": _day(row.started),
        "workload": row.workload,
        "simulated": row.simulated,
        "status": row.status,
    }


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def summary(row: SessionRow) -> dict[str, Any]:
    """Return one session on a line: when, what for, and how it ended."""
    result = row.result or {}
    gain = result.get("gain")
    return {
        **_head(row),
        "trials": row.trials,
        "verdict": result.get("verdict"),
        "gain": interval(gain["estimate"], gain["ci_low"], gain["ci_high"]) if gain else "",
        "setting": setting_text(result["best_config"]) if result.get("best_config") else "",
    }


def compared(rows: Sequence[SessionRow]) -> dict[str, Any]:
    """Return sessions side by side, and whether their gains may be compared at all."""
    settings: list[Mapping[str, Any]] = [(row.result or {}).get("best_config", {}) for row in rows]
    names = dict.fromkeys(name for setting in settings for name in setting)
    return {
        "sessions": [summary(row) for row in rows],
        "parameters": [
            {"name": name, "values": [str(setting.get(name, "as found")) for setting in settings]}
            for name in names
        ],
        "says": _judgement(rows),
    }


def _judgement(rows: Sequence[SessionRow]) -> str:
    gains = [
        gain
        for row in rows
        if (gain := (row.result or {}).get("gain")) and gain.get("confirmed", True)
    ]
    if any(row.simulated for row in rows):
        return "At least one is simulated: its figures say nothing about this machine."
    if len(gains) < len(rows):
        return "At least one has no confirmed figures, so there is nothing to weigh against it."
    measured = {
        (str(row.config.get("benchmark_command")), str(row.config.get("reward_metric")))
        for row in rows
    }
    if len(measured) > 1:
        return "They ran different benchmarks: their gains cannot be compared."
    at = max(range(len(rows)), key=lambda one: float(gains[one]["estimate"]))
    best, others = rows[at], [*gains[:at], *gains[at + 1 :]]
    if others and gains[at]["ci_low"] <= max(gain["ci_high"] for gain in others):
        return "Their intervals overlap: no difference between them is shown."
    return (
        f"{best.id} gained more, each against its own baseline; only a run of both settings "
        "in turn would prove it."
    )


def learnt_from(experience: Experience) -> dict[str, Any]:
    """Return what one experience says, with the settings that failed named as failed."""
    gain = experience.gain
    kept = {
        name: row.get("effect", "") for name, row in experience.effects.items() if row.get("kept")
    }
    return {
        "session": experience.session,
        "when": _day(experience.when),
        "workload": experience.description or str(experience.config.get("workload_name", "")),
        "class": experience.workload_class,
        "verdict": experience.verdict,
        "evidence": experience.evidence,
        "gain": interval(gain["estimate"], gain["ci_low"], gain["ci_high"]) if gain else "",
        "setting": dict(experience.setting),
        "what_carried_it": kept,
        "failed_settings": [dict(setting) for setting in experience.failed],
        "strategist": experience.strategist or "a person",
        "simulated": experience.simulated,
    }


def matches(entry: Mapping[str, Any], topic: str, workload_class: str | None) -> bool:
    """Return whether what was learnt concerns `topic`: the class it is read as, or its words."""
    if not topic.strip():
        return True
    if workload_class and entry["class"] == workload_class:
        return True
    said = f"{entry['workload']} {entry['class']} {' '.join(entry['setting'])}".lower()
    words = [word for word in re.findall(r"[\w.]+", topic.lower()) if len(word) > 2]
    return any(word in said for word in words)
