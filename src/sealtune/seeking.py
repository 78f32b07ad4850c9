"""The search stage: one strategy's search, or a contest of several and the best one's search."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sealtune.contest import Entrant, contest, most_entrants, rounds
from sealtune.ledger import Ledger
from sealtune.plan import Plan
from sealtune.report.conclude import Found, Searched
from sealtune.searching import Runs, SearchRuns
from sealtune.tactician import (
    Budget,
    Sampler,
    SearchResult,
    TrialRecord,
    prepare_tactician,
    search,
)


@dataclass
class _Lane:
    """One strategy's way through the search.

    Attributes:
        number: Its position, from 1.
        plan: Its plan.
        trials: What it has tried, those of an interrupted session first.
        sampler: Its tactician, kept from round to round.
        told: How many of `trials` the tactician has learnt from.
    """

    number: int
    plan: Plan
    trials: tuple[TrialRecord, ...]
    sampler: Sampler
    told: int = 0
    runs: SearchRuns | None = field(default=None, repr=False)


class SearchStage:
    """Searches, and fills `Found.search`, `Found.plan` and `Found.searched`.

    Builds the tacticians at once, before anything is measured: loading torch takes seconds of CPU.

    Args:
        plan: What to search, its rivals beside it.
        ledger: Where runs and notes go.
        history: Number of the strategy to its search trials in an interrupted session.
    """

    def __init__(
        self, plan: Plan, ledger: Ledger, history: Mapping[int, Iterable[TrialRecord]]
    ) -> None:
        self._ledger = ledger
        plans = (plan, *plan.rivals)
        began = time.monotonic()
        trials = rounds(len(plans), plan.clock.search_trials)[-1][1]  # what the best one gets
        self._lanes = []
        for number, one in enumerate(plans, start=1):
            known = tuple(replace(t, index=at) for at, t in enumerate(history.get(number, ())))
            sampler = _tactician(one, trials, resumed=len(known))
            self._lanes.append(_Lane(number, one, known, sampler))
        ledger.start_up_seconds += time.monotonic() - began

    def search(self, found: Found, runs: Runs) -> None:
        """Run the stage; on an interruption what was learnt until then is in `found`."""
        clock = found.the_clock
        phase = clock.phase("search")
        reward = runs.plan.reward_for(runs.baselines)
        found.baseline_reward = reward(reward.reference) or 0.0
        reserved = clock.reserved_seconds + clock.phase("screening").seconds
        stop_at = self._ledger.deadline - reserved
        for lane in self._lanes:
            lane.runs = SearchRuns(runs, reward, stop_at, lane.number)
        if len(self._lanes) == 1:
            self._ledger.phase("search", "searching", phase.seconds, clock.search_trials)
            trials = max(clock.search_trials, len(self._lanes[0].trials) + 1)
            found.search = self._run(found, Entrant(1), trials)
            return
        # Runs may cost more than planned: nobody is judged by one or two trials.
        count = min(len(self._lanes), most_entrants(clock.search_trials))
        if count < len(self._lanes):
            self._ledger.note(f"Time for {count} of {len(self._lanes)} strategies is left.")
        self._ledger.note(
            f"{count} strategies get a short search of equal size each; the better half goes on, "
            "until one is left."
        )

        def go_on(entrant: Entrant, trials: int) -> SearchResult:
            by = self._lanes[entrant.number - 1].plan.config.strategist or "your config"
            title = f"searching: strategy {entrant.number} of {count} ({by})"
            self._ledger.phase("search", title, phase.seconds, clock.search_trials)
            return self._run(found, entrant, trials)

        order = contest(count, clock.search_trials, go_on)
        found.searched = tuple(
            Searched(one.number, self._lanes[one.number - 1].plan, one.search, one.promise)
            for one in order
        )
        winner = order[0]
        found.search, found.plan = winner.search, self._lanes[winner.number - 1].plan
        runs.plan = found.plan
        by = found.plan.config.strategist or "your config"
        self._ledger.note(f"Strategy {winner.number} of {count} ({by}) was the most promising.")

    def _run(self, found: Found, entrant: Entrant, trials: int) -> SearchResult:
        """Search on until this entrant has had `trials` trials in all."""
        lane = self._lanes[entrant.number - 1]
        if lane.runs is None:
            raise ValueError("the search has not begun")
        known = lane.trials[:trials]
        if len(known) == trials:
            return SearchResult(lane.plan.built.space, known, lane.plan.built.space.start)
        try:
            result = search(
                lane.plan.built.space,
                lane.runs.measure,
                Budget(trials),
                tactician=lane.sampler,
                prior=lane.plan.prior,
                seed=lane.plan.seed,
                reward=lane.runs,
                on_trial=lane.runs.keep,
                history=lane.trials,
                told=lane.told,
            )
        except BaseException:  # what was learnt until now is part of the result
            tried = (*lane.trials, *lane.runs.since(len(lane.trials)))
            start = lane.plan.built.space.start
            found.search = SearchResult(lane.plan.built.space, tried, start, "stopped")
            found.plan = lane.plan
            raise
        result = lane.runs.rescored(result)
        lane.trials, lane.told = result.trials, len(result.trials)
        if result.ended == "failures":
            self._ledger.note(
                "More than 3 trials failed in a row: the search ended with what is known."
            )
        return result


def _tactician(plan: Plan, trials: int, *, resumed: int) -> Sampler:
    return prepare_tactician(
        plan.request.tactician,
        plan.built.space,
        trials,
        prior=plan.prior,
        seed=plan.seed + resumed,  # the same one would propose the finished trials again
        options=plan.policy_options,
        resumed=resumed,
    )
