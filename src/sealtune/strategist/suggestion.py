"""The config that the embedded strategist makes of a reading, by what an expert would try."""

from collections.abc import Collection, Sequence

from sealtune.catalogue.workloads import Trait, load_workloads
from sealtune.machine import Facts
from sealtune.space.available import Availability
from sealtune.space.config import (
    ActionParam,
    Budget,
    Guard,
    RewardWeights,
    TrainingConfig,
    TuningConfig,
)
from sealtune.strategist.expert import Advice, advise
from sealtune.strategist.load_choice import choose_load
from sealtune.strategist.parameters import choose, parameter, template
from sealtune.strategist.reading import Reading, read
from sealtune.strategist.task import Task
from sealtune.strategist.variants import vary

__all__ = ["EMBEDDED", "compose", "suggest"]

EMBEDDED = "embedded"
"""Who wrote a config that no model and no person wrote."""

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
    task = Task(
        text,
        facts,
        availability,
        installed=tuple(installed),
        benchmark=benchmark,
        only=tuple(only),
        exclude=tuple(exclude),
        no_prior=no_prior,
        minutes=minutes,
        trials=trials,
        seed=seed,
    )
    return compose(task, read(text))


def compose(task: Task, reading: Reading, variant: int = 0) -> TuningConfig:
    """Return the config for `task` as it was read.

    Args:
        task: What was asked.
        reading: How its description was understood. With further classes in `mixed`, the
            benchmark is that of the first and the parameters are of all.
        variant: 0 is what an expert would try first, the others are tried against it.

    Raises:
        KnobError: `task` insists on an unknown or forbidden parameter.
        InputError: Nothing is left to tune.
        BenchmarkMissingError: The benchmark insisted on is not installed.
        ConfigError: It is unknown, or a limit is out of bounds.
    """
    workload, *others = map(load_workloads().get, (reading.workload_class, *reading.mixed))
    traits = [load_workloads().trait(name) for name in reading.traits]
    load = choose_load(workload, reading.traits, task.facts.cpus, task.installed, task.benchmark)
    advice = advise((workload, *others), traits)
    chosen, missing = choose(task, advice, workload.title)
    params = tuple(
        parameter(item, advice.about(template(item.knob.name)), task.no_prior) for item in chosen
    )
    told = [_heard(trait, () if task.no_prior or variant else params, advice) for trait in traits]
    if variant:
        params, difference = vary(task, advice, params, variant)
        told.append(difference)
    return TuningConfig(
        workload_name=" ".join(task.description.split())[:_NAME_LENGTH],
        reward_metric=load.metric,
        benchmark_command=load.command,
        action_space=params,
        state_space=workload.state,
        training_config=_training(task.trials, task.seed),
        guards=_guards(workload.guards, traits),
        reward=_reward(traits),
        budget=Budget(minutes=task.minutes, trials=task.trials),
        workload_class=workload.name,
        description=task.description,
        strategist=EMBEDDED,
        notices=(*told, *load.notices, *missing),
    )


def _training(trials: int | None, seed: int) -> TrainingConfig:
    if trials is None:
        return TrainingConfig(seed=seed % 2**32)
    steps = max(2, min(_STEPS, trials // 2))  # two updates of the policy, of two trials or more
    return TrainingConfig(total_timesteps=trials, n_steps=steps, seed=seed % 2**32)


def _guards(usual: Sequence[str], traits: Sequence[Trait]) -> tuple[Guard, ...]:
    further = (name for trait in traits for name in trait.guards)
    return tuple(Guard(metric=name) for name in dict.fromkeys((*usual, *further)))


def _reward(traits: Sequence[Trait]) -> RewardWeights:
    wanted = [trait.stability_metric for trait in traits if trait.stability_metric is not None]
    return RewardWeights(stability_metric=wanted[0]) if wanted else RewardWeights()


def _heard(trait: Trait, params: Sequence[ActionParam], advice: Advice) -> str:
    """Return what `trait` changes; the reason for each parameter stands beside it."""
    changed = [
        item.param
        for item in params
        if advice.adjusted.get(template(item.param)) == trait.title and _took(item, advice)
    ]
    its_own = f" Set for it, each with its reason: {', '.join(changed)}." if changed else ""
    return f"{trait.title}: {trait.why}{its_own}"


def _took(item: ActionParam, advice: Advice) -> bool:
    """Whether this machine offers what the trait wants; of choices it may lack the wanted one."""
    expert = advice.about(template(item.param))
    return item.choices is None or (expert is not None and item.start == expert.start)
