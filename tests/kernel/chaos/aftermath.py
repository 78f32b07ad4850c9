"""After the last kill of a life: what is left of the session, and what the history says of it."""

import os
import signal
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.kernel.chaos import machine, victims
from tests.kernel.chaos.deck import Life
from tests.kernel.chaos.sessions import Place, Session

if TYPE_CHECKING:
    from tests.kernel.chaos.kills import Kill

CLEAR_SECONDS = 10.0
END_SECONDS = 30.0
_CLEAR_ENDS = (0, 3, 4, 130)
"""Exit codes of verdicts, and of a session that was told to end."""


def judge_end(
    session: Session, life: Life, last: "Kill", before: machine.Before, place: Place
) -> None:
    """After the last kill: it has ended, nothing of it is left, and the history is right."""
    if not session.wait(END_SECONDS):
        last.problems.append(f"the session has not ended after {END_SECONDS:.0f} s")
        return
    last.code = session.code
    if said := _unclear(session):
        last.problems.append(said)
    if left := _left(session, before, place, last):
        last.problems.append(f"left behind: {left}")
    if machine.differing(before.values):
        last.problems.append(f"changed at the end: {machine.differing(before.values)}"[:600])
    if machine.is_journal_open():
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


def _left(session: Session, before: machine.Before, place: Place, last: "Kill") -> list[str]:
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


def bury(session: Session) -> None:
    """End whatever is left of it, so that the next one starts on a clean machine."""
    for pid in [*machine.descendants(session.pid), session.pid]:
        if session.code is None or pid != session.pid:
            victims.end(pid)
    session.wait(5.0)
    for pid in machine.descendants(os.getpid()):
        victims.end(pid)
    machine.reap_others(session.pid)
    if machine.is_journal_open():
        command = [sys.executable, "-m", "sealtune", "restore"]
        subprocess.run(command, capture_output=True, timeout=60, check=False)
    session.close()
    session.output.unlink(missing_ok=True)
