"""What the memory changes in a config: where it begins, what comes first, what is left out."""

from collections.abc import Collection, Mapping

from sealtune.space.available import Availability, AvailableKnob
from sealtune.space.config import ActionParam, TuningConfig
from sealtune.space.knobs import Value
from sealtune.strategist.memory.places import (
    WIDEST,
    Place,
    around,
    candidate_of,
    dimension,
    place,
    repeats,
)
from sealtune.strategist.memory.proposing import Knowledge, catalogue_key, propose
from sealtune.strategist.memory.recall import Lesson, Recollection, on_any_device
from sealtune.strategist.memory.sentences import (
    contradicted_notice,
    crowded_notice,
    failure_notice,
    idle_notice,
    idle_sessions,
    retreat_notice,
    start_notice,
)

MOST = 8
"""Parameters in a config; what carried a gain takes the place of the last one."""

CLOSE = 0.7
"""Likeness from which on a whole confirmed candidate is begun at, and not its carriers alone."""

_FEWEST = 4
_IDLE_DEMOTED, _IDLE_DROPPED = 2, 3
_MOST_TOLD = 3


def remembered(
    config: TuningConfig, recollection: Recollection, availability: Availability
) -> TuningConfig:
    """Return `config` with what is remembered put to use; unchanged if nothing is.

    Confirmed values become the start, with a focus around them; ranges stay as wide as they
    were, so that a memory that misleads can be unlearnt. Parameters that carried a gain come
    first and are added when missing; those that did nothing, time and again, come last or go.
    Settings that failed are neither a start nor a proposal. Every change is said in `notices`.

    Args:
        config: As the strategist wrote it.
        recollection: From `recall`, for the same task.
        availability: What this machine offers.
    """
    if not recollection.memories:
        return config
    offered = {on_any_device(item.knob.name): item for item in availability.offered}
    known = Knowledge(
        recollection,
        offered,
        {name: dimension(item) for name, item in offered.items()},
        tuple(one for memory in recollection.memories for one in memory.experience.failed),
    )
    places, told = _places(known)
    idle = _idle(config, places, known)
    params, moved = _reorder(config, places, idle, known)
    params, kept_back = _off_failures(params, places, known)
    started = config.model_copy(
        update={"action_space": params, **_still_named(config, params, places, idle)},
    )
    proposals = propose(started, config, places, known, availability)
    begun = {name: at.value for name, at in places.items() if name not in kept_back}
    told += start_notice(recollection, begun)
    told += [*moved, *retreat_notice(kept_back), *failure_notice(recollection, _MOST_TOLD)]
    notices = (*config.notices, *told)
    return started.model_copy(
        update={"proposals": proposals, "notices": tuple(dict.fromkeys(notices))}
    )


def _places(known: Knowledge) -> tuple[dict[str, Place], list[str]]:
    """Return where each parameter that carried a gain begins, most worth first.

    Beside them what is said of gains that did not come back.
    """
    found: dict[str, Place] = {}
    told = []
    for lesson in known.recollection.lessons:
        item = known.offered.get(lesson.name)
        if not lesson.carried or item is None or not _wanted(lesson.name, known):
            continue
        at = place(lesson, item)
        if not lesson.holds:
            told.append(contradicted_notice(lesson))
        elif at is not None:
            found[lesson.name] = at
    return found, told


def _company(places: Mapping[str, Place], known: Knowledge) -> dict[str, Place] | None:
    """Return where the other parameters stood when the gain was confirmed.

    What was put back to reach the smallest setting had no effect large enough to be seen, which
    is not none: the whole candidate is the better place to search from, if it did not fail.
    ``None`` where no confirmed context is so alike: there the strategist's own starts stay.
    """
    heaviest = next(
        (
            memory
            for lesson in known.recollection.lessons
            if lesson.name in places
            for memory in lesson.carried[:1]
        ),
        None,
    )
    if heaviest is None or not (heaviest.same_machine or heaviest.likeness >= CLOSE):
        return None
    found: dict[str, Place] = {}
    for name, value in candidate_of(heaviest.experience).items():
        key = on_any_device(name)
        if key not in places and key in known.offered:
            at = around([value], known.offered[key], WIDEST)
            if at is not None:
                found[key] = at
    whole = {name: at.value for name, at in {**found, **places}.items()}
    return {} if known.repeats_failure(whole) else found


def _wanted(name: str, known: Knowledge) -> bool:
    """Whether the person lets this parameter be tuned."""
    task = known.recollection.task
    only = {catalogue_key(one) for one in task.only}
    return name not in {catalogue_key(one) for one in task.exclude} and (not only or name in only)


def _idle(
    config: TuningConfig, places: Mapping[str, Place], known: Knowledge
) -> dict[str, Lesson]:
    """Return the parameters that did nothing in two sessions or more and never carried a gain.

    None if that is true of all: what did nothing once they were all tuned says little of each.
    """
    found = {}
    for param in config.action_space:
        lesson = known.recollection.lesson(catalogue_key(param.param))
        if not lesson.carried and len(idle_sessions(lesson)) >= _IDLE_DEMOTED:
            found[lesson.name] = lesson
    return {} if len(found) == len(config.action_space) else found


