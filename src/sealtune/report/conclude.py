"""From what the stages found to the result: one sentence, and the numbers behind it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sealtune.comparing import Compared, pooled
from sealtune.plan import Plan
from sealtune.report.comparison import comparison_of
from sealtune.report.format import interval
from sealtune.report.importance import importance_basis, importance_rows
from sealtune.report.result import KnobResult, Result
from sealtune.space.knobs import Setting
from sealtune.tactician import SearchResult, TrialRecord
from sealtune.verdict import (
    Clock,
    Confirmation,
    Importance,
    KnobEffect,
    Minimal,
    Noise,
    Screening,
)


class Accounts(Protocol):
    """What the result needs of the session's ledger."""

    session: str
    cut_short: int
    failed: int
    best: float | None
    notes: list[str]
    guards: list[str]

    def seconds(self) -> dict[str, float]:
        """Return the time buckets [s]."""
        ...


class Restored(Protocol):
    """What the guard's last restore did; each entry is (parameter, value found, original)."""

    @property
    def foreign(self) -> list[tuple[str, str, str]]:
        """Changed by somebody else meanwhile, and left alone."""
        ...

    @property
    def failed(self) -> list[tuple[str, str, str]]:
        """Not put back."""
        ...


@dataclass(frozen=True)
class Searched:
    """One strategy of a contest after its search.

    Attributes:
        number: Its position in the contest, from 1.
        plan: Its plan.
        search: Its trials.
        promise: Lower bound of the best setting it tried, as log gain; not confirmed.
    """

    number: int
    plan: Plan
    search: SearchResult | None
    promise: float


@dataclass
class Found:
    """What is known so far; each stage fills its field, an interruption leaves the rest empty.

    `plan` is that of the strategy whose search counts, `searched` all of a contest, best first,
    `compared` the tacticians that took turns: `search` then holds the trials of all of them.
    """

    plan: Plan | None = None
    searched: tuple[Searched, ...] = ()
    compared: tuple[Compared, ...] = ()
    clock: Clock | None = None
    noise: Noise | None = None
    search: SearchResult | None = None
    screening: Screening | None = None
    confirmation: Confirmation | None = None
    minimal: Minimal | None = None
    importance: Importance | None = None
    baseline_reward: float = 100.0
    interrupted: bool = False
    restored: Restored | None = None

    @property
    def the_clock(self) -> Clock:
        """How the time is shared out.

        Raises:
            ValueError: Nothing has been measured yet.
        """
        if self.clock is None:
            raise ValueError("the clock is set after the A/A runs")
        return self.clock

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        """Every trial of the search, those of all strategies of a contest."""
        searches = [one.search for one in self.searched] or [self.search]
        return tuple(trial for search in searches if search for trial in search.trials)

    def candidates(self, count: int) -> tuple[Setting, ...]:
        """Return up to `count` settings worth fresh runs, most promising first.

        Of tacticians that were compared, the best one of each comes first, by its own trials.
        """
        if self.compared:
            return pooled(self.compared, count)
        return self.search.candidates(count) if self.search else ()

    @property
    def chosen(self) -> Setting:
        """The candidate that screening kept; empty before."""
        return (self.screening.chosen or {}) if self.screening else {}

    def was_restored(self, report: Restored) -> None:
        """Keep what the final restore did."""
        self.restored = report


def differing(setting: Mapping[str, int | str], originals: Mapping[str, str]) -> Setting:
    """Return the part of `setting` that differs from what the machine had."""
    return {name: value for name, value in setting.items() if str(value) != originals.get(name)}


