"""The file of a survey: a header line, then one line for each run, each durable when written."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from sealtune.errors import ConfigError
from sealtune.space.refusals import readable
from sealtune.store import TrialRow
from sealtune.survey.growing import GrowingFile
from sealtune.survey.lines import FORMAT, VERSION, Header, Run

MAX_BYTES = 50_000_000
_DIGITS = 5
_MOST_INTERVALS = 20
_STATES = ("cpu_usage", "io_wait_percent", "steal_percent", "memory_used_percent", "psi_io_some")
_FIX = "Give a file that `sealtune record` has written; docs/surfaces.md describes the format."

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording as read.

    Attributes:
        header: Its first line.
        runs: Its other lines, in order.
        notices: What was left out, and why.
        size: Bytes that belong to whole lines.
    """

    header: Header
    runs: tuple[Run, ...]
    notices: tuple[str, ...]
    size: int


def read_recording(path: Path) -> Recording:
    """Return the recording in `path`; a last line that a crash has torn is left out.

    Raises:
        ConfigError: Not readable, no recording, of a later version, or a line is wrong; the
            message names it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error}", fix=_FIX) from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path} has {len(content)} bytes; allowed: {MAX_BYTES}", fix=_FIX)
    size = content.rfind(b"\n") + 1
    first, *lines = content[:size].split(b"\n")[:-1] or [b""]
    header = _header(path, first)
    runs = tuple(_line(path, number, line, Run) for number, line in enumerate(lines, start=2))
    for place, run in enumerate(runs):
        if run.n != place:
            raise ConfigError(f"{path}, line {place + 2}: run {run.n}, expected {place}", fix=_FIX)
    torn = len(content) - size
    notices = (f"The last line was torn ({torn} bytes) and is left out.",) if torn else ()
    return Recording(header, runs, notices, size)


def _header(path: Path, line: bytes) -> Header:
    data = _object(path, 1, line)
    if data.get("format") != FORMAT:
        raise ConfigError(
            f"{path} is no recording: its first line has no format {FORMAT}", fix=_FIX
        )
    if data.get("version") != VERSION:
        raise ConfigError(
            f"{path} has version {data.get('version')!r}; this program reads {VERSION}",
            fix="Read it with the version of sealtune that wrote it, or a later one.",
        )
    header = _line(path, 1, line, Header)
    try:
        names = header.space.names
    except ValueError as error:
        raise ConfigError(f"{path}, line 1: knobs: {error}", fix=_FIX) from None
    if set(names) != set(header.originals):
        raise ConfigError(f"{path}, line 1: originals must name exactly the knobs", fix=_FIX)
    return header


def _line(path: Path, number: int, line: bytes, model: type[Model]) -> Model:
    try:
        return model.model_validate(_object(path, number, line))
    except ValidationError as error:
        raise ConfigError(f"{path}, line {number}: {readable(error, model)}", fix=_FIX) from None


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}, line {number} is no JSON object", fix=_FIX)
    return data


class RecordingFile(GrowingFile):
    """A recording that grows: what a ledger keeps its trials in.

    Args:
        path: The file; begun with `header` when it is not there or empty.
        header: What is going to be measured.

    Raises:
        ConfigError: The file holds something else, or a recording of something else.
        BusyError: Another process is recording into it.
        KeepingError: It cannot be written.
    """

    def __init__(self, path: Path, header: Header) -> None:
        super().__init__(path)
        try:
            self._take_up(header)
        except BaseException:
            self.close()
            raise

    def _take_up(self, header: Header) -> None:
        self.notices: tuple[str, ...] = ()
        self.runs: list[Run] = []
        self.header = header
        # Without one whole line there is nothing that could be lost: a crash tore the header.
        if b"\n" not in self.beginning(MAX_BYTES):
            self._require_ours(self.beginning(len(_START)))
            self.cut(0)
            self._append(header)
            _sync_folder(self._path)
        else:
            known = read_recording(self._path)
            _require_same(self._path, known.header, header)
            self.cut(known.size)
            self.header, self.runs = known.header, list(known.runs)
            self.notices = known.notices
        self._stretch = self.runs[-1].stretch + 1 if self.runs else 0

    def _require_ours(self, beginning: bytes) -> None:
        """Refuse to overwrite a file that is not the torn header of a recording."""
        if not _START.startswith(beginning):
            raise ConfigError(f"{self._path} is no recording, and is left as it is", fix=_FIX)

    def add_trial(self, _session: str, row: TrialRow) -> None:
        """Make one finished run durable.

        Raises:
            KeepingError: The disk does not take it.
        """
        run = Run(
            n=len(self.runs),
            stretch=self._stretch,
            setting=dict(row.setting),
            value=None if row.value is None else _rounded(row.value, 7),
            intervals=_thinned(row.intervals),
            latency_ms={name: _rounded(value) for name, value in row.latency_ms.items()},
            state={name: _rounded(row.state[name], 3) for name in _STATES if name in row.state},
            failure=row.failure,
            unsafe=row.unsafe,
            started=round(row.started - row.seconds - row.settle_seconds - self.header.began, 1),
        )
        self._append(run)
        self.runs.append(run)

    def _append(self, line: BaseModel) -> None:
        self.append_line(line.model_dump_json(exclude_defaults=not isinstance(line, Header)))


_START = f'{{"format":"{FORMAT}",'.encode()


def _require_same(path: Path, known: Header, header: Header) -> None:
    """Refuse to go on with a recording of something else.

    Raises:
        ConfigError: Names what differs.
    """
    there, here = _identity(known), _identity(header)
    differing = [name for name in here if here[name] != there[name]]
    if differing:
        told = "\n".join(f"{name}: {there[name]} there, {here[name]} now" for name in differing)
        raise ConfigError(
            f"{path} is a recording of something else\n{told}",
            fix="Run the same command on the same machine to go on with it, or give another -o.",
        )


def _identity(header: Header) -> dict[str, Any]:
    fields = header.model_dump(mode="json", exclude={"facts", "date", "began", "note"})
    machine = {name: header.facts.get(name) for name in ("kernel", "cpus", "cpu_model")}
    return {**fields, **machine}


def _rounded(value: float, digits: int = _DIGITS) -> float:
    return float(f"{value:.{digits}g}")


def _thinned(intervals: Sequence[float]) -> tuple[float, ...]:
    """Return the intervals, neighbours averaged where there are more than are kept."""
    groups = np.array_split(np.asarray(intervals, dtype=float), _MOST_INTERVALS)
    return tuple(_rounded(float(group.mean()), 4) for group in groups if len(group))


def _sync_folder(path: Path) -> None:
    folder = os.open(path.resolve().parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
