"""How often a search breaches a guard rail when the best values lie beside a cliff.

``python -m bench.unsafe_region``: simulated, about a minute. The value rises with every parameter,
and beyond two of them the machine suffers: a rail trips, the trial is unsafe. Each tactician
searches with and without `sealtune.trial.Avoiding`; four failures in a row end a search.
"""

import argparse

from sealtune import IntKnob, Space
from sealtune.benchmarks.measurement import Measurement, failed
from sealtune.space.knobs import Setting
from sealtune.tactician import SearchResult, prepare_tactician, search
from sealtune.trial import Avoiding

TRIALS = 30
TACTICIANS = ("ppo", "tpe", "cmaes", "random")


def searched(name: str, knobs: int, seed: int, *, avoiding: bool) -> SearchResult:
    """Search beside the cliff once."""
    names = [chr(ord("a") + number) for number in range(knobs)]
    space = Space([IntKnob(one, 0, 100, start=30) for one in names])
    unsafe: list[Setting] = []

    def measure(setting: Setting) -> Measurement:
        values = [float(setting[one]) for one in names]
        if values[0] > 60 and values[1] > 40:
            unsafe.append(setting)
            return failed("unsafe: it suffered", unsafe=True)
        return Measurement(100 + values[0] + 0.3 * values[1] + 0.2 * sum(values[2:]))

    tactician = prepare_tactician(name, space, TRIALS, seed=seed)
    if avoiding:
        tactician = Avoiding(tactician, space, space.start, unsafe.__contains__)
    return search(space, measure, TRIALS, tactician=tactician, seed=seed)


def main() -> None:
    """Print a table: trials, unsafe ones and the best value, with and without."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4, help="searches of each kind")
    seeds = parser.parse_args().seeds
    print(f"{seeds} searches of {TRIALS} trials each        trials  unsafe  in a row  best, mean")
    for name in TACTICIANS:
        for knobs in (2, 5):
            for avoiding in (False, True):
                results = [searched(name, knobs, seed, avoiding=avoiding) for seed in range(seeds)]
                trials = [trial for result in results for trial in result.trials]
                unsafe = sum(trial.measurement.unsafe for trial in trials)
                best = [max(t.score for t in r.trials if t.score is not None) for r in results]
                kind = "avoiding" if avoiding else "plain"
                print(
                    f"{name:<8} {knobs} parameters  {kind:<10} {len(trials):>12} "
                    f"{unsafe / len(trials):>7.0%} {max(map(_in_a_row, results)):>9} "
                    f"{sum(best) / len(best):>11.1f}",
                    flush=True,
                )


def _in_a_row(result: SearchResult) -> int:
    most = run = 0
    for trial in result.trials:
        run = run + 1 if trial.measurement.unsafe else 0
        most = max(most, run)
    return most


if __name__ == "__main__":
    main()
