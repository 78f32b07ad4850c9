"""The charts as inline SVG: drawn by hand, told apart by shape and not by colour alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sealtune.report.format import percent, setting_text
from sealtune.report.history import Point
from sealtune.report.page.markup import Markup, element, joined
from sealtune.report.page.scale import Scale, scale_of, tick_text

WIDE, NARROW = 720, 340
"""Widths that a chart is drawn for: screens and paper, and telephones [px]."""

_MANY = 160
_ROW = 22
_CURVE_HEIGHT = 300


def both(
    name: str, title: str, desc: str, draw: Callable[..., tuple[float, Markup]], *given: object
) -> Markup:
    """Return a chart drawn for both widths; the style sheet shows the one that fits."""
    drawn = [("wide", WIDE), ("narrow", NARROW)]
    return joined(
        _svg(f"{name}-{size}", size, width, title, desc, *draw(width, *given))
        for size, width in drawn
    )


def _svg(
    name: str, size: str, width: int, title: str, desc: str, height: float, body: Markup
) -> Markup:
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", desc, id=f"{name}-desc"),
        body,
        class_=f"chart {size}",
        viewBox=f"0 0 {width} {height:.0f}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def mark(shape: str, x: float, y: float, size: float = 4.0, title: str = "") -> Markup:
    """Return one mark: ``trial``, ``baseline``, ``cut`` or ``failed``, each a shape of its own."""
    said = element("title", title) if title else None
    if shape == "trial":
        return element("circle", said, class_="trial", cx=x, cy=y, r=size)
    if shape == "baseline":
        side = 1.7 * size
        return element(
            "rect", said, class_="base", x=x - side / 2, y=y - side / 2, width=side, height=side
        )
    if shape == "cut":
        path = f"M{x - size:.1f} {y - size:.1f}h{2 * size:.1f}L{x:.1f} {y + size:.1f}z"
        return element("path", said, class_="cut", d=path)
    path = (
        f"M{x - size:.1f} {y - size:.1f}l{2 * size:.1f} {2 * size:.1f}"
        f"m0 {-2 * size:.1f}l{-2 * size:.1f} {2 * size:.1f}"
    )
    return element("path", said, class_="failed", d=path)


def pairs_chart(
    width: int, pairs: Sequence[Mapping[str, Any]], gain: Mapping[str, Any] | None
) -> tuple[float, Markup]:
    """Return height and body: one row a pair, the interval below them, a line at the original."""
    left, right, top = (76 if width == WIDE else 66), 24, 8
    bottom = top + _ROW * (len(pairs) + (2 if gain else 0))
    ends = [gain["ci_low"], gain["ci_high"]] if gain else []
    axis = scale_of([*(pair["ratio"] for pair in pairs), *ends], left, width - right)
    parts = [_upright(axis, top, bottom, most=6 if width == WIDE else 4)]
    if gain:
        low, high = axis(gain["ci_low"]), axis(gain["ci_high"])
        parts.append(
            element("rect", class_="band", x=low, y=top, width=high - low, height=bottom - top)
        )
    for number, pair in enumerate(pairs):
        y = top + _ROW * (number + 0.5)
        parts.append(_label(left - 10, y, f"pair {number + 1}"))
        ratio = pair["ratio"]
        if ratio is None:
            parts.append(mark("failed", axis(1.0), y, title="failed"))
            parts.append(element("text", "failed", class_="tick", x=axis(1.0) + 10, y=y + 4))
        else:
            parts.append(mark("trial", axis(ratio), y, 5, title=percent(ratio)))
    if gain:
        parts.append(_diamond(axis, gain, top + _ROW * (len(pairs) + 1), left - 10))
    return bottom + 26, joined(parts)


def _diamond(axis: Scale, gain: Mapping[str, Any], y: float, label: float) -> Markup:
    low, middle, high = (axis(gain[key]) for key in ("ci_low", "estimate", "ci_high"))
    path = f"M{low:.1f} {y:.1f}L{middle:.1f} {y - 8:.1f}L{high:.1f} {y:.1f}L{middle:.1f} {y + 8}z"
    return joined([_label(label, y, "together"), element("path", class_="verdict", d=path)])


def _upright(axis: Scale, top: float, bottom: float, most: int) -> Markup:
    parts = []
    for ratio in axis.ticks(most):
        x, one = axis(ratio), abs(ratio - 1) < 1e-9
        line = "one" if one else "grid"
        parts.append(element("line", class_=line, x1=x, x2=x, y1=top, y2=bottom + 4))
        parts.append(_tick(x, bottom + 18, tick_text(ratio), "middle"))
    return joined(parts)


def _tick(x: float, y: float, text: str, anchor: str) -> Markup:
    return element("text", text, class_="tick", x=x, y=y, text_anchor=anchor)


def _label(x: float, y: float, text: str) -> Markup:
    return _tick(x, y + 4, text, "end")


def curve_chart(width: int, points: Sequence[Point], noise: float | None) -> tuple[float, Markup]:
    """Return height and body: each run in its order, the best so far, a lane for failures.

    Args:
        width: What it is drawn for [px].
        points: Trials and baseline runs.
        noise: Half the width of the band that single baseline runs fall into, as a share.
    """
    left, right, top = (64 if width == WIDE else 56), 10, 8
    failed = any(point.ratio is None for point in points)
    bottom = _CURVE_HEIGHT - (26 if failed else 0)
    band = [1 + noise, 1 / (1 + noise)] if noise else []
    axis = scale_of([*(point.ratio for point in points), *band], bottom, top)
    parts: list[Markup | None] = [_level(axis, left, width - right)]
    if noise:
        high, low = axis(1 + noise), axis(1 / (1 + noise))
        parts.append(
            element("rect", class_="noise", x=left, y=high, width=width - right - left,
                    height=low - high)
        )  # fmt: skip
    step = (width - right - left - 12) / max(1, len(points) - 1)
    places = [left + 6 + step * number for number in range(len(points))]
    parts.append(_best_line(axis, places, points))
    size = 3.0 if len(points) > _MANY or width == NARROW else 4.0
    lane = bottom + 18
    if failed:
        parts.append(_label(left - 8, lane, "failed"))
    for x, point in zip(places, points, strict=True):
        said = _said(point) if width == WIDE else ""
        y = lane if point.ratio is None else axis(point.ratio)
        parts.append(mark(_shape(point), x, y, size, said))
    foot = _CURVE_HEIGHT + 20
    last = f"{len(points)} runs"
    parts += [_tick(left, foot, "run 1", "start"), _tick(width - right, foot, last, "end")]
    return foot + 6, joined(parts)


def _shape(point: Point) -> str:
    if point.ratio is None:
        return "failed"
    if point.kind == "baseline":
        return "baseline"
    return "cut" if point.state == "cut_short" else "trial"


def _level(axis: Scale, left: float, right: float) -> Markup:
    parts = []
    for ratio in axis.ticks(7):
        y, one = axis(ratio), abs(ratio - 1) < 1e-9
        line = "one" if one else "grid"
        parts.append(element("line", class_=line, x1=left, x2=right, y1=y, y2=y))
        parts.append(_label(left - 8, y, tick_text(ratio)))
    return joined(parts)


def _best_line(axis: Scale, places: Sequence[float], points: Sequence[Point]) -> Markup | None:
    known = [
        (x, axis(point.best))
        for x, point in zip(places, points, strict=True)
        if point.best is not None
    ]
    if not known:
        return None
    steps = f"M{known[0][0]:.1f} {known[0][1]:.1f}"
    steps += "".join(f"H{x:.1f}V{y:.1f}" for x, y in known[1:])
    return element("path", class_="best", d=steps)


def _said(point: Point) -> str:
    row = point.row
    if row.value is None:
        return f"{point.kind} {point.number}: {row.failure}; {setting_text(row.setting)}"
    ratio = "" if point.ratio is None else f" {percent(point.ratio)},"
    cut = ", cut short" if row.cut_short else ""
    value = f"{row.value:.6g} {row.unit}".strip()
    return f"{point.kind} {point.number}:{ratio} {value}{cut}; {setting_text(row.setting)}"


def share_bar(low: float, share: float, high: float) -> Markup:
    """Return a share between 0 and 1 as a bar with its interval; the figures stand beside it."""
    return element(
        "svg",
        element("rect", class_="rail", x=0, y=6, width=100, height=4),
        element("rect", class_="share", x=0, y=5, width=100 * share, height=6),
        element("path", class_="whisker",
                d=f"M{100 * low:.1f} 8H{100 * high:.1f}m0 -5v10M{100 * low:.1f} 3v10"),
        class_="bar",
        viewBox="-1 0 102 16",
        aria_hidden="true",
    )  # fmt: skip
