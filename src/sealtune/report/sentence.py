"""The verdict of a session in one plain sentence."""

from collections.abc import Mapping
from typing import Any

from sealtune.plan import Plan
from sealtune.report.format import interval
from sealtune.report.found import Found
from sealtune.space.knobs import Setting


def sentence(
    verdict: str,
    plan: Plan,
    found: Found,
    gain: Mapping[str, Any] | None,
    *,
    best: Setting,
    full: Setting,
) -> str:
    """Return what came of a session, for a person who reads nothing else.

    Args:
        verdict: As in `Result.verdict`.
        plan: Names the metric, and which way of it is better.
        found: What the stages found.
        gain: As in `Result.gain`; ``None`` without pairs.
        best: The setting that is published: what differs from the originals.
        full: The whole candidate; equal to `best` where nothing could be left out.
    """
    metric = plan.adapter.metric.replace("_", " ")
    if verdict == "improved" and gain:
        shown = interval(gain["estimate"], gain["ci_low"], gain["ci_high"])
        names = " and ".join(best) if len(best) <= 3 else f"{len(best)} parameters"
        carried = f"by {names}"
        if found.published is found.confirmation and len(best) < len(full):
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
    if found.search is not None and not found.promising:
        if not found.search.trials:
            return "No confirmed improvement: there was time for no trial."
        return "No confirmed improvement: every trial of the search failed."
    if found.search is not None and found.screening is None:
        return "No confirmed improvement: no setting looked better than the present one."
    return "No confirmed improvement: every candidate failed its fresh runs."


def _sense(plan: Plan) -> str:
    """Return how a ratio of something that should be small is to be read."""
    return "" if plan.adapter.direction == "maximize" else " (plus is better: less of it)"
