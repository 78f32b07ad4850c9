"""A learning curve small enough for a terminal: one column a trial, eight levels high."""

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.-=+*#@"
FAILED = "·"


def sparkline(ratios: Sequence[float | None], *, width: int = 60, ascii_only: bool = False) -> str:
    """Return `ratios` as one line of blocks; a failed trial is a dot.

    More trials than `width` are folded into buckets that show their best ratio.

    Args:
        ratios: One per trial, baseline 1.0, ``None`` for a failure.
        width: Columns at most.
        ascii_only: For terminals that cannot show block characters.

    >>> sparkline([0.5, 1.0, None, 2.0])
    '▁▃·█'
    """
    blocks = ASCII_BLOCKS if ascii_only else BLOCKS
    dot = "x" if ascii_only else FAILED
    columns = _fold(ratios, width)
    known = [ratio for ratio in columns if ratio is not None]
    if not known:
        return dot * len(columns)
    low, high = min(known), max(known)
    scale = (len(blocks) - 1) / (high - low) if high > low else 0.0
    return "".join(
        dot if ratio is None else blocks[round((ratio - low) * scale)] for ratio in columns
    )


def _fold(ratios: Sequence[float | None], width: int) -> list[float | None]:
    if len(ratios) <= width:
        return list(ratios)
    columns: list[float | None] = []
    for column in range(width):
        bucket = ratios[column * len(ratios) // width : (column + 1) * len(ratios) // width]
        known = [ratio for ratio in bucket if ratio is not None]
        columns.append(max(known) if known else None)
    return columns
