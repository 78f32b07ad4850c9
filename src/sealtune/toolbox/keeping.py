"""Keeping a confirmed gain, undoing that, and saying beforehand exactly what either would do."""

import os
from pathlib import Path
from typing import Any

from sealtune import apply as files
from sealtune.apply import AppliedStatus, FilePlan
from sealtune.apply.live import ReadLive, read_live
from sealtune.apply.record import load_record
from sealtune.apply.revert import Reverted, foresee_revert
from sealtune.catalogue import load_catalogue
from sealtune.catalogue.knob import ABSENT
from sealtune.errors import GuardError, KeepingError, NothingConfirmedError, NotRootError
from sealtune.guard import recovery
from sealtune.store import SessionRow

ROOT = Path("/")

_NOTHING = "There is nothing to undo."


def file_plan(row: SessionRow, root: Path = ROOT) -> FilePlan:
    """Return what keeping the confirmed setting of a session would write; touches nothing.

    Args:
        row: The session.
        root: Directory that stands for ``/``; with another one the kernel is not touched.

    Raises:
        NothingConfirmedError: It has no confirmed, real improvement.
        ApplyError: A file of that name is there and is not as sealtune left it.
    """
    result = row.result
    if result is None:
        raise NothingConfirmedError(f"session {row.id} has no result (it is {row.status})")
    gain = files.confirmed_gain(result)
    if result.get("gain_of") == "candidate" and result["best_config"] != result["full_config"]:
        gain += f", measured together with {len(result['full_config'])} parameters"
    disk = row.facts.get("disk") or {}
    setting = result["best_config"]
    knobs = {name: load_catalogue().resolve(name, device=disk.get("name")) for name in setting}
    rows = {knob["name"]: knob for knob in result["knobs"]}

    def previous(name: str) -> str:
        """Return what an undo puts back: what is there now, which may not be what was measured."""
        if name not in rows:
            raise KeepingError(
                f"session {row.id} does not say what {name} was: its record is damaged",
                fix="Tune again; nothing was changed.",
            )
        old = str(rows[name]["original"])
        now = read_live(knobs[name].path) if root == ROOT and old != ABSENT else None
        return old if now is None else now

    return files.plan_files(
        setting,
        knobs,
        previous={name: previous(name) for name in setting},
        reasons={name: rows[name]["why"] for name in setting},
        gain=gain,
        name=row.workload,
        root=root,
    )


def apply_preview(row: SessionRow, root: Path = ROOT) -> str:
    """Return the live values and the diff of the files that keeping the session would bring."""
    plan = file_plan(row, root)
    lines = [f"Keep session {row.id} ({row.workload}), measured gain {plan.gain}", ""]
    lines += ["Values set now:"] if root == ROOT else ["Values (the kernel is not touched):"]
    lines += [
        f"  {name} = {value}  (was {plan.before[name]})" for name, value in plan.setting.items()
    ]
    lines += [
        "",
        "Files:",
        plan.diff.rstrip() or "  nothing to change: they are as they should be",
    ]
    lines += [f"Note  {conflict}" for conflict in plan.conflicts]
    lines += ["", f"Undo: sealtune revert {plan.name}"]
    return "\n".join(lines) + "\n"


def apply_session(row: SessionRow, root: Path = ROOT) -> dict[str, Any]:
    """Write the files and the live values; all of it or nothing."""
    plan = file_plan(row, root)
    applied = files.apply_setting(plan)
    return {
        "applied": applied.name,
        "files": [str(path) for path in applied.files],
        "values_now": dict(applied.live),
        "gain": plan.gain,
        "notes": [str(conflict) for conflict in plan.conflicts],
        "undo": f"sealtune revert {applied.name}",
    }


def revert_preview(name: str | None, root: Path = ROOT, read: ReadLive | None = None) -> str:
    """Return which files would go and which values would come back.

    Raises:
        KeepingError: Nothing is applied, no such name, or several and none was named.
    """
    chosen = _chosen(name, root, read)
    record = load_record(root, chosen.name)
    if record is None:  # reverted by another process just now
        raise KeepingError(f"{chosen.name!r} is not applied", fix=_NOTHING)
    lines = [f"Undo what was applied as {chosen.name} ({chosen.gain})", "", "Files:"]
    for file in chosen.files:
        says = {
            "as written": f"  remove {file.path}",
            "changed": f"  keep   {file.path}: somebody changed it since",
            "missing": f"  gone   {file.path}",
        }
        lines.append(says[file.state])
    lines += ["", "Values:"]
    foreseen = foresee_revert(chosen.name, root, read)
    live = {parameter.name: parameter.live for parameter in chosen.parameters}
    for knob, entry in record.entries.items():
        lines.append(_value_line(knob, live.get(knob), entry.previous, foreseen))
    for knob in foreseen.restored.keys() - record.entries.keys():
        lines.append(f"  {knob} -> {foreseen.restored[knob]}: comes back as it was")
    return "\n".join(lines) + "\n"


