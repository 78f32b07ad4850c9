"""Ways to end a guard below systemd, each done and looked at.

`tests.kernel.systemd` boots one and runs this module in it, which prints its rows as JSON.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.kernel.guards import SWAPPINESS, holding
from tests.kernel.systemd_looks import (
    WITHIN,
    WITHIN_FROZEN,
    Row,
    children,
    freeze,
    left,
    systemctl,
    until_back,
)
from tests.kernel.systemd_service import (
    SERVICES,
    confined,
    end_services,
    end_services_often,
    refuse_a_stranger,
)

from sealtune.errors import SealtuneError
from sealtune.guard.kernel import Kernel


def end_roots(how: str) -> Row:
    """End the guard of a session of root in one way, and look whether all is back."""
    before = Kernel().read(SWAPPINESS)
    with holding(30 if before != "30" else 40) as (session, guard):
        unit = _unit_of(guard)
        assert unit.startswith(f"sealtune-guard-{session.pid}-"), unit
        watcher = children(guard)[0]
        within = WITHIN_FROZEN if how == "guard frozen" else WITHIN
        assert Kernel().read(SWAPPINESS) != before
        begin = time.monotonic()
        _end(how, session.pid, guard, watcher, unit)
        seconds = until_back(before, begin, within)
        is_told = how in ("guard", "guard frozen", "unit stopped")
        told = session.stdout.readline().strip() if is_told else ""
    return Row(how, seconds, within, told, left(unit))


ROOTS = (
    "session",
    "guard",
    "guard and watcher, session frozen",
    "guard, watcher and session",
    "every process of the unit, session frozen",
    "systemd begun anew, then all killed",
    "unit stopped",
    "guard frozen",
)


def _end(how: str, session: int, guard: int, watcher: int, unit: str) -> None:
    if how == "unit stopped":
        systemctl("stop", unit)
        return
    if how == "guard frozen":
        os.kill(guard, signal.SIGSTOP)
        return
    if how.startswith("systemd"):
        systemctl("daemon-reexec")
        how = "guard, watcher and session"
    if "," in how:  # nobody shall act between one kill and the next
        for pid in (session, watcher):
            freeze(pid)
    if how.startswith("every process"):
        systemctl("kill", "--signal=KILL", unit)
        return
    named = {"guard": guard, "watcher": watcher, "session": session}
    for name in how.partition(", session frozen")[0].replace(" and ", ", ").split(", "):
        os.kill(named[name], signal.SIGKILL)


def _unit_of(process: int) -> str:
    group = Path(f"/proc/{process}/cgroup").read_text().rsplit("0::", 1)[-1]
    return group.strip().rsplit("/", 1)[-1]


WAYS: dict[str, Callable[[], Row]] = {
    **{how: (lambda how=how: end_roots(how)) for how in ROOTS},
    **{f"service: {how}": (lambda how=how: end_services(how)) for how in SERVICES},
    "service: killed eight times": end_services_often,
    "service: a stranger": refuse_a_stranger,
    "service: confined": confined,
}


def look(way: str) -> Row:
    """Return what came of `way`; one that could not be gone has left its error."""
    try:
        return WAYS[way]()
    except (AssertionError, OSError, ValueError, SealtuneError) as error:
        return Row(way, 0.0, 0.0, "", [f"{type(error).__name__}: {error}"])


if __name__ == "__main__":
    print(json.dumps([look(way) for way in sys.argv[1:] or WAYS]))
