"""Whether parts of a confirmed setting can go: fresh pairs against the whole of it, few if clear.

Each step compares the full candidate with a smaller setting by a sequential probability ratio
test: "it keeps the gain" against "half of the (log) gain is gone". A gain many times the noise is
settled by a pair or two, a gain near the noise takes as many as the clock allows. Always
comparing with the full candidate keeps small losses from adding up unnoticed.

Source: Wald, "Sequential tests of statistical hypotheses", 1945; the halving of groups follows
Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sealtune.errors import TooManyFailuresError
from sealtune.space.knobs import Setting
from sealtune.verdict.confirmation import Confirmation
from sealtune.verdict.pairs import Pair, PairRunner
from sealtune.verdict.statistics import hodges_lehmann

StepOutcome = Literal["keeps", "loses", "undecided"]
WRONGLY_DROPPED, WRONGLY_KEPT = 0.10, 0.10
MOST_PAIRS_PER_STEP = 16
_SMALLEST_NOISE = 0.005
_FAILURES_TO_LOSE = 2
_MOST_REPEATS = 2


@dataclass(frozen=True, slots=True)
class Step:
    """One attempt to do without a group of knobs.

    Attributes:
        without: Knobs put back to their defaults, beside those dropped before.
        setting: What remained and was measured.
        outcome: ``keeps`` the gain, ``loses`` it, or ``undecided`` when the pairs ran out or it
            was a probe of a single pair.
        ratio: Remaining setting over full candidate, 1.0 when nothing is lost; ``None`` if it
            could not be measured.
        ci_low: Low end of a plain 95 % interval that borrows the confirmation's noise.
        ci_high: High end of it.
        pairs: The pairs used; the reference arm is the full candidate.
    """

    without: tuple[str, ...]
    setting: Setting
    outcome: StepOutcome
    ratio: float | None
    ci_low: float | None
    ci_high: float | None
    pairs: tuple[Pair, ...]


class Halving:
    """Drops groups of knobs from a confirmed candidate while the gain stays.

    Args:
        runner: Runs the pairs.
        candidate: The full, confirmed setting.
        confirmation: How it was confirmed: gives the gain, the noise and the level.
        has_time: Says whether another pair may start.
        valid: Says whether a smaller setting may be written at all, see `minimise`.
        on_step: Called after every step.

    Attributes:
        kept: Knobs still in the setting, in the candidate's order.
        steps: Everything tried, in order.
        stopped: Why it ended before every knob was singled out; ``""`` if it did not.
        failing: It ended because runs failed again and again.
    """

    def __init__(
        self,
        runner: PairRunner,
        candidate: Setting,
        confirmation: Confirmation,
        has_time: Callable[[], bool],
        valid: Callable[[Setting], bool] | None = None,
        on_step: Callable[[Step], None] | None = None,
    ) -> None:
        if confirmation.gain is None or not confirmation.gain.confirmed:
            raise ValueError("only a confirmed gain can be traced to its knobs")
        logs = [pair.log_ratio for pair in confirmation.pairs if pair.log_ratio is not None]
        self._runner, self._candidate = runner, candidate
        self._has_time, self._on_step = has_time, on_step
        self._valid = valid or (lambda setting: True)
        self._gain = math.log(confirmation.gain.estimate)
        # A handful of pairs often shows less than the true noise.
        self.noise = max(1.1 * float(np.std(logs, ddof=1)), _SMALLEST_NOISE)
        levels = [pair.candidate.value for pair in confirmation.pairs]
        self._level = float(np.median([math.log(value) for value in levels if value]))
        self.kept = list(candidate)
        self.steps: list[Step] = []
        self.stopped = ""
        self.failing = False

    def run(self, suspects: Sequence[str] = ()) -> None:
        """Try the strongest suspect alone, then hunt for a lone carrier, then halve.

        Args:
            suspects: Knobs thought to carry the gain, strongest first; a hint that saves steps
                when right and costs one when wrong.
        """
        ranked = [name for name in suspects if name in self._candidate]
        ranked += [name for name in self._candidate if name not in ranked]
        try:
            if not self._lone_carrier(ranked, bool(suspects)):
                # The least suspected half goes first: dropping it is likely to succeed.
                self._halve(deque(_halves(ranked[::-1])))
        except TooManyFailuresError as error:
            self.stopped, self.failing = str(error), True

    def _lone_carrier(self, ranked: list[str], suspected: bool) -> bool:
        if suspected and len(ranked) > 1:
            if self._drop(ranked[1:]) == "keeps":
                return True
            ranked = ranked[1:]
        # One pair per probe is telling only when the gain towers over the noise.
        if len(ranked) < 3 or self._gain / 2 < 1.5 * self.noise:
            return False
        lone = self._hunt(ranked)
        return lone is not None and self._drop([n for n in self.kept if n != lone]) == "keeps"

    def _hunt(self, names: list[str]) -> str | None:
        """Return the knob that would carry the gain if one alone does; one pair per halving."""
        while len(names) > 1:
            first, second = _halves(names)
            setting = {name: self._candidate[name] for name in first}
            if not self._has_time() or not self._valid(setting):
                return None
            pair = self._runner.run(setting, self._candidate)
            without = tuple(name for name in self._candidate if name not in first)
            self._note(self._step(without, setting, "undecided", [pair]))
            if pair.log_ratio is None:
                return None
            names = first if pair.log_ratio > -self._gain / 2 else second
        return names[0]

    def _halve(self, queue: deque[list[str]]) -> None:
        while queue:
            group = queue.popleft()
            if len(group) == len(self.kept):
                # All else is gone, and dropping this too leaves the baseline: known to lose.
                queue.extend(_halves(group) if len(group) > 1 else [])
                continue
            if not self._has_time():
                self.stopped = "the time was up"
                return
            if self._drop(group) != "keeps" and len(group) > 1:
                queue.extend(_halves(group))

    def _drop(self, group: list[str]) -> StepOutcome:
        rest = [name for name in self.kept if name not in group]
        step = self._test(tuple(group), {name: self._candidate[name] for name in rest})
        if step.outcome == "keeps":
            self.kept = rest
        self._note(step)
        return step.outcome

    def _note(self, step: Step) -> None:
        self.steps.append(step)
        if self._on_step is not None:
            self._on_step(step)

    def _test(self, without: tuple[str, ...], setting: Setting) -> Step:
        if not self._valid(setting):
            return self._step(without, setting, "undecided", [])
        loss = self._gain / 2
        keep_bound, lose_bound = math.log(1 / WRONGLY_DROPPED), math.log(1 / WRONGLY_KEPT)
        evidence, failures, repeats = 0.0, 0, 0
        pairs: list[Pair] = []
        outcome: StepOutcome = "undecided"
        while outcome == "undecided" and len(pairs) < MOST_PAIRS_PER_STEP and self._has_time():
            pair = self._runner.run(setting, self._candidate)
            failures += not pair.candidate.ok
            if pair.log_ratio is None or (repeats < _MOST_REPEATS and self._stalled(pair)):
                repeats += pair.log_ratio is not None
                broken = failures >= _FAILURES_TO_LOSE or pair.candidate.unsafe
                outcome = "loses" if broken else "undecided"
                continue
            pairs.append(pair)
            found = -loss * (pair.log_ratio + loss / 2) / self.noise**2
            evidence += min(lose_bound, max(-keep_bound, found))
            if evidence <= -keep_bound or evidence >= lose_bound:
                outcome = "keeps" if evidence < 0 else "loses"
        return self._step(without, setting, outcome, pairs)

    def _stalled(self, pair: Pair) -> bool:
        # A stalled reference makes any setting look as good as the full one.
        if pair.reference.value is None or self._gain / 2 < 3 * self.noise:
            return False
        change = math.log(pair.reference.value) - self._level
        better = change if pair.direction == "maximize" else -change
        return better < -self._gain / 2

    def _step(
        self, without: tuple[str, ...], setting: Setting, outcome: StepOutcome, pairs: list[Pair]
    ) -> Step:
        logs = [pair.log_ratio for pair in pairs if pair.log_ratio is not None]
        if not logs:
            return Step(without, setting, outcome, None, None, None, ())
        centre, half = hodges_lehmann(np.array(logs)), 1.96 * self.noise / math.sqrt(len(logs))
        low, middle, high = (math.exp(centre + side * half) for side in (-1, 0, 1))
        return Step(without, setting, outcome, middle, low, high, tuple(pairs))


def _halves(names: list[str]) -> list[list[str]]:
    middle = len(names) // 2
    return [half for half in (names[:middle], names[middle:]) if half]
