"""Commands of the person's own, tame and hostile."""

import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.contracts.adapter import AdapterContract, processes_in

from sealtune.benchmarks import Measurement, create_adapter, parse_command
from sealtune.benchmarks.base import BenchmarkSpec
from sealtune.benchmarks.confinement import Room
from sealtune.benchmarks.process import Outcome
from sealtune.errors import BenchmarkFailedError, ConfigError

Run = Callable[..., Measurement]


@pytest.fixture(autouse=True)
def in_workplace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands work in their private directory, where `processes_in` finds them."""
    monkeypatch.delenv("PWD", raising=False)


class TestCustom(AdapterContract):
    command = "unknown-tool"
    seconds = 1.2

    def create(self, metric=None):
        spec = BenchmarkSpec("custom", {"unit": "points"}, "sh -c 'sleep 0.1; echo 42.5'")
        if metric == "throughput":
            metric = None
        elif metric not in (None, "score"):
            spec = BenchmarkSpec("custom", {"metric": "score"}, "true")
        return create_adapter(spec, metric=metric)


@pytest.fixture
def script(workdir: Path) -> Run:
    """Run a shell script as a custom benchmark once and return the measurement."""

    def run(text: str, seconds: float = 0.1, **options: str | int) -> Measurement:
        file = workdir / "tool.sh"
        file.write_text("#!/bin/sh\n" + text)
        file.chmod(0o755)
        adapter = create_adapter(BenchmarkSpec("custom", options, shlex.quote(str(file))))
        adapter.prepare(workdir)
        try:
            return adapter.run(seconds)
        finally:
            adapter.teardown()
            assert list(workdir.iterdir()) == [file]
            assert processes_in(workdir) == {}

    return run


def test_last_line_is_the_number(script: Run) -> None:
    """Without pattern or path, the last line of output is the result."""
    assert script("echo starting; echo 42.5").value == 42.5


def test_pattern_takes_the_last_match_with_unit_and_direction(script: Run) -> None:
    """A regular expression finds the number; unit and direction come from the options."""
    run = script(
        "echo 'took 9 ms'; echo 'took 7.5 ms'",
        pattern=r"took ([\d.]+) ms",
        unit="ms",
        direction="minimize",
        metric="wall_ms",
    )
    assert (run.value, run.unit, run.direction, run.metric) == (7.5, "ms", "minimize", "wall_ms")


def test_json_path(script: Run) -> None:
    """A dotted path finds the number in JSON output."""
    assert script("""echo '{"jobs": [{"iops": 1200}]}'""", json_path="jobs.0.iops").value == 1200


def test_short_commands_are_repeated(script: Run) -> None:
    """A command shorter than the run is repeated; its results are the intervals."""
    run = script("sleep 0.1; echo 5", seconds=1.0)
    assert run.value == 5
    assert len(run.intervals) >= 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("exit 0", "printed nothing"),
        ("echo nan", "'nan'"),
        ("echo inf", "'inf'"),
        ("echo 0", "reported 0"),
        ("echo all is well", "'all is well'"),
        ("echo 42; echo oh no >&2; exit 1", "exit code 1: oh no"),
        ("echo 42; kill -SEGV $$", "exit code 139"),
    ],
)
def test_a_bad_result_is_a_failure_and_never_a_score(script: Run, text: str, reason: str) -> None:
    """No number, NaN, zero, no output or an error exit: failed, with the reason."""
    run = script(text)
    assert run.value is None
    assert reason in str(run.failure)


def test_an_exit_code_of_its_own_is_not_taken_for_a_full_disk(script: Run) -> None:
    """Other programs end with 125 too: what earlier runs left stays, and nothing is repeated."""
    run = script("if [ -e $TMPDIR/left ]; then exit 125; fi; touch $TMPDIR/left; echo 42", 1.0)
    assert "exit code 125" in str(run.failure)


def test_a_repetition_for_want_of_space_gets_the_time_that_is_left(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that ate the disk runs once more, both within one limit, and not without time."""
    limits = list[float]()

    def eats(*_: object, limit: float, room: Room, **__: object) -> Outcome:
        limits.append(limit)
        assert room.place is not None
        (room.place / "left").touch()
        return Outcome(125, "", "error: ended", 7.0, ate_disk=len(limits) < 3)

    monkeypatch.setattr("sealtune.benchmarks.custom.run_child", eats)
    for limit in (10.0, 5.0):
        adapter = create_adapter(BenchmarkSpec("custom", {"limit_seconds": limit}, "mine"))
        adapter.prepare(workdir)
        adapter.workplace.path.joinpath("before").touch()  # type: ignore[attr-defined]
        assert "exit code 125" in str(adapter.run(0.1).failure)
        adapter.teardown()
    assert limits == [10.0, 3.0, 5.0]


