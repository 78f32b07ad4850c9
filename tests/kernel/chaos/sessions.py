"""Real sessions, started quickly: forked from a process that has everything loaded.

Each is the command ``sealtune run`` in a process session of its own, with a real guard, a real
benchmark and the real kernel. Only waiting is left out: pauses are cut and runs may be shorter
than a person may ask for, so that most moments of a session fall while values are changed.
"""

import json
import os
import pty
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.kernel.chaos import machine

TRIALS = 8
_LEVER = "vm.vfs_cache_pressure"
_LEVER_FILE = "/proc/sys/vm/vfs_cache_pressure"
# More with a higher value of the lever, with one percent of noise: there is something to find.
_SCRIPT = (
    "sleep 0.04; read value < {lever}; read up idle < /proc/uptime; "
    "echo $((10000 + 400 * value + 1${{up#*.}} * 5))"
)
_EVERY = {
    _LEVER: {"min": 50, "max": 200},
    "vm.dirty_ratio": {"min": 15, "max": 40},
    "vm.dirty_background_ratio": {"min": 3, "max": 12},
    "vm.dirty_expire_centisecs": {"min": 1500, "max": 4500},
    "net.core.somaxconn": {"min": 1024, "max": 16384},
    "net.ipv4.tcp_congestion_control": {"choices": ["cubic", "reno"]},
    "transparent_hugepage/enabled": {"choices": ["always", "madvise", "never"]},
    "block/{dev}/scheduler": {"choices": ["none", "mq-deadline"]},
    "block/{dev}/nr_requests": {"min": 64, "max": 256},
}
_BENCHMARKS = {
    "quick": (f"/bin/sh -c '{_SCRIPT.format(lever=_LEVER_FILE)}'", "score", 0.02),
    "learner": (f"/bin/sh -c '{_SCRIPT.format(lever=_LEVER_FILE)}'", "score", 0.02),
    "redis": ("redis-benchmark -t get -c 4 -r 2000", "requests_per_second", 0.3),
    "pgbench": ("pgbench -S -c 2 -s 1", "transactions_per_second", 1.0),
}
_NEEDS_NO_RESTART = ("vm.", "block/")
"""What a database need not be started again for before each run: that takes seconds."""
KINDS = tuple(_BENCHMARKS)
"""Benchmarks: a command of 0.05 s; the same under a tactician that learns; two with a server."""


@dataclass
class Place:
    """Where the sessions of one series keep their things; removed at its end.

    Attributes:
        folder: History, configs and what sessions print.
        work: Files of the benchmarks.
    """

    folder: Path
    work: Path

    @classmethod
    def make(cls) -> "Place":
        """Make both directories."""
        folder = Path(tempfile.mkdtemp(prefix="sealtune-chaos-"))
        work = Path(tempfile.mkdtemp(prefix="chaos-", dir="/var/lib/sealtune"))
        work.chmod(0o711)
        return cls(folder, work)

    @property
    def store(self) -> Path:
        """File of the history."""
        return self.folder / "sessions.db"

    def remove(self) -> None:
        """Remove both, whatever is in them."""
        for path in (self.folder, self.work):
            shutil.rmtree(path, ignore_errors=True)


