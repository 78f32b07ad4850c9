"""What a `TuningConfig` says of metrics and parameters, held against what is known."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from sealtune.catalogue import load_catalogue
from sealtune.errors import ConfigError, KnobError, SealtuneError
from sealtune.machine import resolve_metric
from sealtune.space.fields import GUARD_METRICS, ActionParam, Guard, StateMetric
from sealtune.space.refusals import listed

_ENOUGH = 10


def check_metrics(state_space: Sequence[str | StateMetric], guards: Sequence[Guard]) -> None:
    """Refuse what cannot be observed or guarded.

    Raises:
        ConfigError: All unknown names, with what is allowed.
    """
    problems = []
    for index, item in enumerate(state_space):
        try:
            resolve_metric(item if isinstance(item, str) else item.metric)
        except ConfigError as error:
            problems.append(f"state_space[{index}]: {error}")
    for index, guard in enumerate(guards):
        if guard.metric not in GUARD_METRICS:
            allowed = ", ".join(GUARD_METRICS)
            problems.append(f"guards[{index}]: unknown {guard.metric!r}; allowed: {allowed}")
    if problems:
        raise ConfigError(listed(problems))


def check_parameters(action_space: Sequence[ActionParam]) -> None:
    """Refuse what may not be tuned, or not like that, on any machine.

    Raises:
        KnobError: All parameters that are unknown, never tuned, repeated, or out of range.
    """
    problems = []
    seen: dict[str, int] = {}
    for index, item in enumerate(action_space):
        try:
            name = _check_parameter(item)
        except SealtuneError as error:
            problems.append(f"action_space[{index}]: {error}")
            continue
        if name in seen:
            problems.append(f"action_space[{index}]: {name} stands in [{seen[name]}] already")
        seen.setdefault(name, index)
    if problems:
        raise KnobError(listed(problems))


def check_names(action_space: Sequence[ActionParam], fields: Iterable[tuple[str, str]]) -> None:
    """Refuse a proposal or a stage that names what is not in the action space.

    Args:
        action_space: The parameters of the config.
        fields: Where a name stands (``proposals[0]``) and the name.

    Raises:
        ConfigError: All of them, with what is allowed.
    """
    known = {_on_any_device(item.param) for item in action_space}
    unknown = (
        f"{where}: {name!r} is not in action_space"
        for where, name in fields
        if _on_any_device(name) not in known
    )
    # To find out that a name is unknown takes a millisecond: the first few say enough.
    if problems := list(islice(unknown, _ENOUGH)):
        allowed = ", ".join(item.param for item in action_space)
        raise ConfigError(f"{listed(problems)}\n{listed([f'allowed: {allowed}'])}")


def check_proposals(proposals: Sequence[Mapping[str, int | str]]) -> None:
    """Refuse a text where a parameter takes a number; every name is known already.

    Raises:
        ConfigError: All of them.
    """
    problems = [
        f"proposals[{index}]: {name} = {value!r}; need a whole number"
        for index, proposal in enumerate(proposals)
        for name, value in proposal.items()
        if load_catalogue().resolve(name).kind != "choice" and not is_whole(value)
    ]
    if problems:
        raise ConfigError(listed(problems))


def is_whole(value: int | str) -> bool:
    """Return whether `value` is a whole number, or the text of one.

    >>> is_whole(-5), is_whole("-5"), is_whole("--5"), is_whole("\u0665")
    (True, True, False, False)
    """
    return isinstance(value, int) or re.fullmatch(r"-?[0-9]+", value) is not None


def _on_any_device(name: str) -> str | None:
    """Return the catalogue's name, block devices as ``{dev}``; ``None`` for an unknown one."""
    try:
        parts = load_catalogue().resolve(name).name.split("/")
    except KnobError:
        return None
    return "/".join([parts[0], "{dev}", *parts[2:]] if parts[0] == "block" else parts)


def _check_parameter(item: ActionParam) -> str:
    """Return the catalogue's name of `item`.

    Raises:
        KnobError: Unknown, never tuned, of another kind, or outside the safe range.
    """
    knob = load_catalogue().resolve(item.param)
    if knob.kind == "choice":
        _check_choices(item, knob.choices)
        return knob.name
    _check_focus(item)
    safe = f"allowed: {knob.low}..{knob.high}"
    if item.choices is not None:
        raise KnobError(f"{item.param}: choices on a number; need min and max, {safe}")
    if isinstance(item.start, str):
        raise KnobError(f"{item.param}: start {item.start!r} is no number; {safe}")
    low = item.min if item.min is not None else knob.low
    high = item.max if item.max is not None else knob.high
    if not (isinstance(low, int) and isinstance(high, int)):
        return knob.name  # a share of memory: `build_space` knows the machine
    if low > high:
        raise KnobError(f"{item.param}: min {low} is above max {high}; {safe}")
    if isinstance(knob.low, int) and high < knob.low:
        raise KnobError(f"{item.param}: max {high} lies below the safe range; {safe}")
    if isinstance(knob.high, int) and low > knob.high:
        raise KnobError(f"{item.param}: min {low} lies above the safe range; {safe}")
    if item.start is not None and not low <= item.start <= high:
        raise KnobError(f"{item.param}: start {item.start} lies outside its range {low}..{high}")
    return knob.name


def _check_choices(item: ActionParam, known: tuple[str, ...]) -> None:
    allowed = f"allowed: {', '.join(known)}"
    given = (item.min, item.max, item.scale, item.focus)
    if any(value is not None for value in given):
        raise KnobError(
            f"{item.param}: min, max, scale and focus on a choice; need choices, {allowed}"
        )
    chosen = item.choices if item.choices is not None else known
    unknown = [choice for choice in chosen if choice not in known]
    if unknown or not chosen or len(set(chosen)) != len(chosen):
        raise KnobError(f"{item.param}: choices {list(chosen)}; need distinct ones, {allowed}")
    if item.start is not None and str(item.start) not in chosen:
        raise KnobError(f"{item.param}: start {item.start!r} is not among {list(chosen)}")


def _check_focus(item: ActionParam) -> None:
    if item.focus is None:
        return
    low, high = item.focus
    above = item.max is not None and high > item.max
    below = item.min is not None and low < item.min
    if low > high or above or below:
        raise KnobError(
            f"{item.param}: focus {low}..{high}; need low <= high within {item.min}..{item.max}"
        )
