"""The lines of the file: what is compared, on which scenarios, and every run."""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from sealtune.benchmarks.measurement import Measurement
from sealtune.survey.lines import Header

FORMAT: Final = "sealtune-on-kernel"
AS_FOUND: Final = "as found"
"""The arm that sets nothing: the baseline."""
RECORDED: Final = "recorded"
"""The arm that sets the best point of the recording."""

_FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

Phase = Literal["baseline", "search", "confirm"]


class Study(BaseModel):
    """The first line: what is compared. Scenarios and seeds may be added later, these may not.

    Attributes:
        simulated: Nothing real was touched.
        tacticians: Who searches; their order says nothing.
        trials: Trials of each search; 0 where those of another file are confirmed anew.
        rounds: Confirming rounds, in each of which every arm runs once.
        run_seconds: Length of one run without warm-up [s].
        machine: Kernel, processors and processor model.
    """

    model_config = _FROZEN

    kind: Literal["study"] = "study"
    format: Literal["sealtune-on-kernel"] = FORMAT
    version: Literal[1] = 1
    simulated: bool
    tacticians: tuple[str, ...]
    trials: int
    rounds: int
    run_seconds: float
    machine: dict[str, Any]


class Scenario(BaseModel):
    """A benchmark with its parameters, and the best that its recording holds.

    Attributes:
        name: Name of its files in bench/surfaces.
        header: Space, originals and benchmark as they were when its first search began.
        best: The best recorded point.
        recorded: Its gain in the recording, as a ratio: the best of many, so biased upwards.
    """

    model_config = _FROZEN

    kind: Literal["scenario"] = "scenario"
    name: str
    header: Header
    best: dict[str, int | str]
    recorded: float


class Run(BaseModel):
    """One finished run, good or failed.

    Attributes:
        n: Position among the runs of the file, from 0.
        stretch: Number of the process that ran it, from 0; runs are compared within one.
        scenario: Name of the scenario.
        seed: Seed of the search.
        phase: What it was for.
        arm: A tactician, `AS_FOUND` or `RECORDED`.
        number: Trial or confirming round, from 0; 0 for a baseline.
        setting: What was set; empty for the values as found.
        value: In the scenario's unit; ``None`` for a failure.
        score: What the tactician was told; ``None`` outside a search and for a failure.
        failure: Why there is no value.
        unsafe: A guard rail was broken; a kind of failure.
        seconds: What the run took, server and settling included [s].
        thinking: What the tactician took since its last run to learn and to propose [s].
        started: When it began, in seconds since the epoch [s].
    """

    model_config = _FROZEN

    kind: Literal["run"] = "run"
    n: int
    stretch: int
    scenario: str
    seed: int
    phase: Phase
    arm: str
    number: int = 0
    setting: dict[str, int | str]
    value: float | None = None
    score: float | None = None
    failure: str | None = None
    unsafe: bool = False
    seconds: float = 0.0
    thinking: float = 0.0
    started: float = 0.0

    def measured(self, scenario: Scenario) -> Measurement:
        """Return the run as the benchmark gave it."""
        header = scenario.header
        failure = None if self.value is not None else self.failure or "no value was recorded"
        return Measurement(
            self.value,
            metric=header.metric,
            unit=header.unit,
            direction=header.direction,
            failure=failure,
            unsafe=self.unsafe,
        )


Line = Study | Scenario | Run
LINES: Final[dict[str, type[Study] | type[Scenario] | type[Run]]] = {
    "study": Study,
    "scenario": Scenario,
    "run": Run,
}
