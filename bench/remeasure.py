"""Measure a stored session's setting again, on fresh interleaved pairs, beside what it claimed.

As root: ``python -m bench.remeasure SESSION... [--pairs 20]``. Every session that ended
"improved" is taken up: its setting against the originals, order by a fair coin, a fresh benchmark
run each. Prints both gains. A claim is supported unless the new interval lies below the claimed
one; exit code 1 when one is not.
"""

import argparse
import sys

import numpy as np

from sealtune.entry import open_store
from sealtune.guard import Guard
from sealtune.planning import make_plan
from sealtune.report.format import interval
from sealtune.request import Request
from sealtune.space.config import load_config
from sealtune.store import SessionRow
from sealtune.trial import MachineTrial
from sealtune.verdict.pairs import PairRunner
from sealtune.verdict.statistics import bootstrap_interval, hodges_lehmann


def remeasure(row: SessionRow, pairs: int) -> tuple[float, float, float]:
    """Return estimate and 95 % bootstrap interval of the session's setting, as ratios."""
    result = row.result or {}
    plan = make_plan(Request(config=load_config(dict(row.config)), seed=row.seed))
    setting = result["best_config" if result["gain_of"] == "minimal" else "full_config"]
    with Guard.start(knobs=plan.originals) as guard:
        plan.adapter.prepare(plan.workdir)
        try:
            trial = MachineTrial(guard, plan.adapter, plan.run_seconds, fresh=plan.fresh)
            rng = np.random.default_rng(row.seed + 1)
            runner = PairRunner(trial.measure, rng, plan.adapter.direction)
            logs: list[float] = []
            while len(logs) < pairs:
                ratio = runner.run(setting).log_ratio
                logs += [ratio] if ratio is not None else []
        finally:
            guard.restore()
            plan.adapter.teardown()
    low, high = np.exp(bootstrap_interval(np.array(logs), rng))
    return float(np.exp(hodges_lehmann(np.array(logs)))), float(low), float(high)


def main() -> int:
    """Print a line per session; return 1 when a claim is not supported."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sessions", nargs="+")
    parser.add_argument("--pairs", type=int, default=20)
    chosen = parser.parse_args()
    unsupported = 0
    for name in chosen.sessions:
        with open_store() as store:
            row = store.session(name)
        gain = (row.result or {}).get("gain")
        verdict = (row.result or {}).get("verdict")
        if verdict != "improved" or not gain:
            print(f"{row.id}  claims nothing ({verdict})", flush=True)
            continue
        estimate, low, high = remeasure(row, chosen.pairs)
        supported = high >= gain["ci_low"]
        unsupported += not supported
        claimed = interval(gain["estimate"], gain["ci_low"], gain["ci_high"])
        again = interval(estimate, low, high)
        word = "supported" if supported else "NOT SUPPORTED"
        print(
            f"{row.id}  claimed {claimed}; {chosen.pairs} fresh pairs {again}: {word}", flush=True
        )
    return 1 if unsupported else 0


if __name__ == "__main__":
    sys.exit(main())
