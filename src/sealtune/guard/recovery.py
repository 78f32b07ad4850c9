"""``sealtune restore``: undo what a run left behind when it, and its guard, were killed.

Quick to import; the journal's reader loads only when there is something to read.
"""

import os
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING

from sealtune.errors import JournalError, KnobError, NotRootError
from sealtune.guard.kernel import Kernel, Places, take_lock
from sealtune.guard.report import Crash, RestoreReport

if TYPE_CHECKING:
    from sealtune.guard.journal import State

PLACES = Places()


def restore(
    *, abandon: Collection[str] = (), places: Places = PLACES, wait_seconds: float = 0.0
) -> RestoreReport:
    """Put back what an unfinished journal of this boot holds, and empty it.

    One of an earlier boot is archived as a crash; nothing is written for it.

    Args:
        abandon: Parameters to leave as they are for good, for instance of a disk that is gone;
            with one go those that exist only under a choice of it.
        places: Where to look; only tests give another.
        wait_seconds: How long to wait for a guard that is just ending.

    Raises:
        NotRootError: Only root restores.
        BusyError: A live guard holds the lock; it restores by itself.
        JournalError: The journal is damaged or not ours; it was left as it is.
        KnobError: A name to abandon is not in the journal.
    """
    if places.root == "/" and os.geteuid() != 0:
        raise NotRootError("only root can put kernel parameters back")
    lock = take_lock(places, wait_seconds)
    try:
        if not abandon and _is_empty(places):
            return RestoreReport([], [], [])
        from sealtune.guard.journal import Journal
        from sealtune.guard.undo import put_back

        kernel = Kernel(places.root)
        journal = Journal(places.journal, kernel.boot_id())
        try:
            if abandon:
                given_up = _given_up(abandon, journal.state)
                journal.append("abandon", durable=True, paths=given_up)
            return put_back(kernel, journal)
        finally:
            journal.close()
    finally:
        os.close(lock)


def pending(places: Places = PLACES) -> list[str]:
    """Return the parameters that an unfinished journal of this boot holds; mostly none.

    A live guard's journal looks the same: `restore` tells the two apart, by the lock.

    Raises:
        NotRootError: There is a journal, and this user may not read it.
        JournalError: It is damaged or not ours.
    """
    if _is_empty(places):
        return []
    from sealtune.guard.journal import replay

    try:
        with open(places.journal, "rb") as file:
            state, _ = replay(file.read(), places.journal)
    except PermissionError as error:
        raise NotRootError(f"{places.journal} is not empty, and only root reads it") from error
    if state.boot != Kernel(places.root).boot_id():
        return []
    return [entry.name for entry in state.held.values()]


def given_up_with(name: str, places: Places = PLACES) -> list[str]:
    """Return what would be given up together with `name`: what exists only under a choice of it.

    Raises:
        NotRootError: This user may not read the journal.
        JournalError: It is damaged or not ours.
        KnobError: `name` is not in it.
    """
    from sealtune.guard.journal import State, replay

    state = State()
    if not _is_empty(places):
        try:
            with open(places.journal, "rb") as file:
                state, _ = replay(file.read(), places.journal)
        except PermissionError as error:
            raise NotRootError(f"only root reads {places.journal}") from error
    mine = _path_of(name, state)
    return [state.held[path].name for path in _given_up([name], state) if path != mine]


def check_free(places: Places = PLACES) -> None:
    """Return if no guard is at work; says so at once, before a session has loaded anything.

    Raises:
        BusyError: One is.
    """
    os.close(take_lock(places, 0.5))  # a watcher that is just restoring takes a moment


def crashes(places: Places = PLACES) -> list[Crash]:
    """Return the settings that this machine went down with, oldest first."""
    folder, name = os.path.split(places.journal)
    if not os.path.isdir(folder):
        return []
    from sealtune.guard.journal import replay

    found = []
    for file_name in os.listdir(folder):
        if not (file_name.startswith(f"{name}.") and file_name.endswith(".crash")):
            continue
        path = os.path.join(folder, file_name)
        with suppress(OSError, JournalError), open(path, "rb") as file:
            state, _ = replay(file.read(), path)
            found.append(Crash(state.boot, state.time, state.setting))
    return sorted(found, key=lambda crash: crash.time)


def _is_empty(places: Places) -> bool:
    try:
        return os.stat(places.journal).st_size == 0
    except FileNotFoundError:
        return True
    except PermissionError as error:
        raise NotRootError(f"{places.journal} belongs to root") from error


def _given_up(names: Collection[str], state: "State") -> list[str]:
    """Return the paths of `names`, and of what exists only under a choice of one of them."""
    named = [_path_of(name, state) for name in names]
    return [p for p, entry in state.held.items() if p in named or entry.decider in named]


def _path_of(name: str, state: "State") -> str:
    for path, entry in state.held.items():
        if name in (path, entry.name):
            return path
    held = ", ".join(entry.name for entry in state.held.values()) or "nothing"
    raise KnobError(f"{name} is not in the journal, which holds {held}")
