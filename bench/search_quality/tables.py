"""The tables, from finished searches alone. How to read them is in docs/search-quality.md."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from bench.search_quality.figures import Cell, Estimate, Figures, Vector, centre, mean, median
from bench.search_quality.figures import ratio as ratio_of_medians
from bench.search_quality.methods import ABLATIONS, DEFAULT, OWN, PRIORS
from bench.search_quality.results import Results
from bench.search_quality.runs import ENOUGH, Outcome
from sealtune.tactician.names import PEERS

_WIDE = 4
"""Surfaces side by side in one table."""
_FEW = 8
"""Seeds: a bootstrap of fewer is too narrow."""
_FIDELITY = 0.5
"""Rank correlation under which a recording holds more noise than surface (docs/surfaces.md)."""
_SAID = {
    "wins": "better than the best peer",
    "within": "within the interval of the best peer",
    "loses": "worse than the best peer",
}


def report(results: Results) -> str:
    """Return all tables of `results` as Markdown."""
    figures = Figures(results.outcomes, results.counts)
    if not figures.surfaces:
        return "no seed is finished by every method yet"
    parts = [
        _heading(figures, results),
        _surfaces(figures),
        *(_regrets(figures, count) for count in figures.counts),
        _against_peers(figures),
        _ranks(figures),
        _trials_needed(figures),
        _time(figures),
        _ablations(figures),
    ]
    return "\n\n".join(part for part in parts if part)


def _heading(figures: Figures, results: Results) -> str:
    seeds = sorted({seed for surface in figures.surfaces for seed in figures.seeds(surface)})
    told = f"told {max(figures.counts)} trials, judged on the way"
    if results.separate:
        told = "told each count in a search of its own"
    text = f"code {results.code}; seeds {seeds[0]} to {seeds[-1]}; {told}"
    if len(seeds) < _FEW:
        text += f"; intervals of fewer than {_FEW} seeds say little"
    if figures.dropped:
        text += f"; {figures.dropped} searches left out: not every method has finished their seed"
    if figures.unfinished:
        text += f"; no seed of {', '.join(figures.unfinished)} is finished by every method"
    return text


def _surfaces(figures: Figures) -> str:
    rows = []
    for surface in figures.surfaces:
        found = figures.searches(figures.methods[0], surface)
        gain = math.expm1(float(np.median([one.gain for one in found])))
        noise = float(np.median([one.noise for one in found]))
        fidelity = found[0].fidelity
        truth = "exact" if fidelity is None else f"model, ranks unseen points {fidelity:.2f}"
        failed = np.mean([o.failures / o.job.told for o in _all(figures, surface)])
        cells = [surface, str(found[0].knobs), f"{noise:.1%}", f"{gain:+.0%}", f"{failed:.1%}"]
        rows.append([*cells, truth, str(len(found))])
    head = ["surface", "knobs", "noise of a run", "best over start", "failed trials", "truth"]
    return _table("The surfaces", [*head, "seeds"], rows)


def _all(figures: Figures, surface: str) -> list[Outcome]:
    return [one for m in figures.methods for one in figures.searches(m, surface)]


def _split(figures: Figures) -> list[tuple[str, ...]]:
    """Return the surfaces, a few at a time."""
    names = figures.surfaces
    return [names[at : at + _WIDE] for at in range(0, len(names), _WIDE)]


def _per_surface(
    figures: Figures,
    title: str,
    methods: Sequence[str],
    cell: Callable[[str, str], str],
) -> str:
    """Return a table of methods by surfaces, in pieces that are not too wide."""
    pieces = []
    for surfaces in _split(figures):
        rows = [[m, *(cell(s, m) for s in surfaces)] for m in methods]
        pieces.append(_table(title, ["method", *surfaces], rows))
        title = ""
    return "\n\n".join(pieces)


def _ordered(figures: Figures) -> list[str]:
    """Return the methods: the default, the peers, the ablations, those with a belief."""
    peers = _peers(figures)
    order = [DEFAULT, *peers, *ABLATIONS, *PRIORS]
    return [name for name in order if name in figures.methods]


def _peers(figures: Figures) -> list[str]:
    return [name for name in PEERS if name in figures.methods]


def _rivals(figures: Figures) -> list[str]:
    """Return the methods that are compared: the default and the peers."""
    return [name for name in (DEFAULT, *_peers(figures)) if name in figures.methods]


def _regrets(figures: Figures, count: int) -> str:
    rivals = _rivals(figures)

    def cell(surface: str, method: str) -> str:
        medians = {m: np.median(figures.regrets(surface, m, count)) for m in rivals}
        text = _interval(median(figures.regrets(surface, method, count)))
        best = method in medians and medians[method] == min(medians.values())
        return f"**{text}**" if best else text

    title = f"Regret after {count} trials (0 the best, 1 the start; median, 95 % interval)"
    return _per_surface(figures, title, _ordered(figures), cell)


def _against_peers(figures: Figures) -> str:
    peers = _peers(figures)
    if DEFAULT not in figures.methods or not peers:
        return ""
    cells = figures.cells(DEFAULT, peers)
    rows = [
        [c.surface, str(c.count), f"{c.default:.2f}", f"{c.peer} {c.best:.2f}",
         _interval(c.difference, sign=True), _SAID[c.verdict]]
        for c in cells
    ]  # fmt: skip
    head = ["surface", "trials", DEFAULT, "best peer", "paired difference", f"{DEFAULT} is"]
    table = _table(f"{DEFAULT} against the best peer of each cell", head, rows)
    trusted = [cell for cell in cells if _trusted(figures, cell.surface)]
    lines = [_counted(cells)]
    if 0 < len(trusted) < len(cells):
        lines.append(
            f"Without recordings whose model ranks under {_FIDELITY}: {_counted(trusted)}"
        )
    return "\n\n".join([table, *lines])


def _trusted(figures: Figures, surface: str) -> bool:
    """Return whether the truth of `surface` is exact, or a model that ranks well enough."""
    known = [one.fidelity for one in figures.searches(DEFAULT, surface)]
    return all(fidelity is None or fidelity >= _FIDELITY for fidelity in known)


def _counted(cells: Sequence[Cell]) -> str:
    number = {name: sum(cell.verdict == name for cell in cells) for name in _SAID}
    good = number["wins"] + number["within"]
    return (
        f"{number['wins']} better, {number['within']} within, {number['loses']} worse; "
        f"at least as good in {good} of {len(cells)} cells ({good / len(cells):.0%})"
    )


def _ranks(figures: Figures) -> str:
    rivals = _rivals(figures)
    if len(rivals) < 2:
        return ""
    cells, singles = figures.ranks(rivals)
    order = sorted(cells, key=lambda name: cells[name])
    rows = [[name, f"{cells[name]:.2f}", f"{singles[name]:.2f}"] for name in order]
    head = ["method", "rank of the median, mean over cells", "rank, mean over all searches"]
    return _table(f"Ranks (1 the best of {len(rivals)})", head, rows)


def _trials_needed(figures: Figures) -> str:
    def cell(surface: str, method: str) -> str:
        needed = figures.needed(method, surface)
        share = _share_reached(figures, method, surface)
        return f"{_trials(float(np.median(needed)), figures)} ({share:.0%})"

    title = f"Trials to {ENOUGH:.0%} of the gain, median (share of the searches that got there)"
    table = _per_surface(figures, title, _ordered(figures), cell)
    rows = [
        [m, _trials(float(np.median(figures.needed(m))), figures),
         f"{_share_reached(figures, m):.0%}"]
        for m in _ordered(figures)
    ]  # fmt: skip
    whole = _table("The same on all surfaces", ["method", "median", "share"], rows)
    return "\n\n".join(part for part in (table, whole, _worth_of_a_prior(figures)) if part)


def _share_reached(figures: Figures, method: str, surface: str | None = None) -> float:
    return float(np.mean([o.reached is not None for o in figures.searches(method, surface)]))


def _trials(count: float, figures: Figures) -> str:
    most = max(figures.counts)
    return f"{count:.0f}" if count <= most else f"> {most}"


def _worth_of_a_prior(figures: Figures) -> str:
    """Return the trials that a correct prior needs, over those of the quickest peer."""
    believer = next(iter(PRIORS))
    if believer not in figures.methods or not _peers(figures):
        return ""
    rows = [_prior_row(figures, believer, surface) for surface in (*figures.surfaces, None)]
    head = ["surface", "quickest peer", "its median", believer, "ratio of the medians"]
    title = f"{believer} against the quickest peer: trials to {ENOUGH:.0%}"
    return _table(title, head, rows)


def _prior_row(figures: Figures, believer: str, surface: str | None) -> list[str]:
    needed = {name: figures.needed(name, surface) for name in _peers(figures)}
    # Equal medians are common where few get there: the mean then tells who is quicker.
    quick = min(needed, key=lambda name: (np.median(needed[name]), needed[name].mean()))
    mine = figures.needed(believer, surface)
    middle = [_trials(float(np.median(v)), figures) for v in (needed[quick], mine)]
    ratio = _interval(ratio_of_medians(mine, needed[quick]))
    unknown = [text.startswith(">") for text in middle]
    bounds = {(True, True): "not known", (True, False): f"at most {ratio}",
              (False, True): f"at least {ratio}", (False, False): ratio}  # fmt: skip
    return [surface or "all", quick, *middle, bounds[unknown[0], unknown[1]]]


def _time(figures: Figures) -> str:
    rows = []
    for method in _ordered(figures):
        seconds = np.array([one.cpu_seconds for one in figures.searches(method)])
        rows.append([method, f"{seconds.mean():.3f}", f"{seconds.max():.3f}"])
    title = f"Thinking: CPU seconds per trial, over {max(figures.counts)} trials"
    return _table(title, ["method", "mean", "largest of a search"], rows)


def _ablations(figures: Figures) -> str:
    own = [name for name in _ordered(figures) if name in OWN and name != DEFAULT]
    if DEFAULT not in figures.methods or not own:
        return ""
    rows = []
    for name in own:
        groups = [figures.pooled(name, DEFAULT, count) for count in figures.counts]
        rows.append([name, *(_interval(mean(group), sign=True) for group in groups)])
    head = ["method", *(f"{count} trials" for count in figures.counts)]
    title = f"Regret less that of {DEFAULT}, mean over surfaces (above 0: {DEFAULT} is better)"
    return "\n\n".join([_table(title, head, rows), *_ablations_by_surface(figures, own)])


def _ablations_by_surface(figures: Figures, own: Sequence[str]) -> list[str]:
    def differences(surface: str, method: str, count: int) -> Vector:
        theirs = figures.regrets(surface, method, count)
        return np.asarray(theirs - figures.regrets(surface, DEFAULT, count))

    def cells(count: int) -> Callable[[str, str], str]:
        def cell(surface: str, method: str) -> str:
            return _interval(centre(differences(surface, method, count)), sign=True)

        return cell

    title = f"The same by surface after {{}} trials (paired, less that of {DEFAULT})"
    return [
        _per_surface(figures, title.format(count), own, cells(count)) for count in figures.counts
    ]


def _interval(estimate: Estimate, *, sign: bool = False) -> str:
    form = "{:+.2f}" if sign else "{:.2f}"
    numbers = [form.format(v + 0.0) for v in (estimate.value, estimate.low, estimate.high)]
    return f"{numbers[0]} [{numbers[1]}, {numbers[2]}]"


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table under its title, columns as wide as their widest cell."""
    widths = [max(len(line[at]) for line in (head, *rows)) for at in range(len(head))]
    lines = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in (head, *rows)
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join([f"**{title}**", "", *lines] if title else lines)
