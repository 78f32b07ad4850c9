"""Everything that the page needs to know of one session, as frozen values with a JSON form.

Ratios are to the baseline of their own time: 1.10 is 10 % better, also for a metric of which less
is better. Times are seconds since the epoch. What is not known is ``None``, never 0.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sealtune.web.measured import Baseline, Confirmation, Importance, Run, Value

VERSION = 1
"""Of the JSON form; grows when a field changes its meaning, not when one is added."""

State = Literal[
    "prepare",
    "aa",
    "search",
    "screening",
    "confirm",
    "minimise",
    "explain",
    "restoring",
    "done",
    "interrupted",
    "failed",
]
"""What a session is doing; the last three are ends."""


@dataclass(frozen=True, slots=True)
class PhaseNow:
    """The phase that a session is in.

    Attributes:
        title: What it does, for a person; may hold names that a model or a config wrote.
        started: When it began [s since the epoch].
        seconds: What the plan gives it [s]; 0 when open.
        runs: Benchmark runs planned; 0 when open.
        done: Runs finished, those of the baseline in between not counted.
    """

    name: str
    title: str
    started: float
    seconds: float
    runs: int
    done: int


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What is measured: metric, unit, direction (``maximize`` or ``minimize``), run length [s]."""

    name: str
    title: str
    metric: str
    unit: str
    direction: str
    run_seconds: float | None


@dataclass(frozen=True, slots=True)
class PlannedPhase:
    """One stretch of the clock as planned before the first run."""

    name: str
    runs: int
    seconds: float
    says: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter that is tuned.

    Attributes:
        what: What it is and for whom it matters, from our catalogue.
        why: The strategist's reason; may come from a model.
        unit: Of its values; ``""`` for a bare count or a choice.
        low: Smallest value that is tried (kind ``int``, else ``None``).
        high: Largest value that is tried (kind ``int``, else ``None``).
        choices: Values that are tried (kind ``choice``, else empty).
        scale: ``linear`` or ``log``.
        effective: When a value bites: ``now``, ``new_socket``, ...
        original: Value before the session; ``absent`` where it did not exist.
        now: What the kernel said last; ``None`` where it cannot be read.
        now_from: ``kernel`` (read for this page), ``run`` (read back after the last run; also the
            simulated machine) or ``""``.
        best: Its value in the best setting so far, or in the confirmed one; ``None`` if unchanged.
        kept: Whether the smallest confirmed setting needs it; ``None`` before that is known.
        effect: Own effect in words, once tested.
        trade_off: What it is known to cost elsewhere.
    """

    name: str
    what: str
    why: str
    unit: str
    kind: str
    low: int | None
    high: int | None
    choices: tuple[str, ...]
    scale: str
    effective: str
    original: str | None
    now: str | None
    now_from: str
    best: str | None
    kept: bool | None
    effect: str
    trade_off: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of a session in words and numbers.

    Attributes:
        verdict: ``improved``, ``none``, ``worse``, ``unsafe`` or ``interrupted``.
        sentence: It in one plain sentence.
        gain: ``estimate, ci_low, ci_high, confidence, pairs, confirmed``; ``None`` without pairs.
        gain_of: ``minimal`` or ``candidate``: which setting the gain is of.
        setting: The smallest confirmed setting; the best searched one without a confirmation.
        full_setting: The whole candidate.
        pairs: The pairs that the gain rests on, ``order, baseline, candidate, ratio, failure``.
        restored: Whether every parameter is back as it was.
        foreign: Changed by somebody else meanwhile, and left alone.
        seconds: ``benchmark, settling, sealtune, start_up, total`` [s].
        noise: ``runs, coefficient_of_variation, drift, detectable_gain, values``.
        checks: ``wilcoxon_p, bootstrap, detectable, reason, looks, guards``.
    """

    verdict: str
    sentence: str
    gain: Mapping[str, Any] | None
    gain_of: str
    improvement: float
    setting: Mapping[str, Value]
    full_setting: Mapping[str, Value]
    pairs: tuple[Mapping[str, Any], ...]
    restored: bool
    foreign: tuple[str, ...]
    seconds: Mapping[str, float]
    noise: Mapping[str, Any]
    checks: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence that a person should read."""

    at: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Write:
    """One value that the guard wrote to the kernel, and what had been there."""

    at: float
    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Held:
    """One parameter that the guard's journal holds now: it differs, or may, from `original`."""

    name: str
    original: str
    written: str | None


@dataclass(frozen=True, slots=True)
class GuardLog:
    """What the guard wrote.

    Attributes:
        writes: Value by value, in order; told after each run, so the present one comes later.
        held: What its journal holds now: empty means that nothing is changed.
        readable: Whether the journal could be read (else `held` says nothing).
    """

    writes: tuple[Write, ...] = ()
    held: tuple[Held, ...] = ()
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Stop:
    """Whether "stop and restore now" can be pressed, whether it was, and why not."""

    possible: bool
    asked: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Apply:
    """Whether the confirmed gain can be kept from here.

    Attributes:
        how: ``session`` (it asks right now, and takes the answer from here), ``here`` (this
            dashboard runs as root and was started with ``--allow-apply``), ``command`` (type
            `command` in a terminal) or ``no``.
        reason: Why not, or what would happen, one sentence.
        command: What to type; ``""`` when there is nothing to keep.
        confirmation: The text that has to be typed; ``""`` unless how is session or here.
        values: ``name, before, after`` of each parameter that would be set.
        applied: Whether this setting is in force for good already.
    """

    how: Literal["session", "here", "command", "no"]
    reason: str
    command: str
    confirmation: str
    values: tuple[Mapping[str, str], ...]
    applied: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One session as it is now.

    Attributes:
        revision: Grows with every change of this session as served by this process.
        read: When this was put together.
        workload: Name of the workload; text of a person or a model.
        description: What the person wrote.
        simulated: Nothing real was touched: every page must say so.
        state: See `State`.
        state_title: It in words.
        eta: Latest planned end; ``None`` when it is over. In simulated seconds if `simulated`.
        remaining_seconds: Until then at `read` [s].
        best: Best ratio of the search so far and its setting; not confirmed.
        error: Why a failed session failed, with what to do now after it.
        metrics: Name of a system metric to ``description`` and ``unit``.
    """

    id: str
    workload: str
    description: str
    simulated: bool
    state: State
    state_title: str
    phase: PhaseNow | None
    started: float
    finished: float | None
    eta: float | None
    remaining_seconds: float | None
    tactician: str
    tacticians: tuple[str, ...]
    strategist: str
    seed: int
    command: str
    benchmark: Benchmark
    plan: tuple[PlannedPhase, ...]
    notices: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    runs: tuple[Run, ...]
    best: Mapping[str, Any] | None
    baseline: Baseline
    confirmation: Confirmation | None
    importance: Importance | None
    verdict: Verdict | None
    notes: tuple[Note, ...]
    guard: GuardLog
    stop: Stop
    apply: Apply
    error: str | None
    facts: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, str]]
    read: float
    revision: int = 0
    version: int = field(default=VERSION)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `sealtune.store.schema.dump`, which makes NaN ``null``."""
        return asdict(self)
