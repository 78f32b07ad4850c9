import contextlib
import errno
import json
import os
import signal
import tempfile
from pathlib import Path

import pytest

from sealtune.apply import apply_result, apply_setting, revert, status
from sealtune.apply.files import FileChanges
from sealtune.catalogue.knob import Knob
from sealtune.errors import ApplyError, NothingConfirmedError, NotRootError, WriteRefusedError

SWAPPINESS = "/proc/sys/vm/swappiness"
RESULT = {
    "verdict": "improved",
    "simulated": False,
    "workload_name": "PostgreSQL OLTP",
    "best_config": {"vm.swappiness": 10},
    "gain": {
        "estimate": 1.1,
        "ci_low": 1.05,
        "ci_high": 1.15,
        "confidence": 0.95,
        "pairs": 8,
        "confirmed": True,
    },
}
UNCONFIRMED = [
    {"verdict": "none"},
    {"verdict": "interrupted"},
    {"verdict": None},
    {"simulated": True},
    {"gain": None},
    {"gain": RESULT["gain"] | {"confirmed": False}},
    {"gain": RESULT["gain"] | {"ci_low": None}},
    {"gain": {"confirmed": True}},
]


@pytest.mark.parametrize("changed", UNCONFIRMED)
def test_only_a_confirmed_gain_is_applied(tmp_path, kernel, tree, changed):
    """
    Any other outcome, and any simulated one, is refused before anything is touched.
    """
    with pytest.raises(NothingConfirmedError):
        apply_result(RESULT | changed, {}, {}, {}, root=tmp_path, guard=kernel)

    assert {} == tree(tmp_path)
    assert 0 == kernel.writes


def test_a_confirmed_gain_is_applied_to_files_and_kernel(tmp_path, kernel):
    """
    Files, live value and record are in place, with the gain in words.
    """
    knobs = {"vm.swappiness": Knob("vm.swappiness", SWAPPINESS, "int", 0, 150)}

    done = apply_result(RESULT, knobs, {"vm.swappiness": "60"}, {}, root=tmp_path, guard=kernel)

    assert "measured gain: x1.1 (95% interval 1.05 to 1.15)" in done.files[0].read_text()
    assert "10" == kernel.read(SWAPPINESS)
    assert {"vm.swappiness": "10"} == done.live
    assert "60" == json.loads(done.record.read_text())["entries"]["vm.swappiness"]["previous"]


def test_another_root_leaves_the_kernel_alone(tmp_path, plan, monkeypatch):
    """
    With --root no guard is started; only files are written.
    """
    monkeypatch.setattr("sealtune.apply.persist.live_writer", lambda: 1 / 0)

    done = apply_setting(plan())

    assert all(file.is_relative_to(tmp_path) and file.is_file() for file in done.files)
    assert {} == done.live


def test_the_machine_itself_needs_root(plan, monkeypatch):
    """
    Without root nothing is even tried.
    """
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(NotRootError):
        apply_setting(plan(name="never written by a test", root=Path("/")))


def test_files_are_readable_by_all_and_leave_nothing_beside_them(tmp_path, plan, kernel, tree):
    """
    Systemd reads the files as they are; no temporary one is left.
    """
    done = apply_setting(plan(), kernel, kernel.read)

    assert [0o644, 0o644] == [file.stat().st_mode & 0o777 for file in done.files]
    names = {os.path.basename(path) for path in tree(tmp_path) if tree(tmp_path)[path] != "/"}
    assert {
        "99-zz-sealtune-postgresql-oltp.conf",
        "sealtune-postgresql-oltp.conf",
        "postgresql-oltp.json",
    } == names


class Fuse:
    """Makes the n-th call of fsync, replace or mkstemp fail, once or for good."""

    def __init__(self, monkeypatch, failing_call, for_good):
        self.calls, self.failing_call, self.for_good = 0, failing_call, for_good
        for module, name in ((os, "fsync"), (os, "replace"), (tempfile, "mkstemp")):
            monkeypatch.setattr(module, name, self._burning(getattr(module, name)))

    def _burning(self, real):
        def call(*arguments, **named):
            self.calls += 1
            late = self.calls > self.failing_call and self.for_good
            if self.calls == self.failing_call or late:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*arguments, **named)

        return call


def calls_of_one_apply(monkeypatch, plan, kernel):
    with monkeypatch.context() as patch:
        fuse = Fuse(patch, failing_call=10**6, for_good=False)
        apply_setting(plan(), kernel, kernel.read)
    revert(root=plan().root, guard=kernel, read=kernel.read)
    return fuse.calls


@pytest.mark.parametrize("again", [False, True])
def test_a_fault_at_any_step_changes_nothing(tmp_path, plan, kernel, tree, monkeypatch, again):
    """
    Whichever call to the disk fails, files, record and live values are as before, also when an
    earlier setting of the same name was applied.
    """
    steps = calls_of_one_apply(monkeypatch, plan, kernel)
    if again:
        apply_setting(plan({"vm.dirty_ratio": 40}), kernel, kernel.read)
    files, values = tree(tmp_path), dict(kernel.values)
    tried = plan(previous={"vm.swappiness": "60", "thp/enabled": "madvise"})

    assert steps >= 16  # four files, each mkstemp, fsync, replace, fsync
    for step in range(1, 17):
        with monkeypatch.context() as patch:
            Fuse(patch, step, for_good=False)
            with pytest.raises(ApplyError, match="No space left"):
                apply_setting(tried, kernel, kernel.read)

        assert files == tree(tmp_path), f"step {step}"
        assert values == kernel.values, f"step {step}"


