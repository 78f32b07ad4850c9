"""What makes a machine suffer in tests, under limits, and what removes it again."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DISK_FOLDER = Path("/var/tmp")
MEBIBYTE = 2**20


class Impossible(Exception):
    """This machine lacks what the stressor needs."""


def mounted(kind: str, option: str = "") -> Path:
    """Return where a control group hierarchy is mounted."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, found, options, *_ = line.split()
        if found == kind and (not option or option in options.split(",")):
            return Path(place)
    raise Impossible(f"no {kind} {option} hierarchy is mounted here")


@dataclass
class Limits:
    """The control groups that a stressor lives in.

    Attributes:
        memory: Most memory [MiB], if limited.
        operations: Most disk reads, and writes, a second, if limited.
        own_pressure: Show the pressure of the stressor in place of the machine's.
    """

    memory: int | None = None
    operations: int | None = None
    own_pressure: bool = True

    @contextlib.contextmanager
    def groups(self) -> Iterator[list[Path]]:
        """Make the groups, and remove them."""
        name = f"sealtune-rails-{os.getpid()}"
        own = mounted("cgroup2") / name
        made = [own]
        if self.memory:
            made.append(mounted("cgroup", "memory") / name)
        if self.operations:
            made.append(mounted("cgroup", "blkio") / name)
        try:
            for group in made:
                group.mkdir()
            self._limit(made)
            for resource in self._shown:
                source, target = own / f"{resource}.pressure", f"/proc/pressure/{resource}"
                if not source.exists():
                    raise Impossible("control groups tell no pressure here")
                subprocess.run(["mount", "--bind", str(source), target], check=True)
            yield made
        finally:
            for resource in self._shown:
                command = ["umount", f"/proc/pressure/{resource}"]
                subprocess.run(command, stderr=subprocess.DEVNULL, check=False)
            for group in made:
                _remove(group)

    @property
    def _shown(self) -> tuple[str, ...]:
        return ("memory", "io") if self.own_pressure else ()

    def _limit(self, made: list[Path]) -> None:
        for group in made:
            if (file := group / "memory.limit_in_bytes").exists() and self.memory:
                file.write_text(str(self.memory * MEBIBYTE))
            if (group / "blkio.throttle.read_iops_device").exists():
                device = os.stat(DISK_FOLDER).st_dev
                disk = f"{os.major(device)}:{os.minor(device)} {self.operations}"
                for what in ("read", "write"):
                    (group / f"blkio.throttle.{what}_iops_device").write_text(disk)


def _remove(group: Path) -> None:
    deadline = time.monotonic() + 5.0
    while group.exists():
        try:
            group.rmdir()
        except OSError:  # a process of it is still ending
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@contextlib.contextmanager
def stressor(command: list[str], groups: list[Path]) -> Iterator[None]:
    """Run `command` in the control groups; nothing of it is left afterwards."""
    join = "".join(f"echo $$ > {group}/cgroup.procs; " for group in groups)
    process = subprocess.Popen(
        ["sh", "-c", f'{join}exec "$@"', "sh", *command],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield
    finally:
        while alive := (groups[0] / "cgroup.procs").read_text().split():  # some lead a session
            for pid in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            process.poll()
            time.sleep(0.02)
        process.wait()


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder on a real disk."""
    folder = Path(tempfile.mkdtemp(prefix="sealtune-rails-", dir=DISK_FOLDER))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def kernel_settings(values: dict[str, str]) -> Iterator[None]:
    """Have other values in /proc/sys/kernel for a while."""
    files = {Path("/proc/sys/kernel") / name: value for name, value in values.items()}
    before = {file: file.read_text() for file in files}
    warnings = Path("/proc/sys/kernel/hung_task_warnings")
    left = warnings.read_text()
    try:
        for file, value in files.items():
            file.write_text(value)
        yield
    finally:
        for file, value in before.items():
            file.write_text(value)
        warnings.write_text(left)  # each report takes one of them


@contextlib.contextmanager
def swap_device(mebibytes: int) -> Iterator[None]:
    """Swap in compressed memory, so that no disk is worn and nothing outlasts the test."""
    add = Path("/sys/class/zram-control/hot_add")
    if not add.exists():
        raise Impossible("this kernel has no zram to swap to")
    number = add.read_text().strip()
    device = f"/dev/zram{number}"
    try:
        Path(f"/sys/block/zram{number}/disksize").write_text(f"{mebibytes}M")
        subprocess.run(["mkswap", device], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["swapon", device], check=True)
        try:
            yield
        finally:
            subprocess.run(["swapoff", device], check=True)
    finally:
        Path("/sys/class/zram-control/hot_remove").write_text(number)


@contextlib.contextmanager
def file_system(mebibytes: int) -> Iterator[Path]:
    """A small file system in a file, mounted."""
    with scratch() as folder:
        image, place = folder / "image", folder / "place"
        place.mkdir()
        image.write_bytes(bytes(mebibytes * MEBIBYTE))
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
        try:
            yield place
        finally:
            subprocess.run(["umount", str(place)], check=True)
