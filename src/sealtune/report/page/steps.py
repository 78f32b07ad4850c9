"""What to do now, the figures in full, the notes and limits, and the machine."""

from typing import TYPE_CHECKING

from sealtune.report.machine_facts import facts_lines
from sealtune.report.page.evidence import section
from sealtune.report.page.markup import Markup, element, unbroken
from sealtune.report.steps import next_steps
from sealtune.report.text import evidence

if TYPE_CHECKING:
    from sealtune.store import SessionRow

_LIMITS = (
    "It was measured on this machine, with this benchmark, at this time; another load may gain "
    "less, or lose. Single runs of the search are a guess; only fresh pairs confirm."
)


def what_to_do(row: "SessionRow") -> Markup:
    """Return how to apply, undo, go on and reproduce, each with its command."""
    items = [
        element(
            "div",
            element("dt", step.label),
            element(
                "dd", step.text, element("pre", element("code", step.command))
                if step.command else None,
            ),
        )
        for step in next_steps(row)
    ]  # fmt: skip
    return section("steps", "Apply, undo, reproduce", element("dl", *items, class_="steps"))


def figures(row: "SessionRow") -> Markup:
    """Return every figure behind the verdict in words, then notes and limits."""
    result = row.result
    lines = evidence(result) if result is not None else []
    notes = [text for label, text in lines if label == "Note"]
    shown = [(label, text) for label, text in lines if label not in ("Note", "Pairs")]
    children: list[Markup] = [definitions(shown)] if shown else []
    if notes:
        children.append(element("ul", *(element("li", note) for note in notes)))
    return section(
        "figures", "Figures, notes and limits", *children, element("p", _LIMITS, class_="soft")
    )


def machine(row: "SessionRow") -> Markup | None:
    """Return what is known of the machine."""
    facts = (row.result or {}).get("facts") or row.facts
    lines = facts_lines(facts)
    return section("machine", "The machine", definitions(lines)) if lines else None


def definitions(lines: list[tuple[str, str]]) -> Markup:
    """Return labels with their texts."""
    pairs = (
        part for one in lines for part in (element("dt", one[0]), element("dd", unbroken(one[1])))
    )
    return element("dl", *pairs, class_="facts")
