"""What the person sees of a conversation: text as it comes, one dim line per tool, notes.

Everything a model or a tool wrote is cleaned first: it must not move the cursor, recolour the
screen or reorder what the person is asked to say yes to.
"""

import re
import unicodedata
from collections.abc import Mapping

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

_ASCII = str.maketrans(
    {
        "\u2190": "<-", "\u2192": "->", "\u2013": "-", "\u2014": "-", "\u2212": "-",
        "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2026": "...",
        "\u2022": "-", "\u00d7": "x", "\u00b1": "+-", "\u2264": "<=", "\u2265": ">=",
        "\u2248": "~", "\u00b5": "u", "\u03bc": "u", "\u00a0": " ", "\u202f": " ",
    }
)  # fmt: skip
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
_MARKS = re.compile(r"(\*\*|`)")
_BULLET = re.compile(r"[-*+]|\d{1,2}[.)]")
_WIDEST = 100
_LONGEST_VALUE = 60


def clean(text: str) -> str:
    r"""Return `text` without control, bidirectional and other invisible characters.

    >>> clean("a\x1b[2Jb\u202ec\td")
    'a[2Jbc d'
    """
    spaced = text.replace("\t", " ")
    return "".join(
        char for char in spaced if char == "\n" or unicodedata.category(char) not in _HIDDEN
    )


def call_line(name: str, arguments: Mapping[str, object], width: int) -> str:
    """Return one line that says which tool is called with what.

    >>> call_line("list_parameters", {"topic": "memory"}, 80)
    '-> list_parameters(memory)'
    >>> call_line("propose_config", {"description": "a cache", "minutes": 6, "trials": None}, 80)
    '-> propose_config("a cache", minutes=6)'
    """
    given = [(key, value) for key, value in arguments.items() if value not in (None, "", [], ())]
    shown = [
        _value(value) if position == 0 else f"{key}={_value(value)}"
        for position, (key, value) in enumerate(given)
    ]
    named = " ".join(clean(name).split())  # a model may call what is no tool
    return _cut(f"-> {named}({', '.join(shown)})", width)


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    text = " ".join(clean(str(value)).split())
    if text.startswith("{"):  # a whole config: the plan shows it better
        return "{...}"
    shown = _cut(text, _LONGEST_VALUE)
    bare = not isinstance(value, str) or re.fullmatch(r"[\w.:/-]+", text)
    return shown if bare else f'"{shown}"'


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else text[: width - 3].rstrip() + "..."


