"""What is known about one kind of workload, and about what a description says beside it.

Vocabulary only: nothing here reads a file or looks at a machine.
"""

from dataclasses import dataclass
from typing import Literal

Confidence = Literal["high", "medium", "low"]


@dataclass(frozen=True, slots=True)
class BenchmarkChoice:
    """One benchmark that can stand for a workload.

    Attributes:
        tool: Adapter name: ``pgbench``, ``sysbench``, ``redis``, ``ab``, ``sqlite``.
        command: Command with ``{clients}``, ``{threads}`` and ``{cpus}`` still in it.
        metric: Name of the metric it yields.
        when: Traits that must all have been read for it to be used.
        note: What it does not measure of this workload, ``""`` if nothing to say.
    """

    tool: str
    command: str
    metric: str
    when: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class ExpertKnob:
    """What an expert would try with one parameter.

    Attributes:
        knob: Catalogue name, ``{dev}`` included.
        low: Smallest value worth trying; the whole safe range when ``None``.
        high: Largest value worth trying.
        start: First value to try; the present one when ``None``.
        confidence: How sure the expert is that this matters here.
        why: The reason on this workload; ``""`` for the catalogue's own.
    """

    knob: str
    low: int | None = None
    high: int | None = None
    start: int | str | None = None
    confidence: Confidence = "low"
    why: str = ""


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of workload.

    Attributes:
        name: Class name, such as ``oltp_database``.
        title: What it is called in a sentence.
        description: What characterises it.
        ask: A sentence a person could write to mean exactly this.
        clients_per_cpu: Clients of the benchmark for each CPU; 0 for a single client.
        reward_metric: Metric of the benchmark that fits best.
        state: Machine metrics to observe.
        guards: Measurements that must not get worse.
        products: Names that settle the matter.
        signs: Phrases that point to it.
        hints: Words that only add up.
        benchmarks: In order of preference; the last one needs no package.
        parameters: What to tune, most promising first.
        reserve: What fills the gaps that a machine leaves.
    """

    name: str
    title: str
    description: str
    ask: str
    clients_per_cpu: int
    reward_metric: str
    state: tuple[str, ...]
    guards: tuple[str, ...]
    products: tuple[str, ...]
    signs: tuple[str, ...]
    hints: tuple[str, ...]
    benchmarks: tuple[BenchmarkChoice, ...]
    parameters: tuple[ExpertKnob, ...]
    reserve: tuple[ExpertKnob, ...]


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What a trait changes about one parameter.

    Attributes:
        knob: Catalogue name, ``{dev}`` included.
        why: The reason, one sentence.
        low: Smallest value worth trying; as the class has it when ``None``.
        high: Largest value worth trying; likewise.
        start: First value to try; likewise.
        confidence: How sure the expert is; as the class has it when ``None``.
        classes: Classes it holds for; all of them when empty.
        add: The parameter is worth trying also where the class does not list it.
    """

    knob: str
    why: str
    low: int | None = None
    high: int | None = None
    start: int | str | None = None
    confidence: Confidence | None = None
    classes: tuple[str, ...] = ()
    add: bool = False

    def holds_for(self, workload: Workload) -> bool:
        """Whether it says anything about `workload`."""
        listed = any(e.knob == self.knob for e in (*workload.parameters, *workload.reserve))
        return (listed or self.add) and (not self.classes or workload.name in self.classes)

    def over(self, expert: ExpertKnob | None) -> ExpertKnob:
        """Return `expert` (``None``: nothing is known) with what this one says in its place."""
        known = expert or ExpertKnob(self.knob)
        return ExpertKnob(
            self.knob,
            low=known.low if self.low is None else self.low,
            high=known.high if self.high is None else self.high,
            start=known.start if self.start is None else self.start,
            confidence=self.confidence or known.confidence,
            why=self.why,
        )


@dataclass(frozen=True, slots=True)
class Trait:
    """Something a description says beside the kind of workload.

    Attributes:
        name: Such as ``single_client``.
        title: What it is called in a sentence.
        patterns: Regular expressions on the normalised description.
        why: What it changes in the plan.
        prefer: Parameters moved to the front.
        avoid: Parameters moved to the very end.
        adjust: Other ranges and starts, or further parameters.
        guards: Measurements that must not get worse, beside the class's own.
        stability_metric: What stands for stability in the reward, ``None`` for the usual one.
        clients: Fixed number of benchmark clients, ``None`` to leave it.
        clients_per_cpu: Clients for each CPU, ``None`` to leave it.
    """

    name: str
    title: str
    patterns: tuple[str, ...]
    why: str
    prefer: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    adjust: tuple[Adjustment, ...] = ()
    guards: tuple[str, ...] = ()
    stability_metric: Literal["repeatability", "pressure"] | None = None
    clients: int | None = None
    clients_per_cpu: int | None = None