def conclude(plan: Plan, accounts: Accounts, found: Found) -> Result:
    """Return the result of a session from what its stages found.

    A confirmed gain that the full candidate or its smallest part keeps is ``improved``; whatever
    was not confirmed by fresh pairs is ``none`` at best, however good the search looked.
    """
    plan = found.plan or plan
    verdict = _verdict(found)
    full = differing(plan.existing(found.chosen or _best_of(found)), plan.originals)
    best = differing(found.minimal.setting, plan.originals) if found.minimal else full
    trials = found.trials
    gain = _gain(found)
    scores = [trial.score for trial in trials if trial.score is not None]
    restored = found.restored
    return Result(
        session=accounts.session,
        success=not found.interrupted,
        verdict=verdict,
        sentence=_sentence(verdict, plan, found, gain, (best, full)),
        workload_name=plan.config.workload_name,
        simulated=plan.simulated,
        best_config=best,
        full_config=full,
        best_reward=max(scores, default=None),
        baseline_reward=found.baseline_reward,
        improvement=100 * (gain["estimate"] - 1) if gain and verdict == "improved" else 0.0,
        total_episodes=len(trials),
        gain=gain,
        gain_of="minimal" if _published(found) is not found.confirmation else "candidate",
        metric={
            "name": plan.adapter.metric,
            "unit": plan.adapter.unit,
            "direction": plan.adapter.direction,
        },
        pairs=_pairs(_published(found)),
        knobs=_knobs(plan, found, full, best, improved=verdict == "improved"),
        untested=found.minimal.untested if found.minimal else (),
        trials_run=len(trials),
        trials_cut_short=accounts.cut_short,
        trials_failed=accounts.failed,
        search_best=_search_best(trials),
        noise=_noise(found),
        checks=_checks(_published(found)),
        guards=tuple(accounts.guards),
        seconds=accounts.seconds(),
        tactician=plan.request.tactician,
        seed=plan.seed,
        command=plan.request.command,
        facts=plan.facts.as_dict(),
        restored=plan.simulated or (restored is not None and not restored.failed),
        foreign=tuple(name for name, _, _ in restored.foreign) if restored else (),
        notes=tuple(accounts.notes),
        importance=importance_rows(found.importance),
        importance_basis=importance_basis(found.importance),
        comparison=comparison_of(
            found.compared,
            found.chosen,
            plan.originals,
            plan.existing,
            confirmed=verdict == "improved",
            interrupted=verdict == "interrupted",
        ),
        strategist=plan.config.strategist,
        strategies=tuple(
            {
                "number": one.number,
                "strategist": one.plan.config.strategist,
                "trials": len(one.search.trials) if one.search else 0,
                "promise": math.exp(one.promise),
            }
            for one in found.searched
        ),
    )


def _search_best(trials: Sequence[TrialRecord]) -> float | None:
    """Return the largest single ratio, each against the baseline of its own time as known now."""
    whole = [trial for trial in trials if trial.state == "complete"]
    return max((one.relative for one in whole if one.relative is not None), default=None)


def _verdict(found: Found) -> str:
    if found.confirmation is not None and found.confirmation.outcome == "improved":
        return "improved"  # an interrupted minimising does not take a confirmed gain back
    if found.interrupted:
        return "interrupted"
    return found.confirmation.outcome if found.confirmation else "none"


def _best_of(found: Found) -> Setting:
    worked = found.search and any(trial.score is not None for trial in found.search.trials)
    return found.search.best_setting if found.search and worked else {}


def _published(found: Found) -> Confirmation | None:
    """Return the pairs that the published gain rests on.

    Those of the smallest setting where they confirmed it, else those of the full candidate.
    """
    minimal = found.minimal
    if minimal is not None and minimal.gain_of == "minimal" and minimal.recheck is not None:
        return minimal.recheck
    return found.confirmation


def _gain(found: Found) -> dict[str, Any] | None:
    published = _published(found)
    gain = published.gain if published else None
    if gain is None:
        return None
    return {
        "estimate": gain.estimate,
        "ci_low": gain.ci_low,
        "ci_high": gain.ci_high,
        "confidence": gain.confidence,
        "pairs": gain.pairs,
        "confirmed": gain.confirmed,
    }


