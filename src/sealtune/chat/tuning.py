"""Turns that tune: propose, run after the yes, explain, and offer to keep what was confirmed."""

from collections.abc import Mapping, Sequence
from typing import Any

from sealtune.catalogue.workloads import load_workloads
from sealtune.chat import sentences
from sealtune.chat.intents import Intent
from sealtune.chat.past import Exchange, Past, Turn
from sealtune.chat.step import Call, Step
from sealtune.chat.wishes import NO_WISHES, Wishes
from sealtune.strategist.reading import classify

_MOST = 8
"""Parameters in one session: more make a search blind."""


def optimize(intent: Intent, past: Past) -> Step:
    """Propose a config for the workload, run it after the yes, say what came of it."""
    turn = past.turn
    proposed = turn.find("propose_config")
    if proposed is None:
        return _propose_call(intent, past)
    if proposed.error:
        return Step(_refused(proposed.error))
    return _run(proposed.answer, past)


def _run(proposal: Mapping[str, Any], past: Past) -> Step:
    """Run a proposal: ask for the yes, explain the result, offer to keep it."""
    turn = past.turn
    ran = turn.find("optimize_workload")
    if ran is None:
        call = Call("optimize_workload", {"config_json": proposal["config"]})
        return Step(sentences.proposal(proposal), call)
    if ran.denied:
        return Step(
            "Nothing was touched. Say what should be different, or `go` to run it as it is."
        )
    if ran.error:
        return Step(ran.error)
    return _after_run(ran.answer, turn)


def _after_run(result: Mapping[str, Any], turn: Turn) -> Step:
    session = str(result["session"])
    explained = turn.find("explain_result")
    if explained is None:
        return Step(call=Call("explain_result", {"session": session}))
    kept = turn.find("apply_permanently")
    if kept is not None:
        return _after_apply(kept, session)
    text = sentences.result(result, explained.answer)
    if result["can_be_applied"]:
        return Step(text, Call("apply_permanently", {"session": session}))
    return Step(text)


def _after_apply(kept: Exchange, session: str) -> Step:
    if kept.denied:
        return Step(f'Nothing was kept. Later: say "apply it", or sealtune apply {session}')
    return Step(kept.error or sentences.applied(kept.answer))


def propose(intent: Intent, past: Past) -> Step:
    """Say what would be tried, and stop there."""
    proposed = past.turn.find("propose_config")
    if proposed is None:
        return _propose_call(intent, past)
    if proposed.error:
        return Step(_refused(proposed.error))
    return Step(sentences.proposal_in_full(proposed.answer))


def again(intent: Intent, past: Past) -> Step:
    """Tune for the last description once more, with what is wished for now."""
    if past.last_asked("propose_config") is None and not past.turn.exchanges:
        return Step(
            "There is nothing to try again yet. Say first what this machine is for, such as: "
            "optimize this system for a web server."
        )
    return optimize(intent, past)


def _propose_call(intent: Intent, past: Past) -> Step:
    if unknown := intent.wishes.unknown:
        words = " and ".join(f'"{word}"' for word in unknown)
        return Step(
            f"I do not know which parameters {words} means, so I have not started. "
            'Say "show all parameters" for their names.'
        )
    before = past.last_asked("propose_config")
    earlier: dict[str, Any] = {}
    description = intent.topic
    if before is not None and intent.kind == "again":
        earlier = dict(before.arguments)
        description = str(earlier.pop("description", ""))
        if intent.wishes.minutes or intent.wishes.trials:
            # A new limit stands by itself: beside the old one the smaller would win.
            earlier = {k: v for k, v in earlier.items() if k not in ("minutes", "trials")}
    elif before is not None and before.error and intent.wishes == NO_WISHES:
        # The description was not understood; what was wished for beside it still holds.
        earlier = {k: v for k, v in before.arguments.items() if k != "description"}
    arguments = earlier | _as_arguments(intent.wishes, earlier)
    arguments = {name: value for name, value in arguments.items() if value not in (None, [])}
    text = ""
    if len(names := arguments.get("only", [])) > _MOST:
        arguments["only"] = most_promising(names, description)[:_MOST]
        text = f"{len(names)} parameters are about that; I take the {_MOST} most promising ones."
    return Step(text, Call("propose_config", {"description": description, **arguments}))


def most_promising(names: Sequence[str], description: str) -> list[str]:
    """Return `names`, those first that an expert would try for what `description` means."""
    reading = classify(description)
    if reading is None:
        return list(names)
    workload = load_workloads().get(reading.workload_class)
    first = [expert.knob for expert in (*workload.parameters, *workload.reserve)]
    return list(dict.fromkeys([*(name for name in first if name in names), *names]))


def _as_arguments(wishes: Wishes, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return new wishes as arguments: exclusions add up, everything else replaces."""
    exclude = [*before.get("exclude", ()), *wishes.exclude]
    only = list(wishes.only or before.get("only", ()))
    if wishes.only and not wishes.exclude:
        exclude = [name for name in exclude if name not in only]
    elif wishes.exclude:
        only = [name for name in only if name not in exclude]
    given = {
        "benchmark": wishes.benchmark,
        "minutes": wishes.minutes,
        "trials": wishes.trials,
    }
    given = {name: value for name, value in given.items() if value is not None}
    return {**given, "only": only, "exclude": list(dict.fromkeys(exclude))}


def yes(_intent: Intent, past: Past) -> Step:
    """Do what was proposed or found last; the person is still asked with the plan in view."""
    last = past.last("propose_config", "optimize_workload")
    if past.turn.find("optimize_workload") or (last and last.tool == "propose_config"):
        proposed = past.last("propose_config")
        if proposed is not None:
            return _run(proposed.answer, past)
    if past.turn.find("apply_permanently") or (last and last.answer.get("can_be_applied")):
        return apply(Intent("apply"), past)
    return Step("There is nothing that waits for a yes. Say what this machine is for.")


def apply(intent: Intent, past: Past) -> Step:
    """Keep the gain of a session for good."""
    session = intent.sessions[0] if intent.sessions else last_session(past)
    kept = past.turn.find("apply_permanently")
    if kept is None:
        return Step(call=Call("apply_permanently", {"session": session}))
    return _after_apply(kept, session)


def last_session(past: Past) -> str:
    """Return the session that this conversation ran last, or what stands for the newest."""
    ran = past.last("optimize_workload")
    return str(ran.answer["session"]) if ran is not None else "last"


def _refused(error: str) -> str:
    return f"{error}\nNothing was touched."
