"""Surfaces of four kinds, each with a character of its own, whose best is known exactly.

They are made of what kernels are made of: curves that saturate, products that overflow, stairs,
terraces, knees, ratios of two parameters, switches. No part is a hill in a Gaussian process's
sense, and none follows the axes of a tree throughout, so that no search's model of the world is
favoured. The parameters of the curves are drawn anew for every seed.

======================  =====  =========  =====================================================
family                  knobs  noise      character
======================  =====  =========  =====================================================
``four-cliff``          4      2 to 4 %   more is better until memory runs out, and runs fail
``six-plateau``         6      4 to 6 %   flat almost everywhere; a ratio; stairs; one idle knob
``eight-mixed``         8      5 to 8 %   three choices that move the optimum of five numbers
``twelve-sparse``       12     8 to 10 %  four knobs matter, two of them only together
======================  =====  =========  =====================================================

A surface is a monotone combination of parts that share no knob. Its best is therefore the best of
each part, and that is found by grids that grow finer around the top.
"""

import math
from collections.abc import Callable

import numpy as np

from bench.ground import Ground
from bench.sketch import Generator, Part, Sketch, Vector, drawn, stairs, strain
from sealtune.errors import ConfigError
from sealtune.space.knobs import ChoiceKnob, IntKnob
from sealtune.space.space import Below


def _four_cliff(draw: Generator) -> Sketch:
    """Return buffers and queues that want to be large and overflow together, and a terrace."""
    limit = 2.0 ** draw.uniform(18.5, 20.5)
    half = 2.0 ** draw.uniform([10.0, 2.5], [13.0, 5.0])
    weight = draw.uniform(0.6, 1.0, 2)
    pressure, haste = draw.uniform([0.15, 0.2], [0.4, 0.5])
    pause = 10.0 ** draw.uniform(1.0, 2.3)
    edge, width, height = draw.uniform([15.0, 12.0, 0.25], [65.0, 25.0, 0.4])

    def memory(buffer: Vector, queue: Vector, interval: Vector) -> Vector:
        used = buffer * queue / limit
        speed = weight[0] * buffer / (buffer + half[0]) + weight[1] * queue / (queue + half[1])
        speed -= pressure * np.clip(used - 0.6, 0.0, None) / 0.4
        # The longer the queue, the shorter the pause that it can bear.
        speed -= 0.3 * strain(interval, pause * (16.0 / queue) ** haste)
        return np.where(used > 1.0, -np.inf, speed)

    def terrace(threshold: Vector) -> Vector:
        return stairs(threshold, [edge, edge + width], [0.0, height, -0.5 * height])

    return Sketch(
        (
            IntKnob("buffer", 64, 65536, scale="log"),
            IntKnob("queue", 1, 256, scale="log"),
            IntKnob("interval", 1, 2000, scale="log"),
            IntKnob("threshold", 0, 100),
        ),
        (Part(("buffer", "queue", "interval"), memory), Part(("threshold",), terrace)),
        noise=draw.uniform(0.02, 0.04),
        gain=draw.uniform(0.4, 0.8),
    )


def _six_plateau(draw: Generator) -> Sketch:
    """Return stages with a floor and a ceiling, stairs, and a ratio of two coupled knobs."""
    pipe = 2.0 ** draw.uniform(21.0, 25.0)
    steepness, fee = draw.uniform([0.35, 0.03], [0.6, 0.08])
    top = float(draw.integers(7, 11))
    cache = top + float(draw.integers(1, 3))
    low, band, fill, stall = draw.uniform([0.15, 0.1, 8.0, 40.0], [0.4, 0.25, 25.0, 70.0])

    def transfer(window: Vector, streams: Vector) -> Vector:
        carried = np.clip(steepness * np.log(window * streams / pipe), -1.2, 0.0)
        return np.asarray(carried - fee * np.log(streams))

    def reading(ahead: Vector) -> Vector:
        step = np.floor(np.log2(ahead))
        thrashing = np.clip(0.3 * (step - cache), 0.0, 0.8)
        return np.asarray(0.12 * np.minimum(step, top) - thrashing)

    def writing(background: Vector, dirty: Vector) -> Vector:
        ratio = background / dirty
        off = np.clip(low - ratio, 0.0, None) + np.clip(ratio - low - band, 0.0, None)
        speed = 0.7 * dirty / (dirty + fill) - 2.0 * np.minimum(off, 0.4)
        speed -= np.where(dirty > stall, 0.4, 0.0)
        return np.where(background >= dirty, -np.inf, speed)

    return Sketch(
        (
            IntKnob("window", 4096, 16_777_216, scale="log", step=4096),
            IntKnob("streams", 1, 32, scale="log"),
            IntKnob("ahead", 8, 16384, scale="log"),
            IntKnob("background", 1, 60),
            IntKnob("dirty", 5, 80),
            IntKnob("idle", 0, 1000),
        ),
        (
            Part(("window", "streams"), transfer),
            Part(("ahead",), reading),
            Part(("background", "dirty"), writing),
        ),
        noise=draw.uniform(0.04, 0.06),
        gain=draw.uniform(0.35, 0.7),
        shares=draw.dirichlet(np.full(3, 6.0)),
        couplings=(Below("background", "dirty"),),
    )


