"""From an expert's advice to the parameters of a config, on one machine."""

from collections.abc import Iterable

from sealtune.catalogue import load_catalogue
from sealtune.catalogue.workload import ExpertKnob
from sealtune.errors import InputError
from sealtune.space.available import AvailableKnob
from sealtune.space.config import ActionParam
from sealtune.strategist.expert import Advice
from sealtune.strategist.task import Task

FEWEST, MOST = 6, 8
"""Parameters in a plan: more make a search blind, fewer leave nothing to find."""


def choose(task: Task, advice: Advice, title: str) -> tuple[list[AvailableKnob], list[str]]:
    """Return the parameters to tune, most promising first, and what was left out and why.

    Args:
        task: The machine, and what the person insists on.
        advice: What an expert would try.
        title: The workload in a sentence, for the refusal.

    Raises:
        KnobError: `task` insists on an unknown or forbidden parameter.
        InputError: Nothing is left to tune.
    """
    offered = {item.knob.name: item for item in task.availability.offered}
    reasons = {item.name: item.reason for item in task.availability.left_out}
    device = _device((*offered, *reasons))
    unwanted = set(_names(task.exclude, device))
    if task.only:
        wanted = _names(task.only, device)
    else:
        first = _names((expert.knob for expert in advice.first), device)
        spare = _names((expert.knob for expert in advice.spare), device)
        here = [name for name in first if name in offered and name not in unwanted][:MOST]
        more = [n for n in spare if n in offered and n not in unwanted and n not in here]
        wanted = [*first, *more[: max(0, FEWEST - len(here))]]
    wanted = [name for name in dict.fromkeys(wanted) if name not in unwanted]
    limit = None if task.only else MOST
    chosen = [offered[name] for name in wanted if name in offered][:limit]
    missing = [f"{n}: left out. {reasons[n]}" for n in wanted if n not in offered and n in reasons]
    if not chosen:
        told = "\n".join(missing) or "Everything was excluded."
        raise InputError(f"Nothing is left to tune for {title}.\n{told}")
    return chosen, missing


def on_offer(task: Task, knobs: Iterable[str]) -> list[AvailableKnob]:
    """Return those of `knobs` (catalogue names) that may be tuned here, in order, each once."""
    offered = {item.knob.name: item for item in task.availability.offered}
    device = _device(offered)
    unwanted = set(_names(task.exclude, device))
    names = dict.fromkeys(_names(knobs, device))
    return [offered[name] for name in names if name in offered and name not in unwanted]


def template(name: str) -> str:
    """Return the catalogue's name of a parameter, ``{dev}`` for the device.

    >>> template("block/vda/scheduler")
    'block/{dev}/scheduler'
    """
    parts = name.split("/")
    return "/".join(["block", "{dev}", *parts[2:]]) if parts[0] == "block" else name


def parameter(item: AvailableKnob, expert: ExpertKnob | None, no_prior: bool) -> ActionParam:
    """Return the entry of a config: range, start, reason and confidence.

    Args:
        item: The parameter on this machine.
        expert: What an expert says of it, if anything.
        no_prior: Whole safe range from the present value, whatever the expert says.
    """
    known = expert or ExpertKnob(item.knob.name)
    why = known.why or item.knob.why
    confidence = None if no_prior else known.confidence
    if item.knob.kind == "choice":
        # A choice that only this machine has is added by `build_space`, and said there.
        choices = tuple(choice for choice in item.choices if choice in item.knob.choices)
        first = item.present if no_prior or known.start not in choices else str(known.start)
        return ActionParam(
            param=item.knob.name,
            choices=choices,
            start=first if first in choices else None,
            why=why,
            confidence=confidence,
        )
    low, high, start = _range(item, known, no_prior)
    return ActionParam(
        param=item.knob.name,
        min=low,
        max=high,
        scale="log" if item.knob.scale == "log" else None,
        start=start,
        why=why,
        confidence=confidence,
    )


def _names(names: Iterable[str], device: str | None) -> list[str]:
    return [load_catalogue().resolve(name, device).name for name in names]


def _device(names: Iterable[str]) -> str | None:
    blocks = (name.split("/")[1] for name in names if name.startswith("block/"))
    return next((device for device in blocks if device != "{dev}"), None)


def _range(item: AvailableKnob, expert: ExpertKnob, no_prior: bool) -> tuple[int, int, int]:
    low, high, start = item.low, item.high, int(item.present)
    if no_prior:
        return low, high, start
    if expert.low is not None and expert.low < high:
        low = max(low, expert.low)
    if expert.high is not None and expert.high > low:
        high = min(high, expert.high)
    if isinstance(expert.start, int):
        start = expert.start
    else:  # no opinion: the present value, which the range must then include
        low, high = min(low, start), max(high, start)
    return low, high, min(high, max(low, start))
