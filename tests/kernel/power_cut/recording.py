"""Every state of disk and machine that a power cut could leave, kept while a guard lives."""

import os
import random
from dataclasses import dataclass
from pathlib import Path

from tests.kernel.power_cut import disk
from tests.kernel.power_cut.life import Life
from tests.kernel.power_cut.machine import BOOT_ID, BOOTS, PoweredMachine, stands_in

SECTOR = 512


@dataclass(frozen=True)
class How:
    """How to cut.

    Attributes:
        lost: Combinations of lost requests that are kept after each request.
        honest: Whether an fsync of the guard is one.
        beside: Whether another file of the same disk is written and synced after each operation,
            as the store is: it takes along what the guard has not synced, or half of it.
        seed: Of what is lost.
    """

    lost: int = 6
    honest: bool = True
    beside: bool = False
    seed: int = 1


class OnDisk(Life):
    """With the journal on a disk: what every write request leaves on the platter.

    Attributes:
        unclear: Steps after which the trace and the image did not agree.
        twice: Steps in which a sector was written twice: nothing within them was kept.
        requests: Write requests of the disk.
        flushes: Of its cache.
    """

    def __init__(
        self,
        machine: PoweredMachine,
        image: Path,
        trace: disk.Requests,
        how: How,
        neighbour: Path | None,
    ) -> None:
        super().__init__(machine)
        self._image, self._trace, self._neighbour = image, trace, neighbour
        self._lost, self._choose = how.lost, random.Random(how.seed)
        self.unclear = self.twice = self.requests = self.flushes = 0
        self._pending: list[tuple[int, bytes]] = []
        _, self._flushed = trace.since(image)

    def step(self, moment: str) -> None:
        """See `Life.step`."""
        self._look(moment)
        if self._neighbour:
            with self._neighbour.open("ab") as file:
                file.write(b"a trial")
                file.flush()
                os.fsync(file.fileno())
            self._look(f"a neighbour's fsync {moment}")

    def _look(self, moment: str) -> None:
        events, now = self._trace.since(self._image)
        files = self.machine.files()
        sectors = [sector for first, count in events for sector in range(first, first + count)]
        clear = len(sectors) == len(set(sectors))  # else what the first one wrote is not known
        self.twice += not clear
        for first, count in events:
            if first < 0:
                self._flushed, self._pending = _written(self._flushed, self._pending), []
                self.flushes += 1
                continue
            start = first * SECTOR
            self._pending.append((start, now[start : start + count * SECTOR]))
            self.requests += 1
            if not clear:
                continue
            self.keep(_written(self._flushed, self._pending), files, f"within: {moment}")
            for _ in range(self._lost):
                some = [one for one in self._pending if self._choose.random() < 0.5]
                self.keep(_written(self._flushed, some), files, f"requests lost: {moment}")
        if _written(self._flushed, self._pending) != now:
            self.unclear += 1
            self._flushed, self._pending = now, []
        self.keep(now, files, moment)


class Torn(Life):
    """Without a disk: the journal's bytes, of which those that are not synced may be torn.

    The same boot finds everything that was written, but for the end of the last write.

    Args:
        machine: Where the guard lives.
        every: Distance between the lengths that are kept [bytes].
    """

    def __init__(self, machine: PoweredMachine, every: int) -> None:
        super().__init__(machine)
        self._every, self._synced, self._last = every, b"", b""

    def step(self, moment: str) -> None:
        """See `Life.step`: every length of the unsynced bytes, and zeros from there on."""
        path, files = Path(self.machine.places.journal), self.machine.files()
        now = path.read_bytes() if path.exists() else b""
        if moment.endswith("fsync") or not now.startswith(self._synced):
            self.keep(self._synced, files, f"not synced: {moment}", same_boot=False)
        if moment.endswith("fsync"):
            self._synced = now
        first = len(self._synced) if now.startswith(self._synced) else 0
        for length in range(first, len(now), self._every):
            last = length >= len(self._last)
            self.keep(now[:length], files, f"cut at {length}: {moment}", same_boot=last)
            # Zeros from just behind a whole record are refused, as other damage to its end is.
            if (length - first) // self._every % 16 == 0 and now[length] != ord("\n"):
                zeros = now[:length].ljust(len(now), b"\0")
                self.keep(zeros, files, f"zeros from {length}: {moment}", same_boot=False)
        self.keep(now, files, moment)
        self._last = now


def record(folder: Path, how: How) -> OnDisk:
    """Return a guard's life with every state in which a power cut can leave it."""
    image, place = folder / "disk.img", folder / "disk"
    place.mkdir()
    disk.make(image)
    machine = PoweredMachine(folder, place / "lib", honest=how.honest)
    machine.put(BOOT_ID, BOOTS[0])
    with disk.mounted(image, place) as device:
        os.sync()
        trace = disk.Requests(folder, device)
        try:
            neighbour = place / "sessions.db" if how.beside else None
            life = OnDisk(machine, image, trace, how, neighbour)
            with stands_in(machine):
                life.go_down()
                life.live()
            machine.live_again()
        finally:
            trace.close()
    return life


def record_torn(folder: Path, every: int) -> Torn:
    """Return a guard's life with every length to which its journal can be torn."""
    machine = PoweredMachine(folder, folder / "lib", honest=False)
    machine.put(BOOT_ID, BOOTS[1])
    life = Torn(machine, every)
    with stands_in(machine):
        life.live()
    machine.live_again()
    return life


def _written(disk: bytes, writes: list[tuple[int, bytes]]) -> bytes:
    image = bytearray(disk)
    for start, data in writes:
        image[start : start + len(data)] = data
    return bytes(image)
