"""Where the person types: a prompt with history and editing, or lines from a pipe."""

import contextlib
import os
import sys
import termios
from pathlib import Path
from typing import Protocol, TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import clear_typeahead
from prompt_toolkit.output import Output

PROMPT = "> "


class Person(Protocol):
    """Somebody who says things."""

    @property
    def typed(self) -> str:
        """What stood on the line when it was left by Ctrl-C."""
        ...

    @property
    def can_be_asked(self) -> bool:
        """Whether a question would be seen and answered by a person."""
        ...

    def read(self) -> str | None:
        """Return the next thing said; ``None`` when nothing more will come.

        Raises:
            KeyboardInterrupt: Ctrl-C.
        """
        ...

    def ask(self, question: str) -> str:
        """Return what is answered to `question`; empty when nobody answers.

        Raises:
            KeyboardInterrupt: Ctrl-C.
        """
        ...


class Terminal:
    """A person at a terminal: editing as in readline, history, several lines by paste.

    Args:
        history: File that keeps what was said, readable by its owner alone; not kept where it
            cannot be.
        input: Keys; the terminal when ``None``.
        output: Screen; the terminal when ``None``.
    """

    can_be_asked = True

    def __init__(
        self, history: Path, *, input: Input | None = None, output: Output | None = None
    ) -> None:
        self._lines: PromptSession[str] = PromptSession(
            history=_history(history), input=input, output=output
        )
        # Answers are kept apart: a yes must not come back by the arrow key.
        self._answers: PromptSession[str] = PromptSession(
            history=InMemoryHistory(), input=input, output=output
        )

    @property
    def typed(self) -> str:
        """What stood on the line when it was left by Ctrl-C."""
        return self._lines.default_buffer.text

    def read(self) -> str | None:
        """Return the next line, or the pasted lines; ``None`` after Ctrl-D."""
        try:
            return self._lines.prompt(PROMPT)
        except EOFError:
            return None

    def ask(self, question: str) -> str:
        """Return the answer; what was typed before the question was there is none."""
        self._forget_keys()
        try:
            return self._answers.prompt(question)
        except EOFError:
            return ""

    def _forget_keys(self) -> None:
        keys = self._answers.app.input
        clear_typeahead(keys)
        with contextlib.suppress(termios.error, OSError, NotImplementedError):
            if os.isatty(keys.fileno()):
                termios.tcflush(keys.fileno(), termios.TCIFLUSH)


class Pipe:
    """Lines from a file or another program: each is said, nothing can be asked back.

    Args:
        lines: Where they come from.
        echo: Where each is repeated, so that answers stand below what they answer.
    """

    can_be_asked = False
    typed = ""

    def __init__(self, lines: TextIO, echo: TextIO) -> None:
        self._lines, self._echo = lines, echo

    def read(self) -> str | None:
        """Return the next line; ``None`` at the end."""
        line = self._lines.readline()
        if not line:
            return None
        print(f"{PROMPT}{line.rstrip()}", file=self._echo, flush=True)
        return line.rstrip("\n")

    def ask(self, question: str) -> str:
        """Answer nothing: nobody is there."""
        return ""


def open_person(history: Path) -> Person:
    """Return the person at this terminal, or the pipe in their place.

    Both ends have to be a terminal: who does not see the plan cannot say yes to it.
    """
    if sys.stdin.isatty() and sys.stdout.isatty():
        return Terminal(history)
    return Pipe(sys.stdin, sys.stdout)


def _history(path: Path) -> History:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))
