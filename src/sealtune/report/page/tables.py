"""Tables, and such that become a card a row on narrow screens."""

from collections.abc import Iterable, Sequence

from sealtune.report.page.markup import Markup, element

Cell = str | Markup


def headings(*names: str, numbers: Sequence[str] = ()) -> Markup:
    """Return the head of a table; the columns in `numbers` are right-aligned."""
    cells = (
        element("th", name, scope="col", role="columnheader", class_=_aligned(name, numbers))
        for name in names
    )
    return element("thead", element("tr", *cells, role="row"), role="rowgroup")


def cards(
    caption: str,
    columns: Sequence[str],
    bodies: Iterable[Markup],
    *,
    numbers: Sequence[str] = (),
    tight: bool = False,
) -> Markup:
    """Return a table whose rows a narrow screen shows as cards, each value with its label.

    Args:
        caption: What it shows.
        columns: Heads; the first one is of the row's own head.
        bodies: One `body` for each card.
        numbers: Columns that are right-aligned.
        tight: In smaller type.
    """
    # Roles, since what is shown as a block is else no table any more to who listens to it.
    return element(
        "table",
        element("caption", caption),
        headings(*columns, numbers=numbers),
        *bodies,
        class_="cards tight" if tight else "cards",
        role="table",
    )


def body(
    cells: Sequence[Cell], columns: Sequence[str], *, numbers: Sequence[str] = (), below: str = ""
) -> Markup:
    """Return one card: its head, its values, and text `below` them over the whole width."""
    values = (
        element("td", cell, role="cell", data_label=label or None, class_=_aligned(label, numbers))
        for label, cell in zip(columns[1:], cells[1:], strict=True)
    )
    head = element("th", cells[0], scope="row", role="rowheader")
    first = element("tr", head, *values, class_="first" if below else None, role="row")
    if not below:
        return element("tbody", first, class_="card", role="rowgroup")
    text = element("td", below, role="cell", colspan=len(columns))
    second = element("tr", text, class_="why", role="row")
    return element("tbody", first, second, class_="card", role="rowgroup")


def _aligned(name: str, numbers: Sequence[str]) -> str | None:
    return "number" if name in numbers else None
