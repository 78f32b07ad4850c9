"""What earlier sessions say about this task: the nearest ones, and what they teach together."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sealtune.space.config import TuningConfig
from sealtune.store.experience import Experience
from sealtune.strategist.memory.likeness import (
    Context,
    context_of,
    likeness,
    metric_of,
    tool_of,
)
from sealtune.strategist.reading import Reading, classify, read_traits
from sealtune.strategist.task import Task

NEAR = 0.35
"""Experiences of less likeness than this are of another world."""

_EVIDENCE = {"confirmed": 1.0, "searched": 0.25}
_UNDECIDED = 0.25
"""Share of its weight that a session has against a gain which it neither found nor excluded."""

_UNTOLD = ("not tested", "undecided")
"""How an effect begins that was not told apart from those of the other parameters."""

_HALF_LIFE_DAYS = 180.0
_MOST = 12


@dataclass(frozen=True, slots=True)
class Memory:
    """One past experience, as far as it bears on the task.

    Attributes:
        experience: What was done, and what it earned.
        likeness: How alike its context is, `NEAR` to 1.
        weight: Likeness, times the strength of its evidence, halved every 180 days.
        same_machine: Whether its facts are those of this very machine.
    """

    experience: Experience
    likeness: float
    weight: float
    same_machine: bool


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the memories say about one parameter.

    Attributes:
        name: The parameter, a block device as ``{dev}``.
        carried: Memories in which it carried a confirmed gain, the heaviest first.
        idle: Memories in which it was tuned and nothing came of it, or the gain stayed without;
            each with the weight that it has against this parameter.
    """

    name: str
    carried: tuple[Memory, ...] = ()
    idle: tuple[Memory, ...] = ()

    @property
    def support(self) -> float:
        """Weight of what speaks for it."""
        return sum(memory.weight for memory in self.carried)

    @property
    def doubt(self) -> float:
        """Weight of what speaks against it."""
        return sum(memory.weight for memory in self.idle)

    @property
    def holds(self) -> bool:
        """Whether more speaks for it than against."""
        return self.support > self.doubt

    @property
    def worth(self) -> float:
        """Log gain of the settings it was part of, weighted, less what speaks against it."""
        earned = sum(memory.weight * memory.experience.reward for memory in self.carried)
        return earned / (self.support + self.doubt) if self.carried else 0.0


@dataclass(frozen=True, slots=True)
class Recollection:
    """What is remembered for a task.

    Attributes:
        task: What was asked.
        memories: The experiences that bear on it, the heaviest first.
        lessons: One per parameter that any of them says something about, most worth first.
    """

    task: Task
    memories: tuple[Memory, ...] = ()
    lessons: tuple[Lesson, ...] = ()

    def lesson(self, name: str) -> Lesson:
        """Return what is known about a parameter; an empty lesson if nothing is."""
        wanted = on_any_device(name)
        return next((one for one in self.lessons if one.name == wanted), Lesson(wanted))


def recall(
    task: Task, *, reading: Reading | None = None, config: TuningConfig | None = None
) -> Recollection:
    """Return what the experiences of `task` teach about it.

    Args:
        task: Its `experiences` are all that is looked at; nothing is recalled with `no_prior`.
        reading: How the strategist understood the description, which the machine or the person
            may have settled; without it the text alone is read.
        config: What the strategist answered: its benchmark and metric are those of the task.
    """
    if task.no_prior or not task.experiences:
        return Recollection(task)
    here = _context(task, reading, config)
    newest = max(experience.when for experience in task.experiences)
    found = []
    for experience in task.experiences:
        if experience.verdict == "interrupted":
            continue
        alike = likeness(here, context_of(experience))
        if alike >= NEAR:
            age = (newest - experience.when) / 86_400
            weight = alike * _EVIDENCE[experience.evidence] * 0.5 ** (age / _HALF_LIFE_DAYS)
            same = _same_machine(task, experience)
            found.append(Memory(experience, round(alike, 3), weight, same))
    heaviest = sorted(found, key=lambda memory: -memory.weight)[:_MOST]
    return Recollection(task, tuple(heaviest), _lessons(heaviest))


def on_any_device(name: str) -> str:
    """Return `name` with ``{dev}`` for its block device: another machine has another one.

    >>> on_any_device("block/vda/scheduler")
    'block/{dev}/scheduler'
    """
    parts = name.split("/")
    return "/".join([parts[0], "{dev}", *parts[2:]]) if parts[0] == "block" else name


