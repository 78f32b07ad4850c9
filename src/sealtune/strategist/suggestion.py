"""The embedded strategist: from a sentence to a config, by what an expert would try first."""

from collections.abc import Collection, Iterable, Sequence

from sealtune.catalogue import load_catalogue
from sealtune.catalogue.workloads import ExpertKnob, Workload, load_workloads
from sealtune.errors import InputError
from sealtune.machine import Facts
from sealtune.space.available import Availability, AvailableKnob
from sealtune.space.config import ActionParam, Budget, Guard, TrainingConfig, TuningConfig
from sealtune.strategist.load_choice import choose_load
from sealtune.strategist.reading import Reading, read

FEWEST, MOST = 6, 8
"""Parameters in a plan: more make a search blind, fewer leave nothing to find."""

_NAME_LENGTH = 80
_STEPS = 8


def suggest(
    text: str,
    facts: Facts,
    availability: Availability,
    *,
    installed: Collection[str],
    benchmark: str | None = None,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
    no_prior: bool = False,
    minutes: float | None = None,
    trials: int | None = None,
    seed: int = 0,
) -> TuningConfig:
    """Return a config for the workload that `text` describes, on this machine.

    Args:
        text: Description in plain English.
        facts: The machine.
        availability: What it offers, from `available_knobs` over the whole catalogue.
        installed: Names of the benchmark adapters whose tools were found.
        benchmark: Adapter name or whole command in place of the class's own.
        only: Tune these parameters and no others, whether or not the class lists them.
        exclude: Leave these parameters alone.
        no_prior: Whole safe ranges from the present values, in place of expert ones.
        minutes: Wall clock of the whole session.
        trials: Most trials of the search.
        seed: Seed of everything random, kept in the config.

    Raises:
        UnclearWorkloadError: `text` is unclear; the message is the question to ask back.
        KnobError: `only` or `exclude` names an unknown or forbidden parameter.
        InputError: Nothing is left to tune.
        BenchmarkMissingError: The benchmark insisted on is not installed.
        ConfigError: It is unknown, or a limit is out of bounds.
    """
    reading = read(text)
    workload = load_workloads().get(reading.workload_class)
    load = choose_load(workload, reading.traits, facts.cpus, installed, benchmark)
    chosen, notices = _choose(workload, reading, availability, only, exclude)
    expert = {expert.knob: expert for expert in (*workload.parameters, *workload.reserve)}
    params = [_param(item, expert.get(_template(item)), no_prior) for item in chosen]
    return TuningConfig(
        workload_name=" ".join(text.split())[:_NAME_LENGTH],
        reward_metric=load.metric,
        benchmark_command=load.command,
        action_space=tuple(params),
        state_space=workload.state,
        training_config=_training(trials, seed),
        guards=tuple(Guard(metric=name) for name in workload.guards),
        budget=Budget(minutes=minutes, trials=trials),
        workload_class=workload.name,
        description=text,
        notices=(*_trait_notices(reading), *load.notices, *notices),
    )


def _training(trials: int | None, seed: int) -> TrainingConfig:
    if trials is None:
        return TrainingConfig(seed=seed % 2**32)
    steps = max(1, min(_STEPS, trials // 2))  # at least two updates of the policy
    return TrainingConfig(total_timesteps=trials, n_steps=steps, seed=seed % 2**32)


def _choose(
    workload: Workload,
    reading: Reading,
    availability: Availability,
    only: Sequence[str],
    exclude: Sequence[str],
) -> tuple[list[AvailableKnob], list[str]]:
    """Return the parameters to tune, most promising first, and what was left out."""
    offered = {item.knob.name: item for item in availability.offered}
    reasons = {item.name: item.reason for item in availability.left_out}
    device = _device((*offered, *reasons))
    unwanted = set(_names(exclude, device))
    if only:
        wanted = _names(only, device)
    else:
        first = _names(_order(workload, reading), device)
        spare = _names((expert.knob for expert in workload.reserve), device)
        here = [name for name in first if name in offered and name not in unwanted][:MOST]
        more = (n for n in spare if n in offered and n not in unwanted and n not in here)
        wanted = [
            *first,
            *(name for name, _ in zip(more, range(FEWEST - len(here)), strict=False)),
        ]
    wanted = [name for name in dict.fromkeys(wanted) if name not in unwanted]
    chosen = [offered[name] for name in wanted if name in offered][: MOST if not only else None]
    missing = [f"{n}: left out. {reasons[n]}" for n in wanted if n not in offered and n in reasons]
    if not chosen:
        told = "\n".join(missing) or "Everything was excluded."
        raise InputError(f"Nothing is left to tune for {workload.title}.\n{told}")
    return chosen, missing


def _order(workload: Workload, reading: Reading) -> list[str]:
    """Return the class's parameters, those that a trait prefers first."""
    listed = [expert.knob for expert in workload.parameters]
    known = {*listed, *(expert.knob for expert in workload.reserve)}
    preferred = [
        name
        for trait in reading.traits
        for name in load_workloads().trait(trait).prefer
        if name in known
    ]
    return list(dict.fromkeys([*preferred, *listed]))


def _names(names: Iterable[str], device: str | None) -> list[str]:
    return [load_catalogue().resolve(name, device).name for name in names]


def _device(names: Iterable[str]) -> str | None:
    blocks = (name.split("/")[1] for name in names if name.startswith("block/"))
    return next((device for device in blocks if device != "{dev}"), None)


def _template(item: AvailableKnob) -> str:
    parts = item.knob.name.split("/")
    return "/".join(["block", "{dev}", *parts[2:]]) if parts[0] == "block" else item.knob.name


def _param(item: AvailableKnob, expert: ExpertKnob | None, no_prior: bool) -> ActionParam:
    """Return the entry of a config: range, start, reason and confidence."""
    known = expert or ExpertKnob(item.knob.name)
    why = known.why or item.knob.why
    confidence = None if no_prior else known.confidence
    if item.knob.kind == "choice":
        # A choice that only this machine has is added by `build_space`, and said there.
        choices = tuple(choice for choice in item.choices if choice in item.knob.choices)
        first = item.present if no_prior or known.start not in choices else str(known.start)
        return ActionParam(
            param=item.knob.name,
            choices=choices,
            start=first if first in choices else None,
            why=why,
            confidence=confidence,
        )
    low, high, start_at = _range(item, known, no_prior)
    return ActionParam(
        param=item.knob.name,
        min=low,
        max=high,
        scale="log" if item.knob.scale == "log" else None,
        start=start_at,
        why=why,
        confidence=confidence,
    )


def _range(item: AvailableKnob, expert: ExpertKnob, no_prior: bool) -> tuple[int, int, int]:
    low, high, start = item.low, item.high, int(item.present)
    if no_prior:
        return low, high, start
    if expert.low is not None and expert.low < high:
        low = max(low, expert.low)
    if expert.high is not None and expert.high > low:
        high = min(high, expert.high)
    if isinstance(expert.start, int):
        start = expert.start
    else:  # no opinion: the present value, which the range must then include
        low, high = min(low, start), max(high, start)
    return low, high, min(high, max(low, start))


def _trait_notices(reading: Reading) -> list[str]:
    traits = [load_workloads().trait(name) for name in reading.traits]
    return [f"{trait.title}: {trait.why}" for trait in traits]
