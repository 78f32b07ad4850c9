"""What is put on the screen: wrapped by words, styled lightly, harmless."""

import io
import re

import pytest
from rich.console import Console

from sealtune.chat.render import Prose, Screen, call_line, clean

TEXT = """\
# What I would do

I would try **four parameters**, `vm.dirty_ratio` first, because a write-heavy database \
keeps the disk busy and readers wait behind the writers.

- vm.dirty_ratio: how much may wait in memory before writers have to write it themselves
1. measure
2. confirm

```
vm.dirty_ratio   =   20    # as it is
```
| a   | b |
"""


def printed(text: str, *, width: int = 80, piece: int = 3, **options) -> str:
    page = io.BytesIO()
    encoding = options.pop("encoding", "utf-8")
    stream = io.TextIOWrapper(page, encoding=encoding, errors="replace", write_through=True)
    console = Console(file=stream, width=width, highlight=False, **options)
    prose = Prose(console)
    for start in range(0, len(text), piece):
        prose.feed(text[start : start + piece])
    prose.end()
    return page.getvalue().decode(encoding)


def on_terminal(text: str, **options) -> str:
    return printed(text, force_terminal=True, color_system=None, **options)


@pytest.mark.parametrize("piece", [1, 3, 10_000])
def test_words_are_not_cut_and_lists_hang(piece):
    """
    However the text arrives, no line is too long, no word cut, marks are styled and not shown.
    """
    lines = on_terminal(TEXT, width=50, piece=piece).splitlines()
    assert max(len(line) for line in lines) < 50
    assert lines[0] == "What I would do"
    assert not any("**" in line or "`" in line for line in lines)
    bullet = lines.index(next(line for line in lines if line.startswith("- ")))
    assert lines[bullet + 1].startswith("  ")
    assert "1. measure" in lines
    assert "vm.dirty_ratio   =   20    # as it is" in lines
    assert "| a   | b |" in lines
    words = re.sub(r"[*`#]", "", TEXT).split()
    assert [word.strip("#") for word in " ".join(lines).replace("#", "").split()] == words


def test_bold_and_code_are_styled():
    """
    On a terminal with colours, emphasis is shown as such.
    """
    shown = printed("a **bold** and `code` word", force_terminal=True, color_system="standard")
    assert "\x1b[1mbold\x1b[0m" in re.sub(r" ?(\x1b\[1m) ?", r"\1", shown)
    assert "code" in shown
    assert "\x1b[36m" in shown


def test_a_pipe_gets_the_bare_text():
    """
    Nothing is wrapped or styled for a program that reads.
    """
    assert printed(TEXT) == TEXT


def test_nothing_a_model_writes_controls_the_terminal():
    """
    Escape sequences, carriage returns, bells and direction marks are not printed.
    """
    evil = "a\x1b[2J\x1b]0;title\x07b\rc\u202ed\u2066e\x9b31mf\u2028g"
    assert not set(on_terminal(evil)) & set("\x1b\x07\r\u202e\u2066\x9b\u2028")
    assert "\x1b" not in call_line("x", {"a": evil}, 80)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_locale_without_unicode_gets_plain_signs(encoding):
    """
    Arrows, dashes and quotes become their plain forms; what has none becomes a question mark.
    """
    shown = on_terminal(
        "\u201cA\u201d \u2192 B \u2013 \u2265 5 \u2026 \U0001f600", encoding=encoding
    )
    assert shown == '"A" -> B - >= 5 ... ?\n'


def test_wide_letters_count_twice():
    """
    Text in wide letters stays within the terminal.
    """
    from rich.cells import cell_len

    lines = on_terminal("\u8abf\u6574 " * 40, width=40).splitlines()
    assert max(map(cell_len, lines)) < 40


def test_tool_lines_are_one_line():
    """
    Long, nested and multi-line arguments stay on one line of the terminal.
    """
    line = call_line("propose_config", {"description": "a\nb " * 90, "only": ["x" * 90] * 5}, 79)
    assert len(line) <= 79
    assert "\n" not in line
    assert call_line("optimize_workload", {"config_json": {"a": 1}}, 79) == (
        "-> optimize_workload({...})"
    )


def test_blocks_are_apart_and_tool_lines_together():
    """
    A blank line stands between kinds of blocks, none between tool lines.
    """
    page = io.StringIO()
    screen = Screen(Console(file=page, width=80))
    screen.begin()
    screen.called("status", {})
    screen.called("inspect_system", {})
    screen.said("\n\nFine")
    screen.said(".")
    screen.note("a note")
    screen.end()
    assert page.getvalue() == "-> status()\n-> inspect_system()\n\nFine.\n\na note\n\n"


def test_clean_keeps_what_is_text():
    """
    Line ends and letters of any language stay.
    """
    assert clean("Gr\u00fc\u00dfe\n\u4f60\u597d\t\u2713") == "Gr\u00fc\u00dfe\n\u4f60\u597d \u2713"
