"""The search stage: one search, a contest of strategies, or tacticians that take turns."""

import time
from collections.abc import Mapping
from dataclasses import replace

from sealtune.comparing import FEWEST_TRIALS, Compared, together, turns
from sealtune.contest import Entrant, contest, most_entrants, rounds
from sealtune.lane import Lane
from sealtune.ledger import Ledger
from sealtune.plan import Plan
from sealtune.report.comparison import listed
from sealtune.report.found import Found, Searched
from sealtune.scoring import Past, Replayed
from sealtune.searching import Runs, SearchRuns
from sealtune.space.knobs import Setting
from sealtune.tactician import Sampler, SearchResult, prepare_tactician
from sealtune.tactician.record import Ended
from sealtune.tactician.resuming import rebuilt
from sealtune.trial import Avoiding


class SearchStage:
    """Searches, and fills `Found.search`, `Found.plan`, `Found.searched` and `Found.compared`.

    Builds the tacticians at once, before anything is measured: loading torch takes seconds of CPU.

    Args:
        plan: What to search, its rivals beside it.
        ledger: Where runs and notes go.
        history: Number of the lane to its part of an interrupted session.
    """

    def __init__(self, plan: Plan, ledger: Ledger, history: Mapping[int, Past]) -> None:
        self._ledger, self._plan = ledger, plan
        began, clock_began = time.monotonic(), ledger.clock()
        plans = _plans(plan)
        trials = plan.clock.search_trials
        # What one of them gets at most.
        most = trials // len(plans) if plan.request.compare else rounds(len(plans), trials)[-1][1]
        self._lanes = []
        for number, one in enumerate(plans, start=1):
            past = history.get(number, Past())
            unsafe = [trial.setting for trial in past.trials if trial.measurement.unsafe]
            sampler = _tactician(one, max(1, most), past, unsafe)
            lane = Lane(number, one, past.trials, sampler, len(past.trials), knows=past.told)
            lane.unsafe = unsafe
            self._lanes.append(lane)
        ledger.start_up_seconds += time.monotonic() - began
        if history:  # what an interrupted process had learnt takes nothing from this one's time
            ledger.deadline += ledger.clock() - clock_began

    def search(self, found: Found, runs: Runs) -> None:
        """Run the stage; on an interruption what was learnt until then is in `found`."""
        clock = found.the_clock
        phase = clock.phase("search")
        reward = runs.plan.reward_for(runs.baselines)
        found.baseline_reward = reward(reward.reference) or 0.0
        reserved = clock.reserved_seconds + clock.phase("screening").seconds
        stop_at = self._ledger.deadline - reserved
        for lane in self._lanes:
            lane.runs = SearchRuns(runs, reward, stop_at, lane.number, told=lane.knows)
        if self._plan.request.compare:
            self._compare(found, phase.seconds, clock.search_trials)
        elif len(self._lanes) == 1:
            self._ledger.phase("search", "searching", phase.seconds, clock.search_trials)
            trials = max(clock.search_trials, len(self._lanes[0].trials))
            found.search = self._run(found, Entrant(1), trials)
            self._say_if_early(found.search.ended, len(found.search.trials), trials)
        else:
            self._contest(found, runs, phase.seconds, clock.search_trials)

    def _say_if_early(self, ended: Ended, done: int, trials: int) -> None:
        """Say that time ended the search before the number of trials that was asked for."""
        if ended != "stopped" or self._plan.trials is None or done >= trials:
            return
        slowest = max(self._lanes, key=lambda lane: lane.pace)
        self._ledger.note(
            f"The planned time ended the search after {done} of {trials} trials. It counts runs "
            f"of the benchmark alone; {slowest.plan.request.tactician} thought "
            f"{slowest.pace:.1f} s over each trial. --minutes gives it a time of its own."
        )

    def _contest(self, found: Found, runs: Runs, seconds: float, trials: int) -> None:
        """Compare the strategies; the best one's search is the session's."""
        # Runs may cost more than planned: nobody is judged by one or two trials.
        count = min(len(self._lanes), most_entrants(trials))
        if count < len(self._lanes):
            self._ledger.note(f"Time for {count} of {len(self._lanes)} strategies is left.")
        self._ledger.note(
            f"{count} strategies get a short search of equal size each; the better half goes on, "
            "until one is left."
        )

        last = self._lanes[0]

        def go_on(entrant: Entrant, upto: int) -> SearchResult:
            nonlocal last
            lane = self._lanes[entrant.number - 1]
            if lane is not last:
                lane.measured.follow(last.measured)
            last = lane
            by = lane.plan.config.strategist or "your config"
            title = f"searching: strategy {entrant.number} of {count} ({by})"
            self._ledger.phase("search", title, seconds, trials)
            return self._run(found, entrant, upto)

        order = contest(count, trials, go_on)
        found.searched = tuple(
            Searched(one.number, self._lanes[one.number - 1].plan, one.search, one.promise)
            for one in order
        )
        winner = order[0]
        if winner.search is not None:
            most = rounds(count, trials)[-1][1]
            self._say_if_early(winner.search.ended, len(winner.search.trials), most)
        found.search, found.plan = winner.search, self._lanes[winner.number - 1].plan
        runs.plan = found.plan
        by = found.plan.config.strategist or "your config"
        self._ledger.note(f"Strategy {winner.number} of {count} ({by}) was the most promising.")

    def _run(self, found: Found, entrant: Entrant, trials: int) -> SearchResult:
        """Search on until this entrant has had `trials` trials in all."""
        lane = self._lanes[entrant.number - 1]
        known = lane.trials[:trials]
        if len(known) == trials:
            return SearchResult(lane.plan.built.space, known, lane.plan.built.space.start)
        try:
            result = lane.measured.rescored(lane.go_on(trials))
        except BaseException:  # what was learnt until now is part of the result
            found.search, found.plan = lane.so_far(), lane.plan
            raise
        lane.trials = result.trials
        if result.ended == "failures":
            self._ledger.note(
                "More than 3 trials failed in a row: the search ended with what is known."
            )
        return result

    def _compare(self, found: Found, seconds: float, trials: int) -> None:
        """Let the tacticians take turns; all of their trials together are the session's search."""
        each = max(1, trials // len(self._lanes))
        if each < FEWEST_TRIALS:
            self._ledger.note(
                f"Runs cost more than planned: only {each} trials for each tactician, too few to "
                "learn from. Give it more --minutes."
            )
        names = listed([lane.plan.request.tactician for lane in self._lanes])
        title = f"searching: {names} take turns, {each} trials each"
        self._ledger.phase("search", title, seconds, each * len(self._lanes))
        ended: Ended = "stopped"
        try:
            ended = self._take_turns(each)
            self._settle()
            done = sum(len(lane.trials) for lane in self._lanes)
            self._say_if_early(ended, done, each * len(self._lanes))
        finally:
            found.compared = tuple(
                Compared(
                    lane.number,
                    lane.plan.request.tactician,
                    lane.so_far(ended),
                    lane.pace if lane.new else None,
                )
                for lane in self._lanes
            )
            found.search = together(found.compared)

    def _take_turns(self, each: int) -> Ended:
        """Give every lane one trial a round, until each has had `each`; return why it ended."""
        last: Lane | None = None
        out: set[int] = set()
        for number, at in turns(len(self._lanes), each, self._plan.seed):
            lane = self._lanes[at]
            # An interrupted session has had this turn already; who only fails has no more.
            if len(lane.trials) > number or lane.number in out:
                continue
            if last is not None:
                lane.measured.follow(last.measured)
            last = lane
            ended = lane.go_on(len(lane.trials) + 1).ended
            if ended == "stopped":
                return ended
            if ended == "failures":
                out.add(lane.number)
                self._ledger.note(
                    f"More than 3 trials of {lane.plan.request.tactician} failed in a row: "
                    "it gets no further ones."
                )
        return "budget"

    def _settle(self) -> None:
        """Measure the baseline a last time, and compare every trial with those beside it."""
        for lane in self._lanes:
            result = lane.measured.rescored(lane.so_far(), baseline=lane is self._lanes[0])
            lane.trials = result.trials


def _plans(plan: Plan) -> tuple[Plan, ...]:
    """Return one plan for each lane: of every strategy, or of every tactician on the one."""
    if not plan.request.compare:
        return (plan, *plan.rivals)
    return tuple(
        replace(plan, request=replace(plan.request, tactician=name)) for name in plan.tacticians
    )


def _tactician(plan: Plan, trials: int, past: Past, unsafe: list[Setting]) -> Sampler:
    """Return the tactician of `plan` as it was after the trials of an interrupted session.

    Its proposals keep away from the settings in `unsafe`, to which later ones are added.
    """
    present = {item.name: item.present for item in plan.built.plan}

    def build(told: int) -> Sampler:
        tactician = prepare_tactician(
            plan.request.tactician,
            plan.built.space,
            trials,
            prior=plan.prior,
            seed=plan.seed,
            options=plan.policy_options,
            resumed=told,
        )
        sampler = Avoiding(tactician, plan.built.space, present, unsafe.__contains__)
        return sampler if told else Replayed(sampler, past.lessons)

    again = rebuilt(build, past.trials)
    return again.sampler if isinstance(again, Replayed) else again
