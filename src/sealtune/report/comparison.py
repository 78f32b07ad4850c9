"""Who found what, when tacticians were compared: plain values for programs, lines for people."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sealtune.report.format import interval

if TYPE_CHECKING:
    from sealtune.comparing import Compared
    from sealtune.plan import Plan
    from sealtune.space.knobs import Setting


def comparison_of(
    lanes: "Sequence[Compared]",
    chosen: "Setting",
    originals: Mapping[str, str],
    existing: "Callable[[Setting], Setting]",
    *,
    confirmed: bool,
    interrupted: bool = False,
) -> dict[str, Any] | None:
    """Return who found what; ``None`` when nobody was compared.

    Args:
        lanes: The tacticians that were compared, the usual one first.
        chosen: The candidate that was tested by fresh pairs; empty if none was.
        originals: Parameter name to the value the machine had.
        existing: Returns the part of a setting that exists when it is set.
        confirmed: Whether those pairs confirmed it.
        interrupted: Whether the session ended before they could.

    Returns:
        ``lanes`` (one row each), ``candidate_from`` (who recommended what the fresh pairs tested),
        ``candidate_is_start`` (it is where all of them began), ``confirmed``,
        ``interrupted``, ``caution``.
    """
    if not lanes:
        return None
    from sealtune.comparing import holds, proposers

    counts = sorted({len(lane.search.trials) for lane in lanes})
    trials = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    return {
        "lanes": tuple(_row(lane, originals, existing) for lane in lanes),
        "candidate_from": tuple(lane.tactician for lane in proposers(lanes, chosen)),
        "candidate_is_start": bool(chosen) and holds(lanes[0].search.start, chosen),
        "confirmed": confirmed,
        "interrupted": interrupted,
        "caution": f"{trials} trials each on one workload do not rank tacticians: another seed, "
        "or another workload, may turn the order round.",
    }


def _row(
    lane: "Compared", originals: Mapping[str, str], existing: "Callable[[Setting], Setting]"
) -> dict[str, Any]:
    best = lane.ranking[0] if lane.ranking else {}
    gain = lane.gain(best) if lane.ranking else None
    return {
        "number": lane.number,
        "tactician": lane.tactician,
        "trials": len(lane.search.trials),
        "failed": lane.failed,
        "best": {
            name: to for name, to in existing(best).items() if str(to) != originals.get(name)
        },
        "gain": dict(zip(("estimate", "low", "high"), gain, strict=True)) if gain else None,
        "first_tried": lane.first_tried(best) if lane.ranking else None,
        "seconds_per_trial": lane.seconds_per_trial,
    }


def comparison_lines(comparison: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Return label and text of each line; none when nobody was compared.

    Args:
        comparison: What `comparison_of` gave, fresh or from the store.
    """
    if not comparison:
        return []
    lines = [("Tactician", _line(lane)) for lane in comparison["lanes"]]
    whence = _whence(comparison)
    return [*lines, *([("Found by", whence)] if whence else []), ("Beware", comparison["caution"])]


def _line(lane: Mapping[str, Any]) -> str:
    text = f"{lane['tactician']}: {lane['trials']} trials"
    if lane["failed"]:
        text += f", {lane['failed']} of them failed"
    gain = lane["gain"]
    if not lane["best"] and lane["first_tried"] is not None:
        text += "; found nothing better than the present values"
    elif gain is not None:
        shown = interval(gain["estimate"], gain["low"], gain["high"])
        text += f"; its best {shown} by the model (not confirmed)"
        text += f", first tried as its trial {lane['first_tried']}"
    seconds = lane["seconds_per_trial"]
    return text if seconds is None else f"{text}; {seconds:.2g} s of CPU a trial"


def _whence(comparison: Mapping[str, Any]) -> str:
    """Return who recommended what the fresh pairs tested, ``""`` if they tested nothing."""
    names = list(comparison["candidate_from"])
    if not names:
        return ""
    confirmed = comparison["confirmed"]
    what = "the confirmed setting" if confirmed else "what fresh runs did not confirm"
    if comparison.get("interrupted"):
        what = "what was to be confirmed when the session was interrupted"
    if comparison["candidate_is_start"]:
        return f"{what} is where all of them began, and was recommended by {listed(names)}"
    return f"{what} was recommended by {listed(names)}"


def sharing(plan: "Plan") -> str:
    """Return how the tacticians that `plan` compares share its trials, one sentence."""
    each = plan.clock.search_trials // len(plan.tacticians)
    return (
        f"{listed(plan.tacticians)} take turns, in an order drawn anew for each round: {each} of "
        f"{plan.clock.search_trials} trials each, from the same start, beside one series of "
        "baseline runs; each learns from its own trials alone"
    )


def listed(names: Sequence[str]) -> str:
    """Return `names` as a person would say them.

    >>> listed(["ppo"]), listed(["ppo", "tpe", "cmaes"])
    ('ppo', 'ppo, tpe and cmaes')
    """
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