def test_a_command_that_does_not_exist_is_named(workdir: Path) -> None:
    """A missing program is a failed measurement that names it."""
    adapter = create_adapter(BenchmarkSpec("custom", {}, "no-such-program-here"))
    adapter.prepare(workdir)
    run = adapter.run(0.1)
    adapter.teardown()
    assert "no-such-program-here: cannot start" in str(run.failure)


def test_a_hanging_command_is_killed_with_its_children(script: Run) -> None:
    """Whoever outlives the limit is killed, children that ignore SIGTERM included."""
    run = script('trap "" TERM; sh -c "trap \'\' TERM; sleep 300" & wait', limit_seconds=1)
    assert "hung" in str(run.failure)
    assert run.seconds < 8


def test_a_daemon_left_behind_is_killed(script: Run) -> None:
    """A child in its own session that ignores SIGTERM does not outlive the run."""
    run = script("setsid sh -c \"trap '' TERM HUP; sleep 301\" >/dev/null 2>&1 & echo 42")
    assert run.value == 42


def test_a_daemon_that_keeps_the_pipe_open_does_not_hang_us(script: Run) -> None:
    """A background child that holds standard output ends with its parent."""
    began = time.monotonic()
    run = script("setsid sleep 302 & echo 42")
    assert run.value == 42
    assert time.monotonic() - began < 8


def test_endless_output_does_not_fill_memory(script: Run) -> None:
    """A command that prints 200 MB costs a few MB, and its last line still counts."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run = script("head -c 200000000 /dev/zero | tr '\\0' x; echo; echo 42")
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert run.value == 42
    assert grown_kib < 32 * 1024


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
def test_never_runs_as_root(script: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under root the command has another user, no extra groups, and a closed standard input."""
    monkeypatch.delenv("SUDO_USER", raising=False)
    assert script("id -u").value == 65534
    assert script("id -G | wc -w").value == 1
    assert script("cat | wc -c; echo 1").value == 1


def test_no_descriptor_of_ours_is_inherited(script: Run) -> None:
    """The command sees its three standard streams and nothing else."""
    with open("/dev/null") as held:
        os.set_inheritable(held.fileno(), True)
        # The fourth is the directory that ls itself reads.
        assert script("ls /proc/self/fd | wc -l").value == 4


def test_arguments_never_meet_a_shell(workdir: Path) -> None:
    """What looks like shell syntax inside quotes reaches the program as text."""
    command = "printf '%s\\n' '$(id)' 7"
    adapter = create_adapter(parse_command(command).approved())
    adapter.prepare(workdir)
    run = adapter.run(0.1)
    adapter.teardown()
    assert run.value == 7


def test_nothing_survives_kill_9_of_the_session(workdir: Path) -> None:
    """When sealtune itself is killed, the running benchmark ends within two seconds."""
    code = (
        "import sys; from pathlib import Path;"
        "from sealtune.benchmarks.process import run_child;"
        "from sealtune.benchmarks.workplace import choose_account;"
        "run_child(['sh', '-c', 'setsid sleep 303 & sleep 303'], account=choose_account(),"
        " cwd=Path(sys.argv[1]), limit=300)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    session = subprocess.Popen([sys.executable, "-c", code, str(workdir)], env=environment)
    deadline = time.monotonic() + 10
    while len(running(workdir)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(running(workdir)) >= 2
    session.send_signal(signal.SIGKILL)
    session.wait()
    deadline = time.monotonic() + 2
    while running(workdir) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert running(workdir) == []


def running(directory: Path) -> list[str]:
    """Return the processes whose working directory is `directory`."""
    links = [f"/proc/{pid}/cwd" for pid in os.listdir("/proc") if pid.isdigit()]
    return [link for link in links if os.path.exists(link) and os.readlink(link) == str(directory)]


def test_unapproved_command_is_refused() -> None:
    """A command no adapter knows does not become an adapter before it was approved."""
    spec = parse_command("./my-benchmark --fast")
    with pytest.raises(ConfigError, match="was not approved"):
        create_adapter(spec)
    assert create_adapter(spec.approved()).name == "custom"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"pattern": "(["}, "pattern"),
        ({"pattern": "no group"}, "pattern"),
        ({"direction": "sideways"}, "direction"),
    ],
)
def test_bad_options_name_the_field(options: dict[str, str], field: str) -> None:
    """A broken pattern or direction is refused before anything runs."""
    with pytest.raises(ConfigError, match=field):
        create_adapter(BenchmarkSpec("custom", options, "true"))


def test_unbalanced_quotes_and_no_command_are_refused(workdir: Path) -> None:
    """A command that cannot be split, or is missing, is an error before anything runs."""
    with pytest.raises(ConfigError, match="quotation"):
        create_adapter(BenchmarkSpec("custom", {}, "run 'it"))
    with pytest.raises(BenchmarkFailedError, match="no command"):
        create_adapter(BenchmarkSpec("custom", {}, "")).prepare(workdir)
    assert list(workdir.iterdir()) == []
