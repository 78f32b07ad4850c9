"""HTML built of elements: text is escaped unless it is markup already, so nothing is forgotten."""

import html
from collections.abc import Iterable

from sealtune.report.format import printable

_EMPTY = frozenset({"meta", "br", "wbr"})


class Markup(str):
    """Text that is HTML already; only `element` and `joined` make it."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """Return `text` as it is to be read, harmless in an element and in an attribute."""
    return Markup(html.escape(printable(text)))


def element(tag: str, *children: "str | Markup | None", **attributes: object) -> Markup:
    """Return one element.

    Args:
        tag: Its name.
        children: What it holds: markup as it is, other text escaped, ``None`` left out.
        attributes: ``class_`` is ``class``, ``stroke_width`` is ``stroke-width``; ``None`` is
            left out, True is an attribute without a value.

    >>> element("p", "a < b", class_="note")
    '<p class="note">a &lt; b</p>'
    """
    shown = "".join(_attribute(name, value) for name, value in attributes.items())
    if tag in _EMPTY:
        return Markup(f"<{tag}{shown}>")
    return Markup(f"<{tag}{shown}>{joined(children)}</{tag}>")


def joined(children: Iterable["str | Markup | None"]) -> Markup:
    """Return the children one after the other, escaped where they are no markup."""
    return Markup(
        "".join(
            child if isinstance(child, Markup) else escaped(child)
            for child in children
            if child is not None
        )
    )


def _attribute(name: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    shown = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return f' {name}="{escaped(shown)}"'


def breakable(name: str) -> Markup:
    """Return a parameter's name that may be broken after its separators, for narrow columns."""
    shown = escaped(name)
    for sign in "./_":
        shown = Markup(shown.replace(sign, f"{sign}<wbr>"))
    return element("code", shown)


def unbroken(text: str) -> Markup:
    """Return prose whose figures keep their unit: no line ends before a percent sign.

    >>> unbroken("+1.6 % of <all>")
    '+1.6&nbsp;% of &lt;all&gt;'
    """
    return Markup(escaped(text).replace(" %", "&nbsp;%"))
