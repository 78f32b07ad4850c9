"""Recordings of how single runs of one setting vary: reading them, and what they are like.

A recording is a file in ``bench/noise``: real runs of the originals of one benchmark in their real
order, in one or more stretches. Within a stretch the runs were made one after another, with other
settings in between; between two stretches there may be an hour.

    python -m bench.verdict_recordings      # a table of all of them
"""

import json
import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealtune.verdict.regimes import find_changes

DIRECTORY = Path(__file__).parent / "noise"
FORMAT = "sealtune-noise"
FEWEST_RUNS = 12
"""A shorter stretch says nothing about what follows what."""

_FAR = 3.0


@dataclass(frozen=True)
class Recording:
    """Runs of one benchmark without any change.

    Attributes:
        name: Of its file, without the ending.
        loaded: Whether other jobs used the machine heavily at the time.
        facts: Everything else that the file says: benchmark, unit, machine, where it is from.
        stretches: Logarithms of the runs over the median of all, in order.
    """

    name: str
    loaded: bool
    facts: Mapping[str, Any]
    stretches: tuple[NDArray[np.float64], ...]

    @property
    def runs(self) -> int:
        """How many runs it holds."""
        return sum(len(stretch) for stretch in self.stretches)


def load_recordings() -> dict[str, Recording]:
    """Return all recordings by name, the quiet ones first."""
    found = [_load(path) for path in sorted(DIRECTORY.glob("*.json"))]
    return {one.name: one for one in sorted(found, key=lambda one: one.loaded)}


def _load(path: Path) -> Recording:
    content = json.loads(path.read_text())
    stretches = content.pop("stretches")
    middle = statistics.median(value for one in stretches for value in one["values"])
    sign = -1.0 if content.get("direction") == "minimize" else 1.0
    logs = tuple(sign * np.log(np.array(one["values"]) / middle) for one in stretches)
    return Recording(path.stem, content["condition"] == "loaded", content, logs)


@dataclass(frozen=True)
class Character:
    """What the noise of a recording is like, stretch by stretch and then averaged by runs.

    Attributes:
        variation: Coefficient of variation of single runs within a stretch.
        follows: Autocorrelation from one run to the next.
        drift: Fitted change per run, as logarithm, its size without its sign.
        far: Share of runs beyond three (robust) standard deviations of their stretch.
        far_by: Mean logarithm of how far those are off, with its sign; 0 without any.
        spread: Robust standard deviation of the rest, as logarithm.
        changes: Changes of level that the product's own rule finds.
        jump: Mean size of those, as logarithm; 0 without any.
        between: Standard deviation of the stretches' medians, as logarithm.
    """

    variation: float
    follows: float
    drift: float
    far: float
    far_by: float
    spread: float
    changes: int
    jump: float
    between: float


def describe(recording: Recording) -> Character:
    """Return the character of `recording`."""
    rows, weights, far_by, jumps = [], [], [], []
    for logs in recording.stretches:
        middle = float(np.median(logs))
        spread = 1.4826 * float(np.median(np.abs(logs - middle))) or 1e-9
        far = np.abs(logs - middle) > _FAR * spread
        far_by += (logs[far] - middle).tolist()
        changes = find_changes(list(range(len(logs))), logs.tolist())
        jumps += [abs(change.shift) for change in changes]
        values = np.exp(logs)
        slope = float(np.polyfit(np.arange(len(logs)), logs, 1)[0])
        follows = float(np.corrcoef(logs[:-1], logs[1:])[0, 1])
        rows.append((values.std(ddof=1) / values.mean(), follows, abs(slope), far.mean(), spread))
        weights.append(len(logs))
    variation, follows, drift, far_share, spread = np.average(rows, axis=0, weights=weights)
    middles = [float(np.median(logs)) for logs in recording.stretches]
    return Character(
        float(variation),
        float(follows),
        float(drift),
        float(far_share),
        statistics.fmean(far_by or [0.0]),
        float(spread),
        len(jumps),
        statistics.fmean(jumps or [0.0]),
        statistics.stdev(middles) if len(middles) > 1 else 0.0,
    )


def table() -> Iterator[str]:
    """Yield the lines of a table of all recordings."""
    yield (
        "| recording | machine was | runs | stretches | variation | one to the next | "
        "drift per 100 runs | far off | level changes | between stretches |"
    )
    yield "|" + "---|" * 10
    for name, recording in load_recordings().items():
        one = describe(recording)
        yield (
            f"| {name} | {'loaded' if recording.loaded else 'quiet'} | {recording.runs} "
            f"| {len(recording.stretches)} | {one.variation:.1%} | {one.follows:+.2f} "
            f"| {math.expm1(100 * one.drift):.0%} | {one.far:.1%} | {one.changes} "
            f"| {one.between:.1%} |"
        )


def split_at_gaps(times: list[float], most: float) -> list[range]:
    """Return the stretches of a series of times [s] without a gap longer than `most` [s]."""
    edges = [0, *(i + 1 for i, (a, b) in enumerate(pairwise(times)) if b - a > most), len(times)]
    return [range(low, high) for low, high in pairwise(edges)]


if __name__ == "__main__":
    print("\n".join(table()))
