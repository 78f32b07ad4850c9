"""A machine made of files: kernel parameters that behave like the real ones, and can die."""

import errno
import os
from pathlib import Path

import pytest

from sealtune.catalogue.bounds import Limit
from sealtune.guard import journal as journal_module
from sealtune.guard import kernel as kernel_module
from sealtune.guard import recovery as recovery_module
from sealtune.guard.journal import Journal
from sealtune.guard.keeper import Keeper
from sealtune.guard.kernel import Kernel, Places
from sealtune.guard.rules import Rules

VM, QUEUE = "/proc/sys/vm/", "/sys/block/vda/queue/"
START = {
    VM + "swappiness": "60",
    VM + "dirty_ratio": "20",
    VM + "dirty_bytes": "0",
    VM + "dirty_background_ratio": "10",
    VM + "dirty_background_bytes": "0",
    VM + "overcommit_ratio": "50",
    VM + "overcommit_kbytes": "0",
    QUEUE + "scheduler": "none [mq-deadline] kyber",
    QUEUE + "nr_requests": "64",
    # What somebody has set for their scheduler, all of it other than it comes.
    QUEUE + "iosched/read_expire": "100",
    QUEUE + "iosched/front_merges": "0",
    QUEUE + "iosched/async_depth": "32",
}


COMES_WITH = {
    "none": {},
    "mq-deadline": {"read_expire": "500", "front_merges": "1", "async_depth": "256"},
    "kyber": {"read_lat_nsec": "2000000"},
}


def _int(path, low, high, order=0, saved_with=(), below=None, under=None):
    return Limit(path, "int", low, high, (), 1, order, saved_with, below, under)


PARTNERS = {
    VM + left: VM + right
    for one, other in (
        ("dirty_ratio", "dirty_bytes"),
        ("dirty_background_ratio", "dirty_background_bytes"),
        ("overcommit_ratio", "overcommit_kbytes"),
    )
    for left, right in ((one, other), (other, one))
}


LIMITS = {
    "vm.swappiness": _int(VM + "swappiness", 1, 150),
    "vm.dirty_ratio": _int(VM + "dirty_ratio", 5, 60, 0, (VM + "dirty_bytes",)),
    "vm.dirty_bytes": _int(VM + "dirty_bytes", 2**25, "0.25*RAM", 0, (VM + "dirty_ratio",)),
    "vm.dirty_background_ratio": _int(
        VM + "dirty_background_ratio", 1, 30, 0, (VM + "dirty_background_bytes",), "vm.dirty_ratio"
    ),
    "vm.overcommit_kbytes": _int(
        VM + "overcommit_kbytes", 10**6, 10**9, 0, (VM + "overcommit_ratio",)
    ),
    "block/{dev}/scheduler": Limit(
        "/sys/block/{dev}/queue/scheduler", "choice", 0, 0,
        ("none", "mq-deadline", "kyber", "bfq"), 1, 0,
        (
            "/sys/block/{dev}/queue/nr_requests",
            "/sys/block/{dev}/queue/iosched/async_depth",
            "/sys/block/{dev}/queue/iosched/front_merges",
            "/sys/block/{dev}/queue/iosched/read_expire",
            "/sys/block/{dev}/queue/iosched/read_lat_nsec",
        ), None,
    ),
    "block/{dev}/nr_requests": _int(
        "/sys/block/{dev}/queue/nr_requests", 32, 2048, 1,
        ("/sys/block/{dev}/queue/iosched/async_depth",),
    ),
    "block/{dev}/iosched/read_expire": _int(
        "/sys/block/{dev}/queue/iosched/read_expire", 50, 1000, 2,
        under=("block/{dev}/scheduler", ("mq-deadline",)),
    ),
    "block/{dev}/iosched/read_lat_nsec": _int(
        "/sys/block/{dev}/queue/iosched/read_lat_nsec", 10**5, 10**7, 2,
        under=("block/{dev}/scheduler", ("kyber",)),
    ),
}  # fmt: skip


class Died(BaseException):
    """The process was killed here."""


