"""Response surfaces with a known optimum, on which searches can be compared without a machine.

Three families; within a family every seed draws another surface (where the optimum lies, which
knobs matter and how much). ``smooth``: 6 integer knobs of which 3 matter. ``wide``: 12 of which
4 matter. ``mixed``: choices and log integers, with an interaction and a cliff. The noise is
multiplicative, 4 to 8 %, and 3 % of the runs are outliers.

`machines` gives two machines on real parameter names, of which one may remember the other: alike
(the optimum shifted, weights, widths, gain, level and noise changed), unrelated, or opposite.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sealtune.space.knobs import ChoiceKnob, IntKnob, Setting
from sealtune.space.space import Space

FAMILIES = ("smooth", "wide", "mixed")
OUTLIERS = 0.03
_LINE = np.linspace(0.0, 1.0, 41)


@dataclass(frozen=True)
class Surface:
    """A space, the noise-free speed of each setting, and the best that can be reached.

    Attributes:
        family: Which of `FAMILIES`.
        space: Starts at the baseline.
        speed: Noise-free metric of a setting, baseline about 1000, larger is better.
        best: Noise-free metric at the optimum.
        noise: Standard deviation of the logarithm of one run.
    """

    family: str
    space: Space
    speed: Callable[[Setting], float]
    best: float
    noise: float

    def share(self, setting: Setting) -> float:
        """Return the share of the reachable gain of `setting`; 0 at the start, 1 at the best."""
        start = self.speed(self.space.start)
        return (self.speed(setting) - start) / (self.best - start)

    def measure(self, seed: int) -> Callable[[Setting], float]:
        """Return a noisy benchmark of this surface; same seed, same noise in the same order."""
        generator = np.random.default_rng([seed, 77])

        def run(setting: Setting) -> float:
            return self.speed(setting) * math.exp(one_noise(generator, self.noise))

        return run


def one_noise(generator: np.random.Generator, deviation: float) -> float:
    """Return the noise of one run as a logarithm; 3 % of the runs are outliers, most too low."""
    logarithm = generator.normal(0.0, deviation)
    if generator.random() < OUTLIERS:
        logarithm += generator.choice([-1.0, -1.0, 1.0]) * generator.uniform(0.1, 0.4)
    return float(logarithm)


def surface(family: str, seed: int) -> Surface:
    """Return surface number `seed` of `family`.

    Raises:
        ValueError: There is no such family.
    """
    generator = np.random.default_rng([seed, *family.encode()])
    if family == "smooth":
        return _bumps(family, generator, knobs=6, matter=3, noise=0.04)
    if family == "wide":
        return _bumps(family, generator, knobs=12, matter=4, noise=0.08)
    if family == "mixed":
        return _mixed(generator)
    raise ValueError(f"{family}: no such family; there are {', '.join(FAMILIES)}")


def _bumps(
    family: str, generator: np.random.Generator, *, knobs: int, matter: int, noise: float
) -> Surface:
    """Return a single hill along `matter` knobs, with a pairwise twist; the others do nothing."""
    space = Space(
        [IntKnob(f"k{i}", 0, 1000, start=int(generator.integers(100, 900))) for i in range(knobs)]
    )
    chosen = generator.choice(knobs, matter, replace=False)
    start = space.encode(space.start)
    # The optimum is well away from the start along every knob that matters.
    side = np.where(start[chosen] > 0.5, -1.0, 1.0)
    optimum = np.clip(start[chosen] + side * generator.uniform(0.25, 0.6, matter), 0.02, 0.98)
    weight = generator.dirichlet(np.full(matter, 3.0))
    width = generator.uniform(0.2, 0.45, matter)
    twist = generator.uniform(-0.5, 0.5)
    gain = generator.uniform(0.4, 0.9)

    def speed(setting: Setting) -> float:
        away = (space.encode(setting)[chosen] - optimum) / width
        pair = twist * weight.min() * away[0] * away[1] * math.exp(-0.5 * (away @ away) / 4)
        hills = weight @ np.exp(-0.5 * away**2)
        return float(1000.0 * math.exp(gain * (0.9 * hills + 0.1 * math.exp(-away @ away) + pair)))

    return Surface(family, space, speed, _climb(space, speed, generator), noise)


def _mixed(generator: np.random.Generator) -> Surface:
    """Return choices and log integers: an optimum that moves with a choice, and a cliff."""
    scheduler = ChoiceKnob("scheduler", ["none", "mq-deadline", "bfq", "kyber"], start="none")
    pages = ChoiceKnob("pages", ["always", "madvise", "never"], start="madvise")
    space: Space = Space(
        [
            scheduler,
            pages,
            IntKnob("ahead", 4, 16384, start=128, scale="log"),
            IntKnob("poll", 0, 1_000_000, start=0, scale="log", step=100),
            IntKnob("dirty", 1, 60, start=20),
            IntKnob("backlog", 128, 65536, start=4096, scale="log"),
            IntKnob("requests", 16, 1024, start=256, scale="log"),
        ]
    )
    level = {name: generator.uniform(0.0, 0.25) for name in scheduler.choices}
    spot = {name: generator.uniform(0.1, 0.95) for name in scheduler.choices}
    page = {name: generator.uniform(0.0, 0.15) for name in pages.choices}
    poll, gain = generator.uniform(0.5, 0.9), generator.uniform(0.2, 0.5)
    cliff = generator.uniform(0.7, 0.9)

    def speed(setting: Setting) -> float:
        at = dict(zip(space.names, space.encode(setting), strict=True))
        ahead = math.exp(-0.5 * ((at["ahead"] - spot[str(setting["scheduler"])]) / 0.2) ** 2)
        polled = math.exp(-0.5 * ((at["poll"] - poll) / 0.25) ** 2)
        total = level[str(setting["scheduler"])] + page[str(setting["pages"])]
        total += gain * ahead + 0.3 * polled - 0.1 * at["dirty"]
        fallen = at["dirty"] > cliff or (at["poll"] > 0.97)
        return float(1000.0 * math.exp(total - (0.8 if fallen else 0.0)))

    return Surface("mixed", space, speed, _climb(space, speed, generator), 0.06)


def _climb(
    space: Space, speed: Callable[[Setting], float], generator: np.random.Generator
) -> float:
    """Return the best noise-free speed: a dense random search, then coordinate steps."""
    dense = generator.random((1500, len(space)))
    tops = sorted(dense, key=lambda vector: -speed(space.decode(vector)))[:3]
    best = 0.0
    for vector in tops:
        best = max(best, _ascend(space, speed, vector.copy()))
    return best


def _ascend(
    space: Space, speed: Callable[[Setting], float], vector: np.ndarray[tuple[int], np.dtype]
) -> float:
    """Return the speed at the top of the hill under `vector`, axis by axis."""
    for _ in range(4):
        for axis in range(len(vector)):
            lines = [np.r_[vector[:axis], place, vector[axis + 1 :]] for place in _LINE]
            vector = max(lines, key=lambda line: speed(space.decode(line)))
    return speed(space.decode(vector))


Kinship = Literal["like", "unrelated", "opposite"]
PAIR_FAMILIES = ("smooth", "mixed")


@dataclass(frozen=True)
class Machine:
    """A machine whose response can be changed a little, or turned round.

    Attributes:
        space: Whole safe ranges, starting at the values as found.
        optimum: Best position of each number, ``(n,)``; of no meaning for a choice.
        width: How wide the hill is along each, ``(n,)``.
        weight: How much each counts, ``(n,)``.
        levels: What each choice adds, by knob and choice.
        ties: Of the first choice knob: how far each choice moves the first number's optimum.
        gain: Logarithm of the metric at the top.
        baseline: Metric far from everything good.
        noise: Standard deviation of the logarithm of one run.
    """

    space: Space
    optimum: np.ndarray[tuple[int], np.dtype[np.float64]]
    width: np.ndarray[tuple[int], np.dtype[np.float64]]
    weight: np.ndarray[tuple[int], np.dtype[np.float64]]
    levels: dict[tuple[str, str], float]
    ties: dict[str, float]
    gain: float
    baseline: float
    noise: float

    def speed(self, setting: Setting) -> float:
        """Return the noise-free metric; a knob that `setting` does not name is as found."""
        held = {**self.space.start, **setting}
        at = self.space.encode(held)
        total = sum(self.levels.get((name, str(held[name])), 0.0) for name in self.space.names)
        best = self.optimum.copy()
        for index, knob in enumerate(self.space.knobs):
            if isinstance(knob, ChoiceKnob):
                best[-1] += self.ties.get(str(held[knob.name]), 0.0)
            else:
                away = (at[index] - best[index]) / self.width[index]
                total += self.weight[index] * math.exp(-0.5 * away**2)
        return float(self.baseline * math.exp(self.gain * total))

    def surface(self, family: str, seed: int) -> Surface:
        """Return the machine as a surface, its best found by climbing."""
        best = _climb(self.space, self.speed, np.random.default_rng([seed, 3]))
        return Surface(family, self.space, self.speed, best, self.noise)


def machines(family: str, seed: int, kinship: Kinship) -> tuple[Surface, Surface]:
    """Return the machine of the past and the machine at hand, pair number `seed` of `family`.

    The machine at hand is the same for every `kinship`, so that comparisons are paired.
    """
    generator = np.random.default_rng([seed, *family.encode(), 9])
    here = _machine(family, _found(family, generator), generator)
    past = {"like": _alike, "unrelated": _unrelated, "opposite": _opposite}[kinship](
        family, here, generator
    )
    return past.surface(family, seed), here.surface(family, seed)


def _found(family: str, generator: np.random.Generator) -> Space:
    """Return the parameters with the values as found; names and ranges are the catalogue's."""
    knobs: list[ChoiceKnob | IntKnob] = []
    if family == "mixed":
        knobs += [
            ChoiceKnob("transparent_hugepage/enabled", ["always", "madvise", "never"], "madvise"),
            ChoiceKnob("net.ipv4.tcp_fastopen", ["0", "1", "3"], "1"),
        ]
    ranges: list[tuple[str, int, int, Literal["linear", "log"]]] = [
        ("vm.vfs_cache_pressure", 10, 400, "log"),
        ("net.core.netdev_budget", 64, 1200, "log"),
        ("vm.dirty_expire_centisecs", 100, 6000, "log"),
        ("haltpoll/guest_halt_poll_ns", 0, 200_000, "linear"),
        ("vm.swappiness", 1, 150, "linear"),
    ]
    if family == "smooth":
        ranges.append(("net.ipv4.tcp_fin_timeout", 10, 60, "linear"))
    for name, low, high, scale in ranges:
        knob = IntKnob(name, low, high, scale=scale)
        knobs.append(replace(knob, start=knob.decode(generator.uniform(0.1, 0.9))))
    return Space(knobs)


