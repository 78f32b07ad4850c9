"""A toolbox over a simulated machine and a history of its own, and a result worth keeping."""

import pytest

from sealtune.request import Request
from sealtune.store import NewSession, SqliteStore
from sealtune.toolbox import Toolbox

CACHE = "low latency redis cache, one client at a time"
QUICK = Request(tactician="random", seed=3)


@pytest.fixture
def open_store(tmp_path):
    return lambda: SqliteStore(tmp_path / "history.db")


@pytest.fixture
def toolbox(open_store):
    return Toolbox(open_store=open_store, dry_run=True, defaults=QUICK)


@pytest.fixture
def root(tmp_path):
    """A directory that stands for the root of the machine: nothing real is written."""
    folder = tmp_path / "root"
    for name in ("etc/sysctl.d", "etc/tmpfiles.d", "var/lib"):
        (folder / name).mkdir(parents=True)
    return folder


@pytest.fixture
def keeping(open_store, root):
    """A toolbox that may apply, below `root`."""
    return Toolbox(open_store=open_store, defaults=QUICK, root=root)


def stored(open_store, *, workload="redis cache", command="redis-benchmark -t get", **changes):
    """Store a finished session with a confirmed gain and return its id."""
    with open_store() as store:
        simulated = bool(changes.get("simulated"))
        config = {"benchmark_command": command}
        name = store.begin(NewSession(workload, config=config, simulated=simulated))
        store.finish(name, "finished", {**improved(), "session": name, **changes})
    return name


def improved() -> dict:
    knob = {
        "name": "vm.swappiness",
        "original": "60",
        "best": "10",
        "kept": True,
        "effect": "+10.0 % [+7.0 %, +13.0 %]",
        "why": "Keeps values in memory.",
        "trade_off": "File cache goes sooner.",
    }
    return {
        "session": "",
        "success": True,
        "verdict": "improved",
        "sentence": "Improved: requests per second +10.0 %.",
        "workload_name": "redis cache",
        "simulated": False,
        "best_config": {"vm.swappiness": 10},
        "full_config": {"vm.swappiness": 10},
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
        "pairs": [{"ratio": 1.1}, {"ratio": None}],
        "knobs": [knob],
        "untested": [],
        "trials_run": 30,
        "trials_cut_short": 4,
        "trials_failed": 1,
        "search_best": 1.3,
        "noise": {"coefficient_of_variation": 0.02, "drift": 0.0, "detectable_gain": 1.05},
        "checks": {"guards": []},
        "seconds": {"total": 1200.0},
        "restored": True,
        "notes": [],
    }
