"""Parameter files of the kernel, and the one lock for whoever writes them."""

import fcntl
import os
import time
from contextlib import suppress
from typing import NamedTuple

from sealtune.errors import BusyError, GuardError, NotRootError

# No parameter is a link; on the way to one there are some, all of them inside /sys.
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC


class Places(NamedTuple):
    """Where the guard works. One set per machine; only tests use another."""

    root: str = "/"
    lock: str = "/run/sealtune.lock"
    journal: str = "/var/lib/sealtune/journal"


class Kernel:
    """Reads and writes parameter files below `root`, as text."""

    def __init__(self, root: str = "/") -> None:
        self._root = root.rstrip("/")

    def read(self, path: str) -> str:
        """Return the value: single spaces, and of a list file the [chosen] entry.

        Raises:
            OSError: Absent or not readable.
        """
        descriptor = os.open(self._root + path, os.O_RDONLY | _FLAGS)
        try:
            text = " ".join(os.read(descriptor, 65536).decode().split())
        finally:
            os.close(descriptor)
        return text.partition("[")[2].partition("]")[0] if "[" in text else text

    def write(self, path: str, value: str) -> None:
        """Write `value` in one call, which is how the kernel wants it.

        Raises:
            OSError: The kernel refuses the value, or the file cannot be opened.
        """
        descriptor = os.open(self._root + path, os.O_WRONLY | os.O_TRUNC | _FLAGS)
        try:
            os.write(descriptor, f"{value}\n".encode())
        finally:
            os.close(descriptor)

    def has_disk(self, device: str) -> bool:
        """Whether the block device `device` exists."""
        return os.path.isdir(f"{self._root}/sys/block/{device}")

    def boot_id(self) -> str:
        """Return what is different after every boot."""
        return self.read("/proc/sys/kernel/random/boot_id")

    def memory_bytes(self) -> int:
        """Return the memory of this machine."""
        words = self.read("/proc/meminfo").split()
        return int(words[words.index("MemTotal:") + 1]) * 1024


def take_lock(places: Places, wait_seconds: float = 0.0) -> int:
    """Return the descriptor that holds the machine-wide lock until it is closed.

    The file itself stays for good: removing it would let two processes lock two files.

    Raises:
        BusyError: A live process holds it.
        NotRootError: It may not be opened.
        GuardError: It cannot be made (a read-only file system).
    """
    # Not readable for others: who can open a file can lock it, and keep everybody out.
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(places.lock, flags, 0o600)
    except PermissionError as error:
        raise NotRootError(f"{places.lock} belongs to root") from error
    except OSError as error:
        raise GuardError(f"{places.lock}: {error.strerror}") from error
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError as error:
            if time.monotonic() < deadline:
                time.sleep(0.01)
                continue
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise BusyError(f"a sealtune guard is at work (process {holder})") from error
    with suppress(OSError):  # a full disk: the lock holds all the same
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