def test_a_disk_that_stays_broken_is_told_and_can_be_undone_later(
    tmp_path, plan, kernel, tree, monkeypatch
):
    """
    When even undoing fails, the error names the files, and revert finishes the job.
    """
    calls_of_one_apply(monkeypatch, plan, kernel)
    for step in range(1, 17):
        with monkeypatch.context() as patch:
            Fuse(patch, step, for_good=True)
            with pytest.raises(ApplyError):
                apply_setting(plan(), kernel, kernel.read)

        revert(root=tmp_path, guard=kernel, read=kernel.read)
        assert not [path for path, text in tree(tmp_path).items() if text != "/"], f"step {step}"
        assert "60" == kernel.read(SWAPPINESS), f"step {step}"


@pytest.mark.parametrize("fault", ["refused", "commit"])
def test_a_live_value_that_fails_takes_the_files_with_it(tmp_path, plan, kernel, tree, fault):
    """
    A value that the kernel refuses, or a commit that fails, leaves neither file nor value.
    """
    files, values = tree(tmp_path), dict(kernel.values)
    kernel.refuse = "thp/enabled" if fault == "refused" else None
    kernel.commit_fails = fault == "commit"

    with pytest.raises((WriteRefusedError, ApplyError)):
        apply_setting(plan(), kernel, kernel.read)

    assert files == tree(tmp_path)
    assert values == kernel.values


def test_a_directory_that_cannot_be_made_changes_nothing(tmp_path, plan, kernel, tree):
    """
    Where /etc/tmpfiles.d cannot be written, the sysctl.d file goes again too.
    """
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/tmpfiles.d").write_text("not a directory")
    files = tree(tmp_path)

    with pytest.raises(ApplyError, match=r"tmpfiles\.d"):
        apply_setting(plan(), kernel, kernel.read)

    assert files == tree(tmp_path)
    assert 0 == kernel.writes


def test_a_read_only_directory_changes_nothing_elsewhere(
    tmp_path, plan, kernel, tree, monkeypatch
):
    """
    Where neither making nor removing a file works, the files of the other directory still go.
    """
    (tmp_path / "etc/tmpfiles.d").mkdir(parents=True)
    files = tree(tmp_path)
    make, unlink = tempfile.mkstemp, Path.unlink

    def refuse(directory):
        if Path(directory).name == "tmpfiles.d":
            raise OSError(errno.EROFS, "Read-only file system")

    def guarded_make(suffix, prefix, directory):
        refuse(directory)
        return make(suffix, prefix, directory)

    def guarded_unlink(self, missing_ok=False):
        refuse(self.parent)
        return unlink(self, missing_ok)

    monkeypatch.setattr(tempfile, "mkstemp", guarded_make)
    monkeypatch.setattr(Path, "unlink", guarded_unlink)

    with pytest.raises(ApplyError, match=r"tmpfiles\.d.*Read-only"):
        apply_setting(plan(), kernel, kernel.read)

    assert files == tree(tmp_path)


def test_a_file_that_is_not_ours_is_never_overwritten(tmp_path, plan, kernel):
    """
    A file of our name that we did not write, or that was edited since, stops the plan.
    """
    file, _ = plan().files[0]
    file.parent.mkdir(parents=True)
    file.write_text("by hand\n")
    with pytest.raises(ApplyError, match="not as sealtune wrote it"):
        plan()
    file.unlink()

    apply_setting(plan(), kernel, kernel.read)
    file.write_text(file.read_text() + "vm.swappiness = 1\n")
    with pytest.raises(ApplyError, match="not as sealtune wrote it"):
        plan()


def test_applying_again_keeps_the_oldest_previous_values(plan, kernel):
    """
    A second session of one workload starts from the applied values; the record still knows the
    ones from before the first, and the lines of the first stay.
    """
    apply_setting(plan(), kernel, kernel.read)
    second = plan(
        {"vm.swappiness": 5, "vm.dirty_ratio": 40},
        previous={"vm.swappiness": "10", "vm.dirty_ratio": "20"},
    )

    apply_setting(second, kernel, kernel.read)

    assert {"vm.swappiness": "60", "vm.dirty_ratio": "20", "thp/enabled": "madvise"} == {
        name: entry.previous for name, entry in second.entries.items()
    }
    assert "never" in second.files[1][1]
    revert(root=second.root, guard=kernel, read=kernel.read)
    paths = [
        second.entries[name].path for name in ("vm.swappiness", "vm.dirty_ratio", "thp/enabled")
    ]
    assert ["60", "20", "madvise"] == [kernel.read(path) for path in paths]


@pytest.mark.parametrize("writes", range(5))
def test_kill_9_in_the_middle_can_be_reverted(tmp_path, plan, kernel, tree, writes):
    """
    Killed after any file, what is there is known to the record and goes with revert.
    """
    prepared = plan()
    real, done = FileChanges.write, []

    def write(self, path, content):
        if len(done) == writes:
            os.kill(os.getpid(), signal.SIGKILL)
        real(self, path, content)
        done.append(path)

    pid = os.fork()
    if pid == 0:
        FileChanges.write = write
        with contextlib.suppress(BaseException):
            apply_setting(prepared, kernel, kernel.read)
        os._exit(0)
    os.waitpid(pid, 0)

    # The child's fake kernel died with it: what a real guard would have put back is as before.
    assert (writes > 0) == bool(status(tmp_path))
    revert(root=tmp_path, guard=kernel, read=kernel.read)
    assert not [path for path, text in tree(tmp_path).items() if text != "/"]
