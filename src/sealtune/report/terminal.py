"""The terminal face of a running session: live on a terminal, plain lines on a pipe.

The picture is redrawn only when a run has ended, or the window was resized, never by a clock: a
live table redrawn once a second costs 1.6 % of a core, which would be measured with the workload.
It has a screen of its own, as an editor has, so that a resize leaves no remains of it; what a
person has to know is printed below the plan when that screen is left.
"""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from types import FrameType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from sealtune.report.curve import sparkline
from sealtune.report.events import Event, Note, Notify, PairFinished, PhaseStarted, RunFinished
from sealtune.report.format import clock, percent, printable, setting_text

MOST_PARAMETER_ROWS = 10
_NARROWEST_NAME = 12
_BAR = 20
_NOTES = 2


class Progress:
    """Collects events and draws them.

    Args:
        console: Where to draw; a pipe gets one plain line per event.
        originals: Parameter name to the value the machine had, for "now" beside "before".
        simulated: Adds SIMULATED to every screen.
    """

    def __init__(
        self, console: Console, originals: Mapping[str, str], *, simulated: bool = False
    ) -> None:
        self._console, self._originals, self._simulated = console, originals, simulated
        self._live: Live | None = None
        self._phase = PhaseStarted("prepare", "preparing", 0.0, 0.0)
        self._last: RunFinished | None = None
        self._search: list[float | None] = []
        self._pairs: list[float] = []
        self._notes: list[str] = []
        self._drawing = self._again = False
        self._ascii = not (console.encoding or "ascii").lower().startswith("utf")

    @contextlib.contextmanager
    def shown(self) -> Iterator[Notify]:
        """Draw while the body runs; yields the function to give every event to."""
        if not self._console.is_terminal or self._console.is_dumb_terminal:
            yield self._plain
            return
        try:
            with Live(console=self._console, auto_refresh=False, screen=True) as live:
                self._live = live
                with _on_resize(self._redraw):
                    yield self._draw
        finally:
            self._live = None
            for note in self._notes:
                self._console.print(Text(f"  {note}", style="yellow"))

    def _take(self, event: Event) -> None:
        if isinstance(event, PhaseStarted):
            self._phase = event
            self._last = None if event.name == "aa" else self._last
        elif isinstance(event, RunFinished):
            self._last = event
            if event.phase == "search" and event.setting:
                self._search.append(event.ratio)
        elif isinstance(event, PairFinished):
            self._pairs.append(event.ratio)

    def _draw(self, event: Event) -> None:
        self._take(event)
        if isinstance(event, Note):
            self._notes.append(printable(event.text))
        self._redraw()

    def _redraw(self) -> None:
        """Draw; asked again in the middle of it, by a resize, draw once more at its end."""
        self._again = True
        if self._live is None or self._drawing:
            return
        self._drawing = True
        try:
            while self._again:
                self._again = False
                self._live.update(self._picture(), refresh=True)
        finally:
            self._drawing = False

    def _picture(self) -> RenderableType:
        phase, last = self._phase, self._last
        head = self._line(
            ("SIMULATED  " if self._simulated else "", "bold magenta"),
            (phase.title, "bold"),
            f"   at most {clock(self._remaining)} left",
        )
        parts: list[Text] = [head]
        if last is not None:
            parts.append(self._line(self._bar(last), self._run_line(last)))
        if self._search:
            width = max(8, min(60, self._console.width - 20))
            curve = sparkline(self._search, width=width, ascii_only=self._ascii)
            parts.append(self._line((f"search  {curve}", "cyan")))
            if last is not None and last.best is not None:
                best = f"best    {percent(last.best)} (a single run; the pairs decide)"
                parts.append(self._line(best))
        if self._pairs:
            parts.append(self._line(self._pairs_line()))
        parts += [self._line((f"note    {note}", "yellow")) for note in self._notes[-_NOTES:]]
        if last is not None:
            rows = self._console.height - len(parts) - 2
            parts += [self._line(""), *self._parameters(last, rows)]
        return Group(*parts)

    def _line(self, *parts: str | tuple[str, str]) -> Text:
        """Return one line that is cut where the window ends."""
        return Text.assemble(*parts, no_wrap=True, overflow="crop")

    def _bar(self, run: RunFinished) -> str:
        """Return how much of the phase is done, where its number of runs is known."""
        if not run.total or self._console.width < 4 * _BAR:
            return ""
        done = round(_BAR * min(1.0, run.index / run.total))
        full, empty = ("#", ".") if self._ascii else ("█", "░")
        return f"{full * done}{empty * (_BAR - done)}  "

    def _pairs_line(self) -> str:
        """Return the last pairs, as many as fit, after how many there were."""
        head = f"pairs   {len(self._pairs)}: "
        shown = [percent(ratio) for ratio in self._pairs]
        while len(shown) > 1 and len(head) + len(" ".join(shown)) > self._console.width:
            shown = shown[1:]
        return head + " ".join(shown)

    @property
    def _remaining(self) -> float:
        return self._last.remaining_seconds if self._last else self._phase.remaining_seconds

    def _run_line(self, run: RunFinished) -> str:
        number = f"{run.index}/{run.total}" if run.total else str(run.index)
        what = "baseline" if not run.setting else "trial"
        measured = run.measurement
        if measured.value is None:
            return f"{what} {number}  failed: {printable(measured.failure or '')}"
        value = f"{measured.value:.6g} {measured.unit}".strip()
        beside = "" if run.ratio is None else f"  {percent(run.ratio)}"
        cut = "  (cut short)" if measured.cut_short else ""
        return f"{what} {number}  {value}{beside}{cut}"

    def _parameters(self, run: RunFinished, most: int) -> list[Text]:
        """Return the table of the parameters in up to `most` lines; names give way to values."""
        rows = [
            (name, before, str(run.live.get(name, before)), str(run.best_setting.get(name, "")))
            for name, before in self._originals.items()
        ]
        heads = ("parameter", "before", "now", "best so far")
        widths = [max(len(row[at]) for row in (heads, *rows)) for at in range(4)]
        room = self._console.width - sum(widths[1:]) - 6
        widths[0] = max(_NARROWEST_NAME, min(widths[0], room))
        most = max(1, min(MOST_PARAMETER_ROWS, most - 2 if len(rows) > most - 1 else len(rows)))
        lines = [self._row(heads, widths, "bold")]
        lines += [
            self._row(row, widths, "green" if row[2] != row[1] else "") for row in rows[:most]
        ]
        if len(rows) > most:
            lines.append(self._line(f"... and {len(rows) - most} more"))
        return lines

    def _row(self, cells: tuple[str, ...], widths: list[int], style: str) -> Text:
        name = printable(cells[0])
        if len(name) > widths[0]:  # their ends differ, their beginnings are all alike
            name = ".." + name[2 - widths[0] :]
        shown = [f"{printable(cell):>{width}}" for cell, width in zip(cells, widths, strict=True)]
        plain = f"{name:<{widths[0]}}  {shown[1]}  "
        if cells[0] == "parameter":
            return self._line((f"{plain}{shown[2]}  {shown[3]}", style))
        return self._line(plain, (shown[2], style), f"  {shown[3]}")

    def _plain(self, event: Event) -> None:
        self._take(event)
        line = self._plain_line(event)
        if line:
            mark = "SIMULATED " if self._simulated else ""
            self._console.print(f"{mark}{line}", markup=False, highlight=False, soft_wrap=True)
            sys.stdout.flush()

    def _plain_line(self, event: Event) -> str:
        if isinstance(event, PhaseStarted):
            return f"[{event.name}] {event.title}, at most {clock(event.remaining_seconds)} left"
        if isinstance(event, RunFinished):
            tried = f"  {setting_text(event.setting)}" if event.setting else ""
            return f"[{event.phase}] {self._run_line(event)}{tried}"
        if isinstance(event, PairFinished):
            return f"[confirm] pair {event.index}/{event.total}  {percent(event.ratio)}"
        return printable(event.text) if isinstance(event, Note) else ""


@contextlib.contextmanager
def _on_resize(redraw: Callable[[], None]) -> Iterator[None]:
    """Call `redraw` when the window gets another size; it must never stop what it interrupts."""

    def resized(_number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(Exception):
            redraw()

    try:
        before = signal.signal(signal.SIGWINCH, resized)
    except ValueError:  # not the main thread: drawn at the next event
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before if before is not None else signal.SIG_DFL)
