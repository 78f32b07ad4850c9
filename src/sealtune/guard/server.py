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
from sealtune.errors import GuardError, NotRootError, RestoreError, SealtuneError
from sealtune.guard.journal import Journal
from sealtune.guard.keeper import Keeper
from sealtune.guard.kernel import Kernel, Places, take_lock
from sealtune.guard.privileges import drop_capabilities, leave_groups, stay_responsive
from sealtune.guard.report import RestoreReport
from sealtune.guard.rules import Rules
from sealtune.guard.undo import put_back
from sealtune.guard.watch import Watch
from sealtune.guard.watcher import Watcher

SILENCE_SECONDS = 8.0
"""Silence after which a session counts as gone; with the polling below the promise is 10 s."""
START_SECONDS = 10.0
"""Time for the first request to succeed. Until then a guard holds nothing, and must not keep one
of the service's few places."""
_POLL_SECONDS = 1.0
_LONGEST = 1 << 20
"""Bytes of a request; whoever sends more without a line end is no session of ours."""
_LOCK_SECONDS = 0.5
"""A watcher or a session that is just putting things back holds the lock for a moment."""


class Server:
    """One guard: holds the lock from the first request until everything is back.

    Args:
        places: Where to work.
        limits: What may be written.
        source: Descriptor that requests come from.
        sink: Descriptor that answers go to.
        silence_seconds: How long the session may be silent.
        confine: Gives up what writing the named parameters does not need.
        beat: Called at least once a second while it serves.
        may_keep: Whether the session may leave values in force for good.
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
        beat: Callable[[], None] = lambda: None,
        may_keep: bool = True,
    ) -> None:
        self._places, self._limits = places, limits
        self._source, self._sink, self._silence = source, sink, silence_seconds
        self._kernel = Kernel(places.root)
        root = places.root.rstrip("/")
        self._watch = Watch(f"{root}/proc", f"{root}/dev/kmsg")
        self._keeper: Keeper | None = None
        self._breach: str | None = None
        self._ended, self._rest = False, b""
        self._confine, self._beat, self._may_keep = confine, beat, may_keep

    def run(self, wake: int | None = None) -> None:
        """Serve until there is a reason to end; a byte on `wake` (a signal) is one."""
        poller = select.poll()
        for descriptor in (self._source, wake):
            if descriptor is not None:
                poller.register(descriptor, select.POLLIN)
        began = time.monotonic()
        quiet = 0.0  # counted in waits: a machine that was suspended has not fallen silent
        try:
            while not self._ended and quiet < self._silence:
                if self._keeper is None and time.monotonic() - began > START_SECONDS:
                    break
                ready = [descriptor for descriptor, _ in poller.poll(_POLL_SECONDS * 1000)]
                self._beat()
                self._look()
                if wake in ready:
                    break
                quiet = 0.0 if ready else quiet + _POLL_SECONDS
                if ready:
                    self._hear()
        except ConnectionError:
            pass  # nobody is left to answer to
        finally:
            if self._keeper:
                self._keeper.restore()

    @property
    def holds(self) -> bool:
        """Whether anything may differ from its original because of this guard."""
        return self._keeper is not None and self._keeper.holds

    def _hear(self) -> None:
        data = os.read(self._source, _LONGEST)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in filter(None, lines):  # an empty one is a heartbeat
            self._look()
            self._answer(line)
        self._ended |= not data or len(self._rest) > _LONGEST

    def _look(self, *, asked: bool = False) -> None:
        if not (asked or self._watch.due()):
            return
        # Without a setting too: so it learns what is usual here.
        breach = self._watch.breach(held=self.holds)
        if breach and self._keeper and self.holds:
            self._breach = breach
            self._keeper.restore()

    def _answer(self, line: bytes) -> None:
        request: dict[str, Any] = {}
        answer: dict[str, Any] = {}
        try:
            request.update(json.loads(line))
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
        self._say(json.dumps(answer).encode() + b"\n")

    def _say(self, line: bytes) -> None:
        """Write all of an answer; a session that asks and does not listen counts as gone."""
        os.set_blocking(self._sink, False)
        poller = select.poll()
        poller.register(self._sink, select.POLLOUT)
        waits = 0.0  # for one answer in all: who takes it drop by drop does not listen either
        while line:
            try:
                line = line[os.write(self._sink, line) :]
            except BlockingIOError:
                if waits >= self._silence:
                    raise BrokenPipeError from None
                began = time.monotonic()
                poller.poll(_POLL_SECONDS * 1000)
                waits += min(time.monotonic() - began, _POLL_SECONDS)
                self._beat()

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
        if what == "rails":
            return self._watch.allow(request["limits"])
        if what in ("restore", "close"):
            self._ended |= what == "close"
            return self._keeper.restore()
        if what == "commit":
            self._commit(self._keeper)
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

    def _commit(self, keeper: Keeper) -> None:
        if not self._may_keep:
            raise NotRootError("this guard is lent: only root keeps values for good")
        keeper.commit()

    def _start(self, names: list[str] | None) -> RestoreReport:
        """Take the lock, undo what an earlier run left, and read the originals."""
        if self._keeper:
            raise GuardError("the guard has been started already")
        lock = take_lock(self._places, _LOCK_SECONDS)  # held until this process ends
        try:
            return self._begin(names)
        except BaseException:
            os.close(lock)  # what could not begin must keep nobody else from restoring
            raise

    def _begin(self, names: list[str] | None) -> RestoreReport:
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


def guard_machine(source: int, sink: int, *, may_keep: bool = True) -> None:
    """Guard this machine for the session behind two descriptors; return when all is back.

    Args:
        source: Descriptor that requests come from.
        sink: Descriptor that answers go to.
        may_keep: Whether the session may leave values in force for good.

    Raises:
        SystemExit: There is no process to be had for the watcher; nothing was changed.
        JournalError: All is restored, and only the journal could not be emptied.
    """
    with suppress(PermissionError):  # started by Popen, it leads its own session already
        os.setsid()
    stay_responsive(before_others=may_keep)
    receive, send = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(send)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, a dead watcher is never seen
    try:
        watcher = Watcher()
    except OSError as error:
        sys.exit(f"error: no process is to be had for the watcher: {error.strerror}")
    server = Server(
        Places(),
        LIMITS,
        source,
        sink,
        confine=drop_capabilities,
        beat=watcher.beat,
        may_keep=may_keep,
    )
    server.run(wake=receive)
    if not server.holds:  # else the watcher tries again
        watcher.dismiss()


def main() -> None:
    """Guard for a session, on standard input and output or a socket; as a service; or restore."""
    what = sys.argv[1:]
    if what == ["restore"]:  # for a session without root, whose guard was killed
        _restore()
    elif what == ["serve"]:
        from sealtune.guard.service import main as serve

        serve()
    elif what in ([], ["lend"]):  # lent to somebody who is not root: nothing is kept for good
        if what:
            leave_groups()
        guard_machine(0, 1, may_keep=not what)
    elif what[0] == "meet" and len(what) == 2:
        from sealtune.guard.meeting import meet

        meet(what[1])
    else:
        sys.exit("sealtune's guard: usage: [lend | meet SOCKET | restore | serve]")


def _restore() -> None:
    """Restore, print the answer that a guard would give, and end."""
    from sealtune.guard.recovery import restore

    try:
        report = restore(wait_seconds=1.0)
    except SealtuneError as error:
        answer = {"error": type(error).__name__, "message": str(error), "fix": error.fix}
        print(json.dumps(answer))
        sys.exit(error.exit_code)
    print(json.dumps({"result": report}))
    sys.exit(23 if report.failed else 0)
