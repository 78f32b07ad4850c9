"""What is a memory worth on a machine that is like the remembered one, and what does it cost?

    python -m bench.memory [--seeds N] [--first SEED] [--processes N]

The machines are synthetic (`bench.synthetic.machines`). A machine of the past is searched for 60
trials from the values as found, its best setting confirmed by pairs and reduced to what carries
the gain, as a session does it. What is kept of that goes through `experience_of`,
`recall` and `remembered` into the search of the machine at hand, which is like the past one but
not the same, unrelated to it, or its opposite. The same search without a memory is the comparison.
A past that ended without a gain misleads nobody: of machines that are not alike, only confirmed
memories count, and the table says how many of all there were. The rows *staged* have no memory but
a curriculum of no opinion: the first half of the parameters, then the rest.

*Trials to 90 %*: after how many trials the recommendation has, without noise, 90 % of the
reachable gain, and still has it two trials later; 61 if never. *Trials to what 60 without reach*:
the same for the gain that the search without a memory ends with on this machine. *Narrow* cuts the
ranges to the focus in place of trying the focus first. A negative loss is a gain.

Nothing was tuned on what is printed: development used seeds 1000 and up, this table 0 and up.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bench.synthetic import PAIR_FAMILIES, Kinship, Surface, machines
from sealtune.benchmarks.measurement import Measurement
from sealtune.catalogue import load_catalogue
from sealtune.machine import Facts
from sealtune.space.available import Availability, AvailableKnob
from sealtune.space.belief import belief_of
from sealtune.space.build import build_space
from sealtune.space.config import ActionParam, TrainingConfig, TuningConfig
from sealtune.space.knobs import IntKnob, Setting
from sealtune.store import Experience
from sealtune.strategist.memory import experience_of, recall, remembered
from sealtune.strategist.task import Task
from sealtune.tactician import Prior, search
from sealtune.verdict import confirm, minimise

TRIALS = 60
ENOUGH = 0.9
Use = Literal["none", "staged", "focus", "narrow"]
KINSHIPS: tuple[Kinship, ...] = get_args(Kinship)


@dataclass(frozen=True)
class Job:
    """One machine at hand, searched in every way."""

    family: str
    seed: int


@dataclass(frozen=True)
class Curve:
    """One search: the share of the reachable gain that it recommends after each trial."""

    job: Job
    kinship: Kinship | None
    use: Use
    shares: tuple[float, ...]
    verdict: str = ""

    def trials_to(self, share: float) -> int:
        """Return the trials to `share`, held for three in a row; one more than all if never."""
        for count in range(len(self.shares) - 2):
            if min(self.shares[count : count + 3]) >= share:
                return count + 1
        return len(self.shares) + 1


def run(job: Job) -> list[Curve]:
    """Search the machine at hand without a memory, and with each kind of one."""
    _, here = machines(job.family, job.seed, "like")
    plain = plan_for(here, job.seed)
    stages = stages_of([param.param for param in plain.action_space])
    staged = plain.model_copy(update={"curriculum": stages})
    curves = [
        Curve(job, None, "none", searched(here, plain, job.seed)),
        Curve(job, None, "staged", searched(here, staged, job.seed)),
    ]
    for kinship in KINSHIPS:
        past, _ = machines(job.family, job.seed, kinship)
        experience = lived(past, plan_for(past, job.seed), job.seed + 500_000)
        config = with_memory(here, plain, experience)
        shares = searched(here, config, job.seed)
        curves.append(Curve(job, kinship, "focus", shares, experience.verdict))
        if narrowed(config) != config:
            shares = searched(here, narrowed(config), job.seed)
        curves.append(Curve(job, kinship, "narrow", shares, experience.verdict))
    return curves


def plan_for(machine: Surface, seed: int) -> TuningConfig:
    """Return what a strategist without any opinion would write."""
    params = [
        ActionParam(param=knob.name, min=knob.low, max=knob.high, start=knob.first)
        if isinstance(knob, IntKnob)
        else ActionParam(param=knob.name, choices=knob.choices, start=knob.first)
        for knob in machine.space.knobs
    ]
    return TuningConfig(
        workload_name="a cache",
        description=DESCRIPTION,
        reward_metric="requests_per_second",
        benchmark_command="redis-benchmark -t get -c 1",
        action_space=tuple(params),
        training_config=TrainingConfig(seed=seed),
    )


def stages_of(names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return the two halves of `names`."""
    return tuple(names[: len(names) // 2]), tuple(names[len(names) // 2 :])


DESCRIPTION = "a low-latency redis cache, one client at a time"


def offered_by(machine: Surface) -> Availability:
    """Return the parameters of `machine` as `available_knobs` would find them."""
    found = []
    for knob in machine.space.knobs:
        entry = load_catalogue().resolve(knob.name)
        if isinstance(knob, IntKnob):
            found.append(AvailableKnob(entry, str(knob.first), knob.low, knob.high))
        else:
            found.append(AvailableKnob(entry, knob.first, choices=knob.choices))
    return Availability(tuple(found), ())


def lived(machine: Surface, config: TuningConfig, seed: int) -> Experience:
    """Search, confirm and minimise on `machine`; return what is remembered of it."""
    measure = machine.measure(seed)
    result = search(machine.space, measure, TRIALS, prior=machine.space.start, seed=seed)
    present = machine.space.start

    def run_once(setting: Setting) -> Measurement:
        return Measurement(measure({**present, **setting}))

    changed = {k: v for k, v in result.best_setting.items() if v != present[k]}
    confirmation = confirm(run_once, changed, seed=seed)
    found: dict[str, Any] = {"verdict": confirmation.outcome, "gain": None, "best_config": changed}
    kept, effects = set(changed), dict.fromkeys(changed, "not tested")
    if confirmation.gain is not None:
        gain = confirmation.gain
        if confirmation.outcome == "improved":
            minimal = minimise(run_once, changed, confirmation, seed=seed)
            gain, kept = minimal.gain, set(minimal.setting)
            effects = {effect.knob: effect.status for effect in minimal.effects}
            found |= {"best_config": minimal.setting, "gain_of": minimal.gain_of}
        ends = {"estimate": gain.estimate, "ci_low": gain.ci_low, "ci_high": gain.ci_high}
        found["gain"] = {**ends, "pairs": gain.pairs}
    rows = [
        {"name": name, "kept": name in kept, "effect": effects[name], "best": str(value)}
        for name, value in changed.items()
    ]
    return experience_of(
        {
            "full_config": changed,
            "gain_of": "candidate",
            **found,
            "session": f"20260101-0000-{seed % 1000:03}",
            "facts": Facts(kernel="6.1.0", cpus=4, memory_bytes=8 * 2**30).as_dict(),
            "metric": {"name": "requests_per_second", "unit": "1/s", "direction": "maximize"},
            "noise": {"values": [measure(present) for _ in range(6)]},
            "knobs": rows,
            "simulated": False,
        },
        description="redis cache with low latency for a single client",
        workload_class="memory_cache",
        traits=("single_client",),
        config=config.model_dump(mode="json", exclude_none=True),
        originals={name: str(value) for name, value in present.items()},
        strategist="embedded",
        when=0.0,
    )


def with_memory(machine: Surface, config: TuningConfig, experience: Experience) -> TuningConfig:
    """Return `config` as the memory changes it."""
    facts = Facts(kernel="6.1.4", cpus=8, memory_bytes=16 * 2**30)
    availability = offered_by(machine)
    task = Task(DESCRIPTION, facts, availability, experiences=(experience,))
    return remembered(config, recall(task, config=config), availability)


def narrowed(config: TuningConfig) -> TuningConfig:
    """Return `config` with its ranges cut to the focus."""
    params = [
        param.model_copy(update={"min": param.focus[0], "max": param.focus[1]})
        if param.focus
        else param
        for param in config.action_space
    ]
    return config.model_copy(update={"action_space": tuple(params)})


def searched(machine: Surface, config: TuningConfig, seed: int) -> tuple[float, ...]:
    """Search `machine` as `config` says; return the share recommended after each trial."""
    space = build_space(config, offered_by(machine)).space
    belief = belief_of(config, space)
    prior = Prior(space.start, belief.focus, belief.proposals, belief.stages)
    result = search(space, machine.measure(seed), TRIALS, prior=prior, seed=seed)
    return tuple(machine.share(result.recommended(count)) for count in range(1, TRIALS + 1))


def bootstrap(
    values: NDArray[np.float64], statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> tuple[float, float, float]:
    """Return `statistic` of `values` ``(n, k)`` and its 95 % interval, whole rows resampled."""
    rows = np.random.default_rng(0).integers(0, len(values), (4000, len(values)))
    low, high = np.quantile(statistic(values[rows]), [0.025, 0.975])
    return float(statistic(values[None])[0]), float(low), float(high)


def ratio_of_medians(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return median of column 1 over median of column 0, for ``(resamples, n, 2)``."""
    middle = np.median(values, axis=1)
    return np.asarray(middle[:, 1] / middle[:, 0])


def first_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of column 0, for ``(resamples, n, k)``."""
    return np.asarray(np.median(values[:, :, 0], axis=1))


def mean_loss(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of column 0 less column 1, for ``(resamples, n, 2)``."""
    return np.asarray((values[:, :, 0] - values[:, :, 1]).mean(axis=1))


def print_table(curves: Sequence[Curve]) -> None:
    """Print one row per family, kinship and use of the memory, after one with stages."""
    print(
        "| family | memory of a machine that is | memories | used as "
        "| trials to 90 %, without -> with |",
        end="",
    )
    print(" ratio of medians | trials to what 60 without reach | share at 60 | loss at 60 |")
    print("|---|---|---|---|---|---|---|---|---|")
    for family in (*PAIR_FAMILIES, "both"):
        mine = [c for c in curves if family in (c.job.family, "both")]
        plain = {c.job: c for c in mine if c.use == "none"}
        staged = [(plain[c.job], c) for c in mine if c.use == "staged"]
        print_row((family, "no machine", "none", "staged"), staged)
        for kinship in KINSHIPS:
            for use in ("focus", "narrow"):
                others = [c for c in mine if (c.kinship, c.use) == (kinship, use)]
                sure = [c for c in others if c.verdict == "improved"]
                told = f"{len(sure)} of {len(others)} confirmed"
                counted = others if kinship == "like" else sure
                label = (
                    family,
                    kinship,
                    f"{told}, all counted" if counted is others else told,
                    use,
                )
                if counted:
                    print_row(label, [(plain[c.job], c) for c in counted])


def print_row(label: Sequence[str], pairs: Sequence[tuple[Curve, Curve]]) -> None:
    """Print the comparison of two searches of the same machines, after the cells of `label`."""
    needed = np.array([[one.trials_to(ENOUGH) for one in pair] for pair in pairs], np.float64)
    same = np.array([[b.trials_to(a.shares[-1])] for a, b in pairs], np.float64)
    final = np.array([[a.shares[-1], b.shares[-1]] for a, b in pairs])
    ratio = "{:.2f} [{:.2f}, {:.2f}]".format(*bootstrap(needed, ratio_of_medians))
    equal = "{:.0f} [{:.0f}, {:.0f}]".format(*bootstrap(same, first_median))
    loss = "{:+.1%} [{:+.1%}, {:+.1%}]".format(*bootstrap(final, mean_loss))
    before, after = np.median(needed, axis=0)
    shares = "{:.2f} -> {:.2f}".format(*final.mean(axis=0))
    cells = [*label, f"{before:.0f} -> {after:.0f}", ratio, equal, shares, loss]
    print("| " + " | ".join(cells) + " |")


def main() -> None:
    """Run all searches on a few processes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=12, help="machines per family")
    parser.add_argument("--first", type=int, default=0, help="first seed; 1000 for development")
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    # One thread each (read when numpy loads in the spawned processes): they share the cores.
    os.environ["OMP_NUM_THREADS"] = "1"
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    jobs = [Job(family, seed) for seed in seeds for family in PAIR_FAMILIES]
    began = time.monotonic()
    with ProcessPoolExecutor(chosen.processes, mp_context=get_context("spawn")) as pool:
        curves = [curve for found in pool.map(run, jobs) for curve in found]
    print_table(curves)
    confirmed = sum(c.verdict == "improved" for c in curves if c.use == "focus")
    lived_through = sum(c.use == "focus" for c in curves)
    print(f"\nsynthetic machines, seeds {seeds.start} to {seeds.stop - 1}; ", end="")
    print(f"{confirmed} of {lived_through} memories hold a confirmed gain; ", end="")
    print(f"{time.monotonic() - began:.0f} s on {chosen.processes} processes")


if __name__ == "__main__":
    main()
