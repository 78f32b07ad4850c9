"""The tables of `bench.verdict_calibration`: outcomes in, lines and "does it hold" out."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from bench.verdict_sessions import Outcome
from bench.verdict_shares import interval, upper_bound

Cell = tuple[str, float, int, list[Outcome]]
"""Noise, what is planted, most pairs, and the studies."""

MOST_FALSE, LEAST_POWER, LEAST_COVERAGE = 0.05, 0.80, 0.93
ENOUGH = 400
"""Fewer studies cannot bound a share of 2 % below 5 % by themselves."""

PROMISED_POWER = ("normal 5 %", ", at 5 %")
"""How the names of the noise end at which +10 % is promised to be found."""


def null_table(cells: Sequence[Cell]) -> tuple[list[str], bool]:
    """Return the false verdicts per kind of noise."""
    lines = [
        "| noise | improved | share | upper 95 % bound | none | worse | unsafe | no verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    holds = True
    merged = [(noise, found) for noise, _, _, found in cells]
    merged.append(("all", [one for _, found in merged for one in found]))
    for noise, found in merged:
        count = Counter(one.verdict for one in found)
        hits, total = count["improved"], len(found)
        bound = upper_bound(hits, total)
        # A single hit of a few studies is beyond the bound, and no sign of anything.
        holds &= bound < MOST_FALSE or total < ENOUGH
        lines.append(
            f"| {noise} | {hits} of {total} | {_share(hits, total)} | {bound:.1%} "
            f"| {count['none']} | {count['worse']} | {count['unsafe']} | {count['error']} |"
        )
    return lines, holds


def power_table(cells: Sequence[Cell]) -> tuple[list[str], bool]:
    """Return how often what is planted is found, and what is then published."""
    lines = [
        "| planted | noise | studies | improved (95 % interval) | worse | "
        "mean estimate of those | mean pairs | minutes saved | published interval holds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for noise, ratio, _, found in sorted(cells, key=lambda cell: cell[1]):
        won = [one for one in found if one.verdict == "improved"]
        low, high = interval(len(won), len(found))
        judged = [one for one in found if one.estimate is not None]
        final = [_final_holds(one) for one in won]
        lines.append(
            f"| {ratio - 1:+.0%} | {noise} | {len(found)} "
            f"| {_share(len(won), len(found))} ({low:.0%} to {high:.0%}) "
            f"| {_share(sum(one.verdict == 'worse' for one in found), len(found))} "
            f"| {_mean([one.estimate or 1.0 for one in won], 'x{:.2f}')} "
            f"| {_mean([one.pairs for one in judged], '{:.1f}')} "
            f"| {_mean([one.saved for one in judged], '{:.1f}')} "
            f"| {sum(final)} of {len(final)} |"
        )
    return lines, True


def _final_holds(one: Outcome) -> bool:
    """Return whether the interval that a person sees in the end holds its setting's truth."""
    if one.minimal_low is None or one.minimal_high is None or one.minimal_truth is None:
        return bool(one.held)
    return one.minimal_low <= one.minimal_truth <= one.minimal_high


def width_table(cells: Sequence[Cell]) -> tuple[list[str], bool]:
    """Return coverage and width of the interval per kind of noise."""
    cases = sorted({(ratio, pairs) for _, ratio, pairs, _ in cells})
    titles = [f"{ratio - 1:+.0%}, at most {pairs} pairs" for ratio, pairs in cases]
    lines = [
        "| noise | " + " | ".join(titles) + " | holds the truth, all |",
        "|" + "---|" * (len(cases) + 2),
    ]
    holds = True
    for noise in dict.fromkeys(cell[0] for cell in cells):
        row, everything = [], []
        for case in cases:
            found = [
                one
                for name, ratio, pairs, studies in cells
                if (name, ratio, pairs) == (noise, *case)
                for one in studies
                if one.held is not None
            ]
            everything += found
            width = [((one.high or 0) - (one.low or 0)) / one.truth for one in found]
            used = [one.pairs for one in found]
            row.append(
                f"{_share(sum(bool(one.held) for one in found), len(found))}, "
                f"width {_mean(width, '{:.0%}')}, {_mean(used, '{:.0f}')} pairs"
            )
        held, total = sum(bool(one.held) for one in everything), len(everything)
        holds &= held / max(1, total) >= LEAST_COVERAGE or total < ENOUGH
        row.append(f"{_share(held, total)} of {total}")
        lines.append(f"| {noise} | " + " | ".join(row) + " |")
    return lines, holds


def promise_table(
    cells: Sequence[tuple[str, str, float, list[Outcome]]],
) -> tuple[list[str], bool]:
    """Return the three promises with what was seen, over all rows together."""
    null = [one for table, _, _, found in cells if table == "null" for one in found]
    false = sum(one.verdict == "improved" for one in null)
    bound = upper_bound(false, len(null))
    found = [
        one
        for table, noise, ratio, studies in cells
        if table == "power" and ratio == 1.10 and noise.endswith(PROMISED_POWER)
        for one in studies
    ]
    won = sum(one.verdict == "improved" for one in found)
    low, high = interval(won, len(found))
    judged = [
        one
        for table, _, _, studies in cells
        if table == "coverage"
        for one in studies
        if one.held is not None
    ]
    held = sum(bool(one.held) for one in judged)
    kept = (
        bound < MOST_FALSE or (len(null) < ENOUGH and false <= MOST_FALSE * len(null)),
        won >= LEAST_POWER * len(found),
        held >= LEAST_COVERAGE * len(judged),
    )
    words = ["kept" if one else "BROKEN" for one in kept]
    return [
        "| promise | seen | |",
        "|---|---|---|",
        f'| false "improved", upper 95 % bound, below 5 % | {false} of {len(null)}: {bound:.2%} '
        f"| {words[0]} |",
        f"| +10 % at 5 % noise found in at least 80 % | {won} of {len(found)}: "
        f"{_share(won, len(found))} ({low:.0%} to {high:.0%}) | {words[1]} |",
        f"| intervals hold the truth in at least 93 % | {held} of {len(judged)}: "
        f"{_share(held, len(judged))} | {words[2]} |",
    ], all(kept)


def _share(hits: int, total: int) -> str:
    return f"{hits / total:.1%}" if total else "-"


def _mean(values: Sequence[float], form: str) -> str:
    mean = float(np.mean(values)) if values else math.nan
    return form.format(mean) if values else "-"
