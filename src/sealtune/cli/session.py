"""One session at a terminal: the plan, the question, the run, the result, and keeping it."""

import contextlib
import json
import sys
from typing import TYPE_CHECKING

from sealtune.cli.asking import confirmed, planner_for
from sealtune.cli.dashboard import Page
from sealtune.cli.offering import offer
from sealtune.cli.output import Document, console

if TYPE_CHECKING:
    from sealtune.cli.asking import Planner
    from sealtune.report.result import Result
    from sealtune.request import Request


def hold_session(
    request: "Request",
    page: Page | None = None,
    *,
    yes: bool,
    keep: bool | None,
    document: Document,
    resume: str | None = None,
    planner: "Planner | None" = None,
) -> int:
    """Hold a session with the person at the terminal; return its exit code.

    Args:
        request: What to tune, and how.
        page: The dashboard of the session; ``None`` is none.
        yes: Begin without asking.
        keep: Keep a confirmed gain; ``None`` asks.
        document: Where the whole result goes; if to stdout, people read stderr.
        resume: The interrupted session to go on with.
        planner: Makes the plan; ``None`` is the usual one.

    Raises:
        InputError: `document` cannot be written, or there is no terminal to ask on.
    """
    document.check()
    page = page or Page(wanted=False)
    # With `--json -` stdout belongs to the document; people read stderr then.
    stdout = sys.stdout
    for_people = sys.stderr if document.to_stdout else stdout
    with contextlib.redirect_stdout(for_people), page:
        planner = planner or planner_for(None, None)
        result = _talk_through(request, planner, page, yes=yes, resume=resume)
        if result is None:
            print("nothing was touched")
            return 0
        try:
            offer(result, keep)
        finally:
            document.write(json.dumps(result.as_dict(), indent=2, default=str), stdout)
        if result.verdict != "interrupted":  # who ended it has seen enough
            page.linger()
    return result.exit_code


def _talk_through(
    request: "Request", planner: "Planner", page: Page, *, yes: bool, resume: str | None
) -> "Result | None":
    """Show the plan, ask, run, show the result; ``None`` when the person said no."""
    from sealtune.entry import check_ready, open_store
    from sealtune.report.terminal import Progress
    from sealtune.report.text import plan_text, result_text
    from sealtune.session import tune

    screen = console()
    made = planner(request)
    screen.print(plan_text(made))
    for reason in check_ready(made):
        screen.print(f"Busy  {reason} What is measured now is measured beside it.", style="yellow")
    with open_store() as store:  # a history that cannot be kept is said before the question
        if not yes and not confirmed("Start? [y/N] "):
            return None
        page.open()
        progress = Progress(screen, made.originals, simulated=made.simulated)
        with progress.shown() as notify:
            result = tune(made, store, notify, resume=resume)
    screen.print(result_text(result.as_dict()))
    return result
