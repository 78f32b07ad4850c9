"""Plans that were made or shown, kept by their config, so that what was shown is what is run."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sealtune.benchmarks.base import BenchmarkSpec
from sealtune.errors import ConfigError, InputError
from sealtune.machine import read_knob
from sealtune.planning import Approve, Plan, nobody_to_ask
from sealtune.request import Request
from sealtune.space.build import PlannedKnob
from sealtune.space.config import TuningConfig, load_config
from sealtune.toolbox.plain import plain_text, printable

MakePlan = Callable[[Request, Approve], Plan]
"""Such as `sealtune.planning.make_plan`, or one that asks a model for the config first."""

_MOST_KEPT = 16


@dataclass(frozen=True, slots=True)
class Kept:
    """A plan, and what the person has seen of it.

    Attributes:
        plan: What will be done.
        approval: Why exactly its benchmark command needs a yes; ``None`` when it needs none.
        shown: The whole plan was on the screen, the command included.
        busy: What else used this machine when it was shown.
    """

    plan: Plan
    approval: str | None = None
    shown: bool = False
    busy: tuple[str, ...] = ()


class Proposals:
    """The plans of one conversation. Not thread-safe.

    Args:
        make_plan: Turns a request into a plan.
        defaults: Wishes that hold for every plan: tactician, seed, dry run, ...
    """

    def __init__(self, make_plan: MakePlan, defaults: Request) -> None:
        self._make_plan, self._defaults = make_plan, defaults
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    def propose(self, **wishes: Any) -> Kept:  # noqa: ANN401 - the fields of a Request
        """Return a plan for a description; it is kept, not shown, and nothing is approved.

        Raises:
            SealtuneError: See `sealtune.planning.make_plan`.
        """
        given = {name: value for name, value in wishes.items() if value not in (None, ())}
        kept = self._made(replace(self._defaults, config=None, **given))
        self._keep(digest(as_config(kept.plan)), kept)
        return kept

    def of(self, config: TuningConfig) -> Kept:
        """Return the plan for `config`: the kept one while this machine is as it was then."""
        kept = self._kept.get(digest(config))
        if kept is None or drifted(kept.plan):
            kept = self._made(self._request(config))
            self._keep(digest(config), kept)
        return kept

    def peek(self, config: TuningConfig) -> Kept:
        """Return the plan for `config` that would be run now; one that was shown stays so."""
        kept = self._kept.get(digest(config))
        return kept if kept is not None and kept.shown else self.of(config)

    def show(self, config: TuningConfig, look: Callable[[Plan], tuple[str, ...]]) -> Kept:
        """Return the plan for `config`, from now on the one that a yes is about.

        Args:
            config: What to tune.
            look: Returns what else uses this machine now.
        """
        kept = self.of(config)
        kept = replace(kept, shown=True, busy=look(kept.plan))
        self._keep(digest(config), kept)
        return kept

    def take(self, config: TuningConfig) -> Kept:
        """Return the plan to run now, and forget it: a plan is good for one run.

        The kept one; but one with a command that needs a yes only if it was shown. Without one a
        fresh plan is made, for which no such command is approved.

        Raises:
            InputError: This machine has changed since the plan was shown.
        """
        kept = self._kept.pop(digest(config), None)
        if kept is None or not (kept.shown or kept.approval is None):
            return Kept(self._make_plan(self._request(config), nobody_to_ask))
        changes = drifted(kept.plan)
        if not changes:
            return kept
        if not kept.shown:
            return Kept(self._make_plan(self._request(config), nobody_to_ask))
        raise InputError(
            f"this machine has changed since the plan was shown: {'; '.join(changes)}",
            fix="Ask for it again, and look at the plan as it is now.",
        )

    def _request(self, config: TuningConfig) -> Request:
        wishes = replace(self._defaults, description="", config=config)
        budget = config.budget  # what was said for this one goes before what holds for all
        if budget.minutes is None and budget.trials is None:
            return wishes
        return replace(wishes, minutes=None, trials=None)

    def _made(self, request: Request) -> Kept:
        """Make a plan as if every command were approved; `take` runs none that was not shown."""
        reasons: list[str] = []

        def approve(spec: BenchmarkSpec) -> bool:
            reasons.append(str(spec.approval))
            return True

        plan = self._make_plan(request, approve)
        return Kept(plan, reasons[-1] if reasons else None)

    def _keep(self, key: str, kept: Kept) -> None:
        self._kept[key] = kept
        self._kept.move_to_end(key)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)


def as_config(plan: Plan) -> TuningConfig:
    """Return the config of `plan` as it will be when it comes back as JSON."""
    return load_config(plan.config.to_json())


def digest(config: TuningConfig) -> str:
    """Return what tells two configs apart; what was said about them does not count."""
    fields = config.model_dump(mode="json", exclude={"notices"}, exclude_none=True)
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def drifted(plan: Plan) -> list[str]:
    """Return each parameter of `plan` whose value is no longer the one in the plan."""
    if plan.simulated:
        return []
    tuned = {item.name: item for one in (plan, *plan.rivals) for item in one.built.plan}
    found = {name: read_knob(item.available.knob).value for name, item in tuned.items()}
    return [
        f"{name} was {item.available.found}, is {found[name]}"
        for name, item in tuned.items()
        if found[name] not in (None, item.available.found)
    ]


def proposal(kept: Kept) -> dict[str, Any]:
    """Return a plan as the plain values of ``propose_config``."""
    plan = kept.plan
    config = as_config(plan)
    notices = [
        *plan.notices,
        *(f"{item.name}: left out. {item.reason}" for item in plan.built.left_out),
    ]
    if kept.approval is not None:
        notices.insert(0, f"needs approval: {plan.spec.command}: {kept.approval}")
    return {
        "understood": understood(plan),
        "config": json.loads(config.model_dump_json(exclude_none=True, exclude={"notices"})),
        "benchmark": plan.spec.command,
        "metric": f"{plan.adapter.metric} [{plan.adapter.unit}]",
        "parameters": [_planned(item) for item in plan.built.plan],
        "seconds": round(plan.total_seconds),
        "trials": plan.clock.search_trials,
        "simulated": plan.simulated,
        "notices": list(dict.fromkeys(printable(notice) for notice in notices)),
    }


def _planned(item: PlannedKnob) -> dict[str, Any]:
    return {
        "name": item.name,
        "now": item.available.found,
        "tries": list(item.choices) if item.choices else f"{item.low}..{item.high}",
        "start": item.start,
        "unit": item.available.knob.unit,
        "why": item.why,
    }


def understood(plan: Plan) -> str:
    """Return how the workload was read, and from which words."""
    reading = plan.reading
    if reading is None:
        return plan.config.workload_class or plan.config.workload_name
    text = ", ".join([reading.workload_class, *reading.traits]).replace("_", " ")
    because = ", ".join(f'"{word}"' for word in reading.evidence[:6])
    return f"{text} (from {because})" if because else text


def shown_text(kept: Kept, width: int = 80) -> str:
    """Return the whole plan as `sealtune plan` prints it; what needs a yes of its own first."""
    from sealtune.report.text import plan_text

    head = ""
    if kept.approval is not None:
        # Here a no means that nothing runs at all, not that a private server is measured.
        why, named, _ = printable(kept.approval).partition("; without your approval")
        used = ". That very server or database is loaded, no private one" if named else ""
        command = f"A yes also allows exactly this command:\n  {kept.plan.spec.command}"
        head = f"{command}\n{why[:1].upper()}{why[1:]}{used}.\n\n"
    busy = "".join(
        f"Busy  {reason} What is measured now is measured beside it.\n" for reason in kept.busy
    )
    return head + plain_text(plan_text(kept.plan), width) + busy


def asked(config_json: str | Mapping[str, Any]) -> TuningConfig:
    """Return the config in what a tool was given.

    Raises:
        ConfigError: It is none; the message names the field.
        KnobError: A parameter is unknown, never tuned, or out of its safe range.
    """
    if isinstance(config_json, str) and not config_json.lstrip().startswith("{"):
        # It would be taken for the name of a file.
        raise ConfigError(
            f"config_json: {printable(config_json, 60)!r} is no JSON object",
            fix="Pass the config that propose_config returned.",
        )
    return load_config(config_json)
