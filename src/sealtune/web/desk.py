"""What may be done about a session from here, and asking for it; nothing here does it itself.

Stopping and, while the session asks, keeping its gain go over the session's own socket. Keeping
the gain of a session that is over is handed to whoever started the dashboard, if that was allowed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealtune import control
from sealtune.errors import ApplyError, BusyError, InputError, SealtuneError
from sealtune.store import SessionRow
from sealtune.web.snapshot import Apply, Stop

Held = Sequence[tuple[str, str, str | None]]
"""Parameter, value before our first write, value we wrote (``None``: a side effect of ours)."""

_OTHERS = (
    "Either everything is back already and only the explanation is computed, or this session does "
    "not listen to this dashboard: then press Ctrl-C in its terminal."
)
_STOPS = "Ends the session as Ctrl-C does: every parameter is put back, finished trials are kept."
_SIMULATED = "A simulated gain cannot be kept: nothing was measured."
_NOTHING = "There is no confirmed gain to keep."


def _no_journal() -> Held | None:
    return None


def _never(_row: SessionRow) -> bool:
    return False


def _no_diff(row: SessionRow) -> Mapping[str, Any]:
    raise ApplyError(f"{row.id}: what would be written cannot be shown here")


@dataclass(frozen=True)
class Keeping:
    """What whoever starts the dashboard lends it; the defaults can do nothing.

    Attributes:
        diff: Returns ``diff, files, conflicts, undo, gain, values`` of keeping a session's gain.
        apply: Keeps it, in a process of its own; ``None`` where that was not allowed.
        is_applied: Whether the setting of a session is in force for good.
        journal: What the guard's journal holds; ``None`` if it cannot be read.
    """

    diff: Callable[[SessionRow], Mapping[str, Any]] = _no_diff
    apply: Callable[[SessionRow], Mapping[str, Any]] | None = None
    is_applied: Callable[[SessionRow], bool] = _never
    journal: Callable[[], Held | None] = _no_journal


class Desk:
    """Says what can be asked of a session now, and asks it.

    Args:
        store: File that the sessions are kept in.
        keeping: What was lent.
    """

    def __init__(self, store: Path, keeping: Keeping) -> None:
        self._store, self.keeping = store, keeping
        self._stopping: set[str] = set()

    def stop_of(self, row: SessionRow, *, living: bool) -> Stop:
        """Return whether `row` can be stopped from here."""
        if row.status != "running" or not living:
            self._stopping.discard(row.id)
            return Stop(possible=False, asked=False, reason="The session is over.")
        if row.id in self._stopping:
            return Stop(possible=False, asked=True, reason="It was asked to stop.")
        if not control.is_there(self._store, row.id):
            return Stop(possible=False, asked=False, reason=_OTHERS)
        return Stop(possible=True, asked=False, reason=_STOPS)

    def stop(self, row: SessionRow) -> dict[str, Any]:
        """Ask the session to stop.

        Raises:
            BusyError: It does not listen, or is past stopping.
        """
        answer = self._ask(row.id, "stop")
        self._stopping.add(row.id)
        return {"asked": True, "says": answer["says"]}

    def apply_of(self, row: SessionRow) -> Apply:
        """Return whether the confirmed gain of `row` can be kept from here."""
        result = row.result or {}
        if row.status != "finished" or result.get("verdict") != "improved":
            return Apply("no", _NOTHING, "", "", (), applied=False)
        originals = {knob["name"]: str(knob["original"]) for knob in result["knobs"]}
        values = tuple(
            {"name": name, "before": originals.get(name, ""), "after": str(value)}
            for name, value in result["best_config"].items()
        )
        if row.simulated:
            return Apply("no", _SIMULATED, "", "", values, applied=False)
        applied = self._is_applied(row)
        command = f"sealtune apply {row.id}"
        if self._asks(row.id):
            why = "The session asks now; the answer may come from here or from its terminal."
            return Apply("session", why, command, self.confirmation(row), values, applied)
        if self.keeping.apply is not None:
            why = "Writes the files shown and sets the values; undone by `sealtune revert`."
            return Apply("here", why, command, self.confirmation(row), values, applied)
        why = "The session is over and this page may not change the machine."
        return Apply("command", why, command, "", values, applied)

    def apply(self, row: SessionRow, typed: str) -> tuple[int, dict[str, Any]]:
        """Keep the gain; return the HTTP status and what was done or asked for.

        Raises:
            BusyError: It is not possible now.
            InputError: The typed text is another.
            SealtuneError: Keeping it failed.
        """
        offer = self.apply_of(row)
        if offer.how not in ("session", "here"):
            fix = f"Type: {offer.command}" if offer.command else "Nothing has to be done."
            raise BusyError(offer.reason, fix=fix)
        if typed != offer.confirmation:
            fix = f"Type exactly: {offer.confirmation}"
            raise InputError("the typed text is another one", fix=fix)
        if offer.how == "session":
            return 202, {"asked": True, **self._ask(row.id, "apply")}
        if self.keeping.apply is None:
            raise BusyError(offer.reason)
        return 200, dict(self.keeping.apply(row))

    @staticmethod
    def confirmation(row: SessionRow) -> str:
        """Return what has to be typed, so that nobody keeps anything by a slip."""
        return f"apply {row.id}"

    def _ask(self, session: str, command: str) -> dict[str, Any]:
        try:
            return control.ask(self._store, session, command)
        except InputError as error:
            raise BusyError(str(error), fix=error.fix) from error

    def _asks(self, session: str) -> bool:
        """Whether the session asks now; no benchmark runs then. A killed one leaves a socket."""
        if not control.is_there(self._store, session):
            return False
        return control.status(self._store, session) == "asking"

    def _is_applied(self, row: SessionRow) -> bool:
        try:
            return self.keeping.is_applied(row)
        except (SealtuneError, OSError):  # only for show
            return False
