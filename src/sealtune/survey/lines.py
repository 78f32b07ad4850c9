"""The lines of a recording: the header, which says what was measured, and the runs."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from sealtune.space.knobs import ChoiceKnob, Dimension, IntKnob, When
from sealtune.space.space import Below, Space

FORMAT: Final = "sealtune-surface"
VERSION: Final = 1

_FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RecordedRange(BaseModel):
    """An integer knob of the recorded space."""

    model_config = _FROZEN

    kind: Literal["int"] = "int"
    name: str
    low: int
    high: int
    start: int
    scale: Literal["linear", "log"] = "linear"
    step: int = 1
    when: When | None = None

    @property
    def dimension(self) -> Dimension:
        """The knob itself."""
        return IntKnob(
            self.name, self.low, self.high, self.start, self.scale, self.step, self.when
        )


class RecordedChoice(BaseModel):
    """A knob of the recorded space with a set of values."""

    model_config = _FROZEN

    kind: Literal["choice"] = "choice"
    name: str
    choices: tuple[str, ...]
    start: str
    when: When | None = None

    @property
    def dimension(self) -> Dimension:
        """The knob itself."""
        return ChoiceKnob(self.name, self.choices, self.start, self.when)


class RecordedDesign(BaseModel):
    """How the space was covered, see `sealtune.survey.design.Design`."""

    model_config = _FROZEN

    points: int
    repeated: float
    repeats: int
    seed: int


class Header(BaseModel):
    """The first line of a recording: what was measured, on what, and how.

    Attributes:
        facts: The machine, as `Facts.as_dict` gives it, without what names one boot.
        knobs: The space; each start is the value the machine had, unless a config said another.
        couplings: Pairs of knobs of which the first must stay below the second.
        originals: Every knob's value as found, as text (``absent`` where it was not there): what a
            baseline run measures.
        benchmark: The benchmark's command.
        metric: What a value is, in `unit`; `direction` says what is better.
        run_seconds: Length of one run without warm-up [s].
        date: When it began, UTC.
        began: The same in seconds since the epoch [s].
        note: What the person wanted to say about it.
    """

    model_config = _FROZEN

    format: Literal["sealtune-surface"] = FORMAT
    version: Literal[1] = VERSION
    simulated: bool
    workload: str
    benchmark: str
    metric: str
    unit: str
    direction: Literal["maximize", "minimize"]
    run_seconds: float
    knobs: tuple[Annotated[RecordedRange | RecordedChoice, Field(discriminator="kind")], ...]
    couplings: tuple[tuple[str, str], ...] = ()
    originals: dict[str, str]
    design: RecordedDesign
    facts: dict[str, Any]
    date: str
    began: float
    note: str = ""

    @property
    def space(self) -> Space:
        """The space that was measured.

        Raises:
            ValueError: It is none: a range is empty, a name comes twice.
        """
        return Space(
            [knob.dimension for knob in self.knobs], [Below(*pair) for pair in self.couplings]
        )


class Run(BaseModel):
    """One line of a recording: one finished run, good or failed.

    Attributes:
        n: Position in the recording, from 0.
        stretch: Number of the sitting, from 0; a survey that was interrupted has several. A
            baseline says nothing about the runs of another sitting.
        setting: What was set; empty for a baseline, the values as found.
        value: Metric of the run in the header's unit; ``None`` for a failure.
        intervals: Metric per interval, at most 20 numbers; empty if the tool gives none.
        latency_ms: Percentile name to milliseconds.
        state: A few system metrics of the run, see `sealtune.machine.metrics`.
        failure: Why there is no value.
        unsafe: A guard rail was broken; a kind of failure.
        started: When the run began, in seconds after the header's `began` [s].
    """

    model_config = _FROZEN

    n: int
    stretch: int
    setting: dict[str, int | str]
    value: float | None = None
    intervals: tuple[float, ...] = ()
    latency_ms: dict[str, float] = {}
    state: dict[str, float] = {}
    failure: str | None = None
    unsafe: bool = False
    started: float = 0.0
