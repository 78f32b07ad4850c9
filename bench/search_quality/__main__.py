"""Command line of the comparison: which searches, how many at once, and where they are kept."""

import argparse
import sys
import tempfile
from pathlib import Path

from bench.replay import DEVELOPMENT
from bench.search_quality.grounds import (
    known_surfaces,
    missing_recordings,
    recordings,
    worthless,
)
from bench.search_quality.methods import known_methods, runnable
from bench.search_quality.pool import STOPPED, run_all, say
from bench.search_quality.results import Results, open_results
from bench.search_quality.runs import jobs
from bench.search_quality.tables import report
from sealtune.errors import ConfigError, SealtuneError

QUICK_METHODS = "ppo,tpe,cmaes,random,no-policy,with-prior,misled"
QUICK_SURFACES = ("four-cliff", "eight-mixed")


def main() -> None:
    """Run what is asked for, or what is left of it, and print the tables."""
    try:
        sys.exit(_main(_arguments()))
    except SealtuneError as error:
        print(f"error: {error}\nfix:   {error.fix}", file=sys.stderr)
        sys.exit(error.exit_code)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.search_quality",
        description="How good is what each way of searching recommends? Regret, trials, time.",
        epilog="Stop it with Ctrl-C; the same command goes on where it stopped.",
    )
    parser.add_argument("--seeds", type=_positive, metavar="N", help="how many seeds (20)")
    parser.add_argument(
        "--first", type=_seed, metavar="S", help="first seed; 1000 for development"
    )
    parser.add_argument("--methods", metavar="A,B", help=f"of {', '.join(known_methods())}")
    parser.add_argument("--surfaces", metavar="X,Y", help=f"of {', '.join(known_surfaces())}")
    parser.add_argument("--trials", type=_counts, metavar="N,N", help="judged after (30,60,120)")
    parser.add_argument("--separate", action="store_true", help="a search for each of --trials")
    parser.add_argument("--processes", type=_positive, default=2, metavar="N", help="at once (2)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="search-quality.jsonl")
    parser.add_argument("--table", type=Path, metavar="FILE", help="print its tables, run nothing")
    parser.add_argument("--quick", action="store_true", help="does it work? some minutes")
    return parser.parse_args()


def _seed(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number from 0 on")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number from 1 on")
    return int(text)


def _counts(text: str) -> tuple[int, ...]:
    return tuple(sorted({_positive(part) for part in text.split(",")}))


def _main(chosen: argparse.Namespace) -> int:
    if chosen.table:
        print(report(Results.load(chosen.table)))
        return 0
    if chosen.quick and not chosen.out:
        with tempfile.TemporaryDirectory() as folder:
            return _compare(chosen, Path(folder) / "quick.jsonl")
    return _compare(chosen, chosen.out or Path("search-quality.jsonl"))


def _compare(chosen: argparse.Namespace, path: Path) -> int:
    counts = chosen.trials or ((10, 20) if chosen.quick else (30, 60, 120))
    # A check that all works must not look at what the comparison is judged on.
    first = chosen.first if chosen.first is not None else DEVELOPMENT if chosen.quick else 0
    seeds = range(first, first + (chosen.seeds or (2 if chosen.quick else 20)))
    methods, surfaces = _methods(chosen), _surfaces(chosen, first)
    results = open_results(path, counts, separate=chosen.separate)
    wanted = jobs(methods, surfaces, seeds, counts, separate=chosen.separate)
    todo = results.without(wanted)
    say(f"{len(wanted)} searches, {len(wanted) - len(todo)} of them in {path} already")
    code = run_all(todo, results, chosen.processes) if todo else 0
    if code != STOPPED:
        print(report(results))
    return code


def _methods(chosen: argparse.Namespace) -> tuple[str, ...]:
    usual = QUICK_METHODS.split(",") if chosen.quick else known_methods()
    methods, notices = runnable(_listed(chosen.methods) or tuple(usual))
    for notice in notices:
        say(notice)
    if not methods:
        raise ConfigError("methods: none of them can run here")
    return methods


def _surfaces(chosen: argparse.Namespace, first: int) -> tuple[str, ...]:
    known = known_surfaces()
    if chosen.quick:
        usual: tuple[str, ...] = (*QUICK_SURFACES, *list(recordings())[:1])
    else:
        usual = known
    surfaces = _listed(chosen.surfaces) or usual
    for name in surfaces:
        if name not in (*known, *missing_recordings()):
            raise ConfigError(f"surfaces: {name!r} is none of {', '.join(known)}")
    for name in missing_recordings():
        if name in surfaces or not chosen.surfaces:
            say(f"{name}: not recorded, there is no {name}.jsonl in bench/surfaces")
    reasons = {name: worthless(name, first) for name in surfaces if name in known}
    for reason in filter(None, reasons.values()):
        say(reason)
    able = tuple(name for name, reason in reasons.items() if reason is None)
    if not able:
        raise ConfigError("surfaces: none of them can be searched")
    return able


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(","))) if text else ()


if __name__ == "__main__":
    main()
