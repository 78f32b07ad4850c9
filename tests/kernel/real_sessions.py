"""Real sessions on this kernel for tests that disturb them, and what they told."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.kernel.chaos import machine

WORKLOAD = "a write-heavy database on this disk"
ARGUMENTS = (
    "--benchmark", "sqlite", "--minutes", "6", "--run-seconds", "1", "--tactician", "random",
    "--seed", "1", "--yes", "--no-apply",
)  # fmt: skip
PATIENCE_SECONDS = 60.0


def command(*words: str) -> list[str]:
    """Return the command line of sealtune with `words`."""
    return [sys.executable, "-m", "sealtune", *words]


def run(
    *words: str, store: Path, timeout: float = 60.0, wrapper: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a sealtune command to its end; its error stream is in its output."""
    return subprocess.run(
        [*wrapper, *command(*words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=timeout,
        env=environment(store),
        check=False,
    )


def environment(store: Path) -> Mapping[str, str]:
    """Return the environment with another store."""
    return {**os.environ, "SEALTUNE_STORE": str(store), "COLUMNS": "300"}


class Session:
    """A running session, with what it has told so far."""

    def __init__(
        self, store: Path, output: IO[str], wrapper: Sequence[str], arguments: Sequence[str]
    ) -> None:
        self._output = Path(output.name)
        self.process = subprocess.Popen(
            [*wrapper, *command("optimize", WORKLOAD, *ARGUMENTS, *arguments)],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment(store),
        )

    @property
    def told(self) -> str:
        """Everything that it printed."""
        return self._output.read_text("utf-8", errors="replace")

    def runs_told(self) -> int:
        """Return how many benchmark runs it told as finished."""
        return len(
            re.findall(r"^\[(?:aa|search|screening|confirm|minimise)\] \S+ +\d+", self.told, re.M)
        )

    def until_runs(self, count: int) -> None:
        """Wait until it has told so many runs."""
        self._until(lambda: self.runs_told() >= count, f"{count} runs")

    def until_told(self, text: str) -> None:
        """Wait until it has told `text`."""
        self._until(lambda: text in self.told, text)

    def _until(self, condition, what: str) -> None:
        machine.wait_until(
            lambda: condition() or self.process.poll() is not None, PATIENCE_SECONDS, 0.05
        )
        if not condition():
            raise RuntimeError(f"no {what} within {PATIENCE_SECONDS:.0f} s: {self.told[-2000:]}")

    def end(self, *, ask: bool = False) -> int:
        """Return its exit code; asked to end (Ctrl-C) unless it ends by itself."""
        if ask:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_SECONDS)


@contextlib.contextmanager
def session(store: Path, *arguments: str, wrapper: Sequence[str] = ()) -> Iterator[Session]:
    """Start a session for the body; it is ended in any case, and every parameter is compared."""
    before = machine.look(machine.files())
    with tempfile.NamedTemporaryFile("w") as output:
        running = Session(store, output, wrapper, arguments)
        try:
            yield running
        finally:
            if running.process.poll() is None:
                running.end(ask=True)
    machine.wait_until(lambda: not machine.differing(before), 2.0)
    if left := machine.differing(before):
        raise AssertionError(f"not as before the session: {left}")
