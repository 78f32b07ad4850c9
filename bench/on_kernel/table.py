"""The outcome as tables that people read."""

import math
from collections.abc import Iterable, Sequence

from bench.on_kernel.book import Told
from bench.on_kernel.lines import RECORDED, Study
from bench.on_kernel.outcome import Outcome, Row, outcomes
from sealtune.report.format import interval, percent, setting_text
from sealtune.verdict.bounds import Interval

_HEAD = (
    "scenario",
    "who",
    "share of the best recorded gain",
    "confirmed gain",
    "near the best after",
    "search",
    "of it thinking",
)
_SEED_HEAD = ("scenario", "seed", "who", "confirmed gain", "setting")


def tables(told: Told) -> str:
    """Return everything that a file says: conditions, one row each, then seed by seed."""
    found = outcomes(told)
    parts = [
        _conditions(told.study),
        _table(_HEAD, [cells for outcome in found for cells in _rows(outcome)]),
        *_notes(found),
        "Seed by seed:",
        _table(_SEED_HEAD, [cells for outcome in found for cells in _seeds(outcome)]),
    ]
    return "\n\n".join(parts)


def _conditions(study: Study) -> str:
    machine = study.machine
    searched = f"{study.trials} trials for each" if study.trials else "searches of another file"
    told = (
        f"{searched}, {study.rounds} confirming rounds, runs of "
        f"{study.run_seconds:g} s; Linux {machine['kernel']}, {machine['cpus']} CPUs"
    )
    return f"SIMULATED: this says nothing about any machine. {told}" if study.simulated else told


def _rows(outcome: Outcome) -> Iterable[tuple[str, ...]]:
    for row in outcome.rows:
        known = row.arm == RECORDED
        yield (
            outcome.scenario.name,
            "best recorded" if known else row.arm,
            _share(row, known=known),
            _gain(row.gain),
            _near(row.near),
            f"{row.search_seconds:.0f} s" if row.search_seconds else "",
            f"{row.thinking_seconds:.1f} s" if row.search_seconds else "",
        )


def _share(row: Row, *, known: bool) -> str:
    if row.share is None:
        return "no gain to share"
    if known:
        return "1"
    return f"{row.share.centre:.2f} [{row.share.low:.2f}, {row.share.high:.2f}]"


def _gain(gain: Interval) -> str:
    return interval(math.exp(gain.centre), math.exp(gain.low), math.exp(gain.high))


def _near(trials: Sequence[int | None]) -> str:
    """Return the trials of each seed, the quickest first."""
    known = sorted(count for count in trials if count is not None)
    return ", ".join([*map(str, known), *["never"] * (len(trials) - len(known))])


def _seeds(outcome: Outcome) -> Iterable[tuple[str, ...]]:
    for seed in outcome.searches:
        for row in outcome.rows:
            yield (
                outcome.scenario.name,
                str(seed),
                "best recorded" if row.arm == RECORDED else row.arm,
                _gain(outcome.confirmed(seed, row.arm)),
                setting_text(outcome.setting(seed, row.arm)),
            )


def _notes(found: Iterable[Outcome]) -> Iterable[str]:
    for outcome in found:
        name = outcome.scenario.name
        for row in outcome.rows:
            if row.failed:
                yield f"{name}: {row.failed} confirming runs of {row.arm} failed; no gain each."
        if outcome.rows:
            yield (
                f"{name}: the best recorded point was {percent(outcome.scenario.recorded)} in "
                "its recording, which is biased upwards."
            )
        if outcome.missing:
            seeds = ", ".join(map(str, outcome.missing))
            yield f"{name}: seed {seeds} is not complete and not counted."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with even columns."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )
