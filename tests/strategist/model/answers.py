"""A good answer of a model, and variations of it."""

import copy
import json

DESCRIPTION = "a write-heavy PostgreSQL database, many small transactions"

GOOD = {
    "workload_class": "oltp_database",
    "reward_metric": "transactions_per_second",
    "benchmark_command": "pgbench -c 16 -j 4",
    "action_space": [
        {
            "param": name,
            "min": low,
            "max": high,
            "start": start,
            "why": f"It decides how writes of a database reach the disk ({name}).",
            "confidence": "medium",
        }
        for name, low, high, start in (
            ("vm.dirty_ratio", 5, 40, 15),
            ("vm.dirty_background_ratio", 1, 20, 5),
            ("vm.dirty_expire_centisecs", 500, 3000, 1000),
            ("vm.swappiness", 1, 60, 10),
        )
    ],
    "state_space": ["cpu_usage", "io_wait_percent"],
    "guards": ["p99", "errors"],
    "reward": {"performance": 0.7, "stability": 0.3},
    "budget": {"minutes": 30},
    "curriculum": [["vm.dirty_ratio", "vm.dirty_background_ratio"], ["vm.swappiness"]],
    "proposals": [{"vm.dirty_ratio": 10, "vm.swappiness": 1}],
}


def answer(**changes):
    """Return a good answer with `changes` to its fields."""
    return {**copy.deepcopy(GOOD), **changes}


def text(**changes):
    """Return a good answer with `changes`, as JSON text."""
    return json.dumps(answer(**changes))
