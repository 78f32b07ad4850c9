"""Running other people's programs: bounded in time, output and life span.

Every program runs under `sealtune.benchmarks.warden`, never in a shell. We wait on pipes and
sleep otherwise, so that watching costs the measured program nothing.
"""

import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sealtune.benchmarks.becoming import REFUSED_NETWORK
from sealtune.benchmarks.cgroup import clear
from sealtune.benchmarks.confinement import Room, as_text, orders
from sealtune.benchmarks.lapses import Notes
from sealtune.benchmarks.plainly import create_plainly, open_plainly
from sealtune.benchmarks.workplace import Account
from sealtune.errors import BenchmarkFailedError

OUTPUT_LIMIT = 1 << 20
"""How much of each stream is kept, its end [bytes]."""
LINE_LIMIT = 1 << 16
WARDEN = Path(__file__).with_name("warden.py")
PROGRAM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
REAP_SECONDS = 15.0
NOTHING = Room()
LineHandler = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended.

    Attributes:
        code: Exit code; 128 + N when signal N ended it.
        stdout: The last `OUTPUT_LIMIT` bytes it printed.
        stderr: The same for its error stream.
        seconds: Wall time [s].
        timed_out: It was killed for outliving its limit.
        stopped: The line handler ended it.
        truncated: It printed more than was kept.
        refused_network: It asked for an address beyond the loopback, and did not get it.
        ate_disk: It was ended because it left too little of the disk.
    """

    code: int
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool = False
    stopped: bool = False
    truncated: bool = False
    refused_network: bool = False
    ate_disk: bool = False

    def require(self, what: str) -> "Outcome":
        """Return this outcome if the program did its work.

        Raises:
            BenchmarkFailedError: It hung or ended with an error; carries its last line.
        """
        said = telling_line(self.stderr) or telling_line(self.stdout) or "it printed nothing"
        if self.timed_out:
            raise BenchmarkFailedError(f"{what} hung, killed after {self.seconds:.0f} s: {said}")
        if self.code != 0 and not self.stopped:
            raise BenchmarkFailedError(f"{what} ended with exit code {self.code}: {said}")
        return self


def last_line(text: str) -> str:
    """Return the last line of `text` that says something, cut to 300 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return _shown(lines[-1][-300:]) if lines else ""


def telling_line(text: str) -> str:
    """Return the first line of `text` that speaks of an error, else the last one."""
    found = re.search(r"^.*(error|fatal|cannot|could not).*$", text, re.IGNORECASE | re.MULTILINE)
    return _shown(found.group().strip()[:300]) if found else last_line(text)


def _shown(line: str) -> str:
    """Return `line` without what would steer the terminal of whoever reads it."""
    return "".join(sign for sign in line if sign.isprintable() or sign == "\t")


def run_child(
    argv: Sequence[str],
    *,
    account: Account,
    cwd: Path,
    limit: float,
    on_line: LineHandler | None = None,
    path: str = PROGRAM_PATH,
    room: Room = NOTHING,
) -> Outcome:
    """Run `argv` as `account` and return how it ended; nothing of it is left afterwards.

    Args:
        argv: Program and arguments; never goes through a shell.
        account: Who it runs as.
        cwd: Its working directory.
        limit: It is killed after this time [s].
        on_line: Called with each line of both streams as it comes; true ends the program.
        path: ``PATH`` of the program.
        room: What it may reach.
    """
    began = time.monotonic()
    warden = _Warden(argv, room, account, cwd, path=path, stop=(signal.SIGKILL, 0.0))
    try:
        return _read_out(warden, began, limit, on_line)
    finally:
        warden.end()


class Server:
    """A server process that lives until `stop`.

    Args:
        argv: Program and arguments, staying in the foreground.
        account: Who it runs as.
        cwd: Its working directory.
        log: File that takes its output.
        stop_signal: How it is asked to end.
        grace: How long it may take to do so before it is killed [s].
        room: What it may reach.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        account: Account,
        cwd: Path,
        log: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace: float = 5.0,
        room: Room = NOTHING,
    ) -> None:
        self._name, self._log = Path(argv[0]).name, log
        with create_plainly(log) as output:
            stop = (stop_signal, grace)
            self._warden = _Warden(argv, room, account, cwd, stop=stop, output=output)

    @property
    def log(self) -> str:
        """What it has printed since it started, the last `OUTPUT_LIMIT` bytes."""
        with open_plainly(self._log) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - OUTPUT_LIMIT))
            return _without_note(file.read().decode("utf-8", "replace"))[0]

    def wait_until(self, ready: Callable[[], bool], seconds: float = 20.0) -> None:
        """Return once `ready()` is true.

        Raises:
            BenchmarkFailedError: The server ended, or was not ready after `seconds`.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if self._warden.process.poll() is not None:
                raise BenchmarkFailedError(f"{self._name} did not start: {last_line(self.log)}")
            if time.monotonic() > deadline:
                raise BenchmarkFailedError(f"{self._name} was not ready after {seconds:.0f} s")
            time.sleep(0.01)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._warden.process.poll() is None

    def stop(self) -> None:
        """End the server and every process below it."""
        self._warden.end()