def _machine(family: str, space: Space, generator: np.random.Generator) -> Machine:
    """Return a machine on which three numbers matter, and, if there are some, the choices."""
    count = len(space)
    numbers = [at for at, knob in enumerate(space.knobs) if isinstance(knob, IntKnob)]
    weight = np.zeros(count)
    weight[generator.choice(numbers, 3, replace=False)] = generator.dirichlet(np.full(3, 3.0))
    start = space.encode(space.start)
    side = np.where(start > 0.5, -1.0, 1.0)
    levels = {
        (knob.name, choice): generator.uniform(0.0, 0.3)
        for knob in space.knobs
        if isinstance(knob, ChoiceKnob)
        for choice in knob.choices
    }
    first = space.knobs[0]
    tied = first.choices if isinstance(first, ChoiceKnob) else ()
    return Machine(
        space,
        optimum=np.clip(start + side * generator.uniform(0.25, 0.6, count), 0.02, 0.98),
        width=generator.uniform(0.2, 0.45, count),
        weight=weight,
        levels=levels,
        ties={choice: generator.uniform(-0.2, 0.2) for choice in tied},
        gain=generator.uniform(0.4, 0.9),
        baseline=1000.0,
        noise=0.04 if family == "smooth" else 0.06,
    )


def _alike(family: str, here: Machine, generator: np.random.Generator) -> Machine:
    """Return a machine like `here` but not the same."""
    count = len(here.space)
    other = here.weight * generator.uniform(0.5, 1.5, count)
    return replace(
        here,
        optimum=np.clip(here.optimum + generator.normal(0.0, 0.08, count), 0.0, 1.0),
        width=here.width * generator.uniform(0.8, 1.25, count),
        weight=other / other.sum(),
        levels={key: level + generator.normal(0.0, 0.05) for key, level in here.levels.items()},
        ties={key: tie + generator.normal(0.0, 0.05) for key, tie in here.ties.items()},
        gain=here.gain * generator.uniform(0.7, 1.4),
        baseline=here.baseline * generator.uniform(0.5, 2.0),
        noise=here.noise * generator.uniform(0.6, 1.6),
    )


def _unrelated(family: str, here: Machine, generator: np.random.Generator) -> Machine:
    """Return another machine of the family with the same values as found."""
    return _machine(family, here.space, generator)


def _opposite(family: str, here: Machine, generator: np.random.Generator) -> Machine:
    """Return a machine on which what is good here is bad, and the other way round."""
    return replace(
        _alike(family, here, generator),
        optimum=np.where(here.optimum > 0.5, here.optimum - 0.5, here.optimum + 0.5),
        levels={key: 0.3 - level for key, level in here.levels.items()},
    )
