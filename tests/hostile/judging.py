"""What a plan could write and run, and what a text could do to whoever looks at it."""

import contextlib
import io
import math
import os
import random
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from unittest.mock import patch

from tests.hostile import oracle

from sealtune.benchmarks.base import BenchmarkSpec
from sealtune.plan import Plan
from sealtune.space.knobs import Setting
from sealtune.space.space import Space

_RANDOM = random.Random(7)
# A label of Markdown, then an address that leaves the page; or the beginning of an HTML element.
_ACTS_IN_MARKDOWN = re.compile(r"(?<!\\)\]\(|(?<!\\)<(?!/?(?:details|summary|sub)>)[a-zA-Z/!]|://")


def dangers_of_plan(plan: Plan) -> tuple[list[str], int]:
    """Return what `plan` could write or run and must not, and how many settings were judged."""
    settings = [plan.prior.start, *plan.prior.proposals]
    dangers, judged = dangers_of_space(plan.built.space, plan.originals, settings)
    return dangers + dangers_of_command(plan.spec), judged


def dangers_of_command(spec: BenchmarkSpec) -> list[str]:
    """Return what `spec`, which nobody approved, would run all the same."""
    dangers = []
    if spec.yours:
        dangers.append(f"unapproved: {spec.options}")
    if told := oracle.unapproved(spec.name, spec.options):
        dangers.append(f"unapproved command: {told}")
    return dangers


def dangers_of_space(
    space: Space, originals: dict[str, str], settings: list[Setting]
) -> tuple[list[str], int]:
    """Return which values of `settings`, of corners of `space` and within it, are not safe."""
    size = len(space)
    vectors = [[edge] * size for edge in (0.0, 1.0, -1e9, 1e9, math.inf)]
    vectors += [[_RANDOM.random() for _ in range(size)] for _ in range(8)]
    every = [space.start, *settings, *(space.decode(vector) for vector in vectors)]
    dangers = [
        f"unsafe: {told}"
        for setting in every
        for name, value in setting.items()
        if (told := oracle.unsafe_value(name, value, originals.get(name)))
    ]
    return dangers, len(every)


def steers(shown: str) -> list[str]:
    """Return which signs of `shown` a terminal obeys, or hides from the eye."""
    found = {sign for sign in shown if not (sign.isprintable() or sign == "\n")}
    found = {sign for sign in found if unicodedata.category(sign) != "Zs"}  # only a wide blank
    return [f"{sign!r} on the screen" for sign in sorted(found)]


class Outline(HTMLParser):
    """Counts what could act in a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.acting: Counter[str] = Counter()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count the element, and those of its attributes that lead or act."""
        if tag not in ("wbr", "br"):
            self.acting[tag] += tag in (
                "script", "iframe", "img", "a", "base", "meta", "form", "object", "style", "link",
            )  # fmt: skip
        for name, value in attrs:
            if name.startswith("on") or name in ("href", "src", "srcdoc", "action", "http-equiv"):
                self.acting[f"{name}={value}"] += 1


def acts_in_page(page: str, harmless: str) -> list[str]:
    """Return what acts in `page` beyond what acts in the same page of harmless words."""
    more = Outline(page).acting - Outline(harmless).acting
    return [f"{count} x {what} in the page" for what, count in more.items()]


def acts_in_markdown(text: str) -> list[str]:
    """Return what of `text` a forge would make a link, an image or an element of.

    What stands in code, as a block or in a line, is shown as it is.
    """
    outside = re.sub(r"(?ms)^(`{3,})\w*\n.*?^\1$", "", text)
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", outside)
    return [f"{found!r} in Markdown" for found in _ACTS_IN_MARKDOWN.findall(outside)]


@contextlib.contextmanager
def looked_at_once() -> Iterator[None]:
    """Look at the machine once rather than for each plan: it stays the same."""
    import sealtune.planning as planning

    facts = planning.gather_facts(planning.default_workdir())
    offered = planning.available_knobs(planning.load_catalogue().knobs, facts)
    tools = planning.detect_all()
    with (
        patch.object(planning, "gather_facts", lambda _place: facts),
        patch.object(planning, "available_knobs", lambda _knobs, _facts: offered),
        patch.object(planning, "detect_all", lambda: tools),
    ):
        yield


def run_program(*arguments: str) -> tuple[object, str, str]:
    """Run the program in this process, nobody at the terminal; return code, stdout and stderr.

    An exception that leaves the program leaves this too.
    """
    from sealtune.cli import main
    from sealtune.cli.app import app

    app.registered_commands.clear()  # each start of the program adds its own
    app.registered_groups.clear()
    out, err = io.StringIO(), io.StringIO()
    with (
        open(os.devnull, encoding="utf-8") as nobody,
        patch.object(sys, "argv", ["sealtune", *arguments]),
        patch.object(sys, "stdin", nobody),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
            code: object = 0
        except SystemExit as ended:
            code = ended.code
    return code, out.getvalue(), err.getvalue()