def _reorder(
    config: TuningConfig,
    places: Mapping[str, Place],
    idle: Mapping[str, Lesson],
    known: Knowledge,
) -> tuple[tuple[ActionParam, ...], list[str]]:
    """Return the parameters, those that carried a gain first, and what was demoted.

    What the person asked for by name is not dropped.
    """
    given = {catalogue_key(param.param): param for param in config.action_space}
    company = _company(places, known)
    first = [_started(name, given.get(name), at, known) for name, at in places.items()]
    rest = [
        param if company is None else _beside(param, company.get(name), known)
        for name, param in given.items()
        if name not in places
    ]
    named = bool(known.recollection.task.only)
    drop = [n for n, one in idle.items() if len(idle_sessions(one)) >= _IDLE_DROPPED and not named]
    rest.sort(key=lambda param: [catalogue_key(param.param) in names for names in (drop, idle)])
    every = (*first, *rest)
    room = min(max(len(every) - len(drop), _FEWEST), max(MOST, len(given)))
    chosen = every[: max(room, len(first))]
    gone = [catalogue_key(param.param) for param in every[len(chosen) :]]
    told = [idle_notice(lesson, dropped=name in gone) for name, lesson in idle.items()]
    return chosen, [*told, *(crowded_notice(n, len(chosen)) for n in gone if n not in idle)]


def _off_failures(
    params: tuple[ActionParam, ...], places: Mapping[str, Place], known: Knowledge
) -> tuple[tuple[ActionParam, ...], tuple[str, ...]]:
    """Return the parameters begun at their present value where the start would repeat a failure.

    Beside them which these are: if possible none that carried a gain.
    """
    held = {catalogue_key(param.param): param for param in params}
    start = {name: _begins(param, known.offered.get(name)) for name, param in held.items()}
    whole = {name: value for name, value in start.items() if value is not None}
    failed = [one for one in known.failed if repeats(whole, one, known.axes)]
    hit = {on_any_device(name) for one in failed for name in one}
    movable = [name for name in held if name in hit and held[name].start is not None]
    moved = [name for name in movable if name not in places] or movable
    if not moved:
        return params, ()
    for name in moved:
        held[name] = _at_present(held[name])
    further, others = _off_failures(tuple(held.values()), places, known)
    return further, (*moved, *others)


def _begins(param: ActionParam, item: AvailableKnob | None) -> Value | None:
    """Return where a parameter starts, ``None`` if it is not offered here."""
    if item is None or param.start is not None:
        return param.start
    return item.present if item.knob.kind == "choice" else int(item.present)


def _at_present(param: ActionParam) -> ActionParam:
    return param.model_copy(update={"start": None, "focus": None})


def _beside(param: ActionParam, at: Place | None, known: Knowledge) -> ActionParam:
    """Return a parameter as it stood when the gain was confirmed, in the candidate or as found."""
    item = known.offered.get(catalogue_key(param.param))
    if item is None:
        return param
    return _at_present(param) if at is None else _moved(param, at, item)


def _started(name: str, param: ActionParam | None, at: Place, known: Knowledge) -> ActionParam:
    """Return the parameter with its remembered start and focus; a new one when missing."""
    item = known.offered[name]
    lesson = known.recollection.lesson(name)
    sure = "high" if len(lesson.carried) > 1 else "medium"
    if param is None:
        gain = lesson.carried[0].experience
        why = f"It carried a confirmed gain in session {gain.session}. {item.knob.why}"[:1000]
        param = ActionParam(param=item.knob.name, why=why)
        if item.knob.kind == "int":
            param = param.model_copy(update={"min": item.low, "max": item.high})
    return _moved(param, at, item).model_copy(update={"confidence": sure})


def _moved(param: ActionParam, at: Place, item: AvailableKnob) -> ActionParam:
    """Return the parameter starting at a place; its range is widened to hold it, never cut."""
    update: dict[str, object] = {"start": at.value, "focus": None}
    if isinstance(at.value, int):
        low = item.low if param.min is None else min(param.min, at.value)
        high = item.high if param.max is None else max(param.max, at.value)
        update |= {"min": low, "max": high, "focus": _inside(at.focus, low, high)}
    elif at.value not in item.knob.choices:
        update["start"] = None  # the present value alone: `build_space` adds it to the choices
    elif param.choices is not None and at.value not in param.choices:
        update["choices"] = (*param.choices, at.value)
    return param.model_copy(update=update)


def _inside(focus: tuple[int, int] | None, low: int, high: int) -> tuple[int, int] | None:
    """Return the part of `focus` within the range, ``None`` if that is no range."""
    if focus is None:
        return None
    low, high = max(low, focus[0]), min(high, focus[1])
    return (low, high) if low < high else None


def _still_named(
    config: TuningConfig,
    params: tuple[ActionParam, ...],
    first: Collection[str],
    idle: Collection[str],
) -> dict[str, object]:
    """Return curriculum and proposals of `config` without parameters that were dropped.

    What carried a gain joins the search in the first stage, what did nothing in the last one.
    """
    left = {catalogue_key(param.param): param.param for param in params}
    early, late = ([left[name] for name in names if name in left] for names in (first, idle))
    stages = [
        [name for name in stage if catalogue_key(name) in {*left} - {*first, *idle}]
        for stage in config.curriculum
    ]
    if stages:
        stages[0] = [*early, *stages[0]]
        stages[-1] += late
    proposals = [
        {name: value for name, value in one.items() if catalogue_key(name) in left}
        for one in config.proposals
    ]
    return {
        "curriculum": tuple(tuple(stage) for stage in stages if stage),
        "proposals": tuple(one for one in proposals if one),
    }
