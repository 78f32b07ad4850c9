"""The file: one JSON object a line, each synced to the disk before anything else happens."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.on_kernel.lines import FORMAT, LINES, Line, Run, Scenario, Study
from sealtune.errors import ConfigError
from sealtune.space.refusals import readable
from sealtune.survey.growing import GrowingFile

_FIX = "Give a file that `python -m bench.on_kernel` has written, or a new one."
_START = f'{{"kind":"study","format":"{FORMAT}",'.encode()


@dataclass(frozen=True)
class Told:
    """What a file tells.

    Attributes:
        study: What is compared.
        scenarios: Scenarios begun, in order, by name.
        runs: Every run, in order.
        size: Bytes that belong to whole lines; the rest was torn by a crash.
    """

    study: Study
    scenarios: dict[str, Scenario]
    runs: tuple[Run, ...]
    size: int

    def of(self, scenario: str, seed: int) -> list[Run]:
        """Return the runs of one search of all tacticians, its confirmation included."""
        return [run for run in self.runs if (run.scenario, run.seed) == (scenario, seed)]


def read_book(path: Path) -> Told:
    """Return what is in `path`; a last line that a crash has torn is left out.

    Raises:
        ConfigError: Not readable, nothing of ours, or a line is wrong; the message names it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error}", fix=_FIX) from error
    size = content.rfind(b"\n") + 1
    lines = [
        _line(path, number, line)
        for number, line in enumerate(content[:size].split(b"\n")[:-1], start=1)
    ]
    if not lines or not isinstance(lines[0], Study):
        raise ConfigError(f"{path}, line 1 is not the beginning of a {FORMAT} file", fix=_FIX)
    scenarios = {line.name: line for line in lines if isinstance(line, Scenario)}
    runs = tuple(line for line in lines if isinstance(line, Run))
    _require_whole(path, lines, runs, scenarios)
    return Told(lines[0], scenarios, runs, size)


def _require_whole(
    path: Path, lines: Sequence[Line], runs: Sequence[Run], scenarios: dict[str, Scenario]
) -> None:
    """Refuse a file in which something is missing or comes twice.

    Raises:
        ConfigError: Names what.
    """
    if [run.n for run in runs] != list(range(len(runs))):
        raise ConfigError(f"{path}: runs are not numbered from 0 without a gap", fix=_FIX)
    if len(lines) != 1 + len(scenarios) + len(runs):
        raise ConfigError(f"{path}: a scenario or the first line comes twice", fix=_FIX)
    unknown = {run.scenario for run in runs} - scenarios.keys()
    if unknown:
        raise ConfigError(f"{path}: runs of {', '.join(sorted(unknown))}, not begun", fix=_FIX)
    trials: dict[tuple[str, int, str], list[int]] = {}
    for run in runs:
        if run.phase == "search":
            trials.setdefault((run.scenario, run.seed, run.arm), []).append(run.number)
    for (scenario, seed, arm), numbers in trials.items():
        if numbers != list(range(len(numbers))):
            raise ConfigError(
                f"{path}: {scenario}, seed {seed}: a trial of {arm} is missing or comes twice",
                fix=_FIX,
            )


def _line(path: Path, number: int, text: bytes) -> Line:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    model = LINES.get(data.get("kind", "")) if isinstance(data, dict) else None
    if model is None:
        kinds = ", ".join(LINES)
        raise ConfigError(
            f"{path}, line {number} is no JSON object with a kind ({kinds})", fix=_FIX
        )
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{path}, line {number}: {readable(error, model)}", fix=_FIX) from None


class Book(GrowingFile):
    """The file of a comparison as it grows.

    Args:
        path: The file; begun when it is not there or empty.
        study: What is going to be compared.

    Attributes:
        study: What is compared.
        runs: Every run in it, in order.
        scenarios: Scenarios begun, by name.
        stretch: Number of this process among those that wrote it, from 0.

    Raises:
        ConfigError: The file holds something else, or another comparison; says what differs.
        BusyError: Another process writes it.
        KeepingError: It cannot be written.
    """

    def __init__(self, path: Path, study: Study) -> None:
        super().__init__(path)
        try:
            self._take_up(study)
        except BaseException:
            self.close()
            raise

    def _take_up(self, study: Study) -> None:
        self.runs: list[Run] = []
        self.scenarios: dict[str, Scenario] = {}
        self.study = study
        beginning = self.beginning(1 << 16)
        # Without one whole line there is nothing that could be lost: a crash tore the first one.
        if b"\n" not in beginning:
            if not _START.startswith(beginning[: len(_START)]):
                raise ConfigError(f"{self._path} is left as it is: not ours", fix=_FIX)
            self.cut(0)
            self._append(study)
        else:
            known = read_book(self._path)
            _require_same(self._path, "comparison", known.study, study)
            self.cut(known.size)
            self.runs, self.scenarios = list(known.runs), dict(known.scenarios)
        self.stretch = self.runs[-1].stretch + 1 if self.runs else 0

    def begin(self, scenario: Scenario) -> Scenario:
        """Add `scenario`, or return the known one of this name.

        Raises:
            ConfigError: It is known, and is another one now: another kernel, or other values.
        """
        known = self.scenarios.get(scenario.name)
        if known is None:
            self._append(scenario)
            self.scenarios[scenario.name] = known = scenario
        _require_same(self._path, f"scenario {scenario.name}", known, scenario)
        return known

    def add(self, run: Run) -> None:
        """Make one finished run durable.

        Raises:
            KeepingError: The disk does not take it.
        """
        self._append(run)
        self.runs.append(run)

    def of(self, scenario: str, seed: int) -> list[Run]:
        """Return the runs of one search of all tacticians, its confirmation included."""
        return [run for run in self.runs if (run.scenario, run.seed) == (scenario, seed)]

    def _append(self, line: Line) -> None:
        self.append_line(line.model_dump_json())


def _require_same(path: Path, what: str, known: Line, now: Line) -> None:
    """Refuse to mix two comparisons.

    Raises:
        ConfigError: Names what differs.
    """
    there, here = _identity(known), _identity(now)
    differing = [name for name in here if here[name] != there.get(name)]
    if differing:
        told = "\n".join(
            f"{name}: {there.get(name)} there, {here[name]} now" for name in differing
        )
        raise ConfigError(
            f"{path} holds another {what}\n{told}",
            fix="Run the same command on the same machine to go on with it, or give another file.",
        )


def _identity(line: Line) -> dict[str, Any]:
    """Return what must not change between two sittings; a new date is no other scenario."""
    fields = line.model_dump(mode="json")
    header = fields.pop("header", {})
    for name in ("facts", "date", "began", "note", "design"):
        header.pop(name, None)
    return {**fields, **header}
