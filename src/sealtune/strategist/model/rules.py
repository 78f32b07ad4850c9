"""Whether a model's config is taken: every rule says in words what it found and what is allowed.

The model proposes and this decides. Nothing is corrected in silence: what does not fit goes back,
and what the person decides (limits, the benchmark, which parameters) is set here whatever it said.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any

from sealtune.benchmarks import create_adapter, parse_command
from sealtune.catalogue.workloads import Workload, load_workloads
from sealtune.errors import ConfigError, SealtuneError
from sealtune.space.available import AvailableKnob
from sealtune.space.build import build_space
from sealtune.space.config import ActionParam, Budget, TrainingConfig, TuningConfig
from sealtune.strategist.load_choice import choose_load
from sealtune.strategist.memory import Memory, recall
from sealtune.strategist.model.answer import Refused, plain
from sealtune.strategist.model.ground import MOST_CLIENTS, Ground
from sealtune.strategist.prompt import LONGEST_MINUTES, SHORTEST_MINUTES, selectable

_OURS = ("workload_name", "description", "strategist", "notices", "training_config")
_MOST_PROBLEMS = 12
_MOST_PROPOSALS = 5
_NAME_LENGTH = 80
_WHY_LENGTH = 300
_STEPS = 8


def accept(answer: Mapping[str, Any], ground: Ground, strategist: str) -> TuningConfig:
    """Return the config in `answer`, checked against every rule.

    Args:
        answer: One JSON object, as the model wrote it.
        ground: What it may choose from.
        strategist: Who wrote it, kept in the config.

    Raises:
        Refused: The message says what is wrong and what is allowed, for the model to correct.
    """
    draft = _draft(answer)
    problems = [
        *_parameter_problems(draft, ground),
        *_load_problems(draft, ground),
        *_other_problems(draft, ground),
    ]
    if not problems:
        problems = list(_novelty_problems(draft, ground))
    if problems:
        raise Refused("\n".join(problems[:_MOST_PROBLEMS]))
    config = _finish(draft, ground, strategist)
    try:
        build_space(config, ground.task.availability)
    except SealtuneError as error:
        raise Refused(str(error)) from error
    return config


def _draft(answer: Mapping[str, Any]) -> TuningConfig:
    if "benchmark_output" in answer:
        raise Refused("benchmark_output: only a person gives it; leave it out")
    fields = {name: value for name, value in answer.items() if name not in _OURS}
    try:
        return TuningConfig.model_validate({**fields, "workload_name": "draft"})
    except SealtuneError as error:
        raise Refused(str(error)) from error
    except (RecursionError, ValueError, OverflowError) as error:
        raise Refused(f"The answer cannot be read: {plain(error, 200)}") from error


def _parameter_problems(draft: TuningConfig, ground: Ground) -> Iterator[str]:
    count = len(draft.action_space)
    if not ground.fewest <= count <= ground.most:
        yield f"action_space: {count} parameters; allowed: {ground.fewest} to {ground.most}"
    for index, param in enumerate(draft.action_space):
        for problem in _problems_of(param, ground):
            yield f"action_space[{index}]: {plain(param.param, 80)}: {problem}"
    given = {param.param for param in draft.action_space}
    for name in ground.required:
        if name not in given:
            yield f"action_space: {name} is missing; the person asked for it"


def _problems_of(param: ActionParam, ground: Ground) -> Iterator[str]:
    item = ground.offered.get(param.param)
    if item is None:
        yield "not among the parameters that can be tuned here; write a name exactly as listed"
        return
    if not param.why.strip():
        yield "why is missing; need one sentence"
    if param.confidence is None:
        yield "confidence is missing; allowed: high, medium, low"
    yield from _choice_problems(param, item) if item.choices else _range_problems(param, item)


def _choice_problems(param: ActionParam, item: AvailableKnob) -> Iterator[str]:
    allowed = ", ".join(selectable(item))
    chosen = param.choices or ()
    if len(chosen) < 2 or not set(chosen) <= set(selectable(item)):
        yield f"choices {list(chosen)}; need two or more of: {allowed}"
    if param.start is None:
        yield f"start is missing; allowed: {allowed}"


def _range_problems(param: ActionParam, item: AvailableKnob) -> Iterator[str]:
    safe = f"allowed: {item.low}..{item.high}"
    low, high, start = param.min, param.max, param.start
    if low is None or high is None:
        yield f"min and max are needed; {safe}"
        return
    if low < item.low or high > item.high:
        yield f"{low}..{high} is wider than the safe range; {safe}"
    elif low >= high:
        yield f"{low}..{high} is no range; {safe}"
    if not isinstance(start, int) or not low <= start <= high:
        yield f"start {plain(start, 40)} does not lie in {low}..{high}"
    if param.focus is not None and not low <= param.focus[0] < param.focus[1] <= high:
        yield f"focus {list(param.focus)} does not lie in {low}..{high}"


def _load_problems(draft: TuningConfig, ground: Ground) -> Iterator[str]:
    """Say why the benchmark is not taken; the person's own goes before whatever is said here."""
    if ground.task.benchmark is not None:
        return
    listed = "use one of the benchmarks listed, with up to " + f"{MOST_CLIENTS} clients"
    try:
        spec = parse_command(draft.benchmark_command)
        if spec.approval is not None or spec.target or not ground.permits(spec):
            shown = plain(draft.benchmark_command, 100)
            yield f"benchmark_command: {shown!r} is not one that you may choose; {listed}"
            return
        if draft.reward_metric != "throughput":
            create_adapter(spec, metric=draft.reward_metric)
    except (SealtuneError, ValueError) as error:
        yield f"{plain(error, 400)}; {listed}"


