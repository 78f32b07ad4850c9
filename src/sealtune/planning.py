"""Everything that will be done, decided before anything is touched: Request -> Plan.

Needs no root and changes nothing; `sealtune plan` ends here.
"""

import os
import secrets
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from sealtune.benchmarks import create_adapter, detect_all, parse_command
from sealtune.benchmarks.base import Adapter, BenchmarkSpec
from sealtune.catalogue import load_catalogue
from sealtune.comparing import ENOUGH_TO_LEARN, FEWEST_TRIALS
from sealtune.contest import most_entrants
from sealtune.errors import BenchmarkMissingError, ConfigError, TooLittleTimeError
from sealtune.machine import Facts, find_services, gather_facts
from sealtune.machine.services import WORKPLACE
from sealtune.plan import START_UP_SECONDS, Plan
from sealtune.request import MOST_SEED, Request
from sealtune.space.available import Availability, available_knobs
from sealtune.space.build import build_space
from sealtune.space.config import TuningConfig
from sealtune.space.fields import one_line
from sealtune.space.imagined import imagined_knobs
from sealtune.store.experience import Experience
from sealtune.strategist.embedded import devise
from sealtune.strategist.memory import recall, remembered
from sealtune.strategist.task import Strategy, Task
from sealtune.tactician.names import check_tactician
from sealtune.verdict import Clock, plan_clock

__all__ = ["Approve", "Plan", "Strategist", "default_workdir", "make_plan"]

SETTLING_SECONDS = 0.5


def default_workdir() -> Path:
    """Return where benchmarks put their files: on a disk, never on tmpfs."""
    if os.geteuid() == 0:
        return Path("/var/lib", WORKPLACE)
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local/state")
    return Path(state, WORKPLACE)


Approve = Callable[[BenchmarkSpec], bool]
"""Asks the person whether exactly ``spec.command`` may run; ``spec.approval`` says why."""


def nobody_to_ask(_spec: BenchmarkSpec) -> bool:
    """Approve nothing."""
    return False


Strategist = Callable[[Task], tuple[Strategy, ...]]
"""Answers a task with one strategy, or with several that are to be compared."""


def embedded_strategist(task: Task) -> tuple[Strategy, ...]:
    """Answer without a model and without a network."""
    return (devise(task, services=find_services(private=(default_workdir(),))),)


def make_plan(
    request: Request,
    approve: Approve = nobody_to_ask,
    *,
    strategist: Strategist = embedded_strategist,
    experiences: Sequence[Experience] = (),
) -> Plan:
    """Decide everything that a session will do; touches nothing.

    Args:
        request: What was asked for.
        approve: Asked about a command that is not the catalogue's; without a yes the person's
            own server is left alone and a private one is measured.
        strategist: Makes the config of a description.
        experiences: What earlier sessions were worth, newest first.

    Raises:
        UnclearWorkloadError: The description is not understood; the message asks back.
        ConfigError: A wish or a config field is not allowed; the message names it.
        KnobError: An unknown, forbidden or out-of-range parameter.
        BenchmarkMissingError: The benchmark asked for is not installed.
        TooLittleTimeError: The time has no room for an honest verdict.
    """
    request.check()
    check_tactician(request.tactician, "--tactician")
    for name in request.compare:
        check_tactician(name, "--compare")
    task = task_of(request, experiences)
    first, *others = _strategies(request, task, strategist)
    plan = _plan(request, first, task, approve)
    rivals = tuple(_rival(plan, strategy, task.availability) for strategy in others)
    if not rivals:
        return _shared(plan) if request.compare else plan
    possible = most_entrants(plan.clock.search_trials)
    if len(rivals) + 1 > possible:
        raise TooLittleTimeError(
            f"--strategies {len(rivals) + 1}: {plan.clock.search_trials} trials can compare "
            f"{possible} at most",
            fix="Give it more --minutes, or compare fewer.",
        )
    return replace(plan, rivals=rivals)


def _shared(plan: Plan) -> Plan:
    """Return `plan` with what the person should know of comparing tacticians by its trials.

    Raises:
        TooLittleTimeError: They would have too few trials each.
    """
    count = len(plan.tacticians)
    each = plan.clock.search_trials // count
    if each < FEWEST_TRIALS:
        raise TooLittleTimeError(
            f"--compare {','.join(plan.request.compare)}: {plan.clock.search_trials} trials are "
            f"{each} for each of {count} tacticians; {FEWEST_TRIALS} each are the least",
            fix=f"Give it more --minutes or --trials ({count * FEWEST_TRIALS} do), or compare "
            "fewer.",
        )
    if each >= ENOUGH_TO_LEARN:
        return plan
    told = f"{each} trials for each of {count} tacticians: most have hardly begun to learn then."
    return replace(plan, notices=(*plan.notices, told))


