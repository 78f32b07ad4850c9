"""The guard's process: takes requests over a pipe, and restores when it has any doubt.

One JSON object per line and one answer to each; an empty line is a heartbeat. It ends, machine
restored, when the pipe closes, when the session falls silent, and on SIGTERM, SIGINT and SIGHUP.
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from sealtune.catalogue.bounds import Limit
from sealtune.catalogue.limits import LIMITS
from sealtune.errors import GuardError, RestoreError, SealtuneError
from sealtune.guard.journal import Journal
from sealtune.guard.keeper import Keeper
from sealtune.guard.kernel import Kernel, Places, take_lock
from sealtune.guard.privileges import drop_capabilities, stay_responsive
from sealtune.guard.recovery import restore
from sealtune.guard.report import RestoreReport
from sealtune.guard.rules import Rules
from sealtune.guard.undo import put_back
from sealtune.guard.watch import MemoryWatch

SILENCE_SECONDS = 8.0
"""Silence after which a session counts as gone; with the polling below the promise is 10 s."""
_POLL_SECONDS = 1.0


class Server:
    """One guard: holds the lock from the first request until everything is back.

    Args:
        places: Where to work.
        limits: What may be written.
        source: Descriptor that requests come from.
        sink: Descriptor that answers go to.
        silence_seconds: How long the session may be silent.
        confine: Gives up what writing the named parameters does not need.
    """

    def __init__(
        self,
        places: Places,
        limits: Mapping[str, Limit],
        source: int,
        sink: int,
        *,
        silence_seconds: float = SILENCE_SECONDS,
        confine: Callable[[Iterable[str]], None] = lambda names: None,
    ) -> None:
        self._places, self._limits = places, limits
        self._source, self._sink, self._silence = source, sink, silence_seconds
        self._kernel = Kernel(places.root)
        self._watch = MemoryWatch(f"{places.root.rstrip('/')}/proc")
        self._keeper: Keeper | None = None
        self._breach: str | None = None
        self._ended, self._rest = False, b""
        self._confine = confine

    def run(self, wake: int | None = None) -> None:
        """Serve until there is a reason to end; a byte on `wake` (a signal) is one."""
        poller = select.poll()
        for descriptor in (self._source, wake):
            if descriptor is not None:
                poller.register(descriptor, select.POLLIN)
        heard = time.monotonic()
        try:
            while not self._ended:
                ready = [descriptor for descriptor, _ in poller.poll(_POLL_SECONDS * 1000)]
                self._look()
                if self._source in ready:
                    heard = time.monotonic()
                    self._hear()
                elif time.monotonic() - heard > self._silence:
                    break
                if wake in ready:
                    break
        except BrokenPipeError:
            pass  # nobody is left to answer to
        finally:
            if self._keeper:
                self._keeper.restore()

    def _hear(self) -> None:
        data = os.read(self._source, 1 << 20)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._ended = not data
        for line in filter(None, lines):  # an empty one is a heartbeat
            self._answer(line)

    def _look(self, *, asked: bool = False) -> None:
        if not (self._keeper and self._keeper.holds):
            return
        if (asked or self._watch.due()) and (breach := self._watch.breach()):
            self._breach = breach
            self._keeper.restore()

    def _answer(self, line: bytes) -> None:
        request: dict[str, Any] = {}
        answer: dict[str, Any] = {}
        try:
            request = json.loads(line)
            answer = {"result": self._do(request)}
        except SealtuneError as error:
            answer = {"error": type(error).__name__, "message": str(error), "fix": error.fix}
        except Exception as error:  # a bug here must reach the session, and must not end the guard
            answer = {"error": "GuardError", "message": f"{type(error).__name__}: {error}"}
        if self._keeper:
            answer["originals"] = self._keeper.originals
            answer["log"], self._keeper.log[:] = list(self._keeper.log), []
        answer["id"] = request.get("id")
        answer["breach"], self._breach = self._breach, None
        os.write(self._sink, json.dumps(answer).encode() + b"\n")

    def _do(self, request: dict[str, Any]) -> object:
        what = request["do"]
        if what == "start":
            return self._start(request["knobs"])
        if self._keeper is None:
            raise GuardError("the guard has not been started")
        if what == "apply":
            return self._apply(self._keeper, request["setting"])
        if what == "values":
            return self._keeper.values()
        if what in ("restore", "close"):
            self._ended = what == "close"
            return self._keeper.restore()
        if what == "commit":
            self._keeper.commit()
        elif what == "watch":
            self._keeper.look_at(request["knobs"])
        elif what == "look":  # the answer itself carries what is found
            self._look(asked=True)
        return None

    def _apply(self, keeper: Keeper, setting: dict[str, object]) -> dict[str, str]:
        if self._breach:  # the measurement of the setting before was half under the originals
            raise GuardError(f"guard rail: {self._breach}; the original values were put back")
        if not keeper.holds:
            self._watch.start()
        return keeper.apply(setting)

    def _start(self, names: list[str] | None) -> RestoreReport:
        """Take the lock, undo what an earlier run left, and read the originals."""
        if self._keeper:
            raise GuardError("the guard has been started already")
        os.set_inheritable(take_lock(self._places), False)  # held until this process ends
        rules = Rules(self._limits, self._kernel)
        journal = Journal(self._places.journal, self._kernel.boot_id())
        report = put_back(self._kernel, journal)
        if report.failed:
            raise RestoreError(f"an earlier run could not be undone: {report}")
        keeper = Keeper(self._kernel, journal, rules)
        keeper.look_at(names)
        self._confine(keeper.originals or rules.limits)  # without names it may be any of them
        self._keeper = keeper
        return report


def main() -> None:
    """Run the guard of this machine on standard input and output, or restore and end."""
    if sys.argv[1:] == ["restore"]:  # for a session without root, whose guard was killed
        report = restore(wait_seconds=1.0)
        sys.exit(f"error: {report}" if report.failed else 0)
    with suppress(PermissionError):  # started by Popen, it leads its own session already
        os.setsid()
    stay_responsive()
    receive, send = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(send)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    Server(Places(), LIMITS, 0, 1, confine=drop_capabilities).run(wake=receive)
