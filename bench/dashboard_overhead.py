"""What does a dashboard with a viewer cost a running benchmark?

As root: ``python -m bench.dashboard_overhead [--workload TEXT] [--pairs 20] [--run-seconds S]``.
A session measures this machine as it is, again and again, and stores each run as any session does.
Of each pair one run is measured beside a dashboard whose page a viewer has open, reading the whole
stream; beside the other both are suspended. A run is stored right before the next one
begins, so that the page is drawn anew while that one is measured: the worst moment.

Prints the ratio of each pair's values (above 1: better beside the dashboard), their centre with a
95 % interval, and the processor time of the web process beside the benchmark. No parameter is
written.
"""

import argparse
import contextlib
import http.cookiejar
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

MOST_CPU = 0.01
"""Of one core: what is promised."""


def view(address: str) -> None:
    """Enter by `address` and read the stream of the last session until it ends."""
    jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    opener = urllib.request.build_opener(jar)
    opener.open(address).read()
    parts = urlsplit(address)
    with opener.open(f"{parts.scheme}://{parts.netloc}/api/sessions/last/events") as stream:
        for _ in stream:
            pass


class Company:
    """The dashboard and its viewer, beside a run or suspended.

    Attributes:
        web: Process id of the dashboard.
    """

    def __init__(self, web: int, viewer: int) -> None:
        self.web, self._both = web, (web, viewer)

    def suspend(self) -> None:
        """Stop both where they are."""
        for process in self._both:
            os.kill(process, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let both go on."""
        for process in self._both:
            os.kill(process, signal.SIGCONT)

    def cpu_seconds(self) -> float:
        """Return the processor time that the web process has had [s]."""
        fields = Path(f"/proc/{self.web}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def company(store: Path) -> Iterator[Company]:
    """Start a dashboard of `store` and a viewer; both end with the body."""
    environment = {**os.environ, "SEALTUNE_STORE": str(store)}
    with contextlib.ExitStack() as last:

        def started(*command: str) -> "subprocess.Popen[str]":
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                text=True,
            )
            last.callback(process.wait)
            last.callback(process.kill)
            return process

        web = started("sealtune", "dashboard", "--port", "0")
        assert web.stdout is not None
        address = web.stdout.readline().split()[-1]
        viewer = started("bench.dashboard_overhead", "--view", address)
        time.sleep(5.0)  # both have loaded, and the first page is drawn
        if viewer.poll() is not None:
            raise SystemExit("the viewer could not follow the dashboard")
        yield Company(web.pid, viewer.pid)


def measure(workload: str, pairs: int, run_seconds: float, seed: int) -> int:
    """Measure `pairs` pairs and print them; return 1 if more processor time than promised."""
    import numpy as np

    from sealtune.ledger import Ledger
    from sealtune.planning import make_plan
    from sealtune.report.card import plan_card
    from sealtune.request import Request
    from sealtune.store import NewSession, SqliteStore
    from sealtune.workbench import real_machine, signals_interrupt

    plan = make_plan(
        Request(description=workload, run_seconds=run_seconds, use_memory=False, seed=seed)
    )
    coin = np.random.default_rng(seed)
    logs: list[float] = []
    cpu = beside = 0.0
    with tempfile.TemporaryDirectory() as folder, signals_interrupt():
        store = SqliteStore(Path(folder) / "sessions.db")
        session = store.begin(NewSession(plan.config.workload_name, workload))
        end = time.monotonic() + plan.total_seconds
        ledger = Ledger(store, session, lambda _event: None, time.monotonic, end)
        ledger.keep = partial(store.add_moments, session)
        ledger.say("plan", **plan_card(plan))
        with real_machine(plan, ledger, lambda _report: None) as machine:
            ledger.phase("search", "beside a dashboard, or not")
            last = machine.measure({})  # warms the server up
            with company(store.path) as others:
                for number in range(pairs):
                    values = {}
                    for watched in coin.permutation([True, False]).tolist():
                        others.go_on() if watched else others.suspend()
                        ledger.record("search", {}, last, live=machine.live(), ratio=1.0)
                        before, began = others.cpu_seconds(), time.monotonic()
                        last = machine.measure({})
                        if watched:
                            cpu += others.cpu_seconds() - before
                            beside += time.monotonic() - began
                        values[watched] = last.value
                    others.go_on()
                    with_it, without = values[True], values[False]
                    if with_it and without:
                        sign = 1.0 if plan.adapter.direction == "maximize" else -1.0
                        logs.append(sign * math.log(with_it / without))
                        print(f"pair {number + 1}: {math.exp(logs[-1]):.3f}", flush=True)
        store.finish(session, "finished")
    return _tell(plan.adapter.metric, logs, cpu / beside)


def _tell(metric: str, logs: list[float], share: float) -> int:
    import numpy as np

    from sealtune.verdict.statistics import bootstrap_interval, hodges_lehmann

    found = np.array(logs)
    low, high = np.exp(bootstrap_interval(found, np.random.default_rng(0)))
    print(f"\n| {metric} | pairs | beside a dashboard with a viewer, to alone | 95 % interval |")
    print("|---|---|---|---|")
    centre = np.exp(hodges_lehmann(found))
    print(f"| | {len(logs)} | {centre:.4f} | [{low:.4f}, {high:.4f}] |")
    held = "yes" if share < MOST_CPU else "NO"
    print(f"\nweb process: {share:.2%} of one core beside the benchmark; under 1 %: {held}")
    return 0 if share < MOST_CPU else 1


def main() -> int:
    """Measure, or be the viewer of a measurement."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--workload", default="low latency redis cache, one client at a time")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--run-seconds", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--view", metavar="ADDRESS", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.view:
        view(chosen.view)
        return 0
    return measure(chosen.workload, chosen.pairs, chosen.run_seconds, chosen.seed)


if __name__ == "__main__":
    sys.exit(main())
