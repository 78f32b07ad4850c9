"""Who searches: the default, its ablations, the peers, and the default with a belief."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from bench.ground import Ground
from bench.search_quality.priors import right_prior, wrong_prior
from sealtune.errors import ConfigError
from sealtune.tactician import PolicyOptions, Prior, Sampler, prepare_tactician
from sealtune.tactician.names import PEERS, TACTICIANS, how_to_install

DEFAULT = "ppo"
PLAIN = "ppo-only"
SWITCHES: Mapping[str, Mapping[str, Any]] = {
    "no-policy": {"policy": False},
    "no-surrogate": {"model": False},
    "one-surrogate": {"surrogates": ("process",)},
    "no-region": {"trust_region": False},
    "no-repeats": {"repeats": False},
}
"""Ablation to the `PolicyOptions` that make it."""
ABLATIONS = (*SWITCHES, PLAIN)
PRIORS: Mapping[str, Callable[[Ground, int], Prior]] = {
    "with-prior": right_prior,
    "misled": wrong_prior,
}
OWN = (DEFAULT, *ABLATIONS, *PRIORS)
_LEFT_OUT = ("grid",)
"""A grid of as many trials knows two values of each of seven knobs: no way to search these."""
_PLANNERS = (*OWN, "tpe", "gp", "smac")
"""Methods that size their beginning by the trials that they are told they have."""
_STRONGLY = ("smac",)
"""Of them those that one search cannot stand for: a quarter of 120 trials is all of 30."""


def peers() -> tuple[str, ...]:
    """Return the peers that can run here: an optional one only with its package."""
    return tuple(p for p in PEERS if p not in _LEFT_OUT and how_to_install(p) is None)


def known_methods() -> tuple[str, ...]:
    """Return every method, in the order of the tables."""
    return (DEFAULT, *peers(), *ABLATIONS, *PRIORS)


def missing(method: str) -> str | None:
    """Return why `method` cannot run here, ``None`` if it can.

    Raises:
        ConfigError: There is no such method.
    """
    if line := how_to_install(method):
        return f"{method}: its package is not installed: {line}"
    if method not in known_methods():
        raise ConfigError(f"methods: {method!r} is none of {', '.join(known_methods())}")
    built = {field.name for field in fields(PolicyOptions)}
    wanted = [name for name in SWITCHES.get(method, {}) if name not in built]
    if wanted:
        return f"{method}: not built, PolicyOptions has no {', '.join(wanted)}"
    return None


def runnable(methods: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return those of `methods` that can run here, and a sentence for each that cannot."""
    reasons = {method: missing(method) for method in methods}
    able = tuple(method for method, reason in reasons.items() if reason is None)
    return able, tuple(reason for reason in reasons.values() if reason is not None)


def searches_for_each(method: str, *, separate: bool = False) -> bool:
    """Return whether `method` searches once for each count of trials, and is told that count.

    Args:
        method: Who searches.
        separate: Whether every method does to which it makes a difference.
    """
    return method in _STRONGLY or (separate and method in _PLANNERS)


def belief(method: str, ground: Ground, seed: int) -> Prior | None:
    """Return what `method` is told of the surface before it begins."""
    return PRIORS[method](ground, seed) if method in PRIORS else None


def build(method: str, ground: Ground, prior: Prior | None, told: int, seed: int) -> Sampler:
    """Return the searcher of `method`, which knows that it has `told` trials."""
    switches = SWITCHES.get(method)
    return prepare_tactician(
        method if method in TACTICIANS else DEFAULT,
        ground.space,
        told,
        prior=prior,
        seed=seed,
        options=PolicyOptions(**switches) if switches is not None else None,
    )