def task_of(request: Request, experiences: Sequence[Experience] = ()) -> Task:
    """Return what a strategist would be asked on this machine; touches nothing."""
    facts = gather_facts(request.workdir or default_workdir())
    return Task(
        request.description,
        facts,
        _availability(facts, request),
        installed=tuple(name for name, found in detect_all().items() if found.installed),
        experiences=tuple(experiences) if request.use_memory and request.use_prior else (),
        benchmark=request.benchmark,
        only=request.only,
        exclude=request.exclude,
        no_prior=not request.use_prior,
        minutes=request.minutes,
        trials=request.trials,
        seed=_seed(request),
    )


def _plan(request: Request, strategy: Strategy, task: Task, approve: Approve) -> Plan:
    config = strategy.config
    built = build_space(config, task.availability, no_prior=not request.use_prior)
    spec = _allowed(_spec(config), request, approve)
    metric = None if config.reward_metric in ("throughput", "score") else config.reward_metric
    adapter = create_adapter(spec, metric=metric)
    if not request.dry_run:
        _require_installed(adapter)
    told = (*strategy.notices, *config.notices, *spec.notices, *built.notices)
    draft = Plan(
        request,
        strategy.reading,
        config,
        task.facts,
        built,
        spec,
        adapter,
        clock=plan_clock(None, None, 1, 0, 1),
        seed=task.seed,
        workdir=request.workdir or default_workdir(),
        notices=_readable(told),
    )
    return replace(draft, clock=_clock(draft))


def _rival(plan: Plan, strategy: Strategy, availability: Availability) -> Plan:
    """Return the plan of another strategy, measured as `plan` is: else nothing is compared."""
    config = strategy.config.model_copy(
        update={
            name: getattr(plan.config, name)
            for name in ("benchmark_command", "benchmark_output", "reward_metric", "guards")
        }
    )
    built = build_space(config, availability, no_prior=not plan.request.use_prior)
    told = (*strategy.notices, *config.notices, *built.notices)
    return replace(plan, config=config, built=built, notices=_readable(told))


def _readable(notices: Iterable[str]) -> tuple[str, ...]:
    """Return `notices` without repeats, each a line that steers no screen: others' words."""
    return tuple(dict.fromkeys(str(one_line(notice)) for notice in notices))


def _strategies(request: Request, task: Task, strategist: Strategist) -> tuple[Strategy, ...]:
    """Return the strategies to compare, the first one leading."""
    if request.config is not None:
        return tuple(Strategy(config, None) for config in (request.config, *request.rivals))
    if request.benchmark == "custom":
        raise ConfigError(
            "--benchmark custom needs the command itself: --benchmark './measure.sh --fast', or "
            "benchmark_command in a config"
        )
    first, *others = strategist(task)
    if task.experiences:
        recollection = recall(task, reading=first.reading, config=first.config)
        config = remembered(first.config, recollection, task.availability)
        first = replace(first, config=config)
    return (first, *others)


def _availability(facts: Facts, request: Request) -> Availability:
    knobs = load_catalogue().knobs
    found = available_knobs(knobs, facts)
    if found.offered or not request.dry_run:
        return found
    return imagined_knobs(knobs, facts)  # not Linux, or a container without /proc/sys


def _seed(request: Request) -> int:
    given = request.config.training_config.seed if request.config else None
    for seed in (request.seed, given):
        if seed is not None:
            return seed
    return secrets.randbelow(MOST_SEED)


def _spec(config: TuningConfig) -> BenchmarkSpec:
    """Return the benchmark of `config`, with where a command of the person's own prints."""
    spec = parse_command(config.benchmark_command)
    if config.benchmark_output is None:
        return spec
    if spec.name != "custom":
        text = f"benchmark_output is for commands of your own; {spec.name} needs none"
        return replace(spec, notices=(*spec.notices, text))
    output = config.benchmark_output.model_dump(exclude_none=True)
    return replace(spec, options={**spec.options, **output})


def _allowed(spec: BenchmarkSpec, request: Request, approve: Approve) -> BenchmarkSpec:
    """Return `spec`, approved if the person allowed exactly its command."""
    if request.approved_command is not None and request.approved_command != spec.command:
        raise ConfigError(
            f"--approve-command {request.approved_command!r} is not the command of the config: "
            f"{spec.command!r}"
        )
    if spec.approval is None:
        return spec
    if request.approved_command is not None or approve(spec):
        return spec.approved()
    if spec.name == "custom":
        raise ConfigError(
            f"benchmark_command: {spec.command!r} was not approved: {spec.approval}",
            fix=f"Allow exactly this text: --approve-command {shlex.quote(spec.command)}",
        )
    return replace(spec, notices=(*spec.notices, f"{spec.command}: {spec.approval}"))


def _require_installed(adapter: Adapter) -> None:
    found = adapter.detect()
    if not found.installed:
        raise BenchmarkMissingError(
            f"{adapter.name} is not installed",
            fix=f"{found.apt}   (or: {found.dnf}), or choose another with --benchmark.",
        )


def _clock(plan: Plan) -> Clock:
    adapter, minutes = plan.adapter, plan.minutes
    overhead = adapter.warmup_seconds + SETTLING_SECONDS
    return plan_clock(
        minutes,
        plan.trials,
        plan.run_seconds,
        overhead,
        len(plan.built.plan),
        start_up_seconds=START_UP_SECONDS,
    )
