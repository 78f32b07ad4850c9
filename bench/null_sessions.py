"""Real whole searches on parameters that do nothing: does sealtune say so?

    sudo python -m bench.null_sessions --out FILE.jsonl [--sessions 5] [--minutes 4] [--at-most N]
    python -m bench.null_sessions --table FILE.jsonl

Every session is the product's own, from A/A to minimising, on the real kernel with a real
benchmark; only the parameters are such that they cannot matter, see `CASES`. Whatever ends
"improved" is a false verdict. The two benchmarks take turns. A session that is in the file is not
run again: the same command goes on where it was stopped. Every parameter is put back after each.

Why they do nothing: both benchmarks are one process that opens no socket at all. Neither busy
polling, nor what a TCP socket does with unsent data, after idling, or when it is closed, nor the
queue of a listening socket can be reached from there. `net.core.busy_poll` would change `poll` on
sockets of network devices only.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.verdict_shares import upper_bound
from sealtune.errors import InputError, SealtuneError
from sealtune.guard import recovery
from sealtune.planning import make_plan
from sealtune.report.format import interval
from sealtune.request import Request
from sealtune.session import tune
from sealtune.space.config import load_config
from sealtune.store import SqliteStore

_PARAMETERS: list[dict[str, Any]] = [
    {"param": "net.core.busy_read", "min": 0, "max": 100},
    {"param": "net.core.busy_poll", "min": 0, "max": 100},
    {"param": "net.ipv4.tcp_fin_timeout", "min": 10, "max": 60},
    {"param": "net.ipv4.tcp_notsent_lowat", "choices": ["16384", "131072", "4294967295"]},
    {"param": "net.ipv4.tcp_slow_start_after_idle", "min": 0, "max": 1},
]

CASES: dict[str, dict[str, Any]] = {
    "sysbench cpu": {
        "workload_name": "prime numbers, no socket",
        "reward_metric": "events_per_second",
        "benchmark_command": "sysbench cpu --threads=1 run",
        "action_space": _PARAMETERS,
    },
    "SQLite, synced writes": {
        "workload_name": "SQLite transactions, no socket",
        "reward_metric": "transactions_per_second",
        "benchmark_command": "sealtune-sqlite --synchronous full --mix write",
        "action_space": _PARAMETERS,
    },
}
"""Benchmark to its config."""


def run_session(case: str, seed: int, minutes: float, tactician: str) -> dict[str, Any]:
    """Run one session of `case`; return what it said.

    Raises:
        SealtuneError: No verdict could be reached; parameters are back.
    """
    request = Request(
        config=load_config(CASES[case]),
        minutes=minutes,
        seed=seed,
        run_seconds=1.0,
        tactician=tactician,
        use_memory=False,
    )
    load = os.getloadavg()[0]
    began = time.time()
    with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "store.db") as store:
        result = tune(make_plan(request), store, lambda _event: None)
    found = result.as_dict()
    gain, noise = found.get("gain"), found.get("noise") or {}
    return {
        "case": case,
        "seed": seed,
        "tactician": tactician,
        "kernel": platform.release(),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
        "minutes": round((time.time() - began) / 60, 2),
        "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2),
        "verdict": found["verdict"],
        "gain": gain,
        "trials": found.get("trials_run"),
        "search_best": found.get("search_best"),
        "noise_cv": noise.get("cv"),
    }


def table(sessions: Sequence[dict[str, Any]]) -> list[str]:
    """Return the lines of the table of `sessions`."""
    lines = [
        "| benchmark | seed | verdict | gain and 95 % interval | pairs | trials | minutes "
        "| load before, after |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in sessions:
        gain = one["gain"]
        shown = interval(gain["estimate"], gain["ci_low"], gain["ci_high"]) if gain else "-"
        lines.append(
            f"| {one['case']} | {one['seed']} | {one['verdict']} | {shown} "
            f"| {gain['pairs'] if gain else '-'} | {one['trials']} | {one['minutes']:.1f} "
            f"| {one['load_before']:.1f}, {one['load_after']:.1f} |"
        )
    hits = sum(one["verdict"] == "improved" for one in sessions)
    held = [one["gain"] for one in sessions if one["gain"]]
    good = sum(gain["ci_low"] <= 1 <= gain["ci_high"] for gain in held)
    kernels = ", ".join(sorted({one["kernel"] for one in sessions}))
    lines += [
        "",
        f'{hits} of {len(sessions)} ended "improved" (upper 95 % bound of the share '
        f"{upper_bound(hits, len(sessions)):.0%}); {good} of {len(held)} intervals hold the "
        f"truth, no effect. Kernel {kernels}.",
    ]
    return lines


def read(path: Path) -> list[dict[str, Any]]:
    """Return the sessions in `path`; none if it is not there.

    Raises:
        InputError: It is no file of this bench.
    """
    if not path.exists():
        return []
    try:
        found = [json.loads(line) for line in path.read_text().splitlines()]
        return sorted(found, key=lambda one: int(one["seed"]))
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path} is no file of bench.null_sessions: {error}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sessions that are missing, or print a table; 1 when one ended "improved"."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, help="file of the sessions; begun, or gone on with")
    parser.add_argument("--sessions", type=int, default=5, help="how many in all")
    parser.add_argument("--at-most", type=int, help="run no more than so many now")
    parser.add_argument("--minutes", type=float, default=4.0, help="of each session")
    parser.add_argument("--tactician", default="ppo")
    parser.add_argument("--table", type=Path, metavar="FILE", help="print a file's table; no run")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.table is None:
            _run(chosen)
        sessions = read(chosen.table or chosen.out)
    except SealtuneError as error:
        print(f"error: {error}\nfix:   {error.fix}", file=sys.stderr)
        return error.exit_code
    print("\n".join(table(sessions)))
    return int(any(one["verdict"] == "improved" for one in sessions))


def _run(chosen: argparse.Namespace) -> None:
    if chosen.out is None:
        raise InputError("--out: needs a file for the sessions, or --table a file to show")
    recovery.restore()  # plans must be made from this machine's own values
    known = {int(one["seed"]) for one in read(chosen.out)}
    missing = [seed for seed in range(chosen.sessions) if seed not in known]
    for seed in missing[: chosen.at_most]:
        case = list(CASES)[seed % len(CASES)]
        print(f"session {seed + 1} of {chosen.sessions}: {case}", flush=True)
        found = run_session(case, seed, chosen.minutes, chosen.tactician)
        with chosen.out.open("a") as file:
            file.write(json.dumps(found) + "\n")
            file.flush()
            os.fsync(file.fileno())


if __name__ == "__main__":
    sys.exit(main())
