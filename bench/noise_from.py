"""Take the runs of the originals out of files of other benches: noise on a quiet machine.

Called by ``python -m bench.record_noise --from FILE``. Reads what `bench.on_kernel` and `sealtune
record` write: both measure the unchanged machine again and again between other settings. Those
runs, in their real order, are how the benchmark varies when nothing is changed.
"""

import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.verdict_recordings import FEWEST_RUNS, FORMAT, split_at_gaps
from sealtune.errors import ConfigError

LONGEST_GAP = 120.0
"""Runs further apart than this are in two stretches [s]."""

_HEADER = ("workload", "benchmark", "metric", "unit", "direction", "run_seconds", "date")
_MACHINE = ("kernel", "distribution", "cpus", "cpu_model", "memory_bytes", "virtualisation")


def recordings_from(paths: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Return the content of one recording per benchmark, by the name of its file.

    Raises:
        ConfigError: A file is not readable or is of another format.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in paths:
        for name, header, source, runs in _read(path):
            record = found.setdefault(name, _begin(name, header))
            times = [float(run["started"]) for run in runs]
            for part in split_at_gaps(times, LONGEST_GAP):
                if len(part) < FEWEST_RUNS:
                    continue
                values = [round(float(runs[i]["value"]), 3) for i in part]
                apart = [times[i] - times[i - 1] for i in part[1:]]
                record["stretches"].append(
                    {
                        "from": source,
                        "usually_apart_seconds": round(statistics.median(apart), 1),
                        "at": [round(times[i] - times[part[0]], 1) for i in part],
                        "values": values,
                    }
                )
    return found


def _begin(name: str, header: dict[str, Any]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "load": name,
        "doc": "Runs of the originals, other settings in between; nothing else used the machine.",
        "condition": "quiet",
        **{field: header[field] for field in _HEADER if field in header},
        "machine": {field: header["facts"].get(field) for field in _MACHINE},
        "stretches": [],
    }


def _read(path: Path) -> Iterable[tuple[str, dict[str, Any], str, list[dict[str, Any]]]]:
    """Yield name, header, source and good runs of the originals of each benchmark in a file."""
    try:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        first = lines[0]["format"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigError(f"{path} cannot be read as a recording: {error}") from error
    if first == "sealtune-surface":
        runs = [line for line in lines[1:] if line["setting"] == {} and line.get("value")]
        yield _named(path.stem), lines[0], "sealtune record", runs
    elif first == "sealtune-on-kernel":
        for scenario in (line for line in lines if line["kind"] == "scenario"):
            mine = [
                line
                for line in lines
                if line["kind"] == "run"
                and line["scenario"] == scenario["name"]
                and line["arm"] == "as found"
                and line["value"]
            ]
            yield _named(scenario["name"]), scenario["header"], "bench.on_kernel", mine
    else:
        raise ConfigError(
            f"{path} is a {first} file; allowed: sealtune-surface, sealtune-on-kernel"
        )


def _named(name: str) -> str:
    return name.replace("-", "_")
