"""One life: a session is started, hit, and everything is looked at afterwards."""

import math
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.kernel.chaos import machine, victims
from tests.kernel.chaos.aftermath import bury, judge_end
from tests.kernel.chaos.aim import MissedError, take_aim
from tests.kernel.chaos.deck import CLOSED, Life, Strike
from tests.kernel.chaos.sessions import Place, Session, start

LIMIT_SECONDS = 2.0
FROZEN_LIMIT_SECONDS = 10.0
COMMAND_LIMIT_SECONDS = 10.0
"""When nobody is left the next command restores; it has to load first, on a busy machine."""
_COMMANDS = ("restore", "sessions", "doctor")


@dataclass
class Kill:
    """What one kill did.

    Attributes:
        life: Which session of the series.
        kind: Its benchmark.
        victim: Who was hit, see `victims.find`.
        signal: By what.
        aim: When, see `deck.AIMS`.
        phase: What the session was doing.
        changed: Files that did not read as before at that moment.
        seconds: Until every file read as before; ``None`` when the session had to go on [s].
        limit: How long that may take [s].
        by: ``unaided`` (the guard may be quicker than the last of several kills), or the command
            that put things back.
        problems: What was not as it has to be; empty is good.
        code: What the session ended with, negative for a signal; of the last kill of a life.
        inert: Files of a session killed with SIGKILL, for the next one to remove.
    """

    life: int
    kind: str
    victim: str
    signal: str
    aim: str
    phase: str = ""
    changed: int = 0
    seconds: float | None = None
    limit: float = LIMIT_SECONDS
    by: str = "unaided"
    problems: list[str] = field(default_factory=list)
    code: int | None = None
    inert: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values; a restore that never came takes infinitely long."""
        return asdict(self)


def live(life: Life, place: Place, paths: list[str]) -> list[Kill]:
    """Run one life; return its kills.

    Raises:
        MissedError: It ended before it was hit at all.
    """
    choose = random.Random(f"life {life.number} {life.strikes}")
    before = machine.Before.now(paths, place.work)
    session = start(
        place,
        life.kind,
        choose.randrange(10**6),
        terminal=life.terminal,
        dashboard=life.dashboard,
    )
    kills: list[Kill] = []
    try:
        for strike in life.strikes:
            kill = Kill(life.number, life.kind, strike.victim, strike.signal_name, strike.aim)
            try:
                _hit(session, strike, kill, before, choose)
            except MissedError:
                if strike is life.strikes[-1] and not kills:
                    raise
                continue
            kills.append(kill)
            if session.code is not None:
                break
        judge_end(session, life, kills[-1], before, place)
    finally:
        bury(session)
    return kills


def _hit(
    session: Session, strike: Strike, kill: Kill, before: machine.Before, choose: random.Random
) -> None:
    """Hit at the moment that is aimed at, and see that the values are right afterwards."""
    take_aim(session, strike, before, choose)
    session.listen()
    kill.changed = len(machine.differing(before.values))
    kill.phase = session.phases[-1] if session.phases else "start"
    if session.code is not None:
        raise MissedError
    began = time.monotonic()
    if strike.number == CLOSED:
        session.hang_up()
        hit = [session.pid]
    else:
        hit = victims.strike(session.pid, strike.victim, signal.Signals(strike.number), choose)
    if not hit:
        raise MissedError
    if strike.victim in victims.SURVIVABLE:
        _see_it_go_on(session, strike, kill, before)
    else:
        _see_it_undone(session, strike, kill, before, began, choose)


def _see_it_go_on(session: Session, strike: Strike, kill: Kill, before: machine.Before) -> None:
    """A session that goes on holds what its journal can undo; else everything is back."""
    if strike.victim == "watcher" and strike.number in (signal.SIGKILL, signal.SIGSTOP):
        # The guard looks once a second. Until then nothing else may die, and nothing has to.
        there = session.wait_for(lambda: victims.at_work(session.pid, "watcher"), 3.0)
        if not there and session.code is None and victims.find(session.pid, "guard"):
            kill.problems.append("no new watcher within 3 s")
    session.wait(0.3)
    if session.code is None:
        kill.problems += [f"not in the journal: {path}" for path in _doubts(session, before)]
        return
    _time_restore(kill, before, time.monotonic())


def _doubts(session: Session, before: machine.Before) -> list[str]:
    doubts = machine.unheld(before.values)
    session.listen()
    return doubts if session.code is None else []


def _see_it_undone(
    session: Session,
    strike: Strike,
    kill: Kill,
    before: machine.Before,
    began: float,
    choose: random.Random,
) -> None:
    """Whatever died, the machine reads as before in time."""
    if strike.number == signal.SIGSTOP:
        kill.limit = FROZEN_LIMIT_SECONDS
    if strike.victim in ("all", "tree") and strike.number == signal.SIGKILL:
        session.wait(LIMIT_SECONDS)
        if machine.differing(before.values) or machine.is_journal_open():
            kill.limit, kill.by = COMMAND_LIMIT_SECONDS, f"sealtune {choose.choice(_COMMANDS)}"
            _time_command(kill, before)
            return
    _time_restore(kill, before, began)
    # Thawed before anybody could notice, it would rightly go on.
    left = began + FROZEN_LIMIT_SECONDS - time.monotonic()
    if strike.number == signal.SIGSTOP and not session.wait(left):
        os.kill(session.pid, choose.choice((signal.SIGCONT, signal.SIGKILL)))


def _time_command(kill: Kill, before: machine.Before) -> None:
    """Run a `sealtune` command when nobody is left who could restore by itself."""
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", *kill.by.split()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        _time_restore(kill, before, began)
        said = command.communicate(timeout=60)[1]
    if "Traceback" in said:
        kill.problems.append(f"{kill.by}: {said[-300:]}")


def _time_restore(kill: Kill, before: machine.Before, began: float) -> None:
    kill.seconds = machine.seconds_until_back(before.values, began, kill.limit + 5.0)
    if kill.seconds > kill.limit:
        late = "never" if math.isinf(kill.seconds) else f"after {kill.seconds:.1f} s"
        kill.problems.append(f"back {late}: {machine.differing(before.values)}"[:600])
