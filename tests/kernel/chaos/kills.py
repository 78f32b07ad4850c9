"""One life: a session is started, hit, and everything is looked at afterwards."""

import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.kernel.chaos import machine, victims
from tests.kernel.chaos.deck import CLOSED, Life, Strike
from tests.kernel.chaos.sessions import Place, Session, start

LIMIT_SECONDS = 2.0
FROZEN_LIMIT_SECONDS = 10.0
COMMAND_LIMIT_SECONDS = 10.0
"""When nobody is left the next command restores; it has to load first, on a busy machine."""
CLEAR_SECONDS = 10.0
_PATIENCE_SECONDS = 90.0
_LENGTH = {"quick": 9.0, "learner": 15.0, "redis": 20.0, "pgbench": 40.0}
"""About how long a session takes that nobody disturbs [s]."""
_CLEAR_ENDS = (0, 3, 4, 130)
"""Exit codes of verdicts, and of a session that was told to end."""
_COMMANDS = ("restore", "sessions", "doctor")


class MissedError(Exception):
    """The session was over, or had no such process, before it could be hit."""


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


@dataclass
class _Before:
    """The machine before a session."""

    values: machine.Snapshot
    groups: set[str]
    mounts: set[str]
    files: set[str]


def live(life: Life, place: Place, paths: list[str]) -> list[Kill]:
    """Run one life; return its kills.

    Raises:
        MissedError: It ended before it was hit at all.
    """
    choose = random.Random(f"life {life.number} {life.strikes}")
    before = _Before(
        machine.look(paths),
        machine.control_groups(),
        machine.mounts(),
        machine.run_files(place.work),
    )
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
        _judge_end(session, life, kills[-1], before, place)
    finally:
        _bury(session)
    return kills


def _hit(
    session: Session, strike: Strike, kill: Kill, before: _Before, choose: random.Random
) -> None:
    """Hit at the moment that is aimed at, and see that the values are right afterwards."""
    _take_aim(session, strike, before, choose)
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


def _take_aim(session: Session, strike: Strike, before: _Before, choose: random.Random) -> None:
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


def _see_it_go_on(session: Session, strike: Strike, kill: Kill, before: _Before) -> None:
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


def _doubts(session: Session, before: _Before) -> list[str]:
    doubts = machine.unheld(before.values)
    session.listen()
    return doubts if session.code is None else []


def _see_it_undone(
    session: Session,
    strike: Strike,
    kill: Kill,
    before: _Before,
    began: float,
    choose: random.Random,
) -> None:
    """Whatever died, the machine reads as before in time."""
    if strike.number == signal.SIGSTOP:
        kill.limit = FROZEN_LIMIT_SECONDS
    if strike.victim in ("all", "tree") and strike.number == signal.SIGKILL:
        session.wait(LIMIT_SECONDS)
        if machine.differing(before.values):
            kill.limit, kill.by = COMMAND_LIMIT_SECONDS, f"sealtune {choose.choice(_COMMANDS)}"
            _time_command(kill, before)
            return
    _time_restore(kill, before, began)
    if strike.number == signal.SIGSTOP and session.code is None:
        # Thawed before anybody could notice, it would rightly go on.
        session.wait(began + FROZEN_LIMIT_SECONDS - time.monotonic())
        number = choose.choice((signal.SIGCONT, signal.SIGKILL))
        os.kill(session.pid, number)


def _time_command(kill: Kill, before: _Before) -> None:
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


def _time_restore(kill: Kill, before: _Before, began: float) -> None:
    kill.seconds = machine.seconds_until_back(before.values, began, kill.limit + 5.0)
    if kill.seconds > kill.limit:
        late = "never" if math.isinf(kill.seconds) else f"after {kill.seconds:.1f} s"
        kill.problems.append(f"back {late}: {machine.differing(before.values)}"[:600])


