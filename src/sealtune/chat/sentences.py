"""Tool results in plain sentences with their figures; nothing is said that no tool has told."""

from collections.abc import Iterable, Mapping
from typing import Any

from sealtune.report.format import clock, memory
from sealtune.verdict import MINIMUM_GAIN

Result = Mapping[str, Any]

EXAMPLES = """\
  optimize this system for a write-heavy PostgreSQL database
  what would you try for nginx?      only the network, for 10 minutes
  try again without touching the block scheduler
  why swappiness?                    show the parameters for memory
  explain the last result            compare the last two sessions
  what did we learn about redis?     undo everything
  what is this machine?              which benchmarks are there?      status"""

NO_MODEL = (
    "No language model is in use, so I understand a fixed set of requests, such as:\n\n"
    f"{EXAMPLES}\n\n"
    "For free conversation ask a model: sealtune chat --model provider:name, or here "
    "/model provider:name, for example ollama:qwen3 or openai:gpt-5."
)
HELP = f"I tune this machine's kernel for what you use it for, and prove the gain. {NO_MODEL}"
UNCLEAR = f"I did not understand that. {NO_MODEL}"

_MOST_KEPT = 3
"""Parameters that are explained right after a run; the rest is only named."""


def proposal(found: Result) -> str:
    """Say how the workload was read and what would be tried; the plan itself comes on top."""
    names = [parameter["name"] for parameter in found["parameters"]]
    first = " and ".join(names[:2])
    count = _count(len(names), "parameter")
    text = (
        f"I read this as {found['understood']}. I would try {count}, {first} first, and measure "
        f"with `{found['benchmark']}` ({found['metric']}): at most {minutes(found['seconds'])}."
    )
    return f"{text} SIMULATED: nothing real will be touched." if found["simulated"] else text


def proposal_in_full(found: Result) -> str:
    """Say what would be tried, each parameter with its reason."""
    lines = [proposal(found), ""]
    for one in found["parameters"]:
        tried = " | ".join(one["tries"]) if isinstance(one["tries"], list) else one["tries"]
        unit = f" {one['unit']}" if one["unit"] else ""
        lines.append(f"- {one['name']}: now {one['now']}, would try {tried}{unit}. {one['why']}")
    lines += [f"- Note: {notice}" for notice in found["notices"]]
    return "\n".join([*lines, "", "Nothing was touched. Say `go` to run it."])


def result(ran: Result, explained: Result) -> str:
    """Say what a session found and what it costs; the evidence is on the screen already."""
    head = f"SIMULATED. {ran['sentence']}" if ran["simulated"] else str(ran["sentence"])
    lines = [head, *_kept(explained, most=_MOST_KEPT)]
    if ran["simulated"]:
        lines.append("A simulated run says nothing about this machine.")
    elif not ran["restored"]:
        lines.append("NOT every parameter is back: run `sealtune restore` as root.")
    elif ran["can_be_applied"]:
        lines.append("Every parameter is back as it was. The gain can be kept:")
    else:
        more = " With more minutes the answer would be surer." if _is_open(ran) else ""
        lines.append(f"Every parameter is back as it was.{more}")
    return "\n".join(lines)


def _is_open(ran: Result) -> bool:
    """Whether fresh pairs were run and leave a gain worth having possible."""
    gain = ran.get("gain") or {}
    return bool(ran["verdict"] == "none" and gain.get("ci_high", 0.0) > 1 + MINIMUM_GAIN)


def explanation(found: Result) -> str:
    """Say again what a stored session found."""
    simulated = "SIMULATED. " if found["simulated"] else ""
    head = f"{simulated}Session {found['session']} ({found['workload']}, {found['when']}):"
    lines = [head, str(found["sentence"]), *_explanation(found)]
    return "\n".join([*lines, f"Undo: {found['undo']}."])


def _explanation(found: Result) -> list[str]:
    lines = [f"- {line}" for line in found.get("evidence", ())]
    lines += _kept(found)
    lines += [f"- {line}" for line in found.get("importance", ())]
    lines += [f"- Note: {note}" for note in found.get("notes", ())]
    return [*lines, *(f'- A benchmark said: "{text}"' for text in found.get("failures", ()))]


def _kept(found: Result, most: int = 100) -> list[str]:
    """Say of each parameter that carries the gain what it did, why, and what it costs."""
    kept = [one for one in found.get("parameters", ()) if one["kept"]]
    lines = []
    for one in kept[:most]:
        cost = f" It costs: {one['costs']}" if one["costs"] else ""
        change = f"{one['before']} -> {one['best']}"
        lines.append(f"- {one['name']}: {change}, own effect: {one['effect']}. {one['why']}{cost}")
    if more := kept[most:]:
        lines.append(f"- Kept too: {', '.join(one['name'] for one in more)}.")
    return lines


