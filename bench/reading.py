"""How well descriptions are understood: ``python -m bench.reading [--split test|development]``.

The test split is held_back.toml and held_back_second.toml, two hands from which nothing was ever
learned; the development split is
examples.toml, each hand read by a layer that never saw it. Prints the table of docs/strategist.md.
"""

import argparse
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from sealtune.strategist.embedding import encoder, layer
from sealtune.strategist.embedding.encoder import SIZE, one_thread
from sealtune.strategist.embedding.examples import NONE, Example, load_examples
from sealtune.strategist.embedding.features import Array, class_names, likeness
from sealtune.strategist.embedding.train import Material, fit, material, sharpen
from sealtune.strategist.reading import is_clear, weigh
from sealtune.strategist.vocabulary import HINT, find_terms

_TESTS = Path(__file__).parents[1] / "tests" / "strategist"
HELD_BACK = (_TESTS / "held_back.toml", _TESTS / "held_back_second.toml")
SURE = 0.9
_MEASURE = """
import time, numpy
from sealtune.strategist.reading import classify

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6

numpy.ones((99, 99), "f") @ numpy.ones((99, 99), "f")
before, start = resident(), time.perf_counter()
classify("a write-heavy PostgreSQL database")
loaded = time.perf_counter()
for number in range(20):
    classify(f"our shop number {number} has thousands of visitors and the pages come too slowly")
print(1000 * (loaded - start), 50 * (time.perf_counter() - loaded), resident() - before)
"""

Shares = list[Mapping[str, float]]


def main() -> None:
    """Print the accuracy of terms, of nearest examples and of all together, then the costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=("test", "development"), default="test")
    arguments = parser.parse_args()
    known = load_examples()
    if arguments.split == "test":
        for file in HELD_BACK:
            unseen = held_back(file)
            _table_of(file.name, unseen, _on_test(unseen, known))
    else:
        _table_of("development", known, _cross_validated(material(known), known))
    print("| cost | |\n|---|---|")
    for name, value in _costs():
        print(f"| {name} | {value} |")


def _table_of(
    title: str, unseen: Sequence[Example], methods: Iterator[tuple[str, Shares]]
) -> None:
    print(f"{title}: {len(unseen)} descriptions\n")
    print("| method | right | asked back | wrong | wrong and sure | top three | none found |")
    print("|---|---|---|---|---|---|---|")
    for name, shares in methods:
        print(f"| {name} | " + " | ".join(_score(unseen, shares)) + " |")
    print()


def held_back(file: Path) -> list[Example]:
    """Return the descriptions in `file`, from which nothing was learned."""
    document = tomllib.loads(file.read_text("utf-8"))
    return [Example(text, kind, "") for kind, texts in document.items() for text in texts]


def _on_test(unseen: Sequence[Example], known: Sequence[Example]) -> Iterator[tuple[str, Shares]]:
    yield "terms", [_by_terms(example.text) for example in unseen]
    tested, taught = material(unseen), material(known)
    yield "nearest examples", _by_neighbours(tested, taught)
    yield "all together", [weigh(example.text)[0] for example in unseen]


def _cross_validated(known: Material, examples: Sequence[Example]) -> Iterator[tuple[str, Shares]]:
    yield "terms", [_by_terms(example.text) for example in examples]
    nearest = np.zeros((len(examples), len(class_names())), np.float32)
    learned = np.zeros_like(nearest)
    for hand in sorted(set(known.hands)):
        unseen = known.hands == hand
        tested, taught = known.only(unseen), known.only(~unseen)
        nearest[unseen] = _table(_by_neighbours(tested, taught))
        with one_thread():
            learned[unseen] = fit(taught).probabilities(tested.vectors, tested.terms)
    yield "nearest examples", _named(nearest)
    factor = sharpen(learned, known.kinds)
    yield "learned layer", _named(layer.softmax(factor * np.log(learned + 1e-9)))


def _by_terms(text: str) -> Mapping[str, float]:
    """Return the share of each class in the weight of all terms; none where there is no term."""
    hits = find_terms(text).hits
    points = {name: sum(max(hit.weight, HINT) for hit in found) for name, found in hits.items()}
    total = sum(points.values())
    return {**{n: p / total if total else 0.0 for n, p in points.items()}, NONE: float(not total)}


def _by_neighbours(tested: Material, taught: Material) -> Shares:
    with one_thread():
        cosines = tested.vectors[:, :SIZE] @ taught.vectors[:, :SIZE].T
    return _named(layer.softmax(20 * likeness(cosines, taught.kinds)[:, 1::2]))


def _named(table: Array) -> Shares:
    return [dict(zip(class_names(), map(float, row), strict=True)) for row in table]


def _table(shares: Shares) -> Array:
    return np.array([list(row.values()) for row in shares], np.float32)


def _score(unseen: Sequence[Example], shares: Shares) -> list[str]:
    """Return the shares in percent: right, asked back, wrong, sure of it, top three, none."""
    right = asked = wrong = sure = near = none = 0
    for example, odds in zip(unseen, shares, strict=True):
        ranked = sorted((n for n in odds if n != NONE), key=lambda name: -odds[name])
        found = ranked[0] if is_clear(odds) else NONE
        right += found == example.kind
        none += found == example.kind == NONE
        asked += found == NONE != example.kind
        wrong += found not in (NONE, example.kind)
        sure += found not in (NONE, example.kind) and odds[found] >= SURE
        near += example.kind in ranked[:3]
    nothing = sum(example.kind == NONE for example in unseen)
    whole, workloads = len(unseen), len(unseen) - nothing
    of = [(right, whole), (asked, whole), (wrong, whole), (sure, whole), (near, workloads)]
    return [f"{count / total:.1%}" for count, total in (*of, (none, nothing or 1))]


def _costs() -> Iterator[tuple[str, str]]:
    files = (encoder.WEIGHTS, encoder.WORDS, layer.LAYER)
    yield "size of the files", f"{sum(file.stat().st_size for file in files) / 1e6:.1f} MB"
    runs = [
        subprocess.run([sys.executable, "-c", _MEASURE], check=True, capture_output=True).stdout
        for _ in range(5)
    ]
    load, answer, memory = np.median([np.array(run.split(), float) for run in runs], axis=0)
    yield "first answer, all files read", f"{load:.0f} ms"
    yield "each answer after that", f"{answer:.0f} ms"
    yield "memory beyond numpy", f"{memory:.1f} MB"


if __name__ == "__main__":
    main()
