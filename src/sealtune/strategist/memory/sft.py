"""The best self-edits as training data: filtered behaviour cloning, as in ReST-EM.

Of the strategies that were tried in one context only the best is kept, and only if it earned
something and a model could have answered it. Sources: Singh et al., "Beyond Human Data"
(ReST-EM), TMLR 2024; Zweiger et al., "Self-Adapting Language Models" (SEAL), 2025.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sealtune.catalogue import load_catalogue
from sealtune.catalogue.bounds import resolve_bound
from sealtune.catalogue.knob import Knob
from sealtune.errors import KeepingError, SealtuneError
from sealtune.machine import Facts
from sealtune.machine.disk import Disk
from sealtune.space.available import Availability, AvailableKnob
from sealtune.space.config import ActionParam, TuningConfig, load_config
from sealtune.store.experience import Experience
from sealtune.strategist.memory.likeness import context_of
from sealtune.strategist.memory.proposing import catalogue_key
from sealtune.strategist.memory.recall import on_any_device
from sealtune.strategist.model.privacy import gather_identity, scrub
from sealtune.strategist.task import Task

if TYPE_CHECKING:
    from sealtune.strategist.model.ground import Ground

Form = Literal["completion", "chat"]

_MOST_PROPOSALS = 5
_OURS = {
    "benchmark_output",
    "budget",
    "description",
    "notices",
    "strategist",
    "training_config",
    "workload_name",
}
"""Fields of a config that a model is not asked for."""


def export_sft(experiences: Iterable[Experience], path: Path, *, form: Form = "completion") -> int:
    """Write one JSON line for the best strategy of each context, and return how many.

    ``completion``: ``{"prompt", "completion", "reward"}``; ``chat``: ``{"messages", "reward"}``
    with the roles system, user and assistant. The prompt is the one that a model would be given
    for this context, with what earlier sessions had found by then, limited to the parameters that
    were tuned; it names no host and no person. What would be refused of a model is left out.

    Raises:
        KeepingError: The file cannot be written.
    """
    every = tuple(experiences)
    found = (_line(one, every, form) for one in best_of(every))
    lines = [json.dumps(line, ensure_ascii=False) for line in found if line is not None]
    try:
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise KeepingError(f"{path}: {error.strerror}") from error
    return len(lines)


def best_of(experiences: Iterable[Experience]) -> tuple[Experience, ...]:
    """Return the best experience of each context, if it earned anything confirmed; best first.

    Experiences of one context were asked for in the same words, measured by the same tool, on
    machines of the same kernel, processors and memory.
    """
    groups: dict[tuple[object, ...], Experience] = {}
    for one in experiences:
        if one.reward <= 0 or one.evidence != "confirmed" or not _config(one):
            continue
        key = _group(one)
        if key not in groups or one.reward > groups[key].reward:
            groups[key] = one
    return tuple(sorted(groups.values(), key=lambda one: -one.reward))


def _group(one: Experience) -> tuple[object, ...]:
    context = context_of(one)
    words = " ".join(context.description.casefold().split())
    machine = (one.facts.get(name) for name in ("kernel", "cpus", "memory_bytes"))
    return (words, context.benchmark, context.metric, *machine)


def _line(one: Experience, every: Sequence[Experience], form: Form) -> dict[str, Any] | None:
    """Return one line, ``None`` if a model's answer like that would be refused."""
    from sealtune.strategist.model.wording import instructions, message

    for past in (every, ()):  # it may have been planned without the memory
        task = task_of(one, past)
        answer = _answer(one, task.availability)
        if (ground := _ground(task, answer, one.strategist)) is not None:
            break
    else:
        return None
    system, user = instructions(ground), message(ground)
    told = scrub(json.dumps(answer, ensure_ascii=False), gather_identity())
    reward = round(one.reward, 6)
    if form == "chat":
        texts = {"system": system, "user": user, "assistant": told}
        return {
            "messages": [{"role": role, "content": text} for role, text in texts.items()],
            "reward": reward,
        }
    return {"prompt": f"{system}\n{user}\n", "completion": told, "reward": reward}


def _ground(task: Task, answer: dict[str, Any], strategist: str) -> "Ground | None":
    """Return what a model may choose from, ``None`` if this answer of one would be refused."""
    from sealtune.strategist.model.answer import Refused
    from sealtune.strategist.model.ground import ground_of
    from sealtune.strategist.model.rules import accept

    try:
        ground = ground_of(task)
        accept(answer, ground, strategist)
    except (Refused, SealtuneError):
        return None
    return ground


def task_of(one: Experience, every: Iterable[Experience] = ()) -> Task:
    """Return the task that `one` was the answer to, with what was remembered before it."""
    known = {**one.facts, "boot_id": None}
    disk = known.get("disk")
    names = {field.name for field in fields(Facts)}
    facts = Facts(
        **{name: value for name, value in known.items() if name in names - {"disk"}},
        disk=Disk(**disk) if isinstance(disk, Mapping) else None,
    )
    context = context_of(one)
    return Task(
        context.description,
        facts,
        Availability(tuple(_offered(one, facts)), ()),
        installed=(context.benchmark,),
        experiences=tuple(past for past in every if past.when < one.when),
    )


def _answer(one: Experience, availability: Availability) -> dict[str, Any]:
    """Return the config of `one` in the shape that a model is asked for."""
    config = load_config(one.config)
    offered = {on_any_device(item.knob.name): item for item in availability.offered}
    answer = config.model_dump(mode="json", exclude=_OURS, exclude_none=True)
    return {
        "workload_class": one.workload_class,
        **answer,
        "action_space": [
            _begun(param, offered.get(catalogue_key(param.param))) for param in config.action_space
        ],
        "state_space": list(config.metrics),
        "reward": config.reward.model_dump(include={"performance", "stability"}),
        "guards": [guard.metric for guard in config.guard_list],
        "proposals": answer["proposals"][:_MOST_PROPOSALS],
    }


def _begun(param: ActionParam, item: AvailableKnob | None) -> dict[str, Any]:
    """Return a parameter with its start said: without one it began at the value as found."""
    said = param.model_dump(mode="json", exclude_none=True)
    if item is None:
        return said
    if item.choices:
        return {"choices": list(item.knob.choices), "start": item.present, **said}
    low, high, present = item.low, item.high, int(item.present)
    said = {"min": low, "max": high, "start": present, **said}
    # The search widens a range to hold the value as found.
    return {**said, "min": min(said["min"], present), "max": max(said["max"], present)}


def _offered(one: Experience, facts: Facts) -> Iterator[AvailableKnob]:
    """Yield the parameters that were tuned, as the machine had them."""
    for name, present in one.originals.items():
        try:
            yield _as_it_was(_knob(name), present, facts)
        except (SealtuneError, ValueError):
            continue  # no longer in the catalogue


def _knob(name: str) -> Knob:
    device = name.split("/")[1] if name.startswith("block/") else None
    return load_catalogue().resolve(name, device)


def _as_it_was(knob: Knob, present: str, facts: Facts) -> AvailableKnob:
    if knob.kind == "choice":
        return AvailableKnob(knob, present, choices=tuple(dict.fromkeys((*knob.choices, present))))
    low = resolve_bound(knob.low, int(present), facts.memory_bytes)
    high = resolve_bound(knob.high, int(present), facts.memory_bytes)
    return AvailableKnob(knob, present, min(low, int(present)), max(high, int(present)))


def _config(one: Experience) -> TuningConfig | None:
    """Return the config, ``None`` if it is no longer valid: nothing wrong is worth learning."""
    try:
        return load_config(one.config)
    except SealtuneError:
        return None