def _sentence(
    verdict: str,
    plan: Plan,
    found: Found,
    gain: Mapping[str, Any] | None,
    settings: tuple[Setting, Setting],
) -> str:
    best, full = settings
    metric = plan.adapter.metric.replace("_", " ")
    if verdict == "improved" and gain:
        shown = interval(gain["estimate"], gain["ci_low"], gain["ci_high"])
        names = " and ".join(best) if len(best) <= 3 else f"{len(best)} parameters"
        carried = f"by {names}"
        if _published(found) is found.confirmation and len(best) < len(full):
            carried = f"with {len(full)} parameters set, of which {names} carries it"
        return (
            f"Improved: {metric} {shown}{_sense(plan)} in {gain['pairs']} fresh pairs, {carried}."
        )
    if verdict == "interrupted":
        # What is not back is named beside this sentence.
        back = found.restored is None or not found.restored.failed
        return (
            f"Interrupted: no verdict; {'every parameter was put back and ' if back else ''}"
            "finished trials are kept."
        )
    if verdict == "none" and gain and found.confirmation:
        shown = interval(gain["estimate"], gain["ci_low"], gain["ci_high"])
        return (
            f"No confirmed improvement: the best candidate measured {shown}{_sense(plan)} in "
            f"{gain['pairs']} fresh pairs; {found.confirmation.reason}."
        )
    if found.confirmation is not None:
        return f"{verdict.capitalize()}: {found.confirmation.reason}; nothing will be applied."
    if found.search is not None and not _best_of(found):
        if not found.search.trials:
            return "No confirmed improvement: there was time for no trial."
        return "No confirmed improvement: every trial of the search failed."
    if found.search is not None and found.screening is None:
        return "No confirmed improvement: no setting looked better than the present one."
    return "No confirmed improvement: every candidate failed its fresh runs."


def _sense(plan: Plan) -> str:
    """Return how a ratio of something that should be small is to be read."""
    return "" if plan.adapter.direction == "maximize" else " (plus is better: less of it)"


def _pairs(confirmation: Confirmation | None) -> tuple[dict[str, Any], ...]:
    if confirmation is None:
        return ()
    return tuple(
        {
            "order": pair.order,
            "baseline": pair.reference.value,
            "candidate": pair.candidate.value,
            "ratio": pair.ratio,
            "failure": pair.reference.failure or pair.candidate.failure,
        }
        for pair in sorted(
            (*confirmation.pairs, *confirmation.failed_pairs), key=lambda pair: pair.index
        )
    )


def _knobs(
    plan: Plan, found: Found, full: Setting, best: Setting, *, improved: bool
) -> tuple[KnobResult, ...]:
    effects = {effect.knob: effect for effect in found.minimal.effects} if found.minimal else {}
    rows = []
    for planned in plan.built.plan:
        knob = planned.available.knob
        if knob.name not in full:
            continue
        effect = effects.get(knob.name)
        rows.append(
            KnobResult(
                name=knob.name,
                original=planned.available.found,
                best=str(full[knob.name]),
                kept=improved and knob.name in best,
                effect=_effect(effect),
                why=planned.why,
                trade_off=knob.trade_off,
            )
        )
    return tuple(sorted(rows, key=lambda row: (not row.kept, row.name)))


def _effect(effect: KnobEffect | None) -> str:
    if effect is None or effect.ratio is None or effect.ci_low is None or effect.ci_high is None:
        return "not tested" if effect is None else effect.status
    shown = interval(effect.ratio, effect.ci_low, effect.ci_high)
    if len(effect.together) > 1:
        shown += f" for {len(effect.together)} together"
    return shown if effect.status == "carries" else f"{effect.status}: {shown}"


def _noise(found: Found) -> dict[str, Any]:
    noise = found.noise
    if noise is None:
        return {}
    pairs = len(found.confirmation.pairs) if found.confirmation else 0
    planned = max(6, pairs or (found.clock.pairs if found.clock else 6))
    return {
        "runs": len(noise.values),
        "coefficient_of_variation": noise.cv,
        "drift": noise.drift,
        "detectable_gain": noise.detectable_gain(planned),
        "values": list(noise.values),
    }


def _checks(confirmation: Confirmation | None) -> dict[str, Any]:
    if confirmation is None or confirmation.checks is None:
        return {}
    checks = confirmation.checks
    return {
        "wilcoxon_p": checks.wilcoxon_p,
        "bootstrap": [checks.bootstrap_low, checks.bootstrap_high],
        "detectable": checks.detectable,
        "reason": confirmation.reason,
        "looks": list(confirmation.looks),
        "guards": [
            {
                "metric": finding.metric,
                "worsening": finding.worsening,
                "low": finding.low,
                "high": finding.high,
                "unit": finding.unit,
                "margin": finding.margin,
                "violated": finding.violated,
            }
            for finding in checks.guards
        ],
    }
