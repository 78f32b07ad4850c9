"""A recording read as a response surface: settings, how good each was, and the noise."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sealtune.benchmarks.measurement import Measurement
from sealtune.catalogue.knob import ABSENT
from sealtune.errors import ConfigError
from sealtune.space.knobs import ChoiceKnob, Setting
from sealtune.space.space import Space
from sealtune.survey.lines import Header, Run
from sealtune.survey.recording import read_recording
from sealtune.verdict import Sentinels


@dataclass(frozen=True, slots=True)
class Point:
    """One setting and what its runs gave.

    Attributes:
        setting: Every knob's value.
        ratios: Each good run over the baseline of its time, above 1 is better, in order.
        failures: Runs without a value; a setting that the kernel refuses has no other.
    """

    setting: Setting
    ratios: tuple[float, ...]
    failures: int = 0

    @property
    def ratio(self) -> float | None:
        """Geometric mean of the good runs; ``None`` without one."""
        return statistics.geometric_mean(self.ratios) if self.ratios else None


@dataclass(frozen=True)
class Surface:
    """What was recorded of a space.

    Attributes:
        header: What was measured, on what, and how.
        space: The space; it starts where the recording's plan did.
        runs: Every run, baselines among them, in order.
        relatives: For each run its ratio to the interpolated baseline, above 1 is better;
            ``None`` for a failure. A baseline is compared with its two neighbours.
        points: Every distinct setting, in the order of its first run.
        notices: What was left out, and why.
    """

    header: Header
    space: Space
    runs: tuple[Run, ...]
    relatives: tuple[float | None, ...]
    points: tuple[Point, ...]
    notices: tuple[str, ...] = ()

    @property
    def originals(self) -> Setting:
        """The values as found, numbers as numbers: what a baseline run measured.

        A knob that was not there stands at its start, as in every setting of the space.
        """
        found = self.header.originals
        present: Setting = {
            knob.name: found[knob.name] if isinstance(knob, ChoiceKnob) else int(found[knob.name])
            for knob in self.space.knobs
            if found[knob.name] != ABSENT
        }
        starts: Setting = {knob.name: knob.first for knob in self.space.knobs}
        return self.space.settled({**starts, **present})

    @cached_property
    def residuals(self) -> tuple[float, ...]:
        """Noise of single runs, in the order in which they were run: logarithms, mean about 0.

        Runs of repeated points against the mean of their point, widened by sqrt(k / (k - 1)) for
        the mean is of the same k runs.
        """
        repeated = {_key(point.setting): point for point in self.points if len(point.ratios) > 1}
        found = []
        for run, relative in zip(self.runs, self.relatives, strict=True):
            point = repeated.get(_key(run.setting))
            if point is not None and point.ratio is not None and relative is not None:
                count = len(point.ratios)
                found.append(math.log(relative / point.ratio) * math.sqrt(count / (count - 1)))
        return tuple(found)

    @cached_property
    def baseline_residuals(self) -> tuple[float, ...]:
        """Logarithm of each good baseline run over its interpolated neighbours, in order."""
        return tuple(
            math.log(relative)
            for run, relative in zip(self.runs, self.relatives, strict=True)
            if not run.setting and relative is not None
        )

    @property
    def noise(self) -> float:
        """Standard deviation of the logarithm of one run's ratio, pooled over the repeats.

        Of the baselines where nothing was repeated; their neighbours' noise is in it too.
        """
        series = self.residuals or self.baseline_residuals
        return math.sqrt(statistics.fmean(value**2 for value in series)) if series else 0.0

    @property
    def baselines(self) -> tuple[float, ...]:
        """Metric of every good baseline run, in order."""
        return tuple(run.value for run in self.runs if not run.setting and run.value is not None)

    @property
    def best(self) -> Point:
        """The point with the largest mean of two good runs or more.

        A single run counts only where nothing was repeated: the largest of hundreds of single
        runs is the luckiest.
        """
        good = [point for point in self.points if point.ratio is not None]
        trusted = [point for point in good if len(point.ratios) > 1] or good
        return max(trusted, key=lambda point: point.ratio or 0.0)


def load_surface(path: Path | str) -> Surface:
    """Return the surface that was recorded in `path`.

    Raises:
        ConfigError: No recording, one of a later version, a line that is wrong, a setting that is
            not of the space, or nothing that could be compared.
    """
    path = Path(path)
    recording = read_recording(path)
    header, runs = recording.header, recording.runs
    space = header.space
    for run in runs:
        if run.setting and not _holds(space, run.setting):
            raise ConfigError(f"{path}, line {run.n + 2}: setting is not of the recorded space")
    relatives = _relatives(header, runs)
    points = _points(runs, relatives)
    if not any(point.ratios for point in points):
        raise ConfigError(
            f"{path} holds no good run beside a good baseline",
            fix="Run the same `sealtune record` again to go on with it.",
        )
    return Surface(header, space, runs, relatives, points, recording.notices)


def _holds(space: Space, setting: Setting) -> bool:
    """Return whether `setting` names every knob, and a value of each."""
    if set(setting) != set(space.names):
        return False
    for knob in space.knobs:
        value = setting[knob.name]
        if isinstance(knob, ChoiceKnob):
            if value not in knob.choices:
                return False
        elif not isinstance(value, int) or not knob.low <= value <= knob.high:
            return False
    return True


def _relatives(header: Header, runs: Sequence[Run]) -> tuple[float | None, ...]:
    """Return each run over the baseline of its own sitting, interpolated by position."""
    measured = [_measurement(header, run) for run in runs]
    found: list[float | None] = []
    for run, measurement in zip(runs, measured, strict=True):
        sentinels = Sentinels(header.direction, robust=False)
        for other in runs:
            if not other.setting and other.stretch == run.stretch and other.n != run.n:
                sentinels.add(measured[other.n], other.n)
        usable = measurement.value is not None and measurement.value > 0 and len(sentinels) > 0
        found.append(sentinels.relative(measurement, run.n) if usable else None)
    return tuple(found)


def _measurement(header: Header, run: Run) -> Measurement:
    return Measurement(
        run.value,
        metric=header.metric,
        unit=header.unit,
        direction=header.direction,
        failure=None if run.value is not None else run.failure or "no value was recorded",
        unsafe=run.unsafe,
    )


def _points(runs: Sequence[Run], relatives: Sequence[float | None]) -> tuple[Point, ...]:
    grouped: dict[object, list[tuple[Run, float | None]]] = {}
    for run, relative in zip(runs, relatives, strict=True):
        if run.setting:
            grouped.setdefault(_key(run.setting), []).append((run, relative))
    return tuple(
        Point(
            dict(group[0][0].setting),
            tuple(relative for _, relative in group if relative is not None),
            sum(run.value is None for run, _ in group),
        )
        for group in grouped.values()
    )


def _key(setting: Setting) -> tuple[tuple[str, int | str], ...]:
    return tuple(sorted(setting.items()))
