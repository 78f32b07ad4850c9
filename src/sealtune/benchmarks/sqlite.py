"""The embedded default: real transactions with real fsyncs on a real file, no package needed."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

from sealtune.benchmarks.base import Metric, Reading, latency_metrics
from sealtune.benchmarks.process import Outcome, last_line
from sealtune.benchmarks.tool import ToolAdapter, Watch
from sealtune.benchmarks.workplace import Account
from sealtune.errors import BenchmarkFailedError

LOAD = Path(__file__).with_name("sqlite_load.py")


class SqliteAdapter(ToolAdapter):
    """Transactions per second of one writer on an SQLite file.

    Options: ``mix`` (``write``, ``read``), ``journal`` (``wal``, ``delete``), ``synchronous``
    (``full``, ``normal``).
    """

    name = "sqlite"
    title = "SQLite"
    warmup_seconds = 0.5
    needed_mebibytes = 512
    on_disk = True
    accepted = (
        Metric("transactions_per_second"),
        *latency_metrics("avg", "p50", "p95", "p99", "max"),
    )

    def find_version(self) -> str | None:
        """Return the version of the SQLite that Python was built with."""
        if find_spec("_sqlite3") is None:
            return None
        import sqlite3

        return sqlite3.sqlite_version

    def start(self) -> None:
        """Fill a database file."""
        # Our own file may lie where the benchmark's user cannot read, under /root for one.
        script = self.workplace.path / LOAD.name
        script.write_bytes(LOAD.read_bytes())
        script.chmod(0o644)
        self._load("fill").require("filling the SQLite file")

    def settle(self, *, restart: bool) -> None:
        """Bring the file back to its first state; each run opens it anew in any case."""
        self._load("settle").require("settling the SQLite file")

    def measure(self, seconds: float, watch: Watch) -> Reading:
        """Run the load in a process of its own."""
        rates: list[float] = []
        waits: list[float] = []

        def on_line(line: str) -> bool:
            if not line.startswith('{"rate"'):
                return False
            interval = json.loads(line)
            rates.append(float(interval["rate"]))
            waits.append(float(interval["wait"]))
            return watch.hopeless(rates, waits)

        mix = str(self._options.get("mix", "write"))
        timing = [str(self.warmup_seconds), str(seconds)]
        outcome = self._load("run", mix, *timing, limit=self.limit(seconds), on_line=on_line)
        outcome.require("the SQLite load")
        latency = {"avg": sum(waits) / len(waits)} if waits else {}
        if outcome.stopped:
            mean = sum(rates) / len(rates)
            return Reading(mean, tuple(rates), tuple(waits), 0.5, latency, cut_short=True)
        total, latency = parse_result(outcome.stdout)
        length = min(0.5, seconds)
        return Reading(total, tuple(rates), tuple(waits), length, latency)

    def _load(self, step: str, *arguments: str, **how: object) -> Outcome:
        place = self.workplace
        journal = str(self._options.get("journal", "wal"))
        synchronous = str(self._options.get("synchronous", "full"))
        given = [step, str(place.path / "load.db"), journal, synchronous, *arguments]
        python = [str(reachable_python(place.account)), "-I", str(place.path / LOAD.name)]
        return self.child([*python, *given], **how)  # type: ignore[arg-type]


def parse_result(text: str) -> tuple[float, dict[str, float]]:
    """Return the rate and the latency [ms] that the load printed last.

    Raises:
        BenchmarkFailedError: Its last line is no result.
    """
    try:
        found = json.loads(last_line(text))
        return float(found.pop("total")), {key: float(value) for key, value in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said = last_line(text) or "nothing"
        raise BenchmarkFailedError(f"the SQLite load printed no result: {said}") from error


def reachable_python(account: Account) -> Path:
    """Return a Python that `account` may start: ours, else the system's.

    Raises:
        BenchmarkFailedError: There is none.
    """
    ours = Path(sys.executable).resolve()
    for python in (ours, Path("/usr/bin/python3"), Path("/usr/local/bin/python3")):
        if account.may_run(python.resolve()):
            return python
    raise BenchmarkFailedError(
        f"the user {account.name}, who runs the benchmark, may not start {ours}",
        fix="Install the system's Python: apt-get (or dnf) install -y python3.",
    )
