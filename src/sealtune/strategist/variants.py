"""Other strategies for the same question: what the first one is tried against in a contest."""

import random
from collections.abc import Sequence
from dataclasses import replace

from sealtune.catalogue.workload import ExpertKnob
from sealtune.catalogue.workloads import load_workloads
from sealtune.space.available import AvailableKnob
from sealtune.space.config import ActionParam
from sealtune.strategist.expert import Advice
from sealtune.strategist.parameters import on_offer, parameter, template
from sealtune.strategist.task import Task

_KEPT = 2
_WIDE = 10


def vary(
    task: Task, advice: Advice, params: Sequence[ActionParam], variant: int
) -> tuple[tuple[ActionParam, ...], str]:
    """Return the parameters of another strategy, and how it differs, one sentence.

    The same task and number give the same answer. What the person insists on stays.

    Args:
        task: What was asked.
        advice: What an expert would try.
        params: The parameters of the first strategy.
        variant: 1: the next-best parameters over wider ranges; 2: the same parameters from the
            present values or the other end; from 3 on: a mix, drawn by the task's seed.
    """
    if variant == 1:
        other, told = _next_best(task, advice, params), _NEXT_BEST
    elif variant == 2 and not task.no_prior:
        other, told = _other_end(task, params), _OTHER_END
    else:
        other, told = _drawn(task, advice, params, variant), _DRAWN
    if other == tuple(params) and not task.no_prior:  # nothing else to choose from
        other, told = _other_end(task, params), _OTHER_END
    return other, f"Strategy {variant + 1}: {told}"


_NEXT_BEST = "the two most promising parameters and the next-best ones, over whole safe ranges."
_OTHER_END = "the same parameters, each begun at its present value or at the other end."
_DRAWN = "parameters, ranges and starts drawn at random from what is worth trying."


def _next_best(
    task: Task, advice: Advice, params: Sequence[ActionParam]
) -> tuple[ActionParam, ...]:
    known = [item.param for item in params]
    pool = _pool(task, advice, known)
    if not task.only:
        preferred = (knob for trait in load_workloads().traits for knob in trait.prefer)
        pool += [item for item in on_offer(task, preferred) if item not in pool]
    # Those of the first strategy stand first in the pool, and come back last.
    new = pool[:_KEPT] + pool[len(known) :] + pool[_KEPT : len(known)]
    return tuple(parameter(item, _wide(item, advice), task.no_prior) for item in new[: len(known)])


def _other_end(task: Task, params: Sequence[ActionParam]) -> tuple[ActionParam, ...]:
    offered = {item.knob.name: item for item in task.availability.offered}
    return tuple(_turned(param, offered[param.param]) for param in params)


def _turned(param: ActionParam, item: AvailableKnob) -> ActionParam:
    if param.choices is not None:
        others = [choice for choice in (item.present, *param.choices) if choice != param.start]
        start = next((choice for choice in others if choice in param.choices), param.start)
        return param.model_copy(update={"start": start})
    low, high, present = int(param.min or 0), int(param.max or 0), int(item.present)
    start = int(param.start or 0)
    wide = low >= 0 and high >= _WIDE * max(1, low)
    update = {
        "min": min(low, present),
        "max": max(high, present),
        "start": present if present != start else _mirrored(start, low, high),
        "scale": "log" if wide else param.scale,
    }
    return param.model_copy(update=update)


def _mirrored(start: int, low: int, high: int) -> int:
    opposite = low + high - start
    return opposite if opposite != start else high


def _drawn(
    task: Task, advice: Advice, params: Sequence[ActionParam], variant: int
) -> tuple[ActionParam, ...]:
    draw = random.Random(f"{task.seed} {variant}")
    best, *others = _pool(task, advice, [item.param for item in params])
    wanted = [best, *draw.sample(others, len(params) - 1)]
    return tuple(_any(item, advice, draw, task.no_prior) for item in wanted)


def _any(item: AvailableKnob, advice: Advice, draw: random.Random, no_prior: bool) -> ActionParam:
    expert = advice.about(template(item.knob.name))
    param = parameter(item, draw.choice([expert, _wide(item, advice)]), no_prior)
    if no_prior or draw.random() < 0.5:
        return param
    if param.choices is not None:
        return param.model_copy(update={"start": draw.choice(param.choices)})
    low, high = int(param.min or 0), int(param.max or 0)
    if param.scale == "log":
        start = round(max(1, low) * (high / max(1, low)) ** draw.random())
    else:
        start = draw.randint(low, high)
    return param.model_copy(update={"start": min(high, max(low, start))})


def _pool(task: Task, advice: Advice, known: Sequence[str]) -> list[AvailableKnob]:
    """Return what a strategy for this task may tune: what the first one does, then the rest."""
    advised = () if task.only else (e.knob for e in (*advice.first, *advice.spare))
    return on_offer(task, [*known, *advised])


def _wide(item: AvailableKnob, advice: Advice) -> ExpertKnob:
    """Return the advice without its range, and without a start that has none."""
    known = advice.about(template(item.knob.name)) or ExpertKnob(template(item.knob.name))
    return replace(known, low=None, high=None)
