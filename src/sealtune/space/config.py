"""`TuningConfig`: what layer 1 hands to layer 2, and the only door by which it comes in.

Whoever wrote a config, a person or a model, every refusal names the field, what was found and
what is allowed. Values that merely need correcting (a range wider than the safe one, `n_steps`
above the budget) are corrected and said so in `notices`.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from sealtune.catalogue import load_catalogue
from sealtune.errors import ConfigError
from sealtune.machine import resolve_metric
from sealtune.space.checks import (
    check_metrics,
    check_names,
    check_parameters,
    check_proposals,
)
from sealtune.space.fields import (
    FROZEN,
    GUARD_METRICS,
    MOST_NAMES,
    REWARD_METRICS,
    SHOWN,
    ActionParam,
    BenchmarkOutput,
    Budget,
    Guard,
    GuardItem,
    Name,
    Proposal,
    RewardMetric,
    RewardWeights,
    StateItem,
    StateMetric,
    TrainingConfig,
)
from sealtune.space.refusals import readable

__all__ = [
    "GUARD_METRICS",
    "REWARD_METRICS",
    "ActionParam",
    "Budget",
    "Guard",
    "RewardWeights",
    "StateMetric",
    "TrainingConfig",
    "TuningConfig",
    "load_config",
]

MAX_BYTES = 1_000_000
_DEFAULT_MINUTES = 20.0
# Of the wall clock of a session a little over half is search, and a 5 s run takes about 7 s.
_SEARCH_SHARE = 0.55
_SECONDS_PER_TRIAL = 7.0
_FEWEST_STEPS, _MOST_STEPS = 2, 16
Stage = Annotated[tuple[Name, ...], Field(max_length=MOST_NAMES)]


class TuningConfig(BaseModel):
    """A whole tuning task. Load one with `load_config`; build a `Space` of it with `build_space`.

    Attributes:
        workload_name: What it is called in reports.
        reward_metric: Metric of the benchmark that is to improve, one of `REWARD_METRICS`.
        benchmark_command: Command, parsed into a known benchmark and its options.
        action_space: Parameters and ranges.
        state_space: System metrics to observe.
        training_config: How the policy learns.
        guards: Measurements that must not get worse.
        reward: Weights of the reward.
        budget: Minutes and trials.
        benchmark_output: Where a command of the person's own prints its number.
        workload_class: One of the ten classes, if known.
        description: The sentence it was made from.
        proposals: Settings worth an early trial, best first; unnamed parameters stay at start.
        curriculum: Parameter names in stages: the first stage is searched alone first.
        strategist: Who wrote it: ``embedded``, ``provider:model``; empty for a person.
        notices: What was corrected or left out, and why.

    Raises:
        ConfigError: A field is unknown, missing or out of bounds; all are listed.
        KnobError: A parameter is unknown, never tuned, or its range lies outside the safe one.
    """

    model_config = FROZEN

    workload_name: Annotated[Name, SHOWN]
    reward_metric: RewardMetric
    benchmark_command: Annotated[str, Field(min_length=1, max_length=2000)]
    action_space: Annotated[tuple[ActionParam, ...], Field(min_length=1, max_length=MOST_NAMES)]
    state_space: Annotated[tuple[StateItem, ...], Field(max_length=MOST_NAMES)] = ()
    training_config: TrainingConfig = TrainingConfig()
    guards: Annotated[tuple[GuardItem, ...], Field(max_length=MOST_NAMES)] = ()
    reward: RewardWeights = RewardWeights()
    budget: Budget = Budget()
    benchmark_output: BenchmarkOutput | None = None
    workload_class: Annotated[str, Field(max_length=200), SHOWN] | None = None
    description: Annotated[str, Field(max_length=20_000), SHOWN] = ""
    proposals: Annotated[tuple[Proposal, ...], Field(max_length=10)] = ()
    curriculum: Annotated[tuple[Stage, ...], Field(max_length=5)] = ()
    strategist: Annotated[str, Field(max_length=200), SHOWN] = ""
    notices: tuple[Annotated[str, SHOWN], ...] = ()

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_readably(
        cls, data: object, handler: ModelWrapValidatorHandler["TuningConfig"]
    ) -> "TuningConfig":
        try:
            config = handler(data)
        except ValidationError as error:
            raise ConfigError(readable(error, cls)) from None
        check_metrics(config.state_space, config.guard_list)
        check_parameters(config.action_space)
        check_names(config.action_space, config.named_elsewhere())
        check_proposals(config.proposals)
        return config

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the machine metrics to observe, synonyms resolved, in order."""
        names = (item if isinstance(item, str) else item.metric for item in self.state_space)
        return tuple(dict.fromkeys(resolve_metric(name) for name in names))

    @property
    def guard_list(self) -> tuple[Guard, ...]:
        """The guards, plain names with their default margin."""
        return tuple(g if isinstance(g, Guard) else Guard(metric=g) for g in self.guards)

    @property
    def trial_cap(self) -> int:
        """Most real trials that `total_timesteps` and `budget` allow together, at least 1."""
        minutes = self.budget.minutes
        if minutes is None and self.budget.trials is None:
            minutes = _DEFAULT_MINUTES
        caps = [self.training_config.total_timesteps]
        if self.budget.trials is not None:
            caps.append(self.budget.trials)
        if minutes is not None:
            caps.append(int(minutes * 60 * _SEARCH_SHARE / _SECONDS_PER_TRIAL))
        return max(1, min(caps))

    def named_elsewhere(self) -> Iterator[tuple[str, str]]:
        """Yield where a parameter is named outside the action space, and the name."""
        for index, proposal in enumerate(self.proposals):
            yield from ((f"proposals[{index}]", name) for name in proposal)
        for index, stage in enumerate(self.curriculum):
            yield from ((f"curriculum[{index}]", name) for name in stage)

    def to_json(self) -> str:
        """Return the config as a JSON document that `load_config` reads back."""
        return self.model_dump_json(indent=2, exclude_none=True) + "\n"


