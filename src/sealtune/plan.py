"""What a session will do, as a frozen value: shown to the person before anything is touched."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sealtune.benchmarks.base import Adapter, BenchmarkSpec
from sealtune.benchmarks.measurement import Measurement
from sealtune.catalogue.knob import ABSENT
from sealtune.machine import Facts
from sealtune.request import Request
from sealtune.space.belief import belief_of
from sealtune.space.build import Built
from sealtune.space.config import TuningConfig
from sealtune.space.knobs import Setting, Value
from sealtune.space.space import union
from sealtune.strategist import Reading
from sealtune.tactician import PolicyOptions, Reward, RewardWeights
from sealtune.tactician.prior import Prior
from sealtune.verdict import DEFAULT_MARGINS, Clock

START_UP_SECONDS = 20.0
"""Loading torch, preparing the benchmark and tidying up, before anything is known of them [s]."""

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
        rivals: Plans of the other strategies that are compared with this one; each shares its
            benchmark, clock and seed.
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
    rivals: tuple["Plan", ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether nothing real will be touched."""
        return self.request.dry_run

    @property
    def originals(self) -> dict[str, str]:
        """Parameter name to the value the machine has now, those of the rivals included.

        ``absent`` for one that does not exist under the present choice of another.
        """
        mine = {item.name: item.available.found for item in self.built.plan}
        return {
            name: value for rival in self.rivals for name, value in rival.originals.items()
        } | mine

    @property
    def tacticians(self) -> tuple[str, ...]:
        """Who searches: the usual tactician, and those that are compared with it."""
        return (self.request.tactician, *self.request.compare)

    @property
    def prior(self) -> Prior:
        """Where the search begins, and how firmly."""
        belief = belief_of(self.config, self.built.space)
        start = self.built.space.start
        if not self.request.use_prior:
            return Prior(start)
        return Prior(start, belief.focus, belief.proposals, belief.stages)

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
        mine = any(item.available.knob.effective != "now" for item in self.built.plan)
        return mine or any(rival.fresh for rival in self.rivals)

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

    def existing(self, setting: Mapping[str, Value]) -> Setting:
        """Return the part of `setting` that exists when it is set on top of the present values.

        What a scheduler that is not in force would keep for itself is neither written, nor
        compared, nor shown. Takes the settings of rivals, too.
        """
        plans = (self, *self.rivals)
        present = {item.name: item.present for one in plans for item in one.built.plan}
        space = union([one.built.space for one in plans])
        there = space.active({**present, **setting})
        return {name: value for name, value in setting.items() if name in there}

    def in_force(self, setting: Mapping[str, Value]) -> Setting:
        """Return what every parameter reads under `setting`, ``absent`` where it is not there.

        What `setting` brings along and does not name is there too, as the kernel makes it.
        """
        whole: Setting = {**self.originals, **setting}
        there = self.existing(whole)
        fresh = {
            item.name: item.available.present
            for plan in (*self.rivals, self)
            for item in plan.built.plan
            if not item.available.exists
        }
        for name, value in there.items():
            if value == ABSENT:
                there[name] = fresh.get(name, ABSENT)
        return {name: there.get(name, ABSENT) for name in whole}

    def may_be_set(self, setting: Setting) -> bool:
        """Return whether `setting` exists on top of the present values, every coupling kept."""
        present = {item.name: item.present for item in self.built.plan}
        whole: Setting = {**present, **setting}
        there = self.built.space.active(whole)
        repaired = self.built.space.repair(whole)
        return set(setting) <= there and all(repaired[name] == whole[name] for name in there)

    @property
    def policy_options(self) -> PolicyOptions | None:
        """How PPO learns, ``None`` for our own values; the config may set some of them."""
        training = self.config.training_config
        wanted = {"n_steps", "learning_rate", "n_epochs", "clip_range"}
        given = {name: getattr(training, name) for name in wanted & training.model_fields_set}
        given = {name: value for name, value in given.items() if value is not None}
        if not given:
            return None
        from sealtune.tactician.policy import PLAIN

        usual = PLAIN if self.request.tactician == "ppo-only" else PolicyOptions()
        return replace(usual, **given)

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
