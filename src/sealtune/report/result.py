"""The result of one session: the keys that every face and every script reads."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sealtune.space.knobs import Setting

VERDICTS = ("improved", "none", "worse", "unsafe", "interrupted")
EXIT_CODES = {"improved": 0, "none": 0, "worse": 3, "unsafe": 4, "interrupted": 130}


@dataclass(frozen=True, slots=True)
class KnobResult:
    """What became of one parameter.

    Attributes:
        name: Parameter.
        original: Value the machine had.
        best: Value of the confirmed (or best searched) setting.
        kept: Whether the smallest setting that keeps the gain needs it.
        effect: Own effect, e.g. ``x3.41 [2.90, 4.02]``; ``not tested`` when the clock ran out.
        why: The strategist's reason.
        trade_off: What it is known to cost elsewhere.
    """

    name: str
    original: str
    best: str
    kept: bool
    effect: str
    why: str
    trade_off: str


@dataclass(frozen=True, slots=True)
class Result:
    """One session, start to verdict. Ratios are to the baseline: 1.10 is 10 % better.

    Attributes:
        success: The session reached a verdict (``none`` is one).
        verdict: One of `VERDICTS`.
        sentence: The verdict in one plain sentence.
        best_config: The smallest confirmed setting; the best searched one without confirmation.
        best_reward: Reward of the best search trial (baseline 100).
        baseline_reward: Always 100 unless the raw scale was asked for.
        improvement: Confirmed gain in percent; 0 when nothing was confirmed.
        total_episodes: Search trials run.
        gain_of: Which setting the gain and the pairs are of: the ``minimal`` one (``best_config``)
            or the full ``candidate`` (``full_config``).
        gain: ``estimate, ci_low, ci_high, confidence, pairs, confirmed``; ``None`` without one.
        strategist: Who wrote the config that was tuned: ``embedded``, ``provider:model``, ``""``
            for a person.
        strategies: Of a contest, best first: ``number, strategist, trials, promise`` (lower bound
            of its best setting as a ratio; not confirmed).
        seconds: ``benchmark``, ``settling``, ``sealtune``, ``start_up`` and ``total`` [s].
        importance: How much each parameter mattered in the search, most important first: ``param,
            share, low, high, most_important_probability, told, best``; empty where nothing can be
            said. A guess from single runs over the whole range; `knobs` has the confirmed effects.
        importance_basis: ``method, confidence, trials`` and ``reason``: why there are no rows.
        comparison: Who found what when tacticians were compared, see
            `sealtune.report.comparison`; ``None`` otherwise.
    """

    session: str
    success: bool
    verdict: str
    sentence: str
    workload_name: str
    simulated: bool
    best_config: Setting
    full_config: Setting
    best_reward: float | None
    baseline_reward: float
    improvement: float
    total_episodes: int
    gain: Mapping[str, Any] | None
    gain_of: str
    metric: Mapping[str, str]
    pairs: tuple[Mapping[str, Any], ...]
    knobs: tuple[KnobResult, ...]
    untested: tuple[str, ...]
    trials_run: int
    trials_cut_short: int
    trials_failed: int
    search_best: float | None
    noise: Mapping[str, Any]
    checks: Mapping[str, Any]
    guards: tuple[str, ...]
    seconds: Mapping[str, float]
    tactician: str
    seed: int
    command: str
    facts: Mapping[str, Any]
    restored: bool
    foreign: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    strategist: str = ""
    strategies: tuple[Mapping[str, Any], ...] = ()
    importance: tuple[Mapping[str, Any], ...] = ()
    importance_basis: Mapping[str, Any] = field(default_factory=dict)
    comparison: Mapping[str, Any] | None = None

    @property
    def exit_code(self) -> int:
        """What the process ends with."""
        return EXIT_CODES[self.verdict if self.success else "interrupted"]

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON types, ready for ``json.dumps``."""
        return asdict(self)
