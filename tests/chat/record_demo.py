"""Hold a whole conversation in a terminal of 80 by 24 and keep what it showed.

    python -m tests.chat.record_demo docs/chat.txt [--dry-run] [--trials 12] [--model NAME]

Needs tmux. Without ``--model`` a scripted service on loopback answers in place of a model; the
tools, the questions and (without ``--dry-run``, which needs root) the tuning run are real.
"""

import argparse
import contextlib
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.chat.service import demonstration

SENTENCE = "optimize this system for low latency redis cache, one client at a time"
COLUMNS, ROWS = 80, 24


class Terminal:
    """A terminal of its own, driven by keys and read by what it shows."""

    def __init__(self, command: list[str]) -> None:
        self._place = tempfile.TemporaryDirectory()
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        self._tmux("new-session", "-d", *size, shlex.join(command))
        self._tmux("set-option", "history-limit", "20000")

    def close(self) -> None:
        """End the terminal and what runs in it."""
        with contextlib.suppress(subprocess.CalledProcessError):  # it has ended by itself
            self._tmux("kill-server")
        self._place.cleanup()

    def type(self, text: str) -> None:
        """Press the keys of `text`, then Enter."""
        self._tmux("send-keys", "-l", text)
        self._tmux("send-keys", "Enter")

    def screen(self) -> str:
        """Return the visible screen."""
        return self._tmux("capture-pane", "-p")

    def everything(self) -> str:
        """Return all that was shown and stayed, from the first line on."""
        return self._tmux("capture-pane", "-p", "-S", "-")

    def wait_for(self, *texts: str, seconds: float) -> str:
        """Return which of `texts` is on the screen first; ``>`` is the prompt, waiting.

        Raises:
            TimeoutError: None appeared.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            lines = self.screen().rstrip().splitlines() or [""]
            for text in texts:
                if lines[-1] == ">" if text == ">" else any(text in line for line in lines):
                    return text
            time.sleep(0.3)
        raise TimeoutError(f"{texts} did not appear:\n{self.screen()}")

    def _tmux(self, *arguments: str) -> str:
        server = ["tmux", "-S", f"{self._place.name}/server"]
        done = subprocess.run([*server, *arguments], capture_output=True, text=True, check=True)
        return done.stdout


def hold(options: argparse.Namespace, model: str) -> str:
    """Return everything the conversation showed, and one screen from the middle of the run."""
    call = f"run_chat(model={model!r}, dry_run={options.dry_run})"
    program = f"from sealtune.chat.session import run_chat; raise SystemExit({call})"
    terminal = Terminal([sys.executable, "-c", program])
    try:
        terminal.wait_for(">", seconds=60)
        terminal.type(SENTENCE)
        terminal.wait_for("Start? [y/N]", seconds=120)
        terminal.type("y")
        terminal.wait_for("pairs ", "apply? [y/n]", ">", seconds=3600)
        running = terminal.screen()
        if terminal.wait_for("apply? [y/n]", ">", seconds=3600) != ">":
            terminal.type("n")
            terminal.wait_for(">", seconds=120)
        shown = terminal.everything()
    finally:
        terminal.close()
    return _page(shown, running)


def _page(shown: str, running: str) -> str:
    def framed(text: str) -> str:
        return "\n".join(line.rstrip() for line in text.rstrip().splitlines())

    line = "-" * COLUMNS
    return f"{framed(shown)}\n\n{line}\nThe screen while it ran:\n{line}\n\n{framed(running)}\n"


def main() -> None:
    """Record and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--dry-run", action="store_true", help="simulate the tuning run")
    parser.add_argument("--trials", type=int, default=12, help="settings to try")
    parser.add_argument("--model", help="a real model, or embedded, in place of the script")
    options = parser.parse_args()
    if options.model is not None:
        page = hold(options, options.model)
    else:
        with demonstration(SENTENCE, trials=options.trials) as service:
            page = hold(options, f"{service.url}#demonstration")
    options.output.write_text(page, encoding="utf-8")
    print(f"written: {options.output}")


if __name__ == "__main__":
    main()