def _context(task: Task, reading: Reading | None, config: TuningConfig | None) -> Context:
    reading = reading or classify(task.description)
    named = config.workload_class if config else None
    asked: Mapping[str, Any] = {"benchmark_command": task.benchmark or ""}
    if config is not None:
        asked = config.model_dump(mode="json")
    return Context(
        task.description,
        reading.workload_class if reading else named or "",
        reading.traits if reading else read_traits(task.description),
        task.facts.as_dict(),
        tool_of(asked["benchmark_command"]),
        metric_of(asked),
        {item.knob.name: item.found for item in task.availability.offered},
    )


def _same_machine(task: Task, experience: Experience) -> bool:
    mine = task.facts.as_dict()
    return all(
        mine[name] == experience.facts.get(name)
        for name in ("kernel", "cpus", "cpu_model", "memory_bytes", "virtualisation")
    )


def _lessons(memories: Sequence[Memory]) -> tuple[Lesson, ...]:
    carried: dict[str, list[Memory]] = {}
    for memory in memories:
        for name in carriers(memory.experience):
            carried.setdefault(name, []).append(memory)
    idle: dict[str, list[Memory]] = {}
    for memory in memories:
        for name in _idlers(memory.experience):
            known = [one.experience for one in carried.get(name, ())]
            if not any(_stood_at(memory.experience, one, name) for one in known):
                share = _against(memory.experience, known, name)
                idle.setdefault(name, []).append(replace(memory, weight=share * memory.weight))
    lessons = [
        Lesson(name, tuple(carried.get(name, ())), tuple(idle.get(name, ())))
        for name in dict.fromkeys([*carried, *idle])
    ]
    return tuple(sorted(lessons, key=lambda lesson: (-lesson.worth, lesson.doubt)))


def carriers(experience: Experience) -> tuple[str, ...]:
    """Return the parameters that carried a gain, block devices as ``{dev}``."""
    if experience.reward <= 0 or experience.verdict != "improved":
        return ()
    named = [name for name, effect in _told_apart(experience) if effect.get("kept")]
    return tuple(on_any_device(name) for name in named if name in experience.setting)


def _told_apart(experience: Experience) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Yield the parameters whose own part in the gain was measured."""
    for name, effect in experience.effects.items():
        if not str(effect.get("effect", "")).startswith(_UNTOLD):
            yield name, effect


def _idlers(experience: Experience) -> Iterable[str]:
    """Return the parameters that `experience` speaks against, block devices as ``{dev}``.

    With a gain: what was put back without losing it. Without one: all that was tuned.
    """
    if experience.id != experience.session:
        return ()  # lost a contest: its few trials confirmed nothing, and disproved nothing
    if experience.verdict == "improved":
        names = [name for name, effect in _told_apart(experience) if not effect.get("kept")]
    else:
        names = [
            str(param.get("param", "")) for param in experience.config.get("action_space", ())
        ]
    return dict.fromkeys(map(on_any_device, names))


def _against(later: Experience, earlier: Sequence[Experience], name: str) -> float:
    """Return the share of its weight that `later` has against the gains of `earlier`.

    The whole where its candidate held the parameter and its interval excludes those gains.
    """
    if later.verdict == "improved" or not earlier or later.evidence == "searched":
        return 1.0
    held = {on_any_device(one) for one in (*later.setting, *later.effects)}
    high = (later.gain or {}).get("ci_high", math.inf)
    excluded = all(math.log(high) < one.reward for one in earlier) if high > 0 else True
    return 1.0 if name in held and excluded else _UNDECIDED


def _stood_at(later: Experience, earlier: Experience, name: str) -> bool:
    """Whether `later` began at about the value that carried the gain of `earlier`.

    Then there was nothing left to gain.
    """
    values = {on_any_device(key): value for key, value in earlier.setting.items()}
    present = {on_any_device(key): value for key, value in later.originals.items()}
    key = on_any_device(name)
    if key not in values or key not in present:
        return False
    return _close(str(values[key]), str(present[key]))


def _close(one: str, other: str) -> bool:
    try:
        return math.isclose(float(one), float(other), rel_tol=0.1)
    except ValueError:
        return one == other
