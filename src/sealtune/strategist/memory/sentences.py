"""The memory in words: notices for the person, sentences for a model."""

import re
from collections.abc import Iterable, Mapping

from sealtune.space.knobs import Setting
from sealtune.store.experience import Experience
from sealtune.strategist.memory.places import value_in
from sealtune.strategist.memory.recall import Lesson, Memory, Recollection, recall
from sealtune.strategist.model.privacy import Identity, gather_identity, scrub
from sealtune.strategist.task import Task

_MOST_SENTENCES = 8
_QUOTED = 200


def memory_sentences(task: Task) -> tuple[str, ...]:
    """Return what earlier sessions found, one sentence each, for the prompt of a model.

    Past descriptions are quoted as data: one line, at most 200 characters, without what tells
    whose machine it was.
    """
    return sentences_of(recall(task))


def sentences_of(recollection: Recollection) -> tuple[str, ...]:
    """Return what is remembered, one sentence for each session, as `memory_sentences`."""
    identity = gather_identity()
    return tuple(_sentence(memory, identity) for memory in recollection.memories[:_MOST_SENTENCES])


def quoted(text: str, identity: Identity) -> str:
    r"""Return a text of a person's as one harmless line in quotes.

    >>> quoted('redis\non 10.0.0.7: "now"', Identity())
    '"redis on [address]: \'now\'"'
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = scrub(line, identity).replace('"', "'")
    return '"' + (line if len(line) <= _QUOTED else line[: _QUOTED - 3] + "...") + '"'


def gained(experience: Experience) -> str:
    """Return the measured gain: ``x1.28 [1.20, 1.40]``; empty without one."""
    gain = experience.gain
    if not gain:
        return ""
    return f"x{gain['estimate']:.2f} [{gain['ci_low']:.2f}, {gain['ci_high']:.2f}]"


def _sentence(memory: Memory, identity: Identity) -> str:
    past = memory.experience
    where = "this machine" if memory.same_machine else _machine(past.facts)
    about = quoted(past.description or str(past.config.get("workload_name", "")), identity)
    return f"Session {past.session}, {about} on {where}: {outcome(past)}"


def outcome(past: Experience) -> str:
    """Return what came of a session, in words of our own."""
    tuned = ", ".join(str(one.get("param")) for one in past.config.get("action_space", ()))
    kept = [name for name, effect in past.effects.items() if effect.get("kept")]
    if past.verdict == "improved":
        named = {name: past.setting[name] for name in kept if name in past.setting}
        named = named or dict(past.setting)
        text = f"{_in_all(past, assigned(named), len(named))} gave {gained(past)}, "
        text += "confirmed by fresh pairs"
        without = [name for name in past.effects if name not in kept]
        text += f"; {', '.join(without)} added nothing" if without else ""
    elif past.verdict in ("worse", "unsafe"):
        text = f"{assigned(past.setting)} was {past.verdict}; do not repeat it"
    elif past.evidence == "searched" and past.reward > 0:
        text = f"{assigned(past.setting)} looked best in a short search; nothing was confirmed"
    else:
        text = f"no confirmed gain from tuning {tuned}"
    failed = "; ".join(assigned(one) for one in past.failed[:2])
    return f"{text}; failed there: {failed}." if failed else f"{text}."


def _in_all(past: Experience, values: str, count: int) -> str:
    """Return what the gain was measured of: these values, or a setting that they are part of."""
    whole = (past.gain or {}).get("gain_of") == "candidate"
    together = len(past.effects if whole else past.setting)
    if together <= count:
        return values
    return f"{together} parameters set, of which {values} carries it,"


def assigned(setting: Mapping[str, int | str]) -> str:
    """Return ``name=value`` pairs, comma separated."""
    return ", ".join(f"{name}={value}" for name, value in setting.items()) or "nothing"


def _machine(facts: Mapping[str, object]) -> str:
    kernel = ".".join(re.findall(r"\d+", str(facts.get("kernel", "")))[:2]) or "?"
    memory = facts.get("memory_bytes")
    size = f"{memory / 2**30:.0f} GiB" if isinstance(memory, int | float) else "? GiB"
    virtual = facts.get("virtualisation") or "no hypervisor"
    return f"a machine with kernel {kernel}, {facts.get('cpus', '?')} CPUs, {size}, {virtual}"


def start_notice(recollection: Recollection, start: Setting) -> list[str]:
    """Return one notice per session whose values the search begins with."""
    by_session: dict[str, tuple[Memory, list[str]]] = {}
    for name in start:
        lesson = recollection.lesson(name)
        memory = lesson.carried[0]
        value = value_in(memory.experience.setting, name)
        entry = by_session.setdefault(memory.experience.session, (memory, []))
        entry[1].append(f"{_short(name)} {value}")
    return [_start_notice(memory, values) for memory, values in by_session.values()]


def _start_notice(memory: Memory, values: list[str]) -> str:
    past = memory.experience
    gain = past.gain["estimate"] if past.gain else 1.0
    where = "this machine" if memory.same_machine else "a similar machine"
    named = " and ".join([", ".join(values[:-1]), values[-1]] if len(values) > 1 else values)
    measured = _in_all(past, named, len(values))
    return f"Memory: session {past.session}: {measured} gave x{gain:.2f} on {where}; starts there."


def contradicted_notice(lesson: Lesson) -> str:
    """Return that a gain was seen once, and not later."""
    first, later = lesson.carried[0].experience, lesson.idle[0].experience
    return (
        f"Memory: {_short(lesson.name)} carried a gain in session {first.session} and did nothing "
        f"in {later.session}; not started there."
    )


def idle_notice(lesson: Lesson, *, dropped: bool) -> str:
    """Return that a parameter did nothing, time and again."""
    sessions = ", ".join(idle_sessions(lesson)[:3])
    done = "left out" if dropped else "moved to the end"
    return f"Memory: {_short(lesson.name)} did nothing in sessions {sessions}; {done}."


def idle_sessions(lesson: Lesson) -> list[str]:
    """Return the sessions in which a parameter did nothing, the heaviest first."""
    return list(dict.fromkeys(memory.experience.session for memory in lesson.idle))


def crowded_notice(name: str, most: int) -> str:
    """Return that a parameter had to make room for a remembered one."""
    return f"Memory: {_short(name)} made room for what carried a gain: {most} are tuned at most."


def retreat_notice(names: Iterable[str]) -> list[str]:
    """Return which starts would have repeated a failure."""
    told = ", ".join(map(_short, names))
    if not told:
        return []
    return [f"Memory: {told} would start where a session failed; started at the present value."]


def failure_notice(recollection: Recollection, most: int) -> list[str]:
    """Return what failed, the nearest first."""
    told = [
        f"Memory: session {memory.experience.session}: {assigned(setting)} failed there; it is "
        "neither a start nor a proposal."
        for memory in recollection.memories
        for setting in memory.experience.failed
    ]
    return list(dict.fromkeys(told))[:most]


def _short(name: str) -> str:
    """Return the name as a person says it: without the directory, except for a block device."""
    return name if name.startswith("block/") else name.rsplit("/", 1)[-1]
