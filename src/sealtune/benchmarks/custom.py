"""The person's own command, and where in its output the number stands."""

import json
import math
import os
import re
import shlex
import signal
import time
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from sealtune.benchmarks.base import BenchmarkSpec, Metric, Reading
from sealtune.benchmarks.confinement import Room
from sealtune.benchmarks.last_match import last_match
from sealtune.benchmarks.process import PROGRAM_PATH, Outcome, run_child
from sealtune.benchmarks.tool import ToolAdapter, Watch
from sealtune.benchmarks.workplace import Account, choose_account
from sealtune.errors import BenchmarkFailedError, ConfigError

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


TOO_LARGE = 128 + signal.SIGXFSZ
"""How a program ends that made a file larger than what it may use."""
REFUSED = (
    "; it was refused an address beyond the loopback, such as 0.0.0.0: let it use 127.0.0.1, or "
    "add --sealtune-network to benchmark_command"
)


class CustomAdapter(ToolAdapter):
    """Any command that prints its result.

    A command shorter than a run is repeated until the time is used, the mean counts. It runs as
    the person who called sudo, else as ``nobody``; never as root.

    Options: ``argv`` (the command without ``sudo``); ``pattern`` (regular expression whose first
    group is the number; the last match counts) or ``json_path`` (such as ``jobs.0.iops``), with
    neither the last line must be a number; ``metric``, ``unit``, ``direction``,
    ``limit_seconds`` (after which it counts as hung); ``network`` (it reaches other machines),
    ``writable`` (a directory that it may write in besides its own). What it wrote is deleted when
    it fails, and at the end.
    """

    name = "custom"
    title = "own command"
    warmup_seconds = 0.0

    def __init__(self, spec: BenchmarkSpec, metric: str | None = None) -> None:
        direction = spec.options.get("direction", "maximize")
        if direction not in ("maximize", "minimize"):
            raise ConfigError(f"direction: {direction!r} is neither 'maximize' nor 'minimize'")
        name = str(spec.options.get("metric") or metric or "score")
        unit = str(spec.options.get("unit", ""))
        self._declared = Metric(name, unit, "minimize" if direction == "minimize" else "maximize")
        try:
            self._argv = shlex.split(str(spec.options.get("argv", spec.command)))
        except ValueError as error:
            raise ConfigError(f"benchmark_command: {spec.command!r}: {error}") from error
        self._pattern = _compiled(spec.options.get("pattern"))
        super().__init__(spec, metric)
        if self._argv:
            self.title = Path(self._argv[0]).name

    @property
    def accepted(self) -> tuple[Metric, ...]:
        """The one metric that the options name."""
        return (self._declared,)

    def find_version(self) -> str | None:
        """Return ``""``: whether the command starts is seen when it runs."""
        return ""

    def start(self) -> None:
        """Refuse to go on without a command."""
        if not self._argv:
            raise BenchmarkFailedError("no command was given; custom needs one to run")

    def choose_account(self) -> Account:
        """Return the person who called sudo, if there is one."""
        person = os.environ.get("SUDO_USER", "")
        return choose_account((person,) if person else ())

    @property
    def room(self) -> Room:
        """What the command may reach: its workplace, and what its options add."""
        room = replace(super().room, network=bool(self._options.get("network", False)))
        if "writable" not in self._options:
            return room
        place = Path(str(self._options["writable"])).absolute()
        if not place.is_dir():
            raise BenchmarkFailedError(
                f"--sealtune-writable: {place} is no directory", fix="Make it, or name another."
            )
        return replace(room, writable=(place,))

    def measure(self, seconds: float, watch: Watch) -> Reading:
        """Run the command, again and again while half of another run fits."""
        began = time.monotonic()
        limit = float(self._options.get("limit_seconds", self.limit(seconds)))
        values: list[float] = []
        while True:
            try:
                values.append(self._once(limit))
            except BenchmarkFailedError:
                # Not at the end of the session: it may be what filled the disk.
                self.workplace.empty()
                raise
            spent = time.monotonic() - began
            done = spent + spent / len(values) / 2 > seconds
            if done or watch.hopeless(values):
                break
        repeated = tuple(values) if len(values) > 1 else ()
        each = spent / len(values)
        return Reading(fmean(values), repeated, interval_seconds=each, cut_short=not done)

    def _once(self, limit: float) -> float:
        used = self.workplace.is_used
        outcome = self._start(limit)
        no_space = outcome.ate_disk or outcome.code == TOO_LARGE
        if used and no_space and (left := limit - outcome.seconds) > 0:
            # What earlier runs have left took its space, which this setting cannot help.
            self.workplace.empty()
            outcome = self._start(left)
        try:
            return self._value(outcome.require(self.title))
        except BenchmarkFailedError as error:
            if not outcome.refused_network:
                raise
            raise BenchmarkFailedError(f"{error}{REFUSED}") from error

    def _start(self, limit: float) -> Outcome:
        place = self.workplace
        # Where the person stands, so that ./run.sh means what it means to them.
        here = Path(os.environ.get("PWD", "/nowhere"))
        return run_child(
            self._argv,
            account=place.account,
            cwd=here if place.account.may_enter(here) else place.path,
            limit=limit,
            path=os.environ.get("PATH", PROGRAM_PATH),
            room=self.room,
        )

    def _value(self, outcome: Outcome) -> float:
        text = outcome.stdout
        if not text.strip():
            raise BenchmarkFailedError("it printed nothing")
        if "json_path" in self._options:
            found = json_value(text, str(self._options["json_path"]))
        elif self._pattern is not None:
            found = last_match(self._pattern.pattern, (text, outcome.stderr))
        else:
            found = text.strip().splitlines()[-1].strip()  # whole: a cut number is another one
        return finite(found, outcome)


def finite(found: object, outcome: Outcome) -> float:
    """Return `found` as a number.

    Raises:
        BenchmarkFailedError: It is missing, no number, NaN or infinite.
    """
    try:
        value = float(found) if isinstance(found, str | int | float) else math.nan
    except (ValueError, OverflowError):  # no number, or one of 400 digits
        value = math.nan
    if not math.isfinite(value):
        end = " (only the end of its output was kept)" if outcome.truncated else ""
        shown = repr(found)[:80] if found is not None else "nothing"
        raise BenchmarkFailedError(f"found {shown} where its number should stand{end}")
    return value


def json_value(text: str, path: str) -> object:
    """Return the value at a dotted `path` of the JSON in `text`, or in its last JSON line.

    >>> json_value('{"jobs": [{"iops": 7}]}', "jobs.0.iops")
    7
    """
    for candidate in (text, *reversed(text.splitlines())):
        try:
            value: Any = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        try:
            for step in path.split("."):
                value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
        return value
    return None


def _compiled(pattern: object) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    try:
        compiled = re.compile(str(pattern), re.MULTILINE)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"pattern: {pattern!r} is no regular expression: {error}") from error
    if compiled.groups < 1:
        raise ConfigError(f"pattern: {pattern!r} needs a group around the number: ({NUMBER})")
    return compiled
