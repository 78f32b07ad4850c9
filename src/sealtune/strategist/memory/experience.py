"""From a finished session to what is remembered of it."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from sealtune.store.experience import Evidence, Experience

PENALTY = -0.5
"""Reward at most, when a guard rail tripped and nothing was gained by it; half for worse."""

_HARMFUL = ("worse", "unsafe")

Setting = Mapping[str, int | str]


class Trial(Protocol):
    """What is needed of a stored trial; a `sealtune.store.TrialRow` has it."""

    @property
    def setting(self) -> Setting:
        """What was tried."""
        ...

    @property
    def failure(self) -> str | None:
        """Why there is no number; ``None`` if it worked."""
        ...

    @property
    def unsafe(self) -> bool:
        """Whether a guard rail tripped."""
        ...


def experience_of(
    result: Mapping[str, Any],
    *,
    description: str,
    workload_class: str,
    traits: Sequence[str],
    config: Mapping[str, Any],
    originals: Mapping[str, str],
    strategist: str,
    when: float,
    failed: Sequence[Setting] = (),
) -> Experience:
    """Return what is worth remembering of a session.

    Args:
        result: As `Result.as_dict` gives it; its session id, facts and gain are taken from there.
        description: What the person wrote, ``""`` for a config of theirs.
        workload_class: How it was read, ``""`` if unknown.
        traits: Traits read beside the class.
        config: The TuningConfig as a plain mapping.
        originals: Parameter name to the value the machine had.
        strategist: Who wrote the config, as `Experience.strategist`.
        when: Seconds since the epoch [s].
        failed: Settings that broke the benchmark or tripped a guard rail, see `failed_settings`.
    """
    noise = result.get("noise") or {}
    values = [value for value in noise.get("values") or () if value is not None]
    return Experience(
        id=result["session"],
        session=result["session"],
        when=when,
        description=description,
        workload_class=workload_class,
        traits=tuple(traits),
        facts=dict(result["facts"]),
        baseline={
            **result["metric"],
            "metric": result["metric"]["name"],
            "value": statistics.median(values) if values else None,
            "coefficient_of_variation": noise.get("coefficient_of_variation"),
        },
        originals=dict(originals),
        config=dict(config),
        strategist=strategist,
        verdict=result["verdict"],
        reward=reward_of(result),
        evidence=_evidence(result),
        gain=_gain(result),
        setting=dict(result["best_config"]),
        effects={
            row["name"]: {"kept": row["kept"], "effect": row["effect"], "best": row["best"]}
            for row in result["knobs"]
        },
        failed=_failed(result, failed),
        simulated=bool(result["simulated"]),
    )


def reward_of(result: Mapping[str, Any]) -> float:
    """Return the reward: log of the confirmed gain, 0 without one, below 0 for harm.

    >>> round(reward_of({"verdict": "improved", "gain": {"estimate": 4.12}}), 3)
    1.416
    >>> reward_of({"verdict": "none", "gain": {"estimate": 1.04}})
    0.0
    >>> reward_of({"verdict": "none", "gain": None, "guards": ["memory pressure"]})
    -0.5
    >>> reward_of({"verdict": "worse", "gain": {"estimate": 1.2}})
    -0.25
    """
    verdict, gain = result["verdict"], result.get("gain") or {}
    estimate = gain.get("estimate")
    logarithm = math.log(estimate) if estimate and estimate > 0 else 0.0
    if verdict == "improved":
        return logarithm
    if verdict == "unsafe" or result.get("guards"):
        return min(PENALTY, logarithm)
    return min(PENALTY / 2, logarithm) if verdict == "worse" else 0.0


def rival_experience(
    winner: Experience,
    number: int,
    *,
    config: Mapping[str, Any],
    strategist: str,
    promise: float,
    setting: Setting,
    failed: Sequence[Setting] = (),
) -> Experience:
    """Return what is remembered of a strategy that lost a contest to `winner`.

    Args:
        winner: The experience of the session.
        number: Position among the strategies; the id ends in it.
        config: Its own config.
        strategist: Who wrote it.
        promise: Lower bound of the log gain that its trials spoke for; nothing confirmed it.
        setting: Best setting that it tried.
        failed: Its settings that failed.
    """
    return Experience(
        id=f"{winner.session}.{number}",
        session=winner.session,
        when=winner.when,
        description=winner.description,
        workload_class=winner.workload_class,
        traits=winner.traits,
        facts=winner.facts,
        baseline=winner.baseline,
        originals=winner.originals,
        config=dict(config),
        strategist=strategist,
        verdict="none",
        reward=promise if math.isfinite(promise) else 0.0,
        evidence="searched",
        setting=dict(setting),
        failed=tuple(dict(one) for one in failed),
        simulated=winner.simulated,
    )


def failed_settings(
    trials: Iterable[Trial], originals: Mapping[str, str]
) -> tuple[dict[str, int | str], ...]:
    """Return the distinct settings that failed, only what differed from the originals.

    A setting that also gave a good run is none of them, unless it tripped a guard rail: one run
    may fail for reasons of its own.
    """
    good: list[dict[str, int | str]] = []
    broken: list[dict[str, int | str]] = []
    unsafe: list[dict[str, int | str]] = []
    for trial in trials:
        runs = unsafe if trial.unsafe else good if trial.failure is None else broken
        runs.append({k: v for k, v in trial.setting.items() if str(v) != originals.get(k)})
    found = [one for one in (*broken, *unsafe) if one and (one in unsafe or one not in good)]
    return tuple(one for at, one in enumerate(found) if one not in found[:at])


def _failed(
    result: Mapping[str, Any], failed: Sequence[Setting]
) -> tuple[dict[str, int | str], ...]:
    """Return the settings that failed, a candidate that did harm in its fresh pairs among them."""
    found = [dict(setting) for setting in failed]
    candidate = dict(result["full_config"])
    if result["verdict"] in _HARMFUL and candidate and candidate not in found:
        found.append(candidate)
    return tuple(found)


def _evidence(result: Mapping[str, Any]) -> Evidence:
    """Return what the reward rests on: fresh pairs, or the search alone."""
    return "confirmed" if result.get("gain") or result.get("pairs") else "searched"


def _gain(result: Mapping[str, Any]) -> dict[str, Any] | None:
    gain = result.get("gain")
    names = ("estimate", "ci_low", "ci_high", "pairs")
    if not gain:
        return None
    return {**{name: gain[name] for name in names}, "gain_of": result["gain_of"]}
