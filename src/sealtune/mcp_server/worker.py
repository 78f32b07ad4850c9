"""The process that runs one tuning session for the server, and never outlives it.

The server holds the other end of standard input: the plan comes in on the first line, ``stop`` on
a later one, and when the server is gone in whatever way, the kernel closes the pipe. Both end the
session as Ctrl-C does: parameters back, finished trials kept. Standard output carries one JSON
object a line: what `tell` says.
"""

import json
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import IO, Any

from sealtune.errors import SealtuneError
from sealtune.report.events import (
    Event,
    Finished,
    Note,
    PairFinished,
    PhaseStarted,
    RunFinished,
)
from sealtune.store import NewSession, SqliteStore

LAST_SECONDS = 60.0
"""How long a session may take to end once the server is gone [s]; then its guard undoes it."""


class Wire:
    """Tells the server what happens; a server that is gone is told nothing.

    Args:
        stream: Where one JSON object a line goes.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def tell(self, kind: str, **fields: Any) -> None:  # noqa: ANN401 - JSON values
        """Say one thing."""
        try:
            self._stream.write(json.dumps({"kind": kind, **fields}, default=str) + "\n")
            self._stream.flush()
        except OSError:  # the pipe that ends the session is another one
            pass

    def event(self, event: Event) -> None:
        """Say what `event` says, as far as somebody who follows the session wants to know it."""
        if isinstance(event, PhaseStarted):
            self.tell("phase", name=event.name, title=event.title, left=event.remaining_seconds)
        elif isinstance(event, RunFinished):
            self.tell("run", **_run(event))
        elif isinstance(event, PairFinished):
            self.tell(
                "pair",
                index=event.index,
                total=event.total,
                ratio=event.ratio,
                left=event.remaining_seconds,
            )
        elif isinstance(event, Note):
            self.tell("note", text=event.text)
        elif isinstance(event, Finished):
            from sealtune.toolbox.results import short

            self.tell("finished", result=short(event.result.as_dict()))


def _run(event: RunFinished) -> dict[str, Any]:
    return {
        "phase": event.phase,
        "index": event.index,
        "total": event.total,
        "baseline": not event.setting,
        "value": event.measurement.value,
        "unit": event.measurement.unit,
        "failure": event.measurement.failure,
        "ratio": event.ratio,
        "best": event.best,
        "best_setting": dict(event.best_setting),
        "left": event.remaining_seconds,
    }


class TellingStore(SqliteStore):
    """This user's history, which says the id of a session as soon as it has one.

    Args:
        wire: Who is told.
    """

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def begin(self, session: NewSession) -> str:
        """Store `session` as running, and tell the server its id."""
        name = super().begin(session)
        self._wire.tell("begun", session=name)
        return name


def main() -> int:
    """Run the session that standard input describes; return an exit code."""
    orders, wire = _take_streams()
    for number in (signal.SIGINT, signal.SIGTERM):  # whatever the server was started with
        signal.signal(number, signal.default_int_handler)
    try:
        packed = json.loads(orders.readline())
        threading.Thread(target=_obey, args=(orders,), daemon=True).start()
        return _tune(packed, wire)
    except SealtuneError as error:
        wire.tell("failed", error=str(error), fix=error.fix)
        return error.exit_code
    except KeyboardInterrupt:
        wire.tell("failed", error="it was stopped", fix="Nothing is left changed.")
        return 130
    except Exception as error:
        traceback.print_exc()
        found = f"a bug in sealtune: {type(error).__name__}: {error}"
        wire.tell("failed", error=found, fix=SealtuneError.fix)
        return 1


def _tune(packed: dict[str, Any], wire: Wire) -> int:
    from sealtune.entry import check_ready
    from sealtune.mcp_server.handover import unpack
    from sealtune.session import tune

    plan = unpack(packed)
    check_ready(plan)  # what else uses the machine was shown with the plan
    with TellingStore(wire) as store:
        store.mark_interrupted()
        return tune(plan, store, wire.event).exit_code


def _take_streams() -> tuple[IO[str], Wire]:
    """Return the server's two pipes, and leave standard streams that lead elsewhere.

    What a benchmark or a library prints, or reads, has no business on the pipes.
    """
    orders = os.fdopen(os.dup(0), "r", encoding="utf-8")
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return orders, Wire(out)


def _obey(orders: IO[str]) -> None:
    """Interrupt the session on every line; when there are no more, see to it that it ends."""
    for _line in orders:
        os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(LAST_SECONDS)
    os._exit(130)  # the guard is a process of its own: it puts everything back


def command() -> list[str]:
    """Return the command line of this program."""
    # No code from wherever the server was started: a client starts it in any directory.
    return [sys.executable, "-P", "-m", f"{__package__}.{Path(__file__).stem}"]


if __name__ == "__main__":
    sys.exit(main())
