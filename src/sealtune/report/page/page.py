"""The whole page: head, the sections in the order in which they are read, foot."""

import base64
import hashlib
import time
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from sealtune.report.format import printable
from sealtune.report.page import evidence, lead, parameters, steps
from sealtune.report.page.markup import Markup, element, joined

if TYPE_CHECKING:
    from sealtune.store import SessionRow, TrialRow


def report_page(
    row: "SessionRow",
    trials: Sequence["TrialRow"],
    *,
    version: str,
    card: Mapping[str, Any] | None = None,
    now: float | None = None,
) -> str:
    """Return a session as one HTML document that loads nothing and runs nothing.

    Every text of the session is escaped: a workload, a benchmark or a model may have written it.

    Args:
        row: The session, finished or not.
        trials: Its stored runs, in their order.
        version: Of the sealtune that writes the page.
        card: The plan as the session stored it, see `sealtune.report.card`.
        now: When the page is written, seconds since 1970 [s]; the present time when ``None``.
    """
    written = date(time.time() if now is None else now)
    body = element(
        "body",
        lead.simulated(row),
        element("header", *lead.header(row, trials)),
        element(
            "main",
            evidence.confirmation(row),
            evidence.search(row, trials),
            parameters.table(row, trials, card),
            evidence.importance(row),
            evidence.failed(row, trials),
            steps.what_to_do(row),
            steps.figures(row),
            steps.machine(row),
        ),
        element(
            "footer",
            f"Session {row.id}, begun {date(row.started)}. Written by sealtune {version}, "
            f"{written}.",
        ),
    )
    return f"<!DOCTYPE html>\n{element('html', _head(row), body, lang='en')}\n"


def date(moment: float) -> str:
    """Return a moment as a date that means the same everywhere.

    >>> date(0.0)
    '1970-01-01 00:00 UTC'
    """
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(moment))


def _head(row: "SessionRow") -> Markup:
    style = files("sealtune.report.page").joinpath("style.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    # Only this one style sheet may be used; nothing may be loaded, run, sent or framed.
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    mark = "SIMULATED: " if row.simulated else ""
    title = f"{mark}{lead.outcome(row)}: {printable(row.workload)[:80]} - sealtune"
    return element(
        "head",
        element("meta", charset="utf-8"),
        # An attribute's quotes would be escaped, and a hash then still be the hash: browsers
        # decode them before they read the policy.
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        joined([Markup(f"<style>{style}</style>")]),
    )