def _other_problems(draft: TuningConfig, ground: Ground) -> Iterator[str]:
    try:
        load_workloads().get(draft.workload_class or "")
    except ConfigError as error:
        yield plain(error, 400)
    if not draft.guards or any(not isinstance(guard, str) for guard in draft.guards):
        yield "guards: need one name or more, such as p99; the margins are not yours to set"
    minutes = draft.budget.minutes if ground.task.minutes is None else None
    if minutes is not None and not SHORTEST_MINUTES <= minutes <= LONGEST_MINUTES:
        yield f"budget: {minutes:g} minutes; allowed: {SHORTEST_MINUTES} to {LONGEST_MINUTES}"
    yield from _stage_problems(draft)
    yield from _proposal_problems(draft)


def _stage_problems(draft: TuningConfig) -> Iterator[str]:
    names = [name for stage in draft.curriculum for name in stage]
    known = {param.param for param in draft.action_space}
    if any(not stage for stage in draft.curriculum):
        yield "curriculum: a stage is empty; name parameters of action_space"
    for name in dict.fromkeys(names):
        if name not in known:
            yield f"curriculum: {plain(name, 80)} is not among your parameters"
        elif names.count(name) > 1:
            yield f"curriculum: {name} stands in two stages"


def _proposal_problems(draft: TuningConfig) -> Iterator[str]:
    params = {param.param: param for param in draft.action_space}
    if len(draft.proposals) > _MOST_PROPOSALS:
        yield f"proposals: {len(draft.proposals)}; allowed: up to {_MOST_PROPOSALS}"
    for index, proposal in enumerate(draft.proposals):
        if not proposal:
            yield f"proposals[{index}]: is empty"
        for name, value in proposal.items():
            where = f"proposals[{index}]: {plain(name, 80)}"
            param = params.get(name)
            if param is None:
                yield f"{where} is not among your parameters"
            elif not _within(param, value):
                yield f"{where} = {plain(value, 40)} does not lie in what you let it take"


def _within(param: ActionParam, value: int | str) -> bool:
    if param.choices is not None:
        return str(value) in param.choices
    if not isinstance(value, int) or param.min is None or param.max is None:
        return False
    return param.min <= value <= param.max


def _novelty_problems(draft: TuningConfig, ground: Ground) -> Iterator[str]:
    """Ask for something new: else a memory that misleads would never be found wrong."""
    memories = recall(ground.task).memories
    if not memories:
        return
    tried = [setting for memory in memories for setting in _tried(memory)]
    if any(_new(proposal, tried) for proposal in draft.proposals):
        return
    if _anything_new(ground, tried):
        yield (
            "proposals: need at least one setting that differs from everything that the past "
            "sessions tried"
        )


def _anything_new(ground: Ground, tried: Sequence[Mapping[str, int | str]]) -> bool:
    """Whether something is left to try; each setting that was tried rules out one at most."""
    enough = len(tried) + 1
    items = islice(ground.offered.values(), ground.most)
    values = [_values(item)[:enough] for item in items]
    settings = (dict(zip(ground.offered, one, strict=False)) for one in product(*values))
    return any(_new(setting, tried) for setting in islice(settings, enough))


def _values(item: AvailableKnob) -> Sequence[int | str]:
    return selectable(item) if item.choices else range(item.low, item.high + 1)


def _tried(memory: Memory) -> list[Mapping[str, int | str]]:
    past = memory.experience
    return [past.setting, *past.failed, *past.config.get("proposals", ())]


def _new(proposal: Mapping[str, int | str], tried: Sequence[Mapping[str, int | str]]) -> bool:
    return not any(
        all(str(past.get(name)) == str(value) for name, value in proposal.items())
        for past in tried
    )


def _finish(draft: TuningConfig, ground: Ground, strategist: str) -> TuningConfig:
    """Return the config with what is not the model's to say: limits, load, seed, names."""
    task = ground.task
    workload = load_workloads().get(draft.workload_class or "")
    command, metric, notices = _load(draft, ground, workload)
    fields = draft.model_dump(exclude_none=True, exclude={"notices"})
    params = [
        {**param, "why": plain(param["why"], _WHY_LENGTH)} for param in fields["action_space"]
    ]
    minutes = draft.budget.minutes if (task.minutes, task.trials) == (None, None) else task.minutes
    return TuningConfig.model_validate(
        {
            **fields,
            "workload_name": plain(task.description, _NAME_LENGTH) or "workload",
            "reward_metric": metric,
            "benchmark_command": command,
            "action_space": params,
            "state_space": fields["state_space"] or workload.state,
            "training_config": _training(task.trials, task.seed),
            "budget": Budget(minutes=minutes, trials=task.trials),
            "description": task.description,
            "strategist": strategist,
            "notices": notices,
        }
    )


def _load(
    draft: TuningConfig, ground: Ground, workload: Workload
) -> tuple[str, str, tuple[str, ...]]:
    """Return command, metric and notices of the benchmark: the person's before the model's."""
    task = ground.task
    if task.benchmark is None:
        return draft.benchmark_command, draft.reward_metric, ()
    load = choose_load(workload, (), task.facts.cpus, task.installed, task.benchmark)
    spec = parse_command(load.command)
    known = () if spec.name == "custom" else create_adapter(spec).metrics
    metric = draft.reward_metric if draft.reward_metric in known else load.metric
    return load.command, metric, load.notices


def _training(trials: int | None, seed: int) -> TrainingConfig:
    if trials is None:
        return TrainingConfig(seed=seed % 2**32)
    steps = max(2, min(_STEPS, trials // 2))  # two updates of the policy, of two trials or more
    return TrainingConfig(total_timesteps=trials, n_steps=steps, seed=seed % 2**32)
