"""One experience: a strategy, the machine it met, and what it was worth there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Evidence = Literal["confirmed", "searched"]


@dataclass(frozen=True, slots=True)
class Experience:
    """What one strategy (a TuningConfig) earned in one session; the memory is made of these.

    Attributes:
        id: Session id; a strategy that lost its contest adds ``.1``, ``.2`` and so on, its number.
        session: Session that measured it.
        when: Seconds since the epoch [s].
        description: What the person wrote, ``""`` for a config of theirs.
        workload_class: How it was read, ``""`` if unknown.
        traits: Traits read beside the class.
        facts: Machine facts at the time, as `Facts.as_dict`.
        baseline: ``metric``, ``unit``, ``direction``, ``value`` and ``coefficient_of_variation``
            of the untuned machine.
        originals: Parameter name to the value the machine had.
        config: The TuningConfig as a plain mapping.
        strategist: Who wrote it: ``embedded``, ``provider:model``, ``""`` for a person.
        verdict: Verdict of the session; ``none`` for a strategy that lost a contest.
        reward: Natural logarithm of the gain; 0 for ``none``, below 0 for worse or unsafe.
        evidence: What the reward rests on.
        gain: ``estimate``, ``ci_low``, ``ci_high``, ``pairs``, and ``gain_of``: whether the pairs
            measured the ``minimal`` setting or the whole ``candidate``; ``None`` without pairs.
        setting: Smallest confirmed setting; the best found without a confirmation.
        effects: Parameter name to ``kept`` (bool) and ``effect`` (text), as in the result.
        failed: Settings that tripped a guard rail, broke the benchmark, or ended worse.
        simulated: Nothing real was measured.
    """

    id: str
    session: str
    when: float
    description: str
    workload_class: str
    traits: tuple[str, ...]
    facts: Mapping[str, Any]
    baseline: Mapping[str, Any]
    originals: Mapping[str, str]
    config: Mapping[str, Any]
    strategist: str
    verdict: str
    reward: float
    evidence: Evidence
    gain: Mapping[str, Any] | None = None
    setting: Mapping[str, int | str] = field(default_factory=dict)
    effects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failed: tuple[Mapping[str, int | str], ...] = ()
    simulated: bool = False