def _eight_mixed(draw: Generator) -> Sketch:
    """Return choices that decide where, and whether, the numbers have their optimum."""
    level, turn = draw.uniform(0.0, 0.35, 4), 2.0 ** draw.uniform(2.0, 6.0, 4)
    drowned = turn * 2.0 ** draw.uniform(1.0, 5.0, 4)
    sliced = draw.permutation([0.0, 0.0, 0.45, 0.45])
    slot = draw.uniform(10.0, 90.0, 4)
    pair = draw.uniform(0.0, 0.35, (3, 3))
    rhythm = 10.0 ** draw.uniform(1.7, 4.2, 3)
    scanned = np.array([0.25, 0.15, 0.0])
    knee, burn = 10.0 ** draw.uniform(3.8, 4.8), draw.uniform(0.15, 0.35)

    def queue(scheduler: Vector, depth: Vector, slot_ms: Vector) -> Vector:
        kind = scheduler.astype(int)
        peak = np.sqrt(turn * drowned)[kind]
        rising = depth / (depth + turn[kind]) / (1.0 + depth / drowned[kind])
        ceiling = peak / (peak + turn[kind]) / (1.0 + peak / drowned[kind])
        fall = np.clip(0.5 * np.log(rising / ceiling), -0.8, 0.0)
        missed = np.minimum(np.abs(slot_ms - slot[kind]) / 40.0, 1.0)
        return np.asarray(level[kind] + fall - sliced[kind] * missed)

    def pages(size: Vector, defrag: Vector, scan: Vector) -> Vector:
        kind = size.astype(int)
        off = np.minimum(strain(scan, rhythm[kind]), 2.0)
        return np.asarray(pair[kind, defrag.astype(int)] - scanned[kind] * off)

    def polling(poll: Vector) -> Vector:
        stolen = np.log(np.maximum(poll / (1.5 * knee), 1.0))
        return np.asarray(0.35 * np.minimum(poll / knee, 1.0) - burn * stolen)

    return Sketch(
        (
            ChoiceKnob("scheduler", ["none", "mq-deadline", "bfq", "kyber"]),
            IntKnob("depth", 1, 1024, scale="log"),
            IntKnob("slot_ms", 0, 100),
            ChoiceKnob("pages", ["always", "madvise", "never"]),
            ChoiceKnob("defrag", ["always", "defer", "never"]),
            IntKnob("scan", 10, 60_000, scale="log"),
            IntKnob("poll", 0, 200_000, scale="log", step=500),
            IntKnob("backlog", 128, 65536, scale="log"),
        ),
        (
            Part(("scheduler", "depth", "slot_ms"), queue),
            Part(("pages", "defrag", "scan"), pages),
            Part(("poll",), polling),
        ),
        noise=draw.uniform(0.05, 0.08),
        gain=draw.uniform(0.35, 0.7),
    )


def _twelve_sparse(draw: Generator) -> Sketch:
    """Return three stages that hang on four of twelve knobs, drawn at random."""
    scales = draw.permutation(["log"] * 6 + ["linear"] * 6)
    knobs = tuple(
        IntKnob(f"k{at}", 1, 100_000, scale="log") if scale == "log" else IntKnob(f"k{at}", 0, 999)
        for at, scale in enumerate(scales)
    )
    first, second, third, fourth = (int(at) for at in draw.choice(12, 4, replace=False))
    flipped = draw.random(4) < 0.5
    switch = draw.uniform(0.45, 0.75, 2)
    corner, left, right = draw.uniform([0.2, 0.6, 0.6], [0.8, 1.8, 1.8])
    half = draw.uniform(0.1, 0.4)

    def place(number: int, at: int, value: Vector) -> Vector:
        knob = knobs[at]
        position = np.log(value) / math.log(knob.high) if knob.scale == "log" else value / 999.0
        return np.asarray(1.0 - position if flipped[number] else position)

    def together(one: Vector, other: Vector) -> Vector:
        on = 1.0 / (1.0 + np.exp(-(place(0, first, one) - switch[0]) / 0.05))
        too = 1.0 / (1.0 + np.exp(-(place(1, second, other) - switch[1]) / 0.05))
        return np.asarray(0.9 * on * too)

    def knee(value: Vector) -> Vector:
        away = place(2, third, value) - corner
        return np.asarray(-np.where(away < 0, -left * away, right * away))

    def saturating(value: Vector) -> Vector:
        position = place(3, fourth, value)
        return np.asarray(1.2 * position / (position + half))

    names = [knob.name for knob in knobs]
    return Sketch(
        knobs,
        (
            Part((names[first], names[second]), together),
            Part((names[third],), knee),
            Part((names[fourth],), saturating),
        ),
        noise=draw.uniform(0.08, 0.1),
        gain=draw.uniform(0.5, 0.9),
        shares=draw.dirichlet(np.full(3, 8.0)),
    )


FAMILIES: dict[str, Callable[[Generator], Sketch]] = {
    "four-cliff": _four_cliff,
    "six-plateau": _six_plateau,
    "eight-mixed": _eight_mixed,
    "twelve-sparse": _twelve_sparse,
}


def family(name: str, seed: int) -> Ground:
    """Return surface number `seed` of the family `name`.

    Raises:
        ConfigError: There is no such family.
    """
    if name not in FAMILIES:
        raise ConfigError(f"{name}: no such family; there are {', '.join(FAMILIES)}")
    draw = np.random.default_rng([seed, *name.encode()])
    return drawn(name, seed, FAMILIES[name](draw), draw)