def _judge_end(session: Session, life: Life, last: Kill, before: _Before, place: Place) -> None:
    """After the last kill: it has ended, nothing of it is left, and the history is right."""
    if not session.wait(30.0):
        last.problems.append("the session has not ended after 30 s")
        return
    last.code = session.code
    if said := _unclear(session):
        last.problems.append(said)
    if left := _left(session, before, place, last):
        last.problems.append(f"left behind: {left}")
    if machine.differing(before.values):
        last.problems.append(f"changed at the end: {machine.differing(before.values)}"[:600])
    if machine.JOURNAL.exists() and machine.JOURNAL.stat().st_size:
        last.problems.append("the journal is not empty")
    here = machine.run_files(place.work) | machine.control_groups()
    if "aa" in session.phases and (old := (before.files | before.groups) & here):
        last.problems.append(f"what killed ones left is not removed: {sorted(old)}")
    last.problems += _wrong_in_store(session, life, place)


def _unclear(session: Session) -> str:
    """Return what is wrong with the way in which the session says that it has ended."""
    if "Traceback" in session.said:
        return f"traceback: {session.said[-800:]}"
    has_reason = "error:" in session.said and "fix:" in session.said
    if session.code in _CLEAR_ENDS or (session.code or 0) < 0 or has_reason:
        return ""
    return f"exit code {session.code}, and no word of why: {session.said[-300:]}"


def _left(session: Session, before: _Before, place: Place, last: Kill) -> list[str]:
    """Return what is still there after 10 s.

    Files of a killed session wait for the next one, and so does an empty control group when
    whoever would have removed it was killed too.
    """

    def processes() -> list[str]:
        machine.reap_others(session.pid)
        return [machine.command_of(pid) for pid in machine.descendants(os.getpid())]

    def others() -> list[str]:
        groups = machine.control_groups() - before.groups
        if last.victim == "tree":
            groups = {group for group in groups if machine.is_occupied(group)}
        return sorted(groups | (machine.mounts() - before.mounts))

    def files() -> list[str]:
        return sorted(machine.run_files(place.work) - before.files)

    # Who was frozen is nobody's to end; let go, it has to end by itself.
    for pid in machine.descendants(os.getpid()):
        victims.thaw(pid)
    was_killed = session.code == -signal.SIGKILL
    machine.wait_until(
        lambda: not (processes() or others() or (files() and not was_killed)), CLEAR_SECONDS, 0.05
    )
    last.inert = len(files()) if was_killed else 0
    return [*processes(), *others(), *([] if was_killed else files())]


def _wrong_in_store(session: Session, life: Life, place: Place) -> list[str]:
    """Return what the history has wrong of this session; it must open, and be whole."""
    from sealtune.store import SqliteStore

    if not session.phases:  # it was hit before it began
        return []
    with SqliteStore(place.store) as store:
        store.mark_interrupted()
        row = store.session(None)
        stored = len(store.trials(row.id))
    wrong = []
    expected = {"interrupted", "failed"} | ({"finished"} if session.verdict else set())
    if session.code is not None and (session.code < 0 or session.code == 130):
        expected.discard("failed")
    if row.status not in expected:
        wrong.append(f"the history says {row.status} of a session with exit code {session.code}")
    if stored < session.trials:
        wrong.append(f"the history has {stored} of {session.trials} finished runs")
    with sqlite3.connect(place.store) as connection:
        if (said := connection.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
            wrong.append(f"the history is damaged: {said}")
    return wrong


def _bury(session: Session) -> None:
    """End whatever is left of it, so that the next one starts on a clean machine."""
    for pid in [*machine.descendants(session.pid), session.pid]:
        if session.code is None or pid != session.pid:
            victims.end(pid)
    session.wait(5.0)
    for pid in machine.descendants(os.getpid()):
        victims.end(pid)
    machine.reap_others(session.pid)
    if machine.JOURNAL.exists() and machine.JOURNAL.stat().st_size:
        command = [sys.executable, "-m", "sealtune", "restore"]
        subprocess.run(command, capture_output=True, timeout=60, check=False)
    session.close()
    session.output.unlink(missing_ok=True)
