"""What a store holds and promises: the rows, and the contract of every store."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from sealtune.store.experience import Experience

if TYPE_CHECKING:
    from sealtune.store.moments import Moment

Status = Literal["running", "interrupted", "finished", "failed"]
EndStatus = Literal["interrupted", "finished", "failed"]
Phase = Literal["aa", "search", "sentinel", "screening", "confirm", "minimise"]
Value = int | str


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session about to start.

    Attributes:
        workload: Name of the workload, as in the config.
        description: What the person wrote.
        config: The TuningConfig as a plain mapping.
        facts: Machine facts at the start.
        arguments: What the command line asked for, enough to resume it.
        benchmark: Specification of the benchmark (adapter name and options).
        seed: Seed of everything random in the session.
        simulated: Nothing real was touched (``--dry-run``).
    """

    workload: str
    description: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    benchmark: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One stored session; see `NewSession` for the fields that it shares.

    Attributes:
        id: Short name, such as ``20261121-2233-a7`` (UTC date, time, random suffix).
        status: ``running`` also for a session whose process has died, until `mark_interrupted`.
        started: Start, seconds since the epoch [s].
        finished: End, seconds since the epoch [s]; ``None`` while it runs.
        result: The Result mapping; ``None`` until `Store.finish` gave one.
        trials: Number of trials stored.
    """

    id: str
    status: Status
    started: float
    finished: float | None
    workload: str
    description: str
    config: Mapping[str, Any]
    facts: Mapping[str, Any]
    arguments: Mapping[str, Any]
    benchmark: Mapping[str, Any]
    seed: int
    simulated: bool
    result: Mapping[str, Any] | None
    trials: int


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One finished trial: the setting that was tried and the measurement it gave.

    Attributes:
        phase: Stage of the session that asked for it.
        index: Position within `phase`, from 0; unique within session and phase.
        setting: Knob name to value; empty means the values as found.
        score: The reward the tactician was given; ``None`` outside the search.
        started: Seconds since the epoch [s].
        strategy: Number of the strategy that a search trial was for, from 1.
        value: Primary metric in `unit`, ``None`` when the trial failed. The remaining fields are
            those of a benchmark's measurement, under the same names.
    """

    phase: Phase
    index: int
    setting: Mapping[str, Value]
    score: float | None = None
    started: float = field(default_factory=time.time)
    value: float | None = None
    metric: str = "score"
    unit: str = ""
    direction: str = "maximize"
    intervals: tuple[float, ...] = ()
    interval_seconds: float = 1.0
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    errors: int = 0
    seconds: float = 0.0
    settle_seconds: float = 0.0
    state: Mapping[str, float] = field(default_factory=dict)
    cut_short: bool = False
    failure: str | None = None
    unsafe: bool = False
    strategy: int = 1

    @classmethod
    def of(
        cls,
        phase: Phase,
        index: int,
        setting: Mapping[str, Value],
        measurement: object,
        *,
        score: float | None = None,
        strategy: int = 1,
    ) -> "TrialRow":
        """Return the row of `measurement`: a mapping, or an object with fields of these names."""
        if isinstance(measurement, Mapping):
            given = {name: measurement[name] for name in MEASUREMENT_FIELDS if name in measurement}
        else:
            given = {name: getattr(measurement, name) for name in MEASUREMENT_FIELDS}
        if "intervals" in given:
            given["intervals"] = tuple(given["intervals"])
        score = None if score is None else float(score)
        return cls(phase, index, dict(setting), score=score, strategy=strategy, **given)

    def measurement_fields(self) -> dict[str, Any]:
        """Return the keyword arguments that rebuild the measurement."""
        return {name: getattr(self, name) for name in MEASUREMENT_FIELDS}


MEASUREMENT_FIELDS = tuple(
    f.name
    for f in fields(TrialRow)
    if f.name not in {"phase", "index", "setting", "score", "started", "strategy"}
)


class Store(Protocol):
    """Keeps sessions, their trials, and what was learnt from them.

    Promises: a trial is durable when `add_trial` returns, and never changes afterwards; so is an
    experience, which may however be forgotten; any number
    of readers may look on while one process writes; what cannot be kept is an error, not silence.
    Every method raises `sealtune.errors.KeepingError` when the disk, the file or its schema does
    not allow the operation; whatever was stored before is then still there.

    Attributes:
        path: The file that it is kept in; what belongs to a session lies beside it.
    """

    path: Path

    def begin(self, session: NewSession) -> str:
        """Store `session` as running in this process and return its new, unique id."""

    def add_trial(self, session_id: str, trial: TrialRow) -> None:
        """Make `trial` durable.

        Raises:
            SessionNotFoundError: No session has exactly this id.
            KeepingError: The session is not running, or this phase and index are already taken;
                the first trial stays as it is.
        """

    def finish(
        self, session_id: str, status: EndStatus, result: Mapping[str, Any] | None = None
    ) -> None:
        """End a running session; `result` is kept as it is (numbers that are not finite: null)."""

    def resume(self, session_id: str) -> SessionRow:
        """Make an unfinished session run in this process; trials are added after the stored ones.

        Raises:
            KeepingError: It is finished, or it still runs in a living process.
        """

    def session(self, id_or_prefix: str | None = None) -> SessionRow:
        """Return one session by id or unique prefix; the newest for ``"last"`` or ``None``.

        Raises:
            SessionNotFoundError: None or several match; the message names the nearest ids.
        """

    def sessions(self, limit: int = 20) -> Sequence[SessionRow]:
        """Return the newest sessions, newest first."""

    def resumable(self) -> Sequence[SessionRow]:
        """Return the interrupted sessions, newest first."""

    def trials(self, session_id: str, phase: Phase | None = None) -> Sequence[TrialRow]:
        """Return the trials of a session in the order in which they were added."""

    def mark_interrupted(self) -> Sequence[str]:
        """Mark running sessions whose process is gone, and return their ids."""

    def add_moments(self, session_id: str, moments: "Sequence[Moment]") -> None:
        """Keep what a session says beside its trials; durable only with its next trial.

        Raises:
            SessionNotFoundError: No session has exactly this id.
        """

    def moments(self, session_id: str) -> "Sequence[Moment]":
        """Return what the session said, in order."""

    def add_experience(self, experience: Experience) -> None:
        """Make `experience` durable.

        Raises:
            KeepingError: One of this id is already there; it stays as it is.
        """

    def experiences(self, limit: int = 200, *, simulated: bool = False) -> Sequence[Experience]:
        """Return the experiences added last, newest first: the real ones, or the simulated."""

    def experience(self, id_or_prefix: str) -> Experience:
        """Return one experience by id or unique prefix.

        Raises:
            SessionNotFoundError: None or several match; the message names the nearest ids.
        """

    def forget(self, ids: Iterable[str] | None) -> int:
        """Remove the experiences with these ids or unique prefixes; all of them for ``None``.

        Sessions and trials stay.

        Returns:
            How many were removed.

        Raises:
            SessionNotFoundError: An id matches none or several; then nothing is removed.
        """

    def close(self) -> None:
        """Release the file; safe to call twice."""
