"""A second, tiny process that restores when the guard itself cannot: killed, or frozen.

The guard forks it before anything is changed, and tells it once a second that it lives. It holds
one end of a pipe and nothing else, so that whatever kills the guard leaves it alone; when all of
sealtune's other processes are killed at once, it is what puts the machine back.
"""

import ctypes
import os
import select
import signal
import syslog
import time
from contextlib import suppress

from sealtune.errors import BusyError
from sealtune.guard.journal import Journal
from sealtune.guard.kernel import Kernel, Places, take_lock
from sealtune.guard.privileges import NEEDED, drop_capabilities, stay_responsive
from sealtune.guard.report import RestoreReport
from sealtune.guard.undo import put_back

NAME = b"sealtune-watch"
BEAT_SECONDS = 1.0
FROZEN_BEATS = 4
"""Beats missed after which a guard that is stopped (SIGSTOP) is ended and replaced."""
STUCK_BEATS = 20
"""The same for one that is not: its disk may be slow, and that is no reason to end a run."""
GRACE_SECONDS = 0.3
"""A living session restores too, and can tell what it put back: it comes first."""
PATIENCE_SECONDS = 30.0
"""How long a restore that fails is tried again."""
_LOCK_SECONDS = 2.0
_ALIVE, _FAREWELL = b".", b"q"
_PR_SET_NAME = 15


class Watcher:
    """The guard's end: keeps one watcher alive until it is dismissed.

    Args:
        places: Where it restores; only tests give another.
        beat_seconds: How often the guard tells that it lives.

    Raises:
        OSError: The process cannot be made: no memory, or too many processes.
    """

    def __init__(self, places: Places | None = None, beat_seconds: float = BEAT_SECONDS) -> None:
        self._places, self._seconds = places or Places(), beat_seconds
        self._process = self._pipe = -1
        self._told = 0.0
        self._start()

    @property
    def pid(self) -> int:
        """Its process id, -1 when there is none."""
        return self._process

    def beat(self) -> None:
        """Say that the guard lives, at most once a beat; replace a watcher that has died."""
        now = time.monotonic()
        if now - self._told < 0.95 * self._seconds:
            return
        self._told = now
        with suppress(OSError):  # no process to be had now: again at the next beat
            if self._has_died():
                self._start()
            os.write(self._pipe, _ALIVE)  # full while the watcher is frozen: no matter

    def dismiss(self) -> None:
        """Let it end without doing anything: call only when everything is back."""
        with suppress(OSError):
            os.write(self._pipe, _FAREWELL)
        if not self._has_died():
            os.close(self._pipe)
            os.kill(self._process, signal.SIGCONT)
            os.waitpid(self._process, 0)

    def _start(self) -> None:
        receive, self._pipe = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._pipe, False)
        guard = os.getpid()
        try:
            self._process = os.fork()
        except OSError:
            os.close(self._pipe)
            raise
        finally:
            if self._process != 0:
                os.close(receive)
        if self._process == 0:
            with suppress(BaseException):  # never back into the guard's code
                _settle(receive)
                _watch(receive, guard, self._places, self._seconds)
            os._exit(0)

    def _has_died(self) -> bool:
        """Whether it has ended; one that is frozen watches nothing, and is ended."""
        if self._process > 0:
            changed, status = os.waitpid(self._process, os.WNOHANG | os.WUNTRACED)
            if changed and os.WIFSTOPPED(status):
                os.kill(self._process, signal.SIGKILL)
                os.waitpid(self._process, 0)
            if changed:
                self._process = -1
                os.close(self._pipe)
        return self._process < 0


def _settle(pipe: int) -> None:
    """Let go of everything of the guard's but `pipe`: lock, journal, its session's pipes."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with the guard, not before
    # Nothing that is opened later may get the number of a standard stream, and what is said there.
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    os.closerange(3, pipe)
    os.closerange(pipe + 1, 4096)
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_NAME, NAME, 0, 0, 0)
    stay_responsive()
    drop_capabilities(NEEDED)


def _watch(pipe: int, guard: int, places: Places, beat_seconds: float) -> None:
    """Return when the guard says that it ends in order; restore when it is killed or frozen.

    Silence is counted in waits, not read from a clock: a machine that was suspended, or a watcher
    that was frozen together with its guard, gives the guard its full time again.
    """
    poller = select.poll()
    poller.register(pipe, select.POLLIN)
    missed = 0
    while True:
        if poller.poll(beat_seconds * 1000):
            said = os.read(pipe, 4096)
            if _FAREWELL in said:
                return
            if not said:
                break
            missed = 0
            continue
        missed += 1
        if missed >= (FROZEN_BEATS if _state(guard) in "Tt" else STUCK_BEATS):
            with suppress(ProcessLookupError):
                os.kill(guard, signal.SIGKILL)
            break
    time.sleep(GRACE_SECONDS)
    _restore(guard, places)


def _restore(guard: int, places: Places) -> None:
    """Restore from the journal; try on for a while, and for as long as the guard will not die."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    is_dead = False
    outcome: RestoreReport | Exception | None = None
    while not (is_dead and time.monotonic() > deadline):
        try:
            is_dead = os.getppid() != guard  # its number may be somebody else's by now
            outcome = report = _undo(places)
            if not report.failed:
                break
        except BusyError as error:
            if is_dead:  # a new guard has come: it restored before it began, and has a watcher
                return
            outcome = error
        except Exception as error:  # of whatever kind, no memory too: the values are still there
            outcome = error
        time.sleep(0.5)
    _tell(outcome)


def _tell(outcome: RestoreReport | Exception | None) -> None:
    if isinstance(outcome, RestoreReport) and not outcome.failed:
        if not outcome.restored:
            return  # the session did it, or nothing was changed
        said = ", ".join(f"{name} is back at {old}" for name, _, old in outcome.restored)
    else:
        said = f"not restored, run `sealtune restore`: {outcome!s}"
    syslog.syslog(f"sealtune: the guard was killed or frozen: {said}")


def _undo(places: Places) -> RestoreReport:
    lock = take_lock(places, _LOCK_SECONDS)
    try:
        kernel = Kernel(places.root)
        journal = Journal(places.journal, kernel.boot_id())
        try:
            return put_back(kernel, journal)
        finally:
            journal.close()
    finally:
        os.close(lock)


def _state(process: int) -> str:
    """Return the state of `process` as the kernel's letter; ``X`` when it is gone."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0].decode()
    except OSError:
        return "X"