def parameter(found: Result) -> str:
    """Explain one parameter."""
    safe = ", ".join(found["safe"]) if isinstance(found["safe"], list) else found["safe"]
    unit = f" {found['unit']}" if found["unit"] else ""
    now = f"now {found['now']}" if found["here"] else f"not to be tuned here: {found['reason']}"
    lines = [
        f"{found['name']}: {found['why']}",
        f"- Here: {now}",
        f"- Safe to try: {safe}{unit}. Default: {found['default']}. "
        f"Takes effect: {found['takes_effect']}.",
    ]
    if found["costs"]:
        lines.append(f"- It costs: {found['costs']}")
    uses = {name: why for name, why in found["for_workloads"].items() if why != "in reserve"}
    lines += [f"- For {name.replace('_', ' ')}: {why}" for name, why in list(uses.items())[:3]]
    return "\n".join(lines)


def reasons(found: Result) -> str:
    """Say why each parameter of a proposal is in it."""
    lines = [f"- {one['name']}: {one['why']}" for one in found["parameters"]]
    return "\n".join(["In the last plan:", *lines])


def parameters(found: Result) -> str:
    """List parameters, those that can be tuned here first."""
    listed = found["parameters"]
    if not listed:
        return f'No parameter is about "{found["topic"]}". Say "show all parameters" for the list.'
    topic = f' about "{found["topic"]}"' if found["topic"] else ""
    lines = [f"{_count(found['count'], 'parameter')}{topic}:"]
    for one in [item for item in listed if item["here"]]:
        safe = " | ".join(one["safe"]) if isinstance(one["safe"], list) else one["safe"]
        unit = f" {one['unit']}" if one["unit"] else ""
        lines.append(f"- {one['name']}: now {one['now']}, safe {safe}{unit}")
    lines += [f"- {one['name']}: not here. {one['reason']}" for one in listed if not one["here"]]
    lines += [f"- {cut}" for cut in found.get("cut", ())]
    return "\n".join([*lines, "", f'Ask "why {listed[0]["name"]}?" for the reason behind one.'])


def explained_parameters(found: Result) -> str:
    """Say why each of several parameters matters."""
    if not all("why" in one for one in found["parameters"]):
        return parameters(found)
    return "\n".join(f"- {one['name']}: {one['why']}" for one in found["parameters"])


def benchmarks(found: Result) -> str:
    """List benchmarks, and how to get those that are missing."""
    lines = ["Benchmarks that can stand for a workload:"]
    for one in found["benchmarks"]:
        state = (
            one["version"] or "ready" if one["installed"] else f"not installed: {one['install']}"
        )
        lines.append(f"- {one['name']}: {one['title']} ({state})")
    return "\n".join(lines)


def system(found: Result) -> str:
    """Describe the machine."""
    disk = found["disk"]
    held = f"disk {disk['name']} ({disk['scheduler']})" if disk else "no disk that can be tuned"
    swap = memory(found["swap_bytes"]) if found["swap_bytes"] else "no"
    virtual = f", {found['virtualisation']}" if found["virtualisation"] else ""
    lines = [
        f"Linux {found['kernel']}, {found['distribution']}: {found['cpus']} CPUs "
        f"({found['cpu_model']}), {memory(found['memory_bytes'])} memory, {swap} swap{virtual}, "
        f"{held}.",
        f"{found['parameters_here']} parameters can be tuned here, "
        f"{found['parameters_not_here']} cannot. Benchmarks: {', '.join(found['benchmarks'])}.",
    ]
    if found["servers"]:
        lines.append(f"Servers: {', '.join(found['servers'])}.")
    if not found["root"]:
        lines.append("I am not root here: tuning needs sudo, plans do not.")
    busy = found["busy"]
    lines.append("Busy now: " + " ".join(busy) if busy else "It is quiet enough to measure.")
    return "\n".join(lines)


def status(found: Result) -> str:
    """Say what is applied, what a run left, and how the last session ended."""
    lines = [_applied(one) for one in found["applied"]] or ["Nothing is applied."]
    journal = found["journal"]
    changed = f"Changed now: {', '.join(journal['changed'])}; " if journal["changed"] else ""
    lines.append(f"{changed}{journal['says']}.")
    last = found["last_session"]
    lines.append(f"Last session: {_session(last)}." if last else "No session has been run yet.")
    if found["interrupted_sessions"]:
        lines.append(
            f"Interrupted: {', '.join(found['interrupted_sessions'])}; go on with "
            "`sealtune run --resume`."
        )
    return "\n".join(_capital(line) for line in lines)


