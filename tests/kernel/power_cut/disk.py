"""A small ext4 image behind a loop device, and what the kernel says was written to it."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

IMAGE_BYTES = 4 << 20


class Requests:
    """The write requests and flushes of one block device, in order, by the kernel's trace."""

    def __init__(self, folder: Path, device: str) -> None:
        self._folder = folder / "tracing"
        self._folder.mkdir()
        run("mount", "-t", "tracefs", "none", str(self._folder))
        self._instance = self._folder / "instances" / f"sealtune-{os.getpid()}"
        self._instance.mkdir()
        number = os.stat(device).st_rdev
        # The order of requests is what counts, also between processors.
        (self._instance / "trace_clock").write_text("global")
        for event in ("issue", "complete"):
            place = self._instance / f"events/block/block_rq_{event}"
            (place / "filter").write_text(f"dev == {os.major(number) << 20 | os.minor(number)}")
            (place / "enable").write_text("1")
        self._pipe = os.open(self._instance / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
        self._flying: set[int] = set()

    def since(self, image: Path) -> tuple[list[tuple[int, int]], bytes]:
        """Return the requests since the last call, and the image with exactly these on it.

        A request is (first sector, sectors) of a write; a flush is (-1, 0). The file system may
        write of its own accord meanwhile: the image is read again until it did not.
        """
        found, quiet = self._events(), False
        while not quiet:
            content = image.read_bytes()
            later = self._events()
            quiet = not (later or self._flying)
            found += later
        return found, content

    def _events(self) -> list[tuple[int, int]]:
        text = b""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._pipe, 1 << 16):
                text += data
        found = []
        for line in text.decode(errors="replace").splitlines():
            # "... block_rq_issue: 7,0 WS 4096 () 24 + 8 none,0,0 [comm]"
            # "... block_rq_complete: 7,0 WS () 24 + 8 none,0,0 [0]"
            before, _, after = line.partition("()")
            kind = before.partition("block_rq_")[2].split()
            if not kind:
                continue
            first, count = int(after.split()[0]), int(after.split()[2])
            if kind[0] == "complete:":
                self._flying.discard(first)
                continue
            if kind[2].startswith("F"):
                found.append((-1, 0))
            if "W" in kind[2] and count:
                found.append((first, count))
                self._flying.add(first)
        return found

    def close(self) -> None:
        """Leave the kernel's tracing as it was."""
        os.close(self._pipe)
        self._instance.rmdir()
        run("umount", str(self._folder))


def make(image: Path) -> None:
    """Make an image with an empty file system."""
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    run("mkfs.ext4", "-q", "-b", "1024", "-J", "size=1", "-E", "lazy_itable_init=0", str(image))


@contextlib.contextmanager
def mounted(image: Path, place: Path) -> Iterator[str]:
    """Mount `image` at `place` for the body; yields its loop device."""
    device = run("losetup", "--find", "--show", str(image))
    try:
        # No write-back of its own accord: what reaches the disk is what was asked for.
        run("mount", "-o", "commit=300", device, str(place))
        try:
            yield device
        finally:
            run("umount", str(place))
    finally:
        run("losetup", "--detach", device)


def run(*command: str) -> str:
    """Run a command that has to succeed; return what it printed."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
