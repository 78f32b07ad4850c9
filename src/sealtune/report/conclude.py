"""From what the stages found to the result: one sentence, and the numbers behind it."""

import math
from collections.abc import Sequence
from typing import Any

from sealtune.plan import Plan
from sealtune.report.comparison import comparison_of
from sealtune.report.format import interval
from sealtune.report.found import Accounts, Found, differing
from sealtune.report.importance import importance_basis, importance_rows
from sealtune.report.result import KnobResult, Result
from sealtune.report.sentence import sentence
from sealtune.space.knobs import Setting
from sealtune.tactician import TrialRecord
from sealtune.verdict import Confirmation, KnobEffect


def conclude(plan: Plan, accounts: Accounts, found: Found) -> Result:
    """Return the result of a session from what its stages found.

    A confirmed gain that the full candidate or its smallest part keeps is ``improved``; whatever
    was not confirmed by fresh pairs is ``none`` at best, however good the search looked.
    """
    plan = found.plan or plan
    verdict = _verdict(found)
    full = differing(plan.existing(found.chosen or found.promising), plan.originals)
    best = differing(found.minimal.setting, plan.originals) if found.minimal else full
    trials = found.trials
    gain = _gain(found)
    scores = [trial.score for trial in trials if trial.score is not None]
    restored = found.restored
    return Result(
        session=accounts.session,
        success=not found.interrupted,
        verdict=verdict,
        sentence=sentence(verdict, plan, found, gain, best=best, full=full),
        workload_name=plan.config.workload_name,
        simulated=plan.simulated,
        best_config=best,
        full_config=full,
        best_reward=max(scores, default=None),
        baseline_reward=found.baseline_reward,
        improvement=100 * (gain["estimate"] - 1) if gain and verdict == "improved" else 0.0,
        total_episodes=len(trials),
        gain=gain,
        gain_of="minimal" if found.published is not found.confirmation else "candidate",
        metric=_metric(plan),
        pairs=_pairs(found.published),
        knobs=_knobs(plan, found, full, best, improved=verdict == "improved"),
        untested=found.minimal.untested if found.minimal else (),
        trials_run=len(trials),
        trials_cut_short=accounts.cut_short,
        trials_failed=accounts.failed,
        search_best=_search_best(trials),
        noise=_noise(found),
        checks=_checks(found.published),
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
        strategies=_strategies(found),
    )


def _metric(plan: Plan) -> dict[str, str]:
    adapter = plan.adapter
    return {"name": adapter.metric, "unit": adapter.unit, "direction": adapter.direction}


def _strategies(found: Found) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "number": one.number,
            "strategist": one.plan.config.strategist,
            "trials": len(one.search.trials) if one.search else 0,
            "promise": math.exp(one.promise),
        }
        for one in found.searched
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


def _gain(found: Found) -> dict[str, Any] | None:
    published = found.published
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