def _applied(one: Result) -> str:
    values = ", ".join(f"{value['name']} = {value['applied']}" for value in one["values"])
    drifted = [
        f"{value['name']} is {value['now']}"
        for value in one["values"]
        if value["state"] == "drifted"
    ]
    holds = "it holds" if one["holds"] else f"it does NOT hold: {', '.join(drifted) or 'files'}"
    return f"Applied: {one['name']} ({one['gain']}): {values}; {holds}."


def _session(one: Result) -> str:
    simulated = "SIMULATED, " if one["simulated"] else ""
    verdict = one["verdict"] or one["status"]
    gain = f" {one['gain']}" if one["gain"] else ""
    return f"{one['session']}, {one['workload']}: {simulated}{verdict}{gain}"


def comparison(found: Result) -> str:
    """Set sessions side by side."""
    lines = [f"- {_session(one)}" for one in found["sessions"]]
    lines += [f"- {one['name']}: {' | '.join(one['values'])}" for one in found["parameters"]]
    return "\n".join([*lines, str(found["says"])])


def learnt(found: Result) -> str:
    """Say what past sessions found out."""
    about = f" about {found['topic']}" if found["topic"] else ""
    if not found["learnt"]:
        none = ", none of them on it" if found["of"] else ""
        return f"Nothing yet{about}: {_count(found['of'], 'past session')} on this machine{none}."
    lines = [f"{_count(len(found['learnt']), 'session')}{about} on this machine, newest first:"]
    for one in found["learnt"]:
        simulated = "SIMULATED, " if one["simulated"] else ""
        gain = f" {one['gain']}" if one["gain"] else ""
        lines.append(f"- {one['when']}, {one['workload']}: {simulated}{one['verdict']}{gain}")
        if one["what_carried_it"]:
            lines.append(f"  carried by {_pairs(one['what_carried_it'])}")
        if one["setting"]:
            lines.append(f"  {_best(one)} {_setting(one['setting'])}")
        lines += [f"  failed: {_setting(setting)}" for setting in one["failed_settings"][:3]]
    return "\n".join(lines)


def _best(one: Result) -> str:
    return "confirmed:" if one["verdict"] == "improved" else "best tried, not confirmed:"


def applied(found: Result) -> str:
    """Say what was made permanent."""
    lines = [f"Kept ({found['gain']}). Written: {', '.join(found['files'])}."]
    if found["values_now"]:
        lines.append(f"Set now: {_setting(found['values_now'])}.")
    lines += [f"Note: {note}" for note in found["notes"]]
    return "\n".join([*lines, f'To undo it say "undo everything", or: {found["undo"]}'])


def restored(found: Result) -> str:
    """Say what an interrupted run had left, and what became of it."""
    lines = [
        f"Restored: {one['name']} {one['found']} -> {one['now']}." for one in found["restored"]
    ]
    lines += [
        f"Left alone, somebody else changed it: {one['name']} = {one['value']}."
        for one in found["left_for_somebody_changed_them"]
    ]
    lines += [f"NOT restored: {one['name']} = {one['value']}." for one in found["failed"]]
    return "\n".join(lines) or "No run has left anything changed."


def reverted(found: Result) -> str:
    """Say what was undone."""
    lines = [f"Undone: {found['reverted']}."]
    if found["removed"]:
        lines.append(f"Removed: {', '.join(found['removed'])}.")
    if found["values_back"]:
        lines.append(f"Back: {_setting(found['values_back'])}.")
    if found["kept_for_somebody_changed_them"]:
        lines.append(f"Kept, changed since: {', '.join(found['kept_for_somebody_changed_them'])}.")
    if found["left_for_somebody_changed_them"]:
        lines.append(f"Left, changed since: {_setting(found['left_for_somebody_changed_them'])}.")
    return " ".join(lines)


def minutes(seconds: float) -> str:
    """Return a length of time as people say it.

    >>> minutes(1188), minutes(45)
    ('20 minutes', '1 minute')
    """
    if seconds >= 2 * 3600:
        return f"{clock(seconds)} hours"
    return _count(max(1, round(seconds / 60)), "minute")


def _setting(setting: Result) -> str:
    return ", ".join(f"{name} = {value}" for name, value in setting.items())


def _pairs(effects: Result) -> str:
    return ", ".join(f"{name} ({effect})" if effect else name for name, effect in effects.items())


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _capital(line: str) -> str:
    return line[:1].upper() + line[1:]


def joined(parts: Iterable[str]) -> str:
    """Return paragraphs with a blank line between them, empty ones left out."""
    return "\n\n".join(part for part in parts if part)