class _Warden:
    """A program and the process that keeps it; see `sealtune.benchmarks.warden`."""

    def __init__(
        self,
        argv: Sequence[str],
        room: Room,
        account: Account,
        cwd: Path,
        *,
        stop: tuple[signal.Signals, float],
        path: str = PROGRAM_PATH,
        output: IO[bytes] | None = None,
    ) -> None:
        self.notes = Notes()
        self._grace = stop[1]
        environment = {"PATH": path, "LC_ALL": "C", "HOME": account.home, "USER": account.name}
        if room.temporary is not None:
            environment["TMPDIR"] = str(room.temporary)
        with self.notes.given() as told:
            given = orders(argv, room, account, cwd, stop=stop, path=path, notes=told)
            self._group = given.group
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(WARDEN), as_text(given), *argv],
                stdin=subprocess.PIPE,
                stdout=output or subprocess.PIPE,
                stderr=subprocess.STDOUT if output else subprocess.PIPE,
                env=environment,
                cwd="/",
                start_new_session=True,
                pass_fds=(told,),
            )

    def end(self) -> None:
        """Close the lifeline and wait until the warden has cleared up."""
        process = self.process
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        try:
            process.wait(self._grace + REAP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.notes.close()
        # A warden that was killed could not.
        if self._group and os.path.exists(self._group):
            clear(Path(self._group))


def _read_out(warden: _Warden, began: float, limit: float, on_line: LineHandler | None) -> Outcome:
    process = warden.process
    if process.stdout is None or process.stderr is None:
        raise BenchmarkFailedError("a program was started without pipes to read from")
    tails = {process.stdout: _Tail(on_line), process.stderr: _Tail(on_line)}
    timed_out = stopped = False
    with selectors.DefaultSelector() as selector:
        for stream in tails:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map() and not stopped:
            left = began + limit - time.monotonic()
            ready = selector.select(left) if left > 0 else []
            if not ready:
                timed_out = True
                break
            for key, _ in ready:
                stream = process.stdout if key.fileobj is process.stdout else process.stderr
                if data := os.read(key.fd, 1 << 16):
                    stopped = tails[stream].add(data) or stopped
                else:
                    selector.unregister(stream)
    seconds = time.monotonic() - began
    warden.end()
    out, err = tails[process.stdout], tails[process.stderr]
    truncated = out.truncated or err.truncated
    errors, refused = _without_note(err.text)
    # Negative when the warden itself was killed.
    code = process.returncode if process.returncode >= 0 else 128 - process.returncode
    ate = warden.notes.ate_disk
    return Outcome(code, out.text, errors, seconds, timed_out, stopped, truncated, refused, ate)


def _without_note(errors: str) -> tuple[str, bool]:
    """Take the warden's own last line from a program's errors; return whether it was there."""
    kept = errors.removesuffix(f"{REFUSED_NETWORK}\n")
    return kept, kept != errors


class _Tail:
    """The end of a stream, and its lines as they come."""

    def __init__(self, on_line: LineHandler | None) -> None:
        self._on_line = on_line
        self._kept, self._line = bytearray(), bytearray()
        self.truncated = False

    def add(self, data: bytes) -> bool:
        """Take `data`; return whether the line handler wants the program to end."""
        self._kept += data
        if len(self._kept) > 2 * OUTPUT_LIMIT:
            del self._kept[:-OUTPUT_LIMIT]
            self.truncated = True
        return self._on_line is not None and self._lines(data, self._on_line)

    def _lines(self, data: bytes, on_line: LineHandler) -> bool:
        self._line += data
        *lines, rest = self._line.split(b"\n")
        self._line = rest[-LINE_LIMIT:]
        return any([on_line(line.decode("utf-8", "replace")) for line in lines])

    @property
    def text(self) -> str:
        if len(self._kept) > OUTPUT_LIMIT:
            self.truncated = True
        return self._kept[-OUTPUT_LIMIT:].decode("utf-8", "replace")