class Prose:
    """Prints a model's text while it arrives: wrapped by words, with light Markdown styled.

    A terminal gets bold for ``**`` and headings, colour for code, hanging lists; fenced blocks and
    tables pass as they are. Anything else gets the bare text.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._plain = not console.is_terminal
        self._ascii = not (console.encoding or "ascii").lower().startswith("utf")
        self._word = ""
        self._column = self._gap = self._hang = 0
        self._first = True
        self._fenced = self._verbatim = self._bold = self._code = self._heading = False

    @property
    def in_line(self) -> bool:
        """Whether the line that is being written has something on it."""
        return bool(self._column or self._word)

    def feed(self, text: str) -> None:
        """Print what is complete of `text`; the last word waits for its end."""
        text = clean(text)
        if self._ascii:
            text = text.translate(_ASCII).encode("ascii", "replace").decode("ascii")
        if self._plain:
            self._emit(text, "")
            self._column = len(text.rpartition("\n")[2]) + (0 if "\n" in text else self._column)
            return
        for char in text:
            if char == "\n":
                self._end_line()
            elif char == " " and not self._verbatim:
                self._end_word()
                self._gap += 1
            else:
                self._word += char

    def end(self) -> None:
        """Print what is left and end the line."""
        if self.in_line:
            self._end_line()
        self._fenced = False

    def _end_line(self) -> None:
        self._end_word()
        self._emit("\n", "")
        self._column = self._gap = self._hang = 0
        self._first = True
        self._bold = self._code = self._heading = False
        self._verbatim = self._fenced

    def _end_word(self) -> None:
        word, self._word = self._word, ""
        if not word:
            return
        if self._first and self._opens_line(word):
            return
        if self._verbatim:
            self._place(word, "cyan" if self._fenced else "")
            return
        width = cell_len(_MARKS.sub("", word))
        limit = min(self._console.width - 1, _WIDEST)
        if self._column > self._hang and self._column + self._gap + width > limit:
            self._emit("\n" + " " * self._hang, "")
            self._column, self._gap = self._hang, 0
        for piece in _MARKS.split(word):
            if piece == "**":
                self._bold = not self._bold
            elif piece == "`":
                self._code = not self._code
            elif piece:
                self._place(piece, self._style())

    def _opens_line(self, word: str) -> bool:
        """Note what kind of line `word` begins; return whether it is a mark that is not shown."""
        self._first = False
        if word.startswith("```"):
            self._fenced = not self._fenced
            self._verbatim = True
            return True
        if word.strip("#") == "" and len(word) <= 6 and not self._fenced:
            self._heading, self._gap = True, -1
            return True
        self._verbatim = self._fenced or word.startswith("|")
        if _BULLET.fullmatch(word) and not self._verbatim:
            self._hang = self._gap + len(word) + 1
        else:
            self._hang = self._gap
        return False

    def _style(self) -> str:
        if self._code:
            return "cyan"
        return "bold" if self._bold or self._heading else ""

    def _place(self, text: str, style: str) -> None:
        gap = max(0, self._gap)
        self._emit(" " * gap + text, style)
        self._column += gap + cell_len(text)
        self._gap = 0

    def _emit(self, text: str, style: str) -> None:
        self._console.print(Text(text, style=style), end="", soft_wrap=True)
        self._console.file.flush()


class Screen:
    """The running conversation: blocks of text, tool lines and notes, a blank line between kinds.

    Attributes:
        console: Where everything goes; also for plans, results and progress.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._prose = Prose(console)
        self._kind = ""

    def said(self, text: str) -> None:
        """Print the next piece of what the model says."""
        if self._kind != "text":
            text = text.lstrip()
            if not text:
                return
            self._change_to("text")
        self._prose.feed(text)

    def called(self, name: str, arguments: Mapping[str, object]) -> None:
        """Say that a tool is at work."""
        self._line("tool", call_line(name, arguments, self.console.width - 1), "dim")

    def failed(self, reason: str) -> None:
        """Say why the tool just named gave no result."""
        text = " ".join(clean(reason).split())
        self._line("tool", _cut(f"   {text}", self.console.width - 1), "dim")

    def note(self, text: str) -> None:
        """Tell the person one sentence that is not the model's."""
        self._line("note", clean(text), "yellow")

    def block(self, text: str) -> None:
        """Show a plan, a diff or help as it is, cleaned."""
        self._line("block", clean(text).strip("\n"), "")

    def begin(self) -> None:
        """Start a turn: the person has just ended a line."""
        self._kind = ""

    def pause(self) -> None:
        """End the present block: something else writes on the screen now."""
        self._prose.end()
        self._kind = "other"

    def end(self) -> None:
        """End a turn: a blank line, then the person's."""
        if self._kind:
            self.pause()
            self.console.print()
        self._kind = ""

    def _line(self, kind: str, text: str, style: str) -> None:
        self._change_to(kind)
        fitted = text
        if not (self.console.encoding or "ascii").lower().startswith("utf"):
            fitted = text.translate(_ASCII)
        self.console.print(Text(fitted, style=style), soft_wrap=kind == "block")
        self.console.file.flush()

    def _change_to(self, kind: str) -> None:
        if kind == self._kind:
            return
        self._prose.end()
        if self._kind:
            self.console.print()
        self._kind = kind
