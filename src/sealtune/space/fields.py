"""The parts of a `TuningConfig`: what each field is, and what it may hold."""

import math
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
    model_validator,
)

REWARD_METRICS = (
    "transactions_per_second",
    "requests_per_second",
    "events_per_second",
    "mebibytes_per_second",
    "throughput",
    "latency_avg_ms",
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "latency_max_ms",
    "score",
)
"""What a benchmark may be judged by; ``throughput`` is any benchmark's first metric, ``score`` the
number of a command that no adapter knows."""

GUARD_METRICS = ("p50", "p95", "p99", "max", "errors", "pressure")

FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _whole(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a whole number")
    if isinstance(value, float) and (not math.isfinite(value) or value != int(value)):
        raise ValueError("a whole number")
    if abs(value) >= 2**64:
        raise ValueError("a whole number of at most 64 bits")
    return int(value)


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number")
    return value


def _text(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("a text or a whole number")
    return str(value)


def one_line(value: object) -> object:
    """Return a text as one line without characters that a screen obeys or does not show."""
    if not isinstance(value, str):
        return value
    return "".join(sign for sign in " ".join(value.split()) if sign.isprintable())


def _reward_metric(name: object) -> object:
    if name not in REWARD_METRICS:
        raise ValueError(", ".join(REWARD_METRICS))
    return name


Whole = Annotated[int, BeforeValidator(_whole)]
Number = Annotated[float, BeforeValidator(_number)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Choice = Annotated[str, Field(max_length=200), BeforeValidator(_text)]
MOST_NAMES = 100
"""How many parameters, metrics or choices one list may hold: more than there are of any."""
SHOWN = BeforeValidator(one_line)
"""Marks a text that people are shown, whoever wrote it."""


class ActionParam(BaseModel):
    """One parameter that may be tuned: a range, or choices for a categorical one.

    `focus` is the part of the range worth trying first; what the trials say wins over it.
    """

    model_config = FROZEN

    param: Name
    min: Whole | None = None
    max: Whole | None = None
    choices: Annotated[tuple[Choice, ...], Field(max_length=MOST_NAMES)] | None = None
    scale: Literal["linear", "log"] | None = None
    start: Whole | Annotated[str, Field(max_length=200)] | None = None
    focus: tuple[Whole, Whole] | None = None
    why: Annotated[str, Field(max_length=1000), SHOWN] = ""
    confidence: Literal["high", "medium", "low"] | None = None


Proposal = Annotated[
    dict[Name, Whole | Annotated[str, Field(max_length=200)]], Field(max_length=MOST_NAMES)
]
"""Parameter name to a value worth trying early, together."""


class StateMetric(BaseModel):
    """One system metric to observe; a plain string stands for ``{"metric": ...}``."""

    model_config = FROZEN

    metric: Name
    source: Annotated[str, Field(max_length=200)] | None = None


def _usual_margin(guard: dict[str, Any]) -> float:
    # The further out in the tail, the noisier: the margins that `sealtune.verdict` has of itself.
    margins = {"p99": 20.0, "max": 50.0, "pressure": 5.0, "errors": 0.0}
    return margins.get(str(guard.get("metric")), 10.0)


class Guard(BaseModel):
    """A measurement that must not get worse by more than `margin_percent`."""

    model_config = FROZEN

    metric: Name
    margin_percent: Annotated[Number, Field(ge=0, le=1000)] = Field(default_factory=_usual_margin)


def _branch(model: str) -> Discriminator:
    # Without it pydantic tries both branches of a union and complains about each.
    return Discriminator(lambda value: "str" if isinstance(value, str) else model)


_PlainName = Annotated[Name, Tag("str")]
StateItem = Annotated[
    _PlainName | Annotated[StateMetric, Tag("StateMetric")], _branch("StateMetric")
]
GuardItem = Annotated[_PlainName | Annotated[Guard, Tag("Guard")], _branch("Guard")]


class TrainingConfig(BaseModel):
    """How the policy learns; `total_timesteps` caps the real trials.

    What is ``None`` is left to the tactician, whose own values suit 30 to 200 trials.
    """

    model_config = FROZEN

    total_timesteps: Annotated[Whole, Field(ge=1)] = 10_000
    n_steps: Annotated[Whole, Field(ge=1)] = 8
    learning_rate: Annotated[Number, Field(gt=0, le=1)] | None = None
    gamma: Annotated[Number, Field(ge=0, le=1)] | None = None
    gae_lambda: Annotated[Number, Field(ge=0, le=1)] | None = None
    batch_size: Annotated[Whole, Field(ge=2)] | None = None
    n_epochs: Annotated[Whole, Field(ge=1, le=1000)] | None = None
    clip_range: Annotated[Number, Field(gt=0, le=1)] | None = None
    ent_coef: Annotated[Number, Field(ge=0, le=1)] | None = None
    vf_coef: Annotated[Number, Field(ge=0, le=10)] | None = None
    max_grad_norm: Annotated[Number, Field(gt=0, le=100)] | None = None
    seed: Annotated[Whole, Field(ge=0, lt=2**31)] | None = None

    @model_serializer(mode="wrap")
    def _as_it_was_set(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what nobody set: read again, it would count as a wish."""
        written: dict[str, Any] = handler(self)
        return {name: value for name, value in written.items() if name in self.model_fields_set}


class RewardWeights(BaseModel):
    """How performance and stability add up to the reward that teaches."""

    model_config = FROZEN

    performance: Annotated[Number, Field(ge=0, le=1)] = 0.5
    stability: Annotated[Number, Field(ge=0, le=1)] = 0.5
    stability_metric: Literal["repeatability", "pressure"] = "repeatability"
    scale: Literal["baseline", "raw"] = "baseline"

    @model_validator(mode="after")
    def _some_weight(self) -> "RewardWeights":
        if self.performance + self.stability <= 0:
            raise ValueError("a weight above 0 for performance or stability")
        return self


class BenchmarkOutput(BaseModel):
    """Where the number stands in what a command of the person's own prints.

    `pattern` is a regular expression whose first group is the number, `json_path` a dotted path
    such as ``jobs.0.iops``; with neither, the last line printed is the number.
    """

    model_config = FROZEN

    pattern: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    json_path: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    unit: Annotated[str, Field(max_length=40), SHOWN] = ""
    direction: Literal["maximize", "minimize"] = "maximize"

    @model_validator(mode="after")
    def _one_place(self) -> "BenchmarkOutput":
        if self.pattern is not None and self.json_path is not None:
            raise ValueError("pattern or json_path, not both")
        return self


class Budget(BaseModel):
    """What the session may spend; whichever is used up first ends the search."""

    model_config = FROZEN

    minutes: Annotated[Number, Field(gt=0, le=10_080)] | None = None
    trials: Annotated[Whole, Field(ge=1, le=1_000_000)] | None = None


RewardMetric = Annotated[str, BeforeValidator(_reward_metric)]
