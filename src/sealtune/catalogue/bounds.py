"""Limits of a kernel parameter, and how one becomes a number on a machine.

Standard library only and quick to import: the guard judges every value with this and with
`sealtune.catalogue.limits`, and it has to start when everything else is broken.
"""

from typing import NamedTuple


class Limit(NamedTuple):
    """What the guard may write to one parameter; made from the catalogue, never by hand.

    Attributes:
        path: Absolute file; ``{dev}`` stands for a block device.
        kind: ``int`` or ``choice``.
        low: Smallest value or an expression for it (kind ``int``), see `resolve_bound`.
        high: Largest value or an expression for it (kind ``int``).
        choices: Allowed texts (kind ``choice``).
        step: Granularity of an ``int``, counted from `low`.
        order: Write order inside a batch, small first.
        saved_with: Files that writing this one changes as a side effect.
        below: Name of the parameter whose value this one must stay under.
        under: Name of the parameter, and its choices, under which this one exists.
    """

    path: str
    kind: str
    low: int | str
    high: int | str
    choices: tuple[str, ...]
    step: int
    order: int
    saved_with: tuple[str, ...]
    below: str | None
    under: tuple[str, tuple[str, ...]] | None = None


def resolve_bound(bound: int | str, present: int | None, memory_bytes: int) -> int:
    """Return the number that `bound` stands for on a machine, rounded down.

    Args:
        bound: A number, ``"present"``, a share of memory (``"0.25*RAM"`` in bytes,
            ``"0.04*RAM/1024"`` in kB), or ``"min(A, B)"`` of two of these.
        present: The parameter's value as found; only ``"present"`` needs it.
        memory_bytes: Memory of the machine.

    Raises:
        ValueError: `bound` is no such expression, or needs a `present` that is not known.

    >>> resolve_bound(7, None, 0), resolve_bound("present", 60, 0)
    (7, 60)
    >>> resolve_bound("min(0.04*RAM/1024, 1048576)", None, 8 * 2**30)
    335544
    """
    if isinstance(bound, int):
        return bound
    text = bound.strip()
    if text.startswith("min(") and text.endswith(")") and text.count(",") == 1:
        left, right = text[4:-1].split(",")
        return min(_term(left, present, memory_bytes), _term(right, present, memory_bytes))
    return _term(text, present, memory_bytes)


def resolve_range(limit: Limit, present: int | None, memory_bytes: int) -> tuple[int, int]:
    """Return the smallest and the largest value allowed, widened to include `present`.

    The value a machine was found with is always a legal one: a search starts there.

    Raises:
        ValueError: As `resolve_bound`.

    >>> resolve_range(Limit("/f", "int", 10, 60, (), 1, 0, (), None), 90, 0)
    (10, 90)
    """
    low = resolve_bound(limit.low, present, memory_bytes)
    high = resolve_bound(limit.high, present, memory_bytes)
    return (low, high) if present is None else (min(low, present), max(high, present))


def _term(text: str, present: int | None, memory_bytes: int) -> int:
    text = text.strip()
    if text == "present":
        if present is None:
            raise ValueError('bound "present": the present value is not known')
        return present
    if _is_number(text):
        return int(text)
    share, ram, rest = text.partition("*RAM")
    whole, _, fraction = share.partition(".")
    slash, divisor = rest[:1], rest[1:]
    if not (ram and _is_number(whole) and (share == whole or _is_number(fraction))) or (
        rest and not (slash == "/" and _is_number(divisor) and int(divisor))
    ):
        raise ValueError(
            f'bound {text!r}: need a number, "present", "S*RAM", "S*RAM/D" or "min(A, B)"'
        )
    # Whole numbers throughout: exact, and no text makes it overflow.
    scale = int("1" + "0" * len(fraction))
    return int(whole + fraction) * memory_bytes // (scale * int(divisor or 1))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
