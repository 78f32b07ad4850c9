"""The terminal face of a running session: live on a terminal, plain lines on a pipe.

The picture is redrawn only when a run has ended, never while a benchmark measures: a live table
redrawn once a second costs 1.6 % of a core, which would be measured with the workload.
"""

import contextlib
import sys
from collections.abc import Iterator, Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sealtune.report.curve import sparkline
from sealtune.report.events import Event, Note, Notify, PairFinished, PhaseStarted, RunFinished
from sealtune.report.format import clock, percent, setting_text

MOST_PARAMETER_ROWS = 10


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
        self._ascii = not (console.encoding or "ascii").lower().startswith("utf")

    @contextlib.contextmanager
    def shown(self) -> Iterator[Notify]:
        """Draw while the body runs; yields the function to give every event to."""
        if not self._console.is_terminal:
            yield self._plain
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            self._live = live
            yield self._draw

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
        if self._live is None:
            return
        if isinstance(event, Note):
            self._live.console.print(Text(f"  {event.text}", style="yellow"))
        self._live.update(self._picture(), refresh=True)

    def _picture(self) -> RenderableType:
        phase, last = self._phase, self._last
        head = Text.assemble(
            ("SIMULATED  " if self._simulated else "", "bold magenta"),
            (phase.title, "bold"),
            f"   at most {clock(self._remaining)} left",
        )
        parts: list[RenderableType] = [Text(""), head]
        if last is not None:
            parts.append(Text(self._run_line(last)))
        if self._search:
            width = max(20, min(60, self._console.width - 20))
            curve = sparkline(self._search, width=width, ascii_only=self._ascii)
            parts.append(Text(f"search  {curve}", style="cyan"))
            if last is not None and last.best is not None:
                parts.append(Text(f"best    {percent(last.best)} (not yet confirmed)"))
        if self._pairs:
            parts.append(Text("pairs   " + " ".join(percent(ratio) for ratio in self._pairs)))
        if last is not None:
            parts.append(self._parameters(last))
        return Group(*parts)

    @property
    def _remaining(self) -> float:
        return self._last.remaining_seconds if self._last else self._phase.remaining_seconds

    def _run_line(self, run: RunFinished) -> str:
        number = f"{run.index}/{run.total}" if run.total else str(run.index)
        what = "baseline" if not run.setting else "trial"
        measured = run.measurement
        if measured.value is None:
            return f"{what} {number}  failed: {measured.failure}"
        value = f"{measured.value:.6g} {measured.unit}".strip()
        beside = "" if run.ratio is None else f"  {percent(run.ratio)}"
        cut = "  (cut short)" if measured.cut_short else ""
        return f"{what} {number}  {value}{beside}{cut}"

    def _parameters(self, run: RunFinished) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column("parameter", no_wrap=True, overflow="ellipsis")
        for heading in ("before", "now", "best so far"):
            table.add_column(heading, justify="right", no_wrap=True)
        for name in list(self._originals)[:MOST_PARAMETER_ROWS]:
            before = self._originals[name]
            now = str(run.live.get(name, before))
            style = "" if now == before else "green"
            best = str(run.best_setting.get(name, ""))
            table.add_row(Text(name), Text(before), Text(now, style=style), Text(best))
        hidden = len(self._originals) - MOST_PARAMETER_ROWS
        if hidden > 0:
            table.add_row(Text(f"... and {hidden} more"), "", "", "")
        return table

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
        return event.text if isinstance(event, Note) else ""
