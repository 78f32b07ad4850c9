"""The next step of a conversation without a language model: a tool to call, or the answer.

Each reply is worked out anew from what has happened so far, so that nothing has to be remembered,
and a turn that a model began can be finished here.
"""

import re
from collections.abc import Callable

from sealtune.chat import sentences, tuning
from sealtune.chat.intents import Intent, understand
from sealtune.chat.past import Exchange, Past
from sealtune.chat.step import Call, Step, ask


def next_step(past: Past) -> Step:
    """Return the next step of the open turn."""
    intent = understand(past.turn.words)
    return _HANDLERS[intent.kind](intent, past)


def _undo(_intent: Intent, past: Past) -> Step:
    turn = past.turn
    put_back = turn.find("restore")
    if put_back is None:
        return Step(call=Call("restore"))
    found = turn.find("status")
    if found is None:
        return Step(call=Call("status"))
    names = [one["name"] for one in found.answer.get("applied", ())]
    for name in names:
        if turn.find("revert", name=name) is None:
            return Step(call=Call("revert", {"name": name}))
    said = [put_back.error or sentences.restored(put_back.answer)]
    said += [_undone(turn.find("revert", name=name), name) for name in names]
    if not names:
        said.append(found.error or "Nothing is applied, so there is nothing else to undo.")
    return Step("\n".join(said))


def _undone(done: Exchange | None, name: str) -> str:
    if done is None or done.denied:
        return f"{name} stays applied."
    return done.error or sentences.reverted(done.answer)


def _why(intent: Intent, past: Past) -> Step:
    if not intent.topic:
        return _why_last(past)
    described = past.turn.find("describe_parameter")
    if described is None:
        return Step(call=Call("describe_parameter", {"name": intent.topic}))
    if "could be any of" in described.error:
        return ask("list_parameters", sentences.explained_parameters, topic=intent.topic)(past)
    if described.error:
        return Step(described.error)
    name = str(described.answer["name"])
    return Step(sentences.joined((_here(name, past), sentences.parameter(described.answer))))


def _here(name: str, past: Past) -> str:
    """Return why `name` stands in the last plan, and what it did in the last result."""
    lines = []
    proposed = past.last("propose_config")
    for one in proposed.answer["parameters"] if proposed else ():
        if one["name"] == name:
            lines.append(f"In the last plan, starting at {one['start']}: {one['why']}")
    explained = past.last("explain_result")
    for one in explained.answer.get("parameters", ()) if explained else ():
        if one["name"] == name:
            kept = "kept" if one["kept"] else "not needed"
            change = f"{one['before']} -> {one['best']}"
            lines.append(f"In the last result: {change}, own effect: {one['effect']}, {kept}.")
    return "\n".join(lines)


def _why_last(past: Past) -> Step:
    last = past.last("propose_config", "optimize_workload", "explain_result")
    if last is None:
        return Step('Why what? Name a parameter, such as "why swappiness?".')
    if last.tool == "propose_config":
        return Step(sentences.reasons(last.answer))
    session = str(last.answer["session"])
    return ask("explain_result", sentences.explanation, session=session)(past)


def _explain(intent: Intent, past: Past) -> Step:
    session = intent.sessions[0] if intent.sessions else tuning.last_session(past)
    return ask("explain_result", sentences.explanation, session=session)(past)


def _say(text: str) -> Callable[[Intent, Past], Step]:
    return lambda intent, past: Step(text)


def _no(_intent: Intent, _past: Past) -> Step:
    return Step("All right, nothing was touched.")


def _hello(_intent: Intent, _past: Past) -> Step:
    return Step(
        "Hello. Say what this machine is for, and I look for kernel settings that make it faster: "
        "for example, optimize this system for a write-heavy PostgreSQL database."
    )


def _unclear(intent: Intent, _past: Past) -> Step:
    if not intent.topic:
        return Step(sentences.UNCLEAR)
    words = re.sub(r"[?.! ]+$", "", intent.topic)
    return Step(
        "That is a question I have no rule for. If this machine should be tuned for it, say: "
        f"optimize for {words}\n\n{sentences.NO_MODEL}"
    )


_HANDLERS: dict[str, Callable[[Intent, Past], Step]] = {
    "optimize": tuning.optimize,
    "propose": tuning.propose,
    "again": tuning.again,
    "yes": tuning.yes,
    "no": _no,
    "apply": tuning.apply,
    "undo": _undo,
    "why": _why,
    "explain": _explain,
    "parameters": lambda intent, past: ask(
        "list_parameters", sentences.parameters, topic=intent.topic
    )(past),
    "benchmarks": lambda intent, past: ask("list_benchmarks", sentences.benchmarks)(past),
    "system": lambda intent, past: ask("inspect_system", sentences.system)(past),
    "status": lambda intent, past: ask("status", sentences.status)(past),
    "compare": lambda intent, past: ask(
        "compare_sessions", sentences.comparison, sessions=list(intent.sessions)
    )(past),
    "learnt": lambda intent, past: ask("what_was_learnt", sentences.learnt, topic=intent.topic)(
        past
    ),
    "help": _say(sentences.HELP),
    "hello": _hello,
    "thanks": _say("You are welcome."),
    "bye": _say("Goodbye. Ctrl-D leaves."),
    "unclear": _unclear,
}
