"""What every benchmark adapter must do; subclass `AdapterContract` and say which command.

Collected only through its subclasses, see tests/benchmarks.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from sealtune.benchmarks import Adapter, create_adapter, parse_command
from sealtune.errors import ConfigError


@pytest.fixture
def workdir() -> Iterator[Path]:
    """A directory on a disk that unprivileged users can pass through, unlike `tmp_path`."""
    path = Path(tempfile.mkdtemp(prefix="sealtune-test-", dir="/var/tmp"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def processes_in(directory: Path) -> dict[int, int]:
    """Return pid to uid of every process that works in `directory` or names it."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes()
            inside = Path(os.readlink(entry / "cwd")).is_relative_to(directory)
            uid = entry.stat().st_uid
        except OSError:
            continue
        # A warden names the directory too; it is ours and keeps our user.
        if inside or (str(directory).encode() in arguments and b"warden.py" not in arguments):
            found[int(entry.name)] = uid
    return found


def heirs_of(directory: Path) -> list[int]:
    """Return processes whose environment names `directory`, whatever they call themselves."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if str(directory).encode() in environment:
                found.append(int(entry.name))
    return found


class AdapterContract:
    """Behaviour that trial, tactician and verdict rely on."""

    command: ClassVar[str]
    seconds: ClassVar[float] = 2.0

    def create(self, metric: str | None = None) -> Adapter:
        return create_adapter(parse_command(self.command), metric=metric)

    @pytest.fixture
    def adapter(self, workdir: Path) -> Iterator[Adapter]:
        adapter = self.create()
        if not adapter.detect().installed:
            pytest.skip(f"{adapter.name} is not installed: {adapter.detect().apt}")
        adapter.prepare(workdir)
        yield adapter
        adapter.teardown()

    def test_describes_itself(self) -> None:
        """Metric, unit and direction are known before anything runs, and metrics lists them."""
        adapter = self.create()
        assert adapter.metric in adapter.metrics
        assert adapter.direction in ("maximize", "minimize")
        assert adapter.title
        assert adapter.default_seconds > 0

    def test_every_listed_metric_can_be_chosen(self) -> None:
        """Whatever `metrics` lists is accepted; ``throughput`` is the primary one."""
        primary = self.create().metric
        for name in self.create().metrics:
            expected = primary if name == "throughput" else name
            assert self.create(name).metric == expected

    def test_unknown_metric_is_refused_with_the_allowed_ones(self) -> None:
        """A metric the tool does not report is an error that lists what it does report."""
        with pytest.raises(ConfigError, match=self.create().metric):
            self.create("bogomips_of_the_moon")

    def test_run_without_prepare_is_a_failure(self) -> None:
        """Nothing prepared: a failed measurement, never a score."""
        run = self.create().run(1.0)
        assert run.value is None
        assert run.failure

    def test_teardown_without_prepare_and_twice(self) -> None:
        """Teardown is safe at any time."""
        adapter = self.create()
        adapter.teardown()
        adapter.teardown()

    def test_measures_as_an_unprivileged_user_and_leaves_nothing(
        self, adapter: Adapter, workdir: Path
    ) -> None:
        """Two runs around a restart give values; afterwards no process and no file is left."""
        seen: dict[int, int] = {}
        over = threading.Event()

        def look() -> None:
            while not over.wait(0.1):
                seen.update(processes_in(workdir))

        watcher = threading.Thread(target=look)
        watcher.start()
        first = adapter.run(self.seconds, should_stop=lambda intervals: False)
        over.set()
        watcher.join()
        adapter.refresh(restart=True)
        second = adapter.run(self.seconds)

        for run in (first, second):
            assert run.ok, run.failure
            assert run.value is not None
            assert run.value > 0
            assert (run.metric, run.unit) == (adapter.metric, adapter.unit)
            assert run.seconds >= 0.8 * self.seconds
            assert all(interval > 0 for interval in run.intervals)
        assert seen, "no process of the benchmark was seen while it ran"
        if os.geteuid() == 0:
            assert 0 not in seen.values()
        adapter.teardown()
        assert processes_in(workdir) == {}
        assert list(workdir.iterdir()) == []

    def test_a_hopeless_run_ends_early(self, adapter: Adapter) -> None:
        """When the racing rule says stop, the run ends and is marked, with a value."""
        asked: list[int] = []

        def stop(intervals: object) -> bool:
            asked.append(1)
            return True

        run = adapter.run(30.0, should_stop=stop)
        assert run.cut_short, run.failure
        assert not run.ok
        assert run.value is not None
        assert run.seconds < 10
        assert len(asked) == 1
