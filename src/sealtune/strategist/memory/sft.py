"""The best self-edits as training data: filtered behaviour cloning, as in ReST-EM.

Of the strategies that were tried in one context only the best is kept, and only if it earned
something. Sources: Singh et al., "Beyond Human Data" (ReST-EM), TMLR 2024; Zweiger et al.,
"Self-Adapting Language Models" (SEAL), 2025.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from sealtune.catalogue import load_catalogue
from sealtune.catalogue.bounds import resolve_bound
from sealtune.catalogue.knob import Knob
from sealtune.errors import KeepingError, SealtuneError
from sealtune.machine import Facts
from sealtune.machine.disk import Disk
from sealtune.space.available import Availability, AvailableKnob
from sealtune.space.config import TuningConfig, load_config
from sealtune.store.experience import Experience
from sealtune.strategist.memory.likeness import context_of
from sealtune.strategist.model.privacy import gather_identity, scrub

Form = Literal["completion", "chat"]

_OURS = {"notices", "strategist", "description", "budget"}
"""Fields of a config that are not the strategist's to write."""


def export_sft(experiences: Iterable[Experience], path: Path, *, form: Form = "completion") -> int:
    """Write one JSON line for the best strategy of each context, and return how many.

    ``completion``: ``{"prompt", "completion", "reward"}``; ``chat``: ``{"messages", "reward"}``
    with the roles system, user and assistant. The prompt is the one that a model would be given
    for this context, limited to the parameters that were tuned; it names no host and no person.

    Raises:
        KeepingError: The file cannot be written.
    """
    lines = [json.dumps(_line(one, form), ensure_ascii=False) for one in best_of(experiences)]
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
    return (words, context.benchmark, *machine)


def _line(one: Experience, form: Form) -> dict[str, Any]:
    system, user = prompt_of(one)
    config = _config(one)
    text = config.model_dump_json(exclude=_OURS, exclude_none=True) if config else ""
    answer = scrub(text, gather_identity())  # the name and the command may be a person's words
    reward = round(one.reward, 6)
    if form == "chat":
        texts = {"system": system, "user": user, "assistant": answer}
        return {
            "messages": [{"role": role, "content": text} for role, text in texts.items()],
            "reward": reward,
        }
    return {"prompt": f"{system}\n{user}\n", "completion": answer, "reward": reward}


def prompt_of(one: Experience) -> tuple[str, str]:
    """Return the instructions and the person's words that `one` was the answer to."""
    from sealtune.strategist.prompt import get_optimization_strategy_prompt, get_task_prompt

    known = {**one.facts, "boot_id": None}
    disk = known.get("disk")
    names = {field.name for field in fields(Facts)}
    facts = Facts(
        **{name: value for name, value in known.items() if name in names - {"disk"}},
        disk=Disk(**disk) if isinstance(disk, Mapping) else None,
    )
    offered = tuple(_offered(one, facts))
    tool = context_of(one).benchmark
    system = get_optimization_strategy_prompt(
        facts, Availability(offered, ()), installed=(tool.removesuffix("-benchmark"),)
    )
    return system, get_task_prompt(context_of(one).description)


def _offered(one: Experience, facts: Facts) -> Iterator[AvailableKnob]:
    """Yield the parameters that were tuned, as the machine had them."""
    for name, present in one.originals.items():
        try:
            knob = load_catalogue().resolve(name)
            yield _as_it_was(knob, present, facts)
        except (SealtuneError, ValueError):
            continue  # no longer in the catalogue


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