def _value_line(name: str, live: str | None, before: str, foreseen: Reverted) -> str:
    if name in foreseen.restored:
        return f"  {name}: {live or 'absent'} -> {foreseen.restored[name]}"
    if name in foreseen.left:
        found = foreseen.left[name]
        if found == ABSENT:
            return f"  {name}: not there any more, left alone"
        return f"  {name} = {found}: somebody changed it since, left alone"
    if live is None:
        return f"  {name}: not read, left alone"
    if before == ABSENT:
        return f"  {name} = {live}: goes when the choice that brought it goes"
    return f"  {name} = {before}: is so already"


def _chosen(name: str | None, root: Path, read: ReadLive | None = None) -> AppliedStatus:
    found = {one.name: one for one in files.status(root, read)}
    if not found:
        raise KeepingError("nothing is applied", fix=_NOTHING)
    if name is None:
        if len(found) > 1:
            raise KeepingError(
                f"several settings are applied: {', '.join(found)}", fix="Name one of them."
            )
        return next(iter(found.values()))
    if name not in found:
        shown = ", ".join(found) or "nothing"
        raise KeepingError(
            f"{name!r} is not applied; applied: {shown}", fix="Name what is applied."
        )
    return found[name]


def revert(name: str | None, root: Path = ROOT) -> dict[str, Any]:
    """Remove the files of `name` and put the previous values back."""
    undone = files.revert(name, root)
    return {
        "reverted": undone.name,
        "removed": [str(path) for path in undone.removed],
        "kept_for_somebody_changed_them": [str(path) for path in undone.kept],
        "values_back": dict(undone.restored),
        "left_for_somebody_changed_them": dict(undone.left),
    }


def restore() -> dict[str, Any]:
    """Put back what an interrupted run left changed."""
    report = recovery.restore()
    return {
        "restored": [
            {"name": name, "found": found, "now": original}
            for name, found, original in report.restored
        ],
        "left_for_somebody_changed_them": [
            {"name": name, "value": found, "was": original}
            for name, found, original in report.foreign
        ],
        "failed": [
            {"name": name, "value": found, "was": original}
            for name, found, original in report.failed
        ],
    }


def applied(root: Path = ROOT) -> list[dict[str, Any]]:
    """Return every applied setting and whether it still holds."""
    return [_applied(one) for one in files.status(root)]


def is_applied(row: SessionRow, root: Path = ROOT) -> bool:
    """Return whether the setting of this session is applied; another of its workload is not it.

    Raises:
        KeepingError: What is applied for this workload cannot be read.
    """
    setting = (row.result or {}).get("best_config") or {}
    record = load_record(root, files.safe_name(row.workload))
    if record is None or not setting:
        return False
    kept = {name: entry.value for name, entry in record.entries.items()}
    return all(kept.get(name) == str(value) for name, value in setting.items())


def _applied(one: AppliedStatus) -> dict[str, Any]:
    return {
        "name": one.name,
        "gain": one.gain,
        "holds": one.holds,
        "files": [{"path": str(file.path), "state": file.state} for file in one.files],
        "values": [
            {
                "name": parameter.name,
                "applied": parameter.applied,
                "now": parameter.live,
                "state": parameter.state,
            }
            for parameter in one.parameters
        ],
        "conflicts": [str(conflict) for conflict in one.conflicts],
        "undo": f"sealtune revert {one.name}",
    }


def check_allowed(root: Path = ROOT) -> None:
    """Return if this process may apply and revert below `root`.

    Raises:
        NotRootError: It may not; nobody has to be asked.
    """
    if root == ROOT and os.geteuid() != 0:
        raise NotRootError("writing under /etc and to the kernel needs root")


def journal() -> dict[str, Any]:
    """Return the parameters that a run at work, or an interrupted one, has changed."""
    try:
        pending = recovery.pending()
    except GuardError as error:
        return {"changed": [], "says": str(error)}
    if not pending:
        return {"changed": [], "says": "no run has left anything changed"}
    says = "a run is at work, or one was interrupted; if none is running, restore puts them back"
    return {"changed": pending, "says": says}
