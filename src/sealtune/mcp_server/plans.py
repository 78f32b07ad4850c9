"""The plans that were shown, by a name that a yes can refer to."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from sealtune.errors import InputError
from sealtune.planning import Plan

_MOST_KEPT = 16


@dataclass(frozen=True, slots=True)
class Shown:
    """A plan as it was shown.

    Attributes:
        plan: What a yes is about.
        config: Its config, as JSON values.
        text: The whole plan, as ``sealtune plan`` prints it.
        own_command: It runs a command of the person's own, which only they can allow.
    """

    plan: Plan
    config: dict[str, Any]
    text: str
    own_command: bool


class Plans:
    """The newest plans of this server."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Shown] = OrderedDict()

    def keep(self, shown: Shown) -> str:
        """Return a new name for `shown`."""
        name = f"plan-{secrets.token_hex(3)}"
        self._kept[name] = shown
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return name

    def get(self, name: str) -> Shown:
        """Return the plan of that name.

        Raises:
            InputError: There is none; the message names those that there are.
        """
        if name not in self._kept:
            known = ", ".join(reversed(self._kept)) or "none was made yet"
            raise InputError(
                f"plan: {name!r:.80} is no plan; newest first: {known}",
                fix="plan_tuning makes one, and returns its name as `plan`.",
            )
        return self._kept[name]

    def use_up(self, name: str) -> None:
        """Forget the plan: it is good for one run."""
        self._kept.pop(name, None)
