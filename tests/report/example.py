"""A stored session as rows: a confirmed gain, with a failed and a cut-short trial on its way."""

from sealtune.store import SessionRow, TrialRow

HOSTILE = "<script>alert(1)</script> \"'& | `x` [a](http://x.org) @all #1 \x1b[2J\u202e"


def session(**changes) -> SessionRow:
    """Return a finished session; `result=None` leaves it without a verdict."""
    given = {
        "id": "20261122-0344-28",
        "status": "finished",
        "started": 1_795_000_000.0,
        "finished": 1_795_000_600.0,
        "workload": "redis cache",
        "description": "redis cache",
        "config": {
            "benchmark_command": "redis-benchmark -t get",
            "action_space": [
                {"param": "vm.swappiness", "min": 0, "max": 100, "why": "Keeps values in memory."},
                {"param": "net.core.somaxconn", "min": 128, "max": 65535, "scale": "log"},
                {"param": "transparent_hugepage/enabled", "choices": ["always", "never"]},
            ],
        },
        "facts": {"kernel": "6.1.0", "cpus": 2, "memory_bytes": 2**31, "disk": {"name": "vda"}},
        "arguments": {"command": "sealtune optimize 'redis cache'"},
        "benchmark": {"name": "redis"},
        "seed": 13,
        "simulated": False,
        "result": result(),
        "trials": 12,
    }
    return SessionRow(**{**given, **changes})


def knob(name="vm.swappiness", **changes) -> dict:
    """Return what became of one parameter."""
    return {
        "name": name,
        "original": "60",
        "best": "10",
        "kept": True,
        "effect": "+9.0 % [+6.0 %, +12.0 %]",
        "why": "Keeps values in memory.",
        "trade_off": "File cache goes sooner.",
        **changes,
    }


def result(**changes) -> dict:
    """Return the result of a session."""
    pair = {"order": "AB", "baseline": 1000.0, "candidate": 1100.0, "ratio": 1.1, "failure": None}
    broken = {**pair, "candidate": None, "ratio": None, "failure": "timed out"}
    return {
        "session": "20261122-0344-28",
        "success": True,
        "verdict": "improved",
        "sentence": "Improved: requests per second +10.0 % [+7.0 %, +13.0 %] in 6 fresh pairs.",
        "workload_name": "redis cache",
        "simulated": False,
        "best_config": {"vm.swappiness": 10},
        "full_config": {"vm.swappiness": 10, "net.core.somaxconn": 512},
        "improvement": 10.0,
        "gain_of": "minimal",
        "gain": {
            "estimate": 1.1,
            "ci_low": 1.07,
            "ci_high": 1.13,
            "confidence": 0.95,
            "pairs": 6,
            "confirmed": True,
        },
        "metric": {"name": "requests_per_second", "unit": "1/s", "direction": "maximize"},
        "pairs": [*[pair] * 6, broken],
        "knobs": [
            knob(),
            knob("net.core.somaxconn", original="4096", best="512", kept=False,
                 effect="no effect found: +0.2 % [-1.0 %, +1.4 %]"),
        ],
        "untested": [],
        "trials_run": 4,
        "trials_cut_short": 1,
        "trials_failed": 1,
        "search_best": 1.2,
        "noise": {"coefficient_of_variation": 0.02, "drift": 0.01, "detectable_gain": 1.03},
        "checks": {
            "wilcoxon_p": 0.03,
            "bootstrap": [1.08, 1.12],
            "reason": "the whole interval lies above 1.01",
            "guards": [],
        },
        "guards": [],
        "seconds": {"benchmark": 500.0, "settling": 60.0, "sealtune": 4.0, "start_up": 3.0,
                    "total": 600.0},
        "tactician": "tpe",
        "seed": 13,
        "command": "sealtune optimize 'redis cache'",
        "facts": {"kernel": "6.1.0", "cpus": 2, "cpu_model": "Some CPU", "memory_bytes": 2**31},
        "restored": True,
        "foreign": [],
        "notes": ["The machine was busy."],
        "strategies": [],
        "importance": [
            {"param": "vm.swappiness", "share": 0.8, "low": 0.6, "high": 0.9,
             "most_important_probability": 0.97, "told": True, "best": "smaller is better"},
        ],
        "importance_basis": {"method": "m", "confidence": 0.9, "trials": 4, "reason": None},
        "comparison": None,
        **changes,
    }  # fmt: skip


def run(phase, index, value, setting=None, **changes) -> TrialRow:
    """Return one stored run, ten seconds after the one before it."""
    given = {
        "phase": phase,
        "index": index,
        "setting": setting or {},
        "value": value,
        "metric": "requests_per_second",
        "unit": "1/s",
        "started": 1_795_000_000.0 + 10 * index,
        "seconds": 5.0,
        "failure": None if value is not None else "printed nothing",
    }
    return TrialRow(**{**given, **changes})


def tried(swappiness, somaxconn=4096, huge="never") -> dict:
    """Return a setting of the search."""
    return {
        "vm.swappiness": swappiness,
        "net.core.somaxconn": somaxconn,
        "transparent_hugepage/enabled": huge,
    }


def runs() -> tuple[TrialRow, ...]:
    """Return the runs of the session: A/A, four trials around a baseline run, one pair."""
    at = 1_795_000_100.0
    return (
        *(run("aa", index, 1000.0 + index) for index in range(6)),
        run("search", 0, 1100.0, tried(20), started=at, score=105.0, intervals=(1090.0, 1110.0)),
        run("search", 1, None, tried(90), started=at + 10),
        run("sentinel", 0, 1004.0, started=at + 20),
        run("search", 2, 800.0, tried(99, 128, "always"), started=at + 30, cut_short=True),
        run("search", 3, 1200.0, tried(10, 512), started=at + 40, score=110.0),
        run("confirm", 0, 1000.0, started=at + 50),
        run("confirm", 1, 1100.0, tried(10, 512), started=at + 60),
    )
