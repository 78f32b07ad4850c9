"""Past sessions, one line each: when, what came of it, its search as a sparkline, the workload."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sealtune.report.curve import sparkline
from sealtune.report.format import percent

if TYPE_CHECKING:
    from sealtune.store import SessionRow

_SEARCH = 10
_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"))
_COLUMNS = "{:<18} {:<6} {:<16} {:<10} {}"


def outcome(row: "SessionRow") -> str:
    """Return the verdict, with the gain where one is confirmed; the status without a verdict."""
    result = row.result or {}
    said = str(result.get("verdict") or row.status)
    if said == "improved":
        said += " " + percent(1 + result["improvement"] / 100)
    return said


def heading() -> str:
    """Return the heads of the columns of `line`."""
    return _COLUMNS.format("session", "age", "outcome", "search", "workload")


def line(
    row: "SessionRow", ratios: Sequence[float | None], *, now: float, ascii_only: bool = False
) -> str:
    """Return a session on one line for a terminal, which may cut its end, the workload.

    Args:
        row: The session.
        ratios: Of its search trials, see `sealtune.report.history.search_ratios`.
        now: Seconds since 1970 [s].
        ascii_only: For terminals that cannot show block characters.
    """
    search = sparkline(ratios, width=_SEARCH, ascii_only=ascii_only)
    mark = "SIMULATED " if row.simulated else ""
    return _COLUMNS.format(
        row.id, age(now - row.started), outcome(row), search, mark + row.workload
    )


def age(seconds: float) -> str:
    """Return how long ago something was, in its largest unit.

    >>> age(5), age(130), age(7300), age(200_000)
    ('now', '2 min', '2 h', '2 d')
    """
    for unit, name in _AGES:
        if seconds >= unit:
            return f"{int(seconds // unit)} {name}"
    return "now"
