"""Brings a tactician back to where an interrupted search has left it."""

from collections.abc import Callable, Sequence

from sealtune.tactician.record import TrialRecord
from sealtune.tactician.samplers import Sampler

Build = Callable[[int], Sampler]
"""Builds a tactician, given how many trials of an earlier run it will be told."""


def rebuilt(build: Build, trials: Sequence[TrialRecord]) -> Sampler:
    """Return the tactician as it was after `trials`, each of which it has been told once.

    Of one seed and told the same scores, a tactician proposes the same settings. So it is asked
    again and told, trial by trial, and has then what no list of trials could give back: the rest
    of its opening, its population, the place in its sequence. It goes on with exactly the trial
    that the interruption kept from being measured.

    Where it proposes something else (another version, another budget), a new one is told them
    all; `prepare_tactician` sees to it that this one does not propose them again.

    Args:
        build: Builds the tactician; cheap for all but the first PPO of a process.
        trials: What has been measured, in order; none is a fresh tactician.
    """
    sampler = build(0)
    for trial in trials:
        if sampler.ask() != trial.setting:
            break
        sampler.tell(trial.setting, trial.score)
    else:
        return sampler
    sampler = build(len(trials))
    for trial in trials:
        sampler.tell(trial.setting, trial.score)
    return sampler
