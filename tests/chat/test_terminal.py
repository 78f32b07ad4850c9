"""Typing: a prompt with history and editing, pasted lines, and lines from a pipe."""

import io
import os
import pty
import re
import stat
import subprocess
import sys
import termios
import threading
import time

import pytest
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console
from tests.chat.scene import CACHE, QUICK

from sealtune.chat.session import Options, hold
from sealtune.chat.terminal import Pipe, Terminal


@pytest.fixture
def keys():
    with create_pipe_input() as opened:
        yield opened


@pytest.fixture
def terminal(keys, tmp_path):
    return Terminal(tmp_path / "state" / "chat.history", input=keys, output=DummyOutput())


def test_a_line_is_edited_as_in_readline(keys, terminal):
    """
    Ctrl-A, Ctrl-K, Ctrl-Y and the rest work on the line.
    """
    keys.send_text("swappiness\x01why \x05?\r")
    assert terminal.read() == "why swappiness?"


def test_what_was_said_comes_back_by_the_arrow_key_also_the_next_time(keys, terminal, tmp_path):
    """
    History is kept in a file that nobody else can read; answers to questions are not in it.
    """
    keys.send_text("tune redis\r")
    terminal.read()
    path = tmp_path / "state" / "chat.history"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    send_later(keys, "not now\r")
    assert terminal.ask("Start? [y/N] ") == "not now"
    again = Terminal(path, input=keys, output=DummyOutput())
    send_later(keys, "\x1b[A\r")  # the history file is read in the background
    assert again.read() == "tune redis"
    assert "not now" not in path.read_text()


def test_a_history_that_others_could_read_is_closed_to_them(keys, tmp_path):
    """
    A file left by an older umask becomes private; a link is not followed.
    """
    path = tmp_path / "open.history"
    path.write_text("")
    path.chmod(0o644)
    Terminal(path, input=keys, output=DummyOutput())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    target, link = tmp_path / "target", tmp_path / "link.history"
    target.write_text("precious")
    link.symlink_to(target)
    terminal = Terminal(link, input=keys, output=DummyOutput())
    keys.send_text("hello\r")
    assert terminal.read() == "hello"
    assert target.read_text() == "precious"


def test_pasted_lines_are_one_thing_said(keys, terminal):
    """
    A paste with line ends waits for Enter and arrives whole.
    """
    keys.send_text("\x1b[200~a web server\nwith many clients\x1b[201~\r")
    assert terminal.read() == "a web server\nwith many clients"


def test_ctrl_c_and_ctrl_d(keys, terminal):
    """
    Ctrl-C interrupts and leaves what was typed to be looked at; Ctrl-D on an empty line ends.
    """
    keys.send_text("half a sen\x03")
    with pytest.raises(KeyboardInterrupt):
        terminal.read()
    assert terminal.typed == "half a sen"
    keys.send_text("\x03")
    with pytest.raises(KeyboardInterrupt):
        terminal.read()
    assert terminal.typed == ""
    keys.send_text("\x04")
    assert terminal.read() is None


def send_later(keys, text: str, seconds: float = 0.5) -> None:
    threading.Thread(target=lambda: (time.sleep(seconds), keys.send_text(text))).start()


def test_a_yes_typed_before_the_question_is_no_yes(keys, terminal):
    """
    Keys that were pressed before the plan was on the screen do not approve it.
    """
    keys.send_text("tune redis\ry\r")
    assert terminal.read() == "tune redis"
    send_later(keys, "\r")
    assert terminal.ask("Start? [y/N] ") == ""


def talk(lines: str, **options) -> str:
    page = io.StringIO()
    person = Pipe(io.StringIO(lines), page)
    console = Console(file=page, width=80, highlight=False)
    assert hold(Options(dry_run=True, minutes=6, **options), person, console, defaults=QUICK) == 0
    return page.getvalue()


def test_a_pipe_is_answered_line_by_line_and_changes_nothing():
    """
    Each line is repeated and answered; a run is refused in words, and the next line answered.
    """
    shown = talk(f"{CACHE}\nwhich benchmarks are there?\n")
    first, second = shown.split("> which benchmarks")
    assert "Start? [y/N] n" in first
    assert "[search]" not in shown
    assert "-> list_benchmarks()" in second


def test_a_pipe_with_yes_runs():
    """
    With --yes a pipe may tune.
    """
    assert "[search] trial 1" in talk(f"{CACHE}\n", yes=True)


def test_commands(tmp_path):
    """
    /help, /model and /save work; a wrong one says so; nothing is overwritten.
    """
    target = tmp_path / "said.txt"
    shown = talk(f"which benchmarks?\n/save {target}\n/save {target}\n/model\n/nonsense\n/help\n")
    assert "> which benchmarks?" in target.read_text()
    assert "-> list_benchmarks()" in target.read_text()
    assert "File exists" in shown
    assert "embedded" in shown
    assert "/nonsense is no command" in shown
    assert "/save FILE" in shown


PROGRAM = [sys.executable, "-c", "from sealtune.chat.session import run_chat as r; exit(r())"]


@pytest.fixture
def bare(tmp_path):
    """An environment with nothing of the person's, nor of the test's."""
    store = str(tmp_path / "s.db")
    return {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "SEALTUNE_STORE": store}


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_the_real_program_on_a_pipe(locale, bare):
    """
    In any locale, with any bytes on stdin, the conversation is held and ends with code 0.
    """
    done = subprocess.run(
        PROGRAM,
        input="which benchmarks? \u00e4\n".encode() + b"\xff\xfe\n/quit\n",
        capture_output=True,
        timeout=60,
        env={**bare, "LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"-> list_benchmarks()" in done.stdout
    assert done.stderr == b""
    if locale == "C":
        assert done.stdout.isascii()


def test_the_real_program_on_a_terminal(bare):
    """
    Banner, prompt, answer and Ctrl-D; nothing on the screen but what is ours, and with NO_COLOR
    no colour.
    """
    here, there = pty.openpty()
    termios.tcsetwinsize(there, (24, 80))
    settings = {"TERM": "xterm", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}
    program = subprocess.Popen(
        PROGRAM,
        stdin=there,
        stdout=there,
        stderr=there,
        env={**bare, **settings, "PROMPT_TOOLKIT_NO_CPR": "1"},
    )
    os.close(there)
    prompt = "\x1b[?2004h"
    shown = read_until(here, prompt)
    os.write(here, b"which benchmarks are there?\r")
    shown += read_until(here, prompt)
    os.write(here, b"\x04")
    shown += read_until(here, None)
    assert program.wait(20) == 0
    assert "the built-in strategist answers" in shown
    assert "without your yes" in shown
    assert "-> list_benchmarks()" in shown
    assert "pydantic" not in shown
    assert not re.search(r"\x1b\[[\d;]*3\dm", shown)


def read_until(descriptor: int, text: str | None) -> str:
    """Return what appears until `text` does, or until the other end has gone."""
    shown = ""
    while text is None or text not in shown:
        try:
            piece = os.read(descriptor, 65536)
        except OSError:  # how Linux says that the other end of a terminal is closed
            piece = b""
        if not piece:
            return shown
        shown += piece.decode(errors="replace")
    return shown
