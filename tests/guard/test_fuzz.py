"""Hostile sessions and journals against the guard: a few of those that `tests.guard.fuzz` runs.

What they must never do is judged by `tests.guard.fuzz`, from the catalogue's own text.
"""

import os
import threading
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.guard.fuzz import Arena, Violation
from tests.guard.sessions import DEVICES, START, journals, refusals, sessions

from sealtune.catalogue.limits import LIMITS
from sealtune.errors import JournalError, KnobError
from sealtune.guard.journal import encode, replay
from sealtune.guard.kernel import Kernel
from sealtune.guard.rules import Rules
from sealtune.guard.server import Server

FEW = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def arena(tmp_path_factory):
    with Arena(str(tmp_path_factory.mktemp("arena"))) as arena:
        yield arena


@FEW
@given(said=sessions, refusing=refusals)
def test_no_session_writes_outside_or_leaves_anything_changed(arena, said, refusing):
    """
    Whatever is said: only catalogued files and values are written, all of it is put back, every
    request is answered and the guard ends by itself.
    """
    arena.play(said, refusing)


@pytest.mark.parametrize(
    "setting",
    [
        '{"vm.swappiness": "\\u0663\\u0660"}',
        '{"vm.swappiness": 1e1}',
        '{"vm.swappiness": true}',
        '{"vm.swappiness": NaN}',
        '{"vm.swappiness": 151}',
        '{"vm.swappiness": "30\\n60"}',
        '{"vm.swappiness": [30]}',
        '{"transparent_hugepage/enabled": "Always"}',
        '{"transparent_hugepage/enabled": "[always]"}',
        '{"net.ipv4.tcp_rmem": "1 2 3"}',
        '{"vm.swappiness": ' + "9" * 5000 + "}",
        '{"block/../scheduler": "none"}',
        '{"block/{dev}/scheduler": "none"}',
        '{"block/vda\\u0000/scheduler": "none"}',
        '{"kernel.core_pattern": "x"}',
        '{"/proc/sys/vm/swappiness": 30}',
        "[" * 5000,
        '["vm.swappiness"]',
    ],
)
def test_a_hostile_setting_writes_nothing(arena, setting):
    """
    Values that only look like numbers, and names that only look like parameters, are refused.
    """
    arena.play(START + b'{"do": "apply", "id": 1, "setting": ' + setting.encode() + b"}\n")
    assert 0 == arena.kernel.writes


def test_a_good_setting_is_written_and_put_back(arena):
    """
    The arena would see a guard that refuses everything.
    """
    arena.play(START + b'{"do": "apply", "id": 1, "setting": {"block/vda/scheduler": "kyber"}}\n')
    assert arena.kernel.writes > 1


def test_the_arena_sees_a_write_outside(arena, monkeypatch):
    """
    With the guard's own check of ranges switched off, what judges it is not silent.
    """
    monkeypatch.setattr(Rules, "_text", lambda rules, name, value, original: str(value))
    with pytest.raises(Violation, match="'999' written"):
        arena.play(START + b'{"do": "apply", "id": 1, "setting": {"vm.swappiness": 999}}\n')


def test_a_line_without_an_end_is_not_kept(machine):
    """
    A session that sends megabytes without a line end is put an end to after the first.
    """
    receive, send = os.pipe()
    sink = os.open(os.devnull, os.O_WRONLY)
    ended = threading.Event()
    sent = []

    def flood():
        with suppress(OSError):
            while not ended.is_set() and sum(sent) < 16 << 20:
                sent.append(os.write(send, b"x" * 65536))
        os.close(send)

    thread = threading.Thread(target=flood)
    thread.start()
    Server(machine.places, LIMITS, receive, sink).run()
    ended.set()
    os.close(receive)
    thread.join()
    os.close(sink)
    assert sum(sent) < 4 << 20


@FEW
@given(data=journals)
def test_no_journal_makes_the_guard_write_elsewhere(arena, data):
    """
    A journal is refused with a message, or it holds only files below /proc/sys and /sys.
    """
    arena.replay(data)


@pytest.mark.parametrize(
    ("path", "is_held"),
    [
        ("/proc/sys/vm/swappiness", True),
        ("/sys/block/vda/queue/scheduler", True),
        ("/etc/passwd", False),
        ("/proc/sys/../../etc/passwd", False),
        ("/proc/sysrq-trigger", False),
        ("/sysfs/x", False),
        ("proc/sys/vm/swappiness", False),
    ],
)
def test_a_whole_journal_with_a_path_elsewhere_is_refused(path, is_held):
    """
    Right checksum, right form: the path alone decides.
    """
    file = [path, "a", 0, "", [], "1", "2"]
    record = {"v": 1, "boot": "1-2", "kind": "batch", "time": 0, "setting": {}, "files": [file]}
    if is_held:
        assert [path] == list(replay(encode(record), "journal")[0].held)
    else:
        with pytest.raises(JournalError, match="no kernel parameter"):
            replay(encode(record), "journal")


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=20) | st.sampled_from(DEVICES))
@example("..")
@example("vda/queue")
def test_only_plain_names_of_disks_are_devices(machine, device):
    """
    A device's name never leads out of /sys/block, whatever directories there are.
    """
    rules = Rules(LIMITS, Kernel(machine.places.root))
    name = f"block/{device}/scheduler"
    try:
        path = rules.limit(name).path
    except KnobError:
        assert device != "vda"
    else:
        assert path == f"/sys/block/{device}/queue/scheduler"
        assert device == "vda"


def test_a_link_out_of_the_kernels_files_is_not_followed(machine, tmp_path):
    """
    A parameter that is a link to a file elsewhere is neither read nor written.
    """
    secret = tmp_path / "shadow"
    secret.write_text("secret\n")
    file = machine.root / "proc/sys/vm/swappiness"
    file.unlink()
    file.symlink_to(secret)
    kernel = Kernel(machine.places.root)
    for attempt in (
        lambda: kernel.read("/proc/sys/vm/swappiness"),
        lambda: kernel.write("/proc/sys/vm/swappiness", "1"),
    ):
        with pytest.raises(OSError, match="symbolic links"):
            attempt()
    assert "secret\n" == secret.read_text()
