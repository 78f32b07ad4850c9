"""Snapshots, built once for everybody who looks, and only when something changed.

The store is looked at once a second, and only while somebody is looking: one pragma, the present
values of a handful of parameters, and whether the process is alive. The picture of a session is
put together again only when the session itself has said or measured something.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from sealtune.errors import SessionNotFoundError
from sealtune.store import SessionRow, SqliteStore
from sealtune.store.moments import Progress
from sealtune.store.schema import dump
from sealtune.web.build import Present, Stored, build
from sealtune.web.desk import Desk
from sealtune.web.desk import Held as Journal
from sealtune.web.listing import Listing
from sealtune.web.live import Kernel
from sealtune.web.snapshot import Apply, Held, Snapshot, Stop

LOOK_SECONDS = 1.0
KEEP_ALIVE_SECONDS = 15.0
MOST_KEPT = 8

_State = tuple[Progress, bool]


@dataclass(frozen=True)
class Picture:
    """A snapshot and what it was built from."""

    row: SessionRow
    state: _State
    stop: Stop
    apply: Apply
    kernel: Kernel
    snapshot: Snapshot
    text: str


@dataclass(frozen=True, slots=True)
class News:
    """One server-sent event: its name and its data as JSON."""

    event: str
    data: str

    def encode(self) -> bytes:
        """Return it as it goes over the wire; JSON holds no line end."""
        return f"event: {self.event}\ndata: {self.data}\n\n".encode()


class Feed:
    """What there is to see of the sessions of one store.

    Args:
        store: Only read.
        desk: What may be done about them.
        of_process: Process whose session ``last`` stands for; the newest one when ``None``.
    """

    def __init__(self, store: SqliteStore, desk: Desk, *, of_process: int | None = None) -> None:
        self._store, self._desk, self._process = store, desk, of_process
        self._kept: dict[str, Picture] = {}
        self._listing = Listing(store)
        self._revision = 0
        self._turn = threading.Lock()

    def full_id(self, wanted: str) -> str:
        """Return the id that a unique beginning, or ``last``, stands for.

        Raises:
            SessionNotFoundError: None or several match.
        """
        if wanted == "last" and self._process is not None:
            found = self._store.newest_of(self._process)
            if found is None:
                raise SessionNotFoundError("the session has not begun yet")
            return found
        return wanted if wanted in self._kept else self._store.session(wanted).id

    def row(self, wanted: str) -> SessionRow:
        """Return the session as stored; see `full_id`."""
        return self._store.session(self.full_id(wanted))

    def look(self, session: str) -> Picture:
        """Return the picture of a session, put together again only if it changed."""
        with self._turn:
            progress = self._store.progress_of(session)
            state = progress, progress.status == "running" and self._store.living(session)
            kept = self._kept.get(session)
            row = kept.row if kept and kept.state == state else self._store.session(session)
            stop, apply = self._desk.stop_of(row, living=state[1]), self._desk.apply_of(row)
            if kept is None or (kept.state, kept.stop, kept.apply) != (state, stop, apply):
                kept = self._keep(row, state, stop, apply, kept.kernel if kept else None)
            return kept

    def live(self, picture: Picture) -> dict[str, Any]:
        """Return only what the kernel and the guard's journal say now."""
        present = picture.kernel.read()
        held = self._journal(picture.row, picture.state)
        return {
            "parameters": {
                one.name: present.get(one.name, one.now) for one in picture.snapshot.parameters
            },
            "held": None if held is None else [_held(Held(*one)) for one in held],
        }

    def listing(self, limit: int = 100) -> str:
        """Return the newest sessions as JSON."""
        with self._turn:
            return dump({"sessions": self._listing.lines(limit)})

    async def follow(self, wanted: str) -> AsyncIterator[News | None]:
        """Yield the picture, then every change of it; ``None`` is a sign of life.

        ``last`` moves on to a newer session, and waits for the first one.
        """
        said: dict[str, Any] = {}
        last, heard = "", time.monotonic()
        while True:
            picture = await asyncio.to_thread(self._look_for, wanted)
            live = self.live(picture) if picture else said
            if picture and picture.text != last:
                last, said, heard = picture.text, _shown(picture.snapshot), time.monotonic()
                yield News("snapshot", last)
            if picture and live != said:
                said, heard = live, time.monotonic()
                now = {"id": picture.row.id, "read": time.time()}
                left = {"remaining_seconds": _remaining(picture.snapshot)}
                yield News("live", dump(now | live | left))
            if time.monotonic() - heard > KEEP_ALIVE_SECONDS:
                heard = time.monotonic()
                yield None
            await asyncio.sleep(LOOK_SECONDS)

    def _look_for(self, wanted: str) -> Picture | None:
        try:
            return self.look(self.full_id(wanted))
        except SessionNotFoundError:
            if wanted != "last":
                raise
            return None

    async def follow_list(self) -> AsyncIterator[News | None]:
        """Yield the list of sessions, then again whenever it changed."""
        last, heard = "", time.monotonic()
        while True:
            text = await asyncio.to_thread(self.listing)
            if text != last or time.monotonic() - heard > KEEP_ALIVE_SECONDS:
                heard = time.monotonic()
                yield News("sessions", text) if text != last else None
                last = text
            await asyncio.sleep(LOOK_SECONDS)

    def _keep(
        self, row: SessionRow, state: _State, stop: Stop, apply: Apply, kernel: Kernel | None
    ) -> Picture:
        trials, moments = self._store.trials(row.id), self._store.moments(row.id)
        stored = Stored(row, trials, moments, living=state[1])
        present = Present({}, self._journal(row, state), stop, apply)
        if kernel is None:
            kernel = Kernel(row, tuple(one.name for one in build(stored, present).parameters))
        self._revision += 1
        built = build(stored, replace(present, live=kernel.read()))
        snapshot = replace(built, revision=self._revision)
        text = dump(snapshot.as_dict())
        self._kept.pop(row.id, None)
        self._kept[row.id] = Picture(row, state, stop, apply, kernel, snapshot, text)
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return self._kept[row.id]

    def _journal(self, row: SessionRow, state: _State) -> Journal | None:
        """Return what the guard holds of a real session that works, or may have left something."""
        left = row.status != "finished" or not (row.result or {}).get("restored", True)
        if row.simulated or not (state[1] or left):
            return ()
        # There is one guard: what it holds is the newest session's.
        if not state[1] and self._store.session(None).id != row.id:
            return ()
        return self._desk.keeping.journal()


def _shown(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "parameters": {one.name: one.now for one in snapshot.parameters},
        "held": [_held(one) for one in snapshot.guard.held],
    }


def _held(one: Held) -> dict[str, str | None]:
    return {"name": one.name, "original": one.original, "written": one.written}


def _remaining(snapshot: Snapshot) -> float | None:
    if snapshot.eta is None or snapshot.simulated:
        return snapshot.remaining_seconds
    return max(0.0, snapshot.eta - time.time())