class FakeMachine:
    """Stands in for `os` inside the guard; every change of a file is a step it can die at.

    Attributes:
        steps_left: Operations until death; None for a long life.
        how: ``before`` the operation takes effect, ``after`` it, or with ``half`` of it written.
        full_disk: Journal writes fail as on a full disk.
        ignored: Paths whose writes are accepted and change nothing.
        refused: Paths whose writes the kernel refuses.
        comes_with: Scheduler to what its directory holds after a switch.
    """

    def __init__(self, folder: Path):
        self.root = folder / "root"
        self.places = Places(str(self.root), str(folder / "lock"), str(folder / "lib/journal"))
        self.steps_left: int | None = None
        self.how, self.full_disk = "before", False
        self.ignored, self.refused = set(), set()
        self.comes_with = {name: dict(files) for name, files in COMES_WITH.items()}
        self.writes: list[tuple[str, str]] = []
        self._paths: dict[int, str] = {}
        for path, value in {
            **START,
            "/proc/sys/kernel/random/boot_id": "11111111-2222",
            "/proc/meminfo": "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB",
            "/proc/vmstat": "pgfault 1\noom_kill 0",
        }.items():
            (self.root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path[1:]).write_text(value + "\n")

    def __getattr__(self, name):
        return getattr(os, name)

    def value(self, path):
        return (self.root / path[1:]).read_text().strip()

    def put(self, path, value):
        (self.root / path[1:]).write_text(f"{value}\n")

    def values(self):
        files = (self.root / QUEUE[1:] / "iosched").glob("*")
        paths = [path for path in START if "/iosched/" not in path]
        paths += [QUEUE + f"iosched/{file.name}" for file in files]
        return {path: self.value(path) for path in paths}

    def switch(self, scheduler):
        """Do what the kernel does when somebody writes the scheduler."""
        names = self.value(QUEUE + "scheduler").replace("[", "").replace("]", "").split()
        if scheduler not in names:
            raise OSError(errno.EINVAL, "Invalid argument")
        if f"[{scheduler}]" not in self.value(QUEUE + "scheduler"):
            for file in (self.root / QUEUE[1:] / "iosched").glob("*"):
                file.unlink()
            for name, value in self.comes_with[scheduler].items():
                self.put(QUEUE + f"iosched/{name}", value)
            self.put(QUEUE + "nr_requests", 256)
        listed = " ".join(f"[{name}]" if name == scheduler else name for name in names)
        self.put(QUEUE + "scheduler", listed)

    def keeper(self):
        kernel = Kernel(self.places.root)
        journal = Journal(self.places.journal, kernel.boot_id())
        return Keeper(kernel, journal, Rules(LIMITS, kernel))

    def dies_in(self, act, step):
        """Whether `act` dies at change number `step`, as it should."""
        self.steps_left = step
        try:
            act(self)
        except Died:
            return True
        finally:
            self.live_again()
        return False

    def live_again(self):
        """Be the next process: what the dead one had open was closed for it."""
        self.steps_left = None
        for descriptor in list(self._paths):
            self.close(descriptor)

    def close(self, descriptor):
        self._paths.pop(descriptor, None)
        os.close(descriptor)

    def _alive(self, act):
        # Dying at a read is dying right after the change before it: no step of its own.
        if self.steps_left is not None and self.steps_left <= 0:
            raise Died
        return act()

    def _step(self, act, half=None):
        if self.steps_left is None:
            return act()
        self.steps_left -= 1
        if self.steps_left > 0:
            return act()
        if self.steps_left == 0 and self.how == "after":
            act()
        if self.steps_left == 0 and self.how == "half" and half:
            half()
        raise Died

    def open(self, path, flags, mode=0o777):
        def act():
            descriptor = os.open(path, flags & ~os.O_TRUNC, mode)
            self._paths[descriptor] = str(path)
            return descriptor

        return self._step(act) if flags & os.O_CREAT else self._alive(act)

    def read(self, descriptor, size):
        return self._alive(lambda: os.read(descriptor, size))

    def fsync(self, descriptor):
        return self._step(lambda: None)  # a real one would only take time

    def ftruncate(self, descriptor, size):
        return self._step(lambda: os.ftruncate(descriptor, size))

    def rename(self, old, new):
        return self._step(lambda: os.rename(old, new))

    def write(self, descriptor, data):
        path = self._paths[descriptor]
        if path.startswith(str(self.root)):
            name = path[len(str(self.root)) :]
            return self._step(lambda: self._set(name, data.decode().strip()))
        if self.full_disk:
            os.write(descriptor, data[:5])
            raise OSError(errno.ENOSPC, "No space left on device")
        half = data[: len(data) // 2]
        return self._step(
            lambda: os.write(descriptor, data), half=lambda: os.write(descriptor, half)
        )

    def _set(self, path, value):
        self.writes.append((path, value))
        partner = PARTNERS.get(path)
        if path.endswith("_bytes") and value == "0":
            raise OSError(errno.EINVAL, "Invalid argument")
        if path in self.refused:
            raise OSError(errno.EINVAL, "Invalid argument")
        if path.endswith("scheduler"):
            return self.switch(value)
        if path in self.ignored:
            return
        if partner and (value != self.value(path) or "overcommit" in path):
            self.put(partner, 0)
        self.put(path, value)
        if path == QUEUE + "nr_requests" and "[mq-deadline]" in self.value(QUEUE + "scheduler"):
            self.put(QUEUE + "iosched/async_depth", value)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    fake = FakeMachine(tmp_path)
    monkeypatch.setattr(kernel_module, "os", fake)
    monkeypatch.setattr(journal_module, "os", fake)
    monkeypatch.setattr(recovery_module, "os", fake)
    return fake
