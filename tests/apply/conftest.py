"""A machine of dictionaries: parameters, a writer for them, and knobs to plan with."""

from pathlib import Path

import pytest

from sealtune.apply import plan_files
from sealtune.catalogue.knob import Knob
from sealtune.errors import KnobError, WriteRefusedError

SWAPPINESS = "/proc/sys/vm/swappiness"
HUGE = "/sys/kernel/mm/transparent_hugepage/enabled"
DIRTY = "/proc/sys/vm/dirty_ratio"
DIRTY_BYTES = "/proc/sys/vm/dirty_bytes"
KNOBS = {
    "vm.swappiness": Knob("vm.swappiness", SWAPPINESS, "int", 0, 150),
    "vm.dirty_ratio": Knob("vm.dirty_ratio", DIRTY, "int", 5, 60, saved_with=(DIRTY_BYTES,)),
    "thp/enabled": Knob(
        "thp/enabled",
        HUGE,
        "choice",
        choices=("always", "madvise", "never"),
        persist="tmpfiles.d",
        order=-1,
    ),
}
PREVIOUS = {"vm.swappiness": "60", "vm.dirty_ratio": "20", "thp/enabled": "madvise"}
SETTING = {"vm.swappiness": 10, "thp/enabled": "never"}
REASONS = {"vm.swappiness": "the database caches by itself", "thp/enabled": "no stalls"}
GAIN = "x1.1 (95% interval 1.05 to 1.15)"


class FakeKernel:
    """Live values by path; a `LiveWriter` whose uncommitted writes `close` puts back."""

    def __init__(self):
        self.values = {SWAPPINESS: "60", DIRTY: "20", DIRTY_BYTES: "0", HUGE: "madvise"}
        self.before = {}
        self.writes = 0
        self.refuse: str | None = None
        self.forbid: str | None = None
        self.commit_fails = False

    def read(self, path):
        return self.values.get(path)

    def _path(self, name):
        return KNOBS[name].path if name in KNOBS else "/proc/sys/" + name.replace(".", "/")

    def apply(self, setting):
        if self.refuse in setting:
            raise WriteRefusedError(f"{self.refuse}: refused")
        if self.forbid in setting:
            raise KnobError(f"{self.forbid}: outside its range")
        for name, value in setting.items():
            self.before.setdefault(self._path(name), self.values[self._path(name)])
            self.values[self._path(name)] = str(value)
            self.writes += 1
        return {name: self.values[self._path(name)] for name in setting}

    def commit(self):
        if self.commit_fails:
            raise OSError("the guard is gone")
        self.before = {}


@pytest.fixture
def kernel():
    return FakeKernel()


@pytest.fixture
def plan(tmp_path):
    def make(setting=None, **changed):
        given = {"knobs": KNOBS, "previous": PREVIOUS, "reasons": REASONS, "gain": GAIN}
        given |= {"name": "PostgreSQL OLTP", "root": tmp_path} | changed
        return plan_files(SETTING if setting is None else setting, **given)

    return make


def tree(root: Path) -> dict[str, str]:
    """Return every file and directory under `root` with its content."""
    return {
        str(path.relative_to(root)): path.read_text() if path.is_file() else "/"
        for path in sorted(root.rglob("*"))
    }


@pytest.fixture(name="tree")
def tree_fixture():
    return tree
