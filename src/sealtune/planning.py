"""Everything that will be done, decided before anything is touched: Request -> Plan.

Needs no root and changes nothing; `sealtune plan` ends here.
"""

import os
import secrets
import shlex
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sealtune.benchmarks import create_adapter, detect_all, parse_command
from sealtune.benchmarks.base import Adapter, BenchmarkSpec
from sealtune.benchmarks.measurement import Measurement
from sealtune.catalogue import load_catalogue
from sealtune.errors import BenchmarkMissingError, ConfigError
from sealtune.machine import Facts, gather_facts
from sealtune.request import MOST_SEED, Request
from sealtune.space.available import Availability, available_knobs
from sealtune.space.build import Built, build_space
from sealtune.space.config import TuningConfig
from sealtune.space.imagined import imagined_knobs
from sealtune.space.knobs import Setting
from sealtune.strategist import Reading, classify, suggest
from sealtune.tactician import TACTICIANS, PolicyOptions, Reward, RewardWeights
from sealtune.verdict import DEFAULT_MARGINS, Clock, plan_clock

START_UP_SECONDS = 20.0
"""Loading torch, preparing the benchmark and tidying up, before anything is known of them [s]."""

SETTLING_SECONDS = 0.5
DEFAULT_MINUTES = 20.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a session will do; shown to the person before anything is touched.

    Attributes:
        request: What was asked for.
        reading: What the description was understood to mean; ``None`` for a config.
        config: What is tuned.
        facts: This machine.
        built: The search space, each parameter with range, start and reason.
        spec: The benchmark and its options.
        adapter: The benchmark, not yet prepared.
        clock: How the time is shared out.
        seed: Seed of everything random.
        workdir: Where the benchmark's files will lie.
        notices: What the person should know before saying yes.
    """

    request: Request
    reading: Reading | None
    config: TuningConfig
    facts: Facts
    built: Built
    spec: BenchmarkSpec
    adapter: Adapter
    clock: Clock
    seed: int
    workdir: Path
    notices: tuple[str, ...]

    @property
    def simulated(self) -> bool:
        """Whether nothing real will be touched."""
        return self.request.dry_run

    @property
    def originals(self) -> dict[str, str]:
        """Parameter name to the value the machine has now."""
        return {item.name: item.available.present for item in self.built.plan}

    @property
    def run_seconds(self) -> float:
        """Measured length of one run [s]."""
        return self.request.run_seconds or self.adapter.default_seconds

    @property
    def total_seconds(self) -> float:
        """The whole session at most, start-up included [s]."""
        return self.clock.total_seconds + START_UP_SECONDS

    @property
    def minutes(self) -> float | None:
        """Whole wall clock; ``None`` when only a number of trials was asked for."""
        budget = self.config.budget
        if self.request.minutes is not None or self.request.trials is not None:
            return self.request.minutes
        if budget.minutes is None and budget.trials is None:
            return DEFAULT_MINUTES
        return budget.minutes

    @property
    def trials(self) -> int | None:
        """Most search trials that were asked for, by the command or the config."""
        steps = self.config.training_config
        asked = [self.request.trials or self.config.budget.trials]
        if "total_timesteps" in steps.model_fields_set:
            asked.append(steps.total_timesteps)
        return min((count for count in asked if count is not None), default=None)

    @property
    def fresh(self) -> bool:
        """Whether the benchmark must restart before each run for every value to take effect."""
        return any(item.available.knob.effective != "now" for item in self.built.plan)

    @property
    def guard_margins(self) -> dict[str, float]:
        """Guard metric to how much worse it may be, see `sealtune.verdict.guards`."""
        if not self.config.guards:
            return dict(DEFAULT_MARGINS)
        margins = {}
        for guard in self.config.guard_list:
            if guard.metric == "errors":
                margins["errors"] = 0.0
            elif guard.metric == "pressure":
                margins["memory_pressure"] = guard.margin_percent
            else:
                margins[guard.metric] = guard.margin_percent / 100
        return {**DEFAULT_MARGINS, **margins}

    def may_be_set(self, setting: Setting) -> bool:
        """Return whether `setting`, on top of the present values, keeps every coupling."""
        present = {item.name: item.present for item in self.built.plan}
        whole: Setting = {**present, **setting}
        return self.built.space.repair(whole) == whole

    @property
    def policy_options(self) -> PolicyOptions | None:
        """How PPO learns, ``None`` for our own values; the config may set some of them."""
        training = self.config.training_config
        wanted = {"n_steps", "learning_rate", "n_epochs", "clip_range"}
        given = {name: getattr(training, name) for name in wanted & training.model_fields_set}
        given = {name: value for name, value in given.items() if value is not None}
        if not given:
            return None
        return replace(PolicyOptions(model=self.request.tactician == "ppo"), **given)

    def reward_for(self, baselines: Sequence[Measurement]) -> Reward:
        """Return the reward against `baselines`, good runs of the originals."""
        weights = self.config.reward
        middle = statistics.median(run.value for run in baselines if run.value is not None)
        return Reward(
            replace(baselines[-1], value=middle),
            RewardWeights(weights.performance, weights.stability),
            weights.stability_metric,
            weights.scale,
        )


def default_workdir() -> Path:
    """Return where benchmarks put their files: on a disk, never on tmpfs."""
    if os.geteuid() == 0:
        return Path("/var/lib/sealtune/work")
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local/state")
    return Path(state) / "sealtune" / "work"


Approve = Callable[[BenchmarkSpec], bool]
"""Asks the person whether exactly ``spec.command`` may run; ``spec.approval`` says why."""


def nobody_to_ask(_spec: BenchmarkSpec) -> bool:
    """Approve nothing."""
    return False


def make_plan(request: Request, approve: Approve = nobody_to_ask) -> Plan:
    """Decide everything that a session will do; touches nothing.

    Args:
        request: What was asked for.
        approve: Asked about a command that is not the catalogue's; without a yes the person's
            own server is left alone and a private one is measured.

    Raises:
        UnclearWorkloadError: The description is not understood; the message asks back.
        ConfigError: A wish or a config field is not allowed; the message names it.
        KnobError: An unknown, forbidden or out-of-range parameter.
        BenchmarkMissingError: The benchmark asked for is not installed.
        TooLittleTimeError: The time has no room for an honest verdict.
    """
    request.check()
    if request.tactician not in TACTICIANS:
        raise ConfigError(f"--tactician {request.tactician}: allowed: {', '.join(TACTICIANS)}")
    workdir = request.workdir or default_workdir()
    facts = gather_facts(workdir)
    availability = _availability(facts, request)
    seed = _seed(request)
    reading, config = _config(request, facts, availability, seed)
    built = build_space(config, availability, no_prior=not request.use_prior)
    spec = _allowed(_spec(config), request, approve)
    metric = None if config.reward_metric in ("throughput", "score") else config.reward_metric
    adapter = create_adapter(spec, metric=metric)
    if not request.dry_run:
        _require_installed(adapter)
    draft = Plan(
        request,
        reading,
        config,
        facts,
        built,
        spec,
        adapter,
        clock=plan_clock(None, None, 1, 0, 1),
        seed=seed,
        workdir=workdir,
        notices=tuple(dict.fromkeys((*config.notices, *spec.notices, *built.notices))),
    )
    return replace(draft, clock=_clock(draft))


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


def _config(
    request: Request, facts: Facts, availability: Availability, seed: int
) -> tuple[Reading | None, TuningConfig]:
    if request.config is not None:
        return None, request.config
    if request.benchmark == "custom":
        raise ConfigError(
            "--benchmark custom needs the command itself: --benchmark './measure.sh --fast', or "
            "benchmark_command in a config"
        )
    installed = tuple(name for name, found in detect_all().items() if found.installed)
    config = suggest(
        request.description,
        facts,
        availability,
        installed=installed,
        benchmark=request.benchmark,
        only=request.only,
        exclude=request.exclude,
        no_prior=not request.use_prior,
        minutes=request.minutes,
        trials=request.trials,
        seed=seed,
    )
    return classify(request.description), config


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