def load() -> None:
    """Load what a session needs, and cut the pauses, in this process and so in its children."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a fork takes only one thread along
    import sealtune.cli.app
    import sealtune.cli.tune
    import sealtune.entry
    import sealtune.planning
    import sealtune.report.terminal
    import sealtune.request
    import sealtune.session
    import sealtune.tactician.ppo
    import sealtune.tactician.samplers
    import sealtune.trial.machine

    sealtune.request.SHORTEST_RUN = 0  # type: ignore[misc]
    sealtune.trial.machine.SETTLE_SECONDS = 0.02
    sealtune.entry.busy_reasons = lambda _facts: ()  # type: ignore[assignment]
    # The explanation at the end is arithmetic, and everything is back by then.
    sealtune.session.weigh_knobs = lambda *_, **__: None  # type: ignore[assignment]


def write_config(place: Place, kind: str, disk: str) -> Path:
    """Write the config of a session of `kind` and return the file."""
    command, metric, _ = _BENCHMARKS[kind]
    path = place.folder / f"{kind}.json"
    prefixes = _NEEDS_NO_RESTART if kind == "pgbench" else ("",)
    config = {
        "workload_name": f"chaos {kind}",
        "reward_metric": metric,
        "benchmark_command": command,
        "action_space": [
            {"param": name.replace("{dev}", disk), "why": "Harmless.", **fields}
            for name, fields in _EVERY.items()
            if name.startswith(prefixes)
        ],
    }
    path.write_text(json.dumps(config))
    return path


@dataclass
class Session:
    """One real session in a process of its own.

    Attributes:
        pid: Its process, which leads a process session.
        kind: One of `KINDS`.
        output: File that takes what it prints.
        terminal: The other end of its terminal, when it has one.
        phases: Phases that have begun, in order.
        trials: Finished runs that it has told of.
        code: Exit code, negative for a signal; ``None`` while it runs.
    """

    pid: int
    kind: str
    output: Path
    told: int
    terminal: int | None = None
    phases: list[str] = field(default_factory=list)
    trials: int = 0
    verdict: bool = False
    code: int | None = None
    _rest: bytes = b""

    def listen(self) -> None:
        """Take in what it has told since, and whether it has ended."""
        with suppress(BlockingIOError):
            while data := os.read(self.told, 65536):
                *lines, self._rest = (self._rest + data).split(b"\n")
                for line in lines:
                    self._take(json.loads(line))
        self._drain()
        if self.code is None:
            with suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.code = os.waitstatus_to_exitcode(status)
        machine.reap_others(self.pid)

    def _take(self, event: dict[str, Any]) -> None:
        if "phase" in event:
            self.phases.append(event["phase"])
        self.trials += "run" in event
        self.verdict = self.verdict or "finished" in event

    def _drain(self) -> None:
        """Read what its terminal shows, so that it never waits for a reader."""
        while self.terminal is not None and select.select([self.terminal], [], [], 0)[0]:
            try:
                data = os.read(self.terminal, 65536)
            except OSError:  # nobody has the other end open any more
                break
            with self.output.open("ab") as file:
                file.write(data)
            if not data:
                break

    def wait_for(self, condition: Callable[[], object], seconds: float) -> bool:
        """Wait until `condition` holds, while it lives; return whether it does."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.listen()
            if condition():
                return True
            if self.code is not None:
                return False
            time.sleep(0.002)
        return False

    def wait(self, seconds: float) -> bool:
        """Wait for its end; return whether it came."""
        return self.wait_for(lambda: self.code is not None, seconds)

    def hang_up(self) -> None:
        """Close its terminal, as a dropped connection does."""
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None

    def close(self) -> None:
        """Let go of it; it has to be over."""
        self.hang_up()
        os.close(self.told)

    @property
    def said(self) -> str:
        """What it has printed."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""


def start(
    place: Place, kind: str, seed: int, *, terminal: bool = False, dashboard: bool = False
) -> Session:
    """Start a session; it is being planned when this returns."""
    _, _, seconds = _BENCHMARKS[kind]
    config = place.folder / f"{kind}.json"
    command = json.loads(config.read_text())["benchmark_command"]
    arguments = ["sealtune", "run", str(config), "--trials", str(TRIALS), "--seed", str(seed)]
    arguments += ["--tactician", "ppo" if kind == "learner" else "random", "--yes", "--no-apply"]
    arguments += ["--run-seconds", str(seconds), "--workdir", str(place.work)]
    arguments += ["--approve-command", command] if kind in ("quick", "learner") else []
    arguments += ["--dashboard"] if dashboard else []
    output = place.folder / f"output-{seed}.txt"
    receive, send = os.pipe()
    os.set_blocking(receive, False)
    pid, master = pty.fork() if terminal else (os.fork(), None)
    if pid == 0:
        os.close(receive)
        _become(arguments, send, output, place, terminal=terminal)
    os.close(send)
    return Session(pid, kind, output, receive, master)


def _become(
    arguments: list[str], send: int, output: Path, place: Place, *, terminal: bool
) -> None:
    """Be the command in this forked child; never returns."""
    code = 1
    try:
        if not terminal:
            os.setsid()
            printed = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            nowhere = os.open(os.devnull, os.O_RDONLY)
            for descriptor, source in ((0, nowhere), (1, printed), (2, printed)):
                os.dup2(source, descriptor)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
        os.environ["SEALTUNE_STORE"] = str(place.store)
        os.environ["TERM"] = "xterm"
        sys.argv = arguments
        _tell_by(send)
        from sealtune.cli.app import run

        code = run()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _tell_by(pipe: int) -> None:
    """Say on `pipe` which phase begins and which run has been stored, beside all else."""
    from sealtune.ledger import Ledger
    from sealtune.report.events import Event, Finished, PhaseStarted, RunFinished

    told = Ledger.tell

    def tell(self: Ledger, event: Event) -> None:
        fields: dict[str, Any] = {}
        if isinstance(event, PhaseStarted):
            fields = {"phase": event.name}
        elif isinstance(event, RunFinished):
            fields = {"run": event.phase, "failed": event.measurement.failure}
        elif isinstance(event, Finished):
            fields = {"finished": True}
        if fields:
            with suppress(OSError):
                os.write(pipe, json.dumps(fields).encode() + b"\n")
        told(self, event)

    Ledger.tell = tell  # type: ignore[method-assign]
