"""What is run: which searches on which scenarios, from which recordings, and for how long."""

import itertools
import math
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.on_kernel.lines import Scenario, Study
from sealtune.errors import ConfigError, InputError
from sealtune.machine import gather_facts
from sealtune.plan import Plan
from sealtune.planning import make_plan
from sealtune.request import LONGEST_RUN, SHORTEST_RUN, Request
from sealtune.space.config import load_config
from sealtune.survey.design import Design
from sealtune.survey.record import FIRST_BASELINES, header_of, record
from sealtune.survey.surface import Surface, load_surface
from sealtune.tactician import TACTICIANS
from sealtune.verdict import LOOKS
from sealtune.verdict.clock import TRIALS_PER_SENTINEL

SURFACES = Path(__file__).parents[1] / "surfaces"
SCENARIOS = ("redis-one-client", "fio-mixed-read", "perf-messaging")
_SIMULATED = Design(points=48, repeated=0.3, repeats=3, seed=1000)
"""What a dry run records of its simulated machine before it searches on it."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for.

    Attributes:
        scenarios: Names of files in `surfaces`.
        tacticians: Who searches, two or more to compare; one will do.
        trials: Trials of each search, at least 2.
        seeds: Seeds of the searches; those below 1000 are for tests.
        rounds: Confirming rounds of each search, one of `LOOKS`.
        run_seconds: Length of one run without warm-up [s].
        dry_run: A simulated machine; touches nothing.
        surfaces: Folder of the configs, NAME.json, and the recordings, NAME.jsonl.
        workdir: Where benchmarks put their files; the usual place when ``None``.
        again: A file of searches that are only to be confirmed anew; search when ``None``.
    """

    scenarios: tuple[str, ...] = SCENARIOS
    tacticians: tuple[str, ...] = ("ppo", "tpe", "random")
    trials: int = 40
    seeds: tuple[int, ...] = (0, 1, 2)
    rounds: int = LOOKS[0]
    run_seconds: float = 1.0
    dry_run: bool = False
    surfaces: Path = SURFACES
    workdir: Path | None = None
    again: Path | None = None

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            InputError: Names the option, what was found and what is allowed.
        """
        for option, names in (
            ("--scenarios", self.scenarios),
            ("--tacticians", self.tacticians),
            ("--seeds", self.seeds),
        ):
            if not names or len(set(names)) != len(names):
                raise InputError(f"{option}: needs one or more, none twice")
        unknown = [name for name in self.tacticians if name not in TACTICIANS]
        if unknown:
            allowed = ", ".join(TACTICIANS)
            raise InputError(f"--tacticians {','.join(unknown)}: allowed: {allowed}")
        if self.trials < 2:
            raise InputError(f"--trials {self.trials}: allowed: 2 and more")
        if self.rounds not in LOOKS:
            raise InputError(f"--rounds {self.rounds}: allowed: {', '.join(map(str, LOOKS))}")
        if not SHORTEST_RUN <= self.run_seconds <= LONGEST_RUN:
            allowed = f"{SHORTEST_RUN} to {LONGEST_RUN}"
            raise InputError(f"--run-seconds {self.run_seconds:g}: allowed: {allowed}")

    @property
    def study(self) -> Study:
        """The first line of the file."""
        facts = gather_facts()
        return Study(
            simulated=self.dry_run,
            tacticians=self.tacticians,
            trials=0 if self.again else self.trials,
            rounds=self.rounds,
            run_seconds=self.run_seconds,
            machine={"kernel": facts.kernel, "cpus": facts.cpus, "cpu_model": facts.cpu_model},
        )

    @property
    def runs(self) -> int:
        """About how many runs one scenario takes with one seed."""
        confirming = self.rounds * (len(self.tacticians) + 2)
        if self.again:
            return confirming
        trials = len(self.tacticians) * self.trials
        baselines = FIRST_BASELINES + math.ceil(trials / TRIALS_PER_SENTINEL)
        return baselines + trials + confirming


@dataclass(frozen=True)
class Ready:
    """A scenario that can be run here.

    Attributes:
        plan: Space, benchmark and present values.
        scenario: What the file says of it.
        cost: What one run took while recording, everything included [s]; 0 in a dry run.
        notices: What the reader of a result should know.
    """

    plan: Plan
    scenario: Scenario
    cost: float
    notices: tuple[str, ...]


def prepare_scenario(name: str, wishes: Wishes) -> Ready:
    """Plan one scenario and read its recording; touches nothing.

    Raises:
        ConfigError: No such files, or a recording of other parameters or ranges than this
            machine has.
        SealtuneError: See `make_plan`.
    """
    config = load_config(wishes.surfaces / f"{name}.json")
    plan = make_plan(
        Request(
            config=config,
            trials=wishes.trials,
            seed=_SIMULATED.seed,  # of the simulated machine alone; every search has its own
            dry_run=wishes.dry_run,
            run_seconds=wishes.run_seconds,
            workdir=wishes.workdir,
        )
    )
    if wishes.dry_run:
        surface = _simulated(plan)
    else:
        surface = load_surface(wishes.surfaces / f"{name}.jsonl")
        if surface.header.simulated:
            raise ConfigError(f"{name}.jsonl is a simulated recording: it has no best point")
    best, space = surface.best, plan.built.space
    # A recording leaves out what did not exist under the point's other values.
    whole = space.repair({**space.start, **best.setting})
    held = {name: whole.get(name) for name in best.setting} == best.setting
    if not held or space.decode(space.encode(whole)) != whole:
        raise ConfigError(
            f"{name}.jsonl: its best point is none of the space of this machine",
            fix=f"Record it here: sealtune record {name}.json -o {name}.jsonl",
        )
    scenario = Scenario(
        name=name,
        header=header_of(plan, Design(**surface.header.design.model_dump())),
        best=best.setting,
        recorded=best.ratio or 1.0,
    )
    notices = (*plan.notices, *surface.notices, *_moved(name, surface, plan))
    return Ready(plan, scenario, _cost(surface, wishes.run_seconds), notices)


def _simulated(plan: Plan) -> Surface:
    """Return a recording of the simulated machine of `plan`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "simulated.jsonl"
        record(plan, _SIMULATED, path, lambda _event: None)
        return load_surface(path)


def _moved(name: str, surface: Surface, plan: Plan) -> list[str]:
    """Return a sentence for each value that was another one when the surface was recorded."""
    return [
        f"{name}: {knob} was {surface.header.originals.get(knob)} when it was recorded and is "
        f"{value} now: gains are over other values."
        for knob, value in plan.originals.items()
        if surface.header.originals.get(knob) != value
    ]


def _cost(surface: Surface, run_seconds: float) -> float:
    """Return what a run of `run_seconds` costs, by the times in the recording [s]."""
    if surface.header.simulated:
        return 0.0
    apart = [
        after.started - before.started
        for before, after in itertools.pairwise(surface.runs)
        if before.stretch == after.stretch
    ]
    return statistics.median(apart or [0.0]) + run_seconds - surface.header.run_seconds
