"""The verdict: does a candidate beat the originals, by how much, and which knobs carry it?

The search may guess; only fresh, interleaved runs decide. In order of use: `plan_clock`,
`assess_noise`, `Sentinels`, `screen`, `confirm`, `minimise`. Everything drives an injected
``measure(setting) -> Measurement`` in which the empty setting means the originals, and an injected
monotonic clock. See docs/verdict.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sealtune.verdict.bounds import CONFIDENCE, MINIMUM_GAIN
    from sealtune.verdict.clock import LOOKS, Clock, Phase, looks_within, plan_clock
    from sealtune.verdict.confirmation import Checks, Confirmation, Outcome, confirm
    from sealtune.verdict.guards import DEFAULT_MARGINS, GuardFinding
    from sealtune.verdict.halving import Step
    from sealtune.verdict.importance import Importance, KnobImportance, rank_suspects, weigh_knobs
    from sealtune.verdict.minimal import KnobEffect, Minimal, minimise
    from sealtune.verdict.noise import Noise, assess_noise
    from sealtune.verdict.pairs import Gain, Pair
    from sealtune.verdict.screening import Screened, Screening, screen
    from sealtune.verdict.sentinels import Sentinels

_HOMES = {
    "CONFIDENCE": "bounds",
    "MINIMUM_GAIN": "bounds",
    "LOOKS": "clock",
    "Clock": "clock",
    "Phase": "clock",
    "looks_within": "clock",
    "plan_clock": "clock",
    "Checks": "confirmation",
    "Confirmation": "confirmation",
    "Outcome": "confirmation",
    "confirm": "confirmation",
    "DEFAULT_MARGINS": "guards",
    "GuardFinding": "guards",
    "Step": "halving",
    "Importance": "importance",
    "KnobImportance": "importance",
    "rank_suspects": "importance",
    "weigh_knobs": "importance",
    "KnobEffect": "minimal",
    "Minimal": "minimal",
    "minimise": "minimal",
    "Noise": "noise",
    "assess_noise": "noise",
    "Gain": "pairs",
    "Pair": "pairs",
    "Screened": "screening",
    "Screening": "screening",
    "screen": "screening",
    "Sentinels": "sentinels",
}

__all__ = [
    "CONFIDENCE",
    "DEFAULT_MARGINS",
    "LOOKS",
    "MINIMUM_GAIN",
    "Checks",
    "Clock",
    "Confirmation",
    "Gain",
    "GuardFinding",
    "Importance",
    "KnobEffect",
    "KnobImportance",
    "Minimal",
    "Noise",
    "Outcome",
    "Pair",
    "Phase",
    "Screened",
    "Screening",
    "Sentinels",
    "Step",
    "assess_noise",
    "confirm",
    "looks_within",
    "minimise",
    "plan_clock",
    "rank_suspects",
    "screen",
    "weigh_knobs",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401  (whatever the name stands for)
    if name in _HOMES:
        return getattr(import_module(f"sealtune.verdict.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'sealtune.verdict' has no attribute {name!r}")
