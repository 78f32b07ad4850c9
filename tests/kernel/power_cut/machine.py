"""A machine made of files, whose journal may lie on a disk that can lose its power."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.guard.conftest import FakeMachine

from sealtune.guard import journal as journal_module
from sealtune.guard import kernel as kernel_module
from sealtune.guard import recovery as recovery_module

BOOTS = ("11111111-1111", "22222222-2222", "33333333-3333")
"""Of the run before, of this one, and of the one after the power came back."""
BOOT_ID = "/proc/sys/kernel/random/boot_id"
PATCHED = (kernel_module, journal_module, recovery_module)


class PoweredMachine(FakeMachine):
    """A machine made of files whose journal lies on a real disk that can lose its power.

    Args:
        folder: For its parameters.
        lib: Directory of the journal; may not exist yet.
        honest: Whether an fsync is one. Without, this must find losses: a test of the test.
    """

    def __init__(self, folder: Path, lib: Path, *, honest: bool = True):
        super().__init__(folder)
        self.places = self.places._replace(journal=str(lib / "journal"))
        self.after: Callable[[str], None] = lambda moment: None
        self._honest = honest

    def _step(self, act, half=None):
        result = act()
        self.after("after an operation of the guard")
        return result

    def fsync(self, descriptor):
        if self._honest:
            os.fsync(descriptor)
        self.after("after an fsync")

    def boot(self, boot_id):
        """Be another boot: every parameter is as the kernel comes up with it."""
        fresh = FakeMachine(self.root.parent / "fresh")
        shutil.rmtree(self.root)
        shutil.move(fresh.root, self.root)
        self.put(BOOT_ID, boot_id)

    def files(self):
        """Return every file of the machine."""
        return {
            str(path.relative_to(self.root)): path.read_text()
            for path in sorted(self.root.rglob("*"))
            if path.is_file()
        }

    def be(self, files):
        """Have exactly these files."""
        shutil.rmtree(self.root)
        for name, text in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)


@contextlib.contextmanager
def stands_in(machine: FakeMachine) -> Iterator[None]:
    """Let `machine` be the operating system of the guard's modules."""
    real = [module.os for module in PATCHED]
    for module in PATCHED:
        module.os = machine
    try:
        yield
    finally:
        for module, one in zip(PATCHED, real, strict=True):
            module.os = one
