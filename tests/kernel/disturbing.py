"""What happens to a benchmark's server until a rail of the session trips.

Each function disturbs one server during a trial and tells what came of it; `tests.kernel.rails`
runs them.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from tests.kernel.stressors import Impossible, scratch
from tests.kernel.suffering import SWAPPINESS, Row, other

from sealtune.benchmarks.base import BenchmarkSpec
from sealtune.benchmarks.measurement import Measurement
from sealtune.benchmarks.registry import create_adapter
from sealtune.guard import Guard
from sealtune.trial import MachineTrial, Rails
from sealtune.trial.rails import LATENCY_FACTOR, LATENCY_FLOOR_MS


def tail_latency() -> Row:
    """The benchmark's server stands still, again and again, while another value is held."""

    def disturb(server: psutil.Process, stop: threading.Event, rails: Rails) -> None:
        usual = rails.tails_ms["p99"]
        pause = 1.3e-3 * max(LATENCY_FACTOR * usual, usual + LATENCY_FLOOR_MS)
        # A percentile sees only what one answer in a hundred waits for: few may pass in between.
        while not stop.wait(0.002):
            server.suspend()
            time.sleep(pause)
            server.resume()

    how = "redis stopped for longer than the limit, again and again"
    return disturbed("tail latency", how, "redis", "redis-server", disturb)


def left_alone() -> Row:
    """Nothing happens to the benchmark's server: whatever else the machine does is no breach."""
    how = "redis left alone"
    return disturbed("nothing", how, "redis", "redis-server", lambda *_: None)


def error_rate() -> Row:
    """The page that the benchmark asks for is gone half of the time."""

    def disturb(server: psutil.Process, stop: threading.Event, _: Rails) -> None:
        page = Path(server.cmdline()[-1].split()[-1]).parent / "html" / "index.html"
        hidden = page.with_suffix(".hidden")
        stop.wait(0.9)  # the benchmark counts first how many requests a run takes
        while not stop.wait(0.05):
            page.rename(hidden)
            time.sleep(0.05)
            hidden.rename(page)

    return disturbed("error rate", "nginx's page gone half of the time", "ab", "nginx", disturb)


def killed_server() -> Row:
    """The benchmark's server is killed in the middle of the run."""

    def disturb(server: psutil.Process, stop: threading.Event, _: Rails) -> None:
        stop.wait(0.8)
        server.kill()

    return disturbed("server killed", "redis killed in the run", "redis", "redis-server", disturb)


def disturbed(
    rail: str,
    how: str,
    benchmark: str,
    server: str,
    disturb: Callable[[psutil.Process, threading.Event, Rails], None],
) -> Row:
    """Measure a baseline, then a trial of another value whose server is disturbed."""
    before, stop = SWAPPINESS.read_text(), threading.Event()
    adapter = create_adapter(BenchmarkSpec(benchmark, {}, benchmark))
    with scratch() as folder, Guard.start(knobs=["vm.swappiness"]) as guard:
        folder.chmod(0o755)
        try:
            adapter.prepare(folder)
            trial = MachineTrial(guard, adapter, 1.5, fresh=False)
            baselines = [trial.measure({}) for _ in range(2)]
            trial.rails = Rails.from_baselines(baselines, guard.rails({}))
            guard.rails(trial.rails.limits)
            thread = threading.Thread(target=disturb, args=(_server(server), stop, trial.rails))
            began = time.monotonic()
            thread.start()
            try:
                run: Measurement = trial.measure({"vm.swappiness": other()})
            finally:
                stop.set()
                thread.join()
            back = SWAPPINESS.read_text() == before
            seconds = time.monotonic() - began if back else None
        finally:
            adapter.teardown()
    said = f"{run.failure or 'nothing'}; p99 as reported: {run.latency_ms.get('p99', 0.0):.4g} ms"
    return Row(rail, how, seconds, said, run.unsafe)


def _server(name: str) -> psutil.Process:
    """Return the benchmark's server, a descendant of this process."""
    found = [p for p in psutil.Process().children(recursive=True) if p.name() == name]
    if not found:
        raise Impossible(f"no {name} was started")
    return found[0]
