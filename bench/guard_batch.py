"""How long the guard takes for one batch: ``python bench/guard_batch.py`` as root.

Twelve ordinary parameters, each changed in every batch: journalled, synced, written, read back
and answered, seen from the session's side of the pipe. The claim is a median of at most 2 ms.
"""

import argparse
import statistics
import sys
import time

from sealtune.guard import Guard

STEPS = {
    "vm.swappiness": (50, 55),
    "vm.vfs_cache_pressure": (90, 95),
    "vm.dirty_ratio": (25, 30),
    "vm.dirty_background_ratio": (11, 12),
    "vm.dirty_expire_centisecs": (2900, 2800),
    "vm.dirty_writeback_centisecs": (490, 480),
    "vm.watermark_scale_factor": (11, 12),
    "vm.compaction_proactiveness": (19, 18),
    "net.core.somaxconn": (4000, 4050),
    "net.core.netdev_budget": (290, 280),
    "net.ipv4.tcp_fin_timeout": (50, 55),
    "net.ipv4.tcp_max_syn_backlog": (2048, 4096),
}


def batch_times(batches: int) -> list[float]:
    """Return the seconds of `batches` calls of `Guard.apply`, each of which changes all twelve."""
    times = []
    with Guard.start(knobs=STEPS) as guard:
        for number in range(batches):
            setting = {name: values[number % 2] for name, values in STEPS.items()}
            begin = time.perf_counter()
            guard.apply(setting)
            times.append(time.perf_counter() - begin)
    return times[1:]  # the first one also creates the journal's first block


def main() -> None:
    """Print median and percentiles; exit 1 when the claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=200)
    times = batch_times(parser.parse_args().batches)
    median, high = statistics.median(times), statistics.quantiles(times, n=20)[-1]
    print(f"{'batches':>8} {'knobs':>6} {'median ms':>10} {'p95 ms':>8} {'best ms':>8}")
    numbers = (1000 * seconds for seconds in (median, high, min(times)))
    print(f"{len(times):>8} {len(STEPS):>6} {{:>10.2f}} {{:>8.2f}} {{:>8.2f}}".format(*numbers))
    sys.exit(median > 0.002)


if __name__ == "__main__":
    main()
