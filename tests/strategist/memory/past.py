"""Experiences to remember: a redis session on the machine of the fixtures, changed as needed."""

import dataclasses

from sealtune.machine import Facts
from sealtune.store import Experience

DESCRIPTION = "a low-latency redis cache, one client at a time"
DAY = 86_400.0
FACTS = Facts(kernel="6.12.0", cpus=4, memory_bytes=16 * 2**30, virtualisation="kvm").as_dict()
POLL, SWAP, CACHE = "haltpoll/guest_halt_poll_ns", "vm.swappiness", "vm.vfs_cache_pressure"


def param(name, low, high, **more):
    return {"param": name, "min": low, "max": high, **more}


def config(**changed):
    return {
        "workload_name": "redis",
        "reward_metric": "requests_per_second",
        "benchmark_command": "redis-benchmark -t get -c 1",
        "action_space": [param(POLL, 0, 200_000), param(SWAP, 1, 100), param(CACHE, 10, 400)],
        **changed,
    }


def past(**changed):
    """Return a session that gained x4.12 by one parameter; two others did nothing."""
    return dataclasses.replace(
        Experience(
            id="20261101-0900-a7",
            session="20261101-0900-a7",
            when=100 * DAY,
            description="redis cache with low latency, a single client",
            workload_class="memory_cache",
            traits=("single_client", "latency_over_throughput"),
            facts=FACTS,
            baseline={"metric": "requests_per_second", "value": 9000.0},
            originals={POLL: "0", SWAP: "1", CACHE: "10"},
            config=config(),
            strategist="embedded",
            verdict="improved",
            reward=1.416,
            evidence="confirmed",
            gain={
                "estimate": 4.12,
                "ci_low": 3.9,
                "ci_high": 4.4,
                "pairs": 12,
                "gain_of": "minimal",
            },
            setting={POLL: 108_944},
            effects={
                POLL: {"kept": True, "effect": "x4.12 [3.90, 4.40]", "best": "108944"},
                SWAP: {"kept": False, "effect": "no effect found", "best": "35"},
                CACHE: {"kept": False, "effect": "no effect found", "best": "90"},
            },
        ),
        **changed,
    )


def nothing_found(**changed):
    """Return a session that tuned the same three parameters and confirmed no gain."""
    return past(
        **{
            "id": "20261102-0900-b8",
            "session": "20261102-0900-b8",
            "when": 101 * DAY,
            "verdict": "none",
            "reward": 0.0,
            "gain": {"estimate": 1.0, "ci_low": 0.97, "ci_high": 1.03, "pairs": 12},
            "setting": {POLL: 90_000, SWAP: 40},
            "effects": {},
            **changed,
        }
    )