def load_config(source: Path | str | Mapping[str, Any]) -> TuningConfig:
    """Return the config in `source`, corrected where that is safe; see its `notices`.

    Args:
        source: A path, JSON text (it begins with ``{``), or an already parsed object.

    Raises:
        ConfigError: Not readable, no JSON object, a field is wrong; the message names it.
        KnobError: A parameter is unknown, never tuned, or its range lies outside the safe one.
    """
    data = source if isinstance(source, Mapping) else _parse(_read(source))
    config = TuningConfig.model_validate(dict(data))
    return _fit_budget(_narrow(config))


def _read(source: Path | str) -> str:
    if isinstance(source, str) and source.lstrip()[:1] in ("", "{", "["):
        if len(source) > MAX_BYTES:
            raise ConfigError(f"config has more than {MAX_BYTES} characters, which is the most")
        return source
    named = f"config {str(source)[:200]!r}"
    try:
        with open(source, "rb") as file:
            content = file.read(MAX_BYTES + 1)  # what is named may have no end: /dev/zero
        if len(content) > MAX_BYTES:
            raise ConfigError(f"{named} has more than {MAX_BYTES} bytes, which is the most")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{named} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{named} cannot be read: {error}") from error


def _parse(text: str) -> dict[str, Any]:
    if not text.strip():
        raise ConfigError("config is empty; need a JSON object")
    try:
        data = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"config is no valid JSON: {where}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"config is no usable JSON: {str(error)[:200]}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"config is a JSON {type(data).__name__}; need a JSON object {{...}}")
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = sorted(name[:60] for name, count in counts.items() if count > 1)
        raise ConfigError(f"config names {', '.join(twice[:10])} twice in one object")
    return data


def _no_constant(name: str) -> float:
    raise ConfigError(f"config contains {name}; allowed: finite numbers")


def _narrow(config: TuningConfig) -> TuningConfig:
    """Cut every range to the safe one as far as it needs no machine to know."""
    notices = list(config.notices)
    items = []
    for item in config.action_space:
        knob = load_catalogue().resolve(item.param)
        low, high = item.min, item.max
        if low is not None and isinstance(knob.low, int):
            low = max(low, knob.low)
        if high is not None and isinstance(knob.high, int):
            high = min(high, knob.high)
        if (low, high) != (item.min, item.max):
            notices.append(
                f"{item.param}: {item.min}..{item.max} narrowed to the safe range {low}..{high}"
            )
            start = item.start
            if isinstance(start, int):
                start = max(start, low) if low is not None else start
                start = min(start, high) if high is not None else start
            focus = _within(item.focus, low, high)
            item = item.model_copy(
                update={"min": low, "max": high, "start": start, "focus": focus}
            )
        items.append(item)
    return config.model_copy(update={"action_space": tuple(items), "notices": tuple(notices)})


def _within(
    focus: tuple[int, int] | None, low: int | None, high: int | None
) -> tuple[int, int] | None:
    """Return the part of `focus` inside the range, ``None`` if there is none."""
    if focus is None:
        return None
    bottom = focus[0] if low is None else max(low, focus[0])
    top = focus[1] if high is None else min(high, focus[1])
    return (bottom, top) if bottom < top else None


def _fit_budget(config: TuningConfig) -> TuningConfig:
    """Say what caps the trials, and lower an `n_steps` that would never update the policy."""
    notices = list(config.notices)
    training = config.training_config
    cap = config.trial_cap
    if training.total_timesteps > cap:
        notices.append(
            f"total_timesteps {training.total_timesteps}: the budget has room for about {cap} "
            "real trials and wins"
        )
    elif "total_timesteps" in training.model_fields_set:
        notices.append(f"total_timesteps {training.total_timesteps} caps the real trials")
    steps = training.n_steps
    if steps > cap or (steps > _MOST_STEPS and 2 * steps > cap):
        steps = max(_FEWEST_STEPS, min(_MOST_STEPS, cap // 2))
    if steps < training.n_steps:
        notices.append(
            f"n_steps {training.n_steps} lowered to {steps}: with about {cap} trials the policy "
            "would never be updated"
        )
    elif steps < _FEWEST_STEPS:
        steps = _FEWEST_STEPS
        notices.append(f"n_steps {training.n_steps} raised to {steps}: an update needs as many")
    if steps != training.n_steps:
        training = training.model_copy(update={"n_steps": steps})
    return config.model_copy(
        update={"training_config": training, "notices": tuple(dict.fromkeys(notices))}
    )
