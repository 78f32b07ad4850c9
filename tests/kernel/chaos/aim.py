"""When a session is hit: this waits for the moment that is aimed at."""

import os
import random
import signal
import time
from collections.abc import Callable

from tests.kernel.chaos import machine, victims
from tests.kernel.chaos.deck import Strike
from tests.kernel.chaos.sessions import Session

_PATIENCE_SECONDS = 90.0
_LENGTH = {"quick": 9.0, "learner": 15.0, "redis": 20.0, "pgbench": 40.0}
"""About how long a session takes that nobody disturbs [s]."""


class MissedError(Exception):
    """The session was over, or had no such process, before it could be hit."""


def take_aim(
    session: Session, strike: Strike, before: machine.Before, choose: random.Random
) -> None:
    """Return at the moment aimed at.

    Raises:
        MissedError: It did not come.
    """

    def is_changed() -> object:
        return machine.differing(before.values)

    if strike.aim == "any":
        session.wait(choose.uniform(0.0, _LENGTH[session.kind]))
        return
    if strike.victim in victims.SURVIVABLE:
        wanted: Callable[[], object] = lambda: (  # noqa: E731
            is_changed() and victims.find(session.pid, strike.victim)
        )
    elif strike.aim in ("screening", "confirm", "minimise"):
        wanted = lambda: strike.aim in session.phases  # noqa: E731
    else:
        wanted = is_changed
    if strike.victim in victims.SURVIVABLE:  # some runs have to succeed in between
        session.wait(choose.uniform(0.0, 0.8))
    if not session.wait_for(wanted, _PATIENCE_SECONDS):
        raise MissedError
    if strike.victim in victims.SURVIVABLE:
        return
    session.wait(choose.uniform(0.0, 0.4 if strike.aim == "minimise" else 1.5))
    session.wait_for(is_changed, 2.0)  # the original is measured in between
    if strike.aim == "apply":
        _wait_for_batch()
        victims.spin(choose.uniform(0.0, 0.002))
    elif strike.aim == "restore" and session.code is None:
        os.kill(session.pid, choose.choice((signal.SIGTERM, signal.SIGINT)))
        victims.spin(choose.uniform(0.0, 0.1))


def _wait_for_batch() -> None:
    """Return as soon as the journal takes something up."""
    size, deadline = os.stat(machine.JOURNAL).st_size, time.monotonic() + 1.0
    while os.stat(machine.JOURNAL).st_size == size and time.monotonic() < deadline:
        pass
