"""The session's end of the guard: start it, ask it, and do its work when it dies."""

import json
import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from sealtune.errors import GuardError, RestoreError, SealtuneError
from sealtune.guard.access import connect
from sealtune.guard.link import Link, raise_if_error, report_of
from sealtune.guard.report import RestoreReport, Write

OnDeath = Callable[[RestoreReport | SealtuneError], None]
BEAT_SECONDS = 1.0
_ANSWER_SECONDS = 20.0


class Guard:
    """A live guard process. The machine is as found before it starts and after it has ended.

    The process restores by itself when this one ends in any way, or falls silent. When the guard
    itself is killed, a thread of this one notices at once and restores from the journal. Calls
    from several threads take turns.

    Attributes:
        originals: Each parameter's value before our first write, as text.
        log: Every value that the guard wrote, in order.
        recovered: What starting undid of an earlier, interrupted run.

    Example::

        with Guard.start(knobs=["vm.swappiness"]) as guard:
            guard.apply({"vm.swappiness": 10})
    """

    def __init__(
        self,
        link: Link,
        *,
        knobs: Iterable[str] | None = None,
        on_guard_death: OnDeath | None = None,
    ) -> None:
        """Ask the guard at the other end of `link` to begin; see `start`."""
        self.originals: dict[str, str] = {}
        self.log: list[Write] = []
        self._link, self._on_death = link, on_guard_death
        self._breach: str | None = None
        self._number, self._unread = 0, b""
        self._death: GuardError | None = None
        self._outcome: RestoreReport | SealtuneError | None = None
        self._ending = False
        self._closed = threading.Event()
        self._turn, self._sending, self._dying = (threading.RLock() for _ in range(3))
        try:
            names = None if knobs is None else list(knobs)
            self.recovered = report_of(self._ask("start", knobs=names))
        except BaseException:
            self._end()
            raise
        threading.Thread(target=self._beat, name="guard-heartbeat", daemon=True).start()

    @classmethod
    def start(
        cls, *, knobs: Iterable[str] | None = None, on_guard_death: OnDeath | None = None
    ) -> Self:
        """Start the guard of this machine, and undo what an interrupted run left behind.

        Args:
            knobs: Parameters that will be written; all that need no device when None.
            on_guard_death: Called once, from another thread, when the guard was killed: with what
                was put back, or with the error that kept it from being put back.

        Raises:
            NotRootError: Not root, and neither the service nor ``sudo -n`` helps.
            BusyError: Another guard is at work.
            JournalError: The journal is damaged or cannot be written.
            RestoreError: An earlier run could not be undone; nothing new is started.
            KnobError: A name is unknown, or not on this machine.
        """
        return cls(connect(), knobs=knobs, on_guard_death=on_guard_death)

    def watch(self, knobs: Iterable[str]) -> None:
        """Read the originals of further parameters, for instance those of a device.

        Raises:
            KnobError: A name is unknown, or not on this machine.
        """
        self._ask("watch", knobs=list(knobs))

    def apply(self, setting: Mapping[str, int | str]) -> dict[str, str]:
        """Make the machine its originals plus `setting`, as one batch.

        Returns:
            What the kernel made of each value.

        Raises:
            KnobError: A name, value or combination is not allowed; nothing was written.
            JournalError: The old values could not be made durable; all is as before this call.
            WriteRefusedError: The kernel refused one; all is as it was before this call.
            GuardError: The guard was killed (all is restored), or an unread breach came before.
        """
        made: dict[str, str] = self._ask("apply", setting=dict(setting))
        return made

    def restore(self) -> RestoreReport:
        """Put everything back, except what somebody else has changed since."""
        return report_of(self._ask("restore"))

    def commit(self) -> None:
        """Accept the present values for good; nothing of them is restored any more."""
        self._ask("commit")

    def rails(self, limits: Mapping[str, float]) -> dict[str, float]:
        """Give the guard rails these limits; see `sealtune.guard.watch` for names and units.

        Returns:
            For each rail the most that the guard has seen last since this was called before.

        Raises:
            GuardError: A name is unknown, or a limit is no number; no limit was changed.
        """
        seen: dict[str, float] = self._ask("rails", limits=dict(limits))
        return seen

    def values(self) -> dict[str, str]:
        """Return the present value of every parameter in `originals`."""
        values: dict[str, str] = self._ask("values")
        return values

    @property
    def breach(self) -> str | None:
        """The guard rail that made the guard restore since this was last read, if one did."""
        self._ask("look")
        breach, self._breach = self._breach, None
        return breach

    @property
    def pid(self) -> int:
        """Process id of the guard, or of what stands before it: its sudo, or the service."""
        return self._link.pid

    def close(self) -> RestoreReport:
        """Restore and end the guard; later calls do nothing.

        Raises:
            RestoreError: Something could not be put back.
        """
        if self._closed.is_set():
            return RestoreReport([], [], [])
        # From here on its end is what was asked for; one that dies of it is seen by the asking.
        self._ending = True
        try:
            report = report_of(self._ask("close"))
        except GuardError:
            if not isinstance(self._outcome, RestoreReport):
                raise
            report = self._outcome  # what this process restored in place of a guard that was dead
        finally:
            self._end()
        if report.failed:
            raise RestoreError(f"could not be put back: {report}")
        return report

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _end(self) -> None:
        self._closed.set()
        self._link.end()

    def _ask(self, what: str, **fields: object) -> Any:  # noqa: ANN401 - whatever JSON says
        with self._turn:
            if self._death:
                raise GuardError(str(self._death)) from self._death
            if self._closed.is_set():
                raise GuardError("the guard has been closed")
            self._number += 1
            request = {"do": what, "id": self._number, **fields}
            try:
                self._send(json.dumps(request).encode() + b"\n")
                answer = self._receive()
                # Another number is of a call that Ctrl-C cut short; none at all refuses us.
                while answer["id"] not in (self._number, None):
                    answer = self._receive()
            except (OSError, EOFError) as error:
                raise self._died(what) from error
        raise_if_error(answer)
        return answer["result"]

    def _send(self, line: bytes) -> None:
        with self._sending:
            self._link.send(line)

    def _receive(self) -> dict[str, Any]:
        deadline = time.monotonic() + _ANSWER_SECONDS
        while b"\n" not in self._unread:
            poller = select.poll()
            poller.register(self._link, select.POLLIN)
            if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
                self._link.break_off()
                raise EOFError
            if not (data := self._link.receive(1 << 20)):
                raise EOFError
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        self.originals.update(answer.get("originals", {}))
        self.log += [Write(*fields) for fields in answer.get("log", ())]
        self._breach = answer["breach"] or self._breach
        return answer

    def _beat(self) -> None:
        poller = select.poll()
        try:
            poller.register(self._link, 0)  # only that the other end is gone
        except ValueError:  # closed already
            return
        while not self._closed.is_set():
            if poller.poll(BEAT_SECONDS * 1000):
                break
            try:
                self._send(b"\n")
            except (OSError, EOFError, ValueError):
                break
        if not (self._closed.is_set() or self._ending):
            self._died("")

    def _died(self, doing: str) -> GuardError:
        """Restore in place of the dead guard, once, and return the error to raise."""
        with self._dying:
            if self._death is None:
                if doing == "start":
                    self._death = self._link.complaint()
                    return self._death
                self._outcome = self._recover()
                self._death = _told(self._outcome)
                if self._on_death:
                    self._on_death(self._outcome)
            return self._death

    def _recover(self) -> RestoreReport | SealtuneError:
        try:
            return self._link.recover()
        except SealtuneError as error:
            return error
        except (OSError, subprocess.SubprocessError) as error:
            return RestoreError(f"the guard was killed, and restoring failed: {error}")


def _told(report: RestoreReport | SealtuneError) -> GuardError:
    if isinstance(report, SealtuneError) or report.failed:
        return RestoreError(f"the guard's process has ended; not restored: {report}")
    names = ", ".join(name for name, _, _ in report.restored) or "nothing was left to put back"
    return GuardError(f"the guard's process has ended; this one put back: {names}")
