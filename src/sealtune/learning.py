"""What a finished session leaves in the memory: one experience for each strategy it measured."""

import time
from collections.abc import Iterable

from sealtune.plan import Plan
from sealtune.report.found import Found, Searched, differing
from sealtune.report.result import Result
from sealtune.store.experience import Experience
from sealtune.strategist.memory import experience_of, failed_settings, rival_experience
from sealtune.strategist.memory.experience import Trial
from sealtune.strategist.reading import read_traits


def experiences_of(
    plan: Plan, found: Found, result: Result, trials: Iterable[Trial]
) -> tuple[Experience, ...]:
    """Return what is worth remembering, the strategy that was tuned to the end first.

    Args:
        plan: What the person agreed to.
        found: What the stages found.
        result: The verdict; a session without one teaches nothing.
        trials: Every stored trial.
    """
    if result.verdict == "interrupted":
        return ()
    tuned = found.plan or plan
    reading, config = plan.reading, tuned.config
    description = plan.request.description or config.description
    failed = failed_settings(trials, plan.originals)
    first = experience_of(
        result.as_dict(),
        description=description,
        workload_class=reading.workload_class if reading else config.workload_class or "",
        traits=reading.traits if reading else read_traits(description),
        config=config.model_dump(mode="json", exclude_none=True),
        originals=tuned.originals,
        strategist=config.strategist,
        when=time.time(),
        failed=[setting for setting in failed if set(setting) <= set(tuned.built.space.names)],
    )
    return (first, *(_lost(first, one, plan) for one in found.searched[1:]))


def _lost(winner: Experience, rival: Searched, plan: Plan) -> Experience:
    trials = rival.search.trials if rival.search else ()
    best = rival.search.best_setting if rival.search else {}
    good = [trial.setting for trial in trials if trial.score is not None]
    broken = [
        trial.setting
        for trial in trials
        if trial.score is None and (trial.measurement.unsafe or trial.setting not in good)
    ]
    return rival_experience(
        winner,
        rival.number,
        config=rival.plan.config.model_dump(mode="json", exclude_none=True),
        strategist=rival.plan.config.strategist,
        promise=rival.promise,
        setting=differing(plan.existing(best), plan.originals),
        failed=[differing(plan.existing(setting), plan.originals) for setting in broken],
    )
