"""One seed on one scenario: all tacticians search in turns, then all are confirmed together."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

import numpy as np

from bench.on_kernel.book import Book, Told
from bench.on_kernel.lane import Lane
from bench.on_kernel.lines import AS_FOUND, RECORDED, Phase, Run
from bench.on_kernel.outcome import MOST_TRIES, rounds_left, trials_of
from bench.on_kernel.study import Ready
from sealtune.benchmarks.measurement import Measurement
from sealtune.errors import TooManyFailuresError
from sealtune.guard import RestoreReport
from sealtune.ledger import Ledger
from sealtune.plan import Plan
from sealtune.report.events import Event, Note
from sealtune.space.knobs import Setting
from sealtune.store import Store
from sealtune.survey.record import FIRST_BASELINES, MOST_FAILED_BASELINES
from sealtune.tactician import SearchResult
from sealtune.verdict import Sentinels
from sealtune.verdict.pairs import usable
from sealtune.workbench import Machine, SimulatedClock, real_machine, simulated_machine

MayStart = Callable[[], bool]
"""Whether another run may start."""
Tell = Callable[[str], None]
"""Told after each run where the bench is, in a few words."""

_RECENT = 5
"""Baselines whose median a trial is rewarded against, as in a session."""
_TURNS, _ARMS = 31, 37
"""Keep the random orders of turns and arms apart."""


class TimeUpError(Exception):
    """No further run may start; the file can be gone on with."""


def sit(ready: Ready, seed: int, book: Book, may_start: MayStart, tell: Tell) -> None:
    """Take up one search of every tactician where the file stops, and end it.

    Args:
        ready: The scenario.
        seed: Seed of the searches, of the turns and of the order of the arms.
        book: Where every run goes, and what is known.
        may_start: Asked before each run.
        tell: Told of progress.

    Raises:
        TimeUpError: `may_start` said no.
        TooManyFailuresError: The baseline fails again and again.
        SealtuneError: The machine or the benchmark cannot be used; parameters are back.
    """
    study, scenario = book.study, ready.scenario
    known = book.of(scenario.name, seed)
    trials = {name: trials_of(scenario, known, name) for name in study.tacticians}
    # Loading torch takes seconds of CPU: before the first baseline.
    lanes = {
        name: Lane.of(ready.plan, name, study.trials, seed, had)
        for name, had in trials.items()
        if len(had) < study.trials
    }
    if not lanes and not rounds_left(study, scenario, known):
        return
    with _machine(ready.plan, len(book.runs)) as machine:
        sitting = Sitting(ready, seed, book, machine, may_start, tell)
        sitting.open(FIRST_BASELINES if lanes else 1)
        sitting.search(lanes)
        sitting.confirm()


def sit_again(
    ready: Ready, seeds: Sequence[int], earlier: Told, book: Book, may_start: MayStart, tell: Tell
) -> None:
    """Run what the searches of `earlier` recommended in fresh rounds, all seeds in turns.

    Args:
        ready: The scenario.
        seeds: Seeds of the searches; each has rounds of its own, with the values as found and the
            best recorded point in each.
        earlier: The file of the searches; nothing of its confirmation is used.
        book: Where every run goes, and what is known; its study says how many rounds.
        may_start: Asked before each run.
        tell: Told of progress.

    Raises:
        TimeUpError: `may_start` said no.
        TooManyFailuresError: The baseline fails again and again.
        SealtuneError: The machine or the benchmark cannot be used; parameters are back.
    """
    name = ready.scenario.name
    left = {seed: rounds_left(book.study, ready.scenario, book.of(name, seed)) for seed in seeds}
    if not any(left.values()):
        return
    with _machine(ready.plan, len(book.runs)) as machine:
        sittings = {seed: Sitting(ready, seed, book, machine, may_start, tell) for seed in seeds}
        arms = {seed: sittings[seed].arms(earlier.of(name, seed)) for seed in seeds}
        sittings[seeds[0]].open(1)
        for number, seed in itertools.product(range(book.study.rounds), seeds):
            if number in left[seed]:
                sittings[seed].round(number, arms[seed])


class Sitting:
    """The runs of one process for one seed on one scenario.

    Args:
        ready: The scenario.
        seed: Seed of the turns and of the order of the arms.
        book: Where every run goes.
        machine: What it runs on.
        may_start: Asked before each run.
        tell: Told of progress.
    """

    def __init__(
        self,
        ready: Ready,
        seed: int,
        book: Book,
        machine: Machine,
        may_start: MayStart,
        tell: Tell,
    ) -> None:
        self._plan, self._scenario, self._seed = ready.plan, ready.scenario, seed
        self._book, self._machine = book, machine
        self._may_start, self._tell = may_start, tell
        self._sentinels = Sentinels(ready.plan.adapter.direction)
        self._baselines: list[Measurement] = []
        self._since, self._failed, self._failures = 0, False, 0

    def open(self, baselines: int) -> None:
        """Measure the values as found: what this process compares with."""
        for _ in range(baselines):
            self._baseline()

    def search(self, lanes: Mapping[str, Lane]) -> None:
        """Run the trials that are left, tacticians in random order within each turn."""
        names = self._book.study.tacticians
        for number in range(self._book.study.trials):
            order = np.random.default_rng([self._seed, _TURNS, number]).permutation(len(names))
            for place in order.tolist():
                lane = lanes.get(names[place])
                if lane is not None and lane.done == number:
                    self._trial(lane)

    def confirm(self) -> None:
        """Run the rounds that are left: every arm once, in random order."""
        known = self._book.of(self._scenario.name, self._seed)
        arms = self.arms(known)
        for number in rounds_left(self._book.study, self._scenario, known):
            self.round(number, arms)

    def arms(self, searched: Sequence[Run]) -> dict[str, Setting]:
        """Return what a round runs: nothing, the best recorded point, what each recommends."""
        arms: dict[str, Setting] = {AS_FOUND: {}, RECORDED: dict(self._scenario.best)}
        for name in self._book.study.tacticians:
            arms[name] = self._recommended(name, searched)
        return arms

    def round(self, number: int, arms: Mapping[str, Setting]) -> None:
        """Run every arm once, in random order."""
        names = list(arms)
        order = np.random.default_rng([self._seed, _ARMS, number]).permutation(len(names))
        for place in order.tolist():
            self._arm(names[place], arms[names[place]], number)

    def _recommended(self, tactician: str, searched: Sequence[Run]) -> Setting:
        trials = trials_of(self._scenario, searched, tactician)
        space = self._plan.built.space
        start = self._plan.prior.within(space).start
        return SearchResult(space, trials, start).recommended(len(trials))

    def _trial(self, lane: Lane) -> None:
        if self._sentinels.due(self._since, self._failed):
            self._baseline()
        setting, number = lane.ask(), lane.done
        run = self._measured(setting)
        score = self._plan.reward_for(self._baselines[-_RECENT:])(run)
        self._write("search", lane.name, number, setting, run, score, lane.thinking)
        lane.tell(setting, score)
        self._since += 1
        self._failed = run.value is None

    def _baseline(self) -> None:
        run = self._measured({})
        self._write("baseline", AS_FOUND, 0, {}, run)
        if self._sentinels.add(run, self._book.runs[-1].n):
            self._baselines.append(run)
            self._since, self._failed, self._failures = 0, False, 0
            return
        self._failures += 1
        if self._failures > MOST_FAILED_BASELINES:
            raise TooManyFailuresError(
                f"{self._failures} baseline runs failed in a row: {run.failure}"
            )

    def _arm(self, name: str, setting: Setting, number: int) -> None:
        """Run one arm of a round; what gives no value is tried again, a few times."""
        for _ in range(MOST_TRIES):
            run = self._measured(setting)
            self._write("confirm", name, number, setting, run)
            if usable(run):
                return
        if name == AS_FOUND:
            raise TooManyFailuresError(
                f"{MOST_TRIES} baseline runs failed in a row: {run.failure}"
            )

    def _measured(self, setting: Setting) -> Measurement:
        if not self._may_start():
            raise TimeUpError
        return self._machine.measure(dict(setting))

    def _write(
        self,
        phase: Phase,
        arm: str,
        number: int,
        setting: Setting,
        run: Measurement,
        score: float | None = None,
        thinking: float = 0.0,
    ) -> None:
        """Make one finished run durable, then say that it is over."""
        seconds = run.seconds + run.settle_seconds
        self._book.add(
            Run(
                n=len(self._book.runs),
                stretch=self._book.stretch,
                scenario=self._scenario.name,
                seed=self._seed,
                phase=phase,
                arm=arm,
                number=number,
                setting=setting,
                value=run.value,
                score=score,
                failure=run.failure,
                unsafe=run.unsafe,
                seconds=round(seconds, 3),
                thinking=round(thinking, 4),
                started=round(time.time() - seconds, 1),
            )
        )
        self._tell(f"{self._scenario.name}, seed {self._seed}: {phase} {number + 1}, {arm}")


@contextlib.contextmanager
def _machine(plan: Plan, measured: int) -> Iterator[Machine]:
    """Lend this kernel or a simulated one; on the way out every parameter is back.

    Args:
        plan: What will be measured.
        measured: Runs that other sittings have had.
    """
    if plan.simulated:
        with simulated_machine(plan, SimulatedClock()) as machine:
            # The noise goes on where the last sitting stopped, in place of coming again.
            for _ in range(measured):
                machine.measure({})
            yield machine
        return
    # Runs go into the book; of a ledger only what it tells the person is used.
    ledger = Ledger(cast("Store", None), "", _say, time.monotonic, 0.0)
    with real_machine(plan, ledger, _say_foreign) as machine:
        yield machine


def _say(event: Event) -> None:
    if isinstance(event, Note):
        print(event.text, flush=True)


def _say_foreign(report: RestoreReport) -> None:
    for name, found, original in report.foreign:
        print(f"Somebody else set {name} to {found}; it was {original}, and is left.", flush=True)
