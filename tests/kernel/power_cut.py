"""Cut the power at every moment of a guard's work, and see that nothing is lost or made up.

As root: ``python -m tests.kernel.power_cut``. The guard's own keeper and journal work on
parameters made of files; the journal lies on a small ext4 image of its own, behind a loop device.
After every operation of the guard on a file, and before and after every single write request of
the device in between (in the order in which the kernel's block trace shows them), what is on the
disk is kept together with the values of that moment. Requests that no flush has made durable may
also be lost in any combination, as in a disk with a write cache: some of these are kept too.

From each of these the image is mounted, so that ext4 replays its journal, and the guard recovers:
as the same boot (the disk alone had lost its power) the originals have to come back; as another
boot nothing may be written, and the setting that was in force has to be told as a crash.
"""

import argparse
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.guard.conftest import FakeMachine

from sealtune.errors import SealtuneError
from sealtune.guard import journal as journal_module
from sealtune.guard import kernel as kernel_module
from sealtune.guard import recovery as recovery_module

SECTOR = 512
IMAGE_BYTES = 4 << 20
BOOTS = ("11111111-1111", "22222222-2222", "33333333-3333")
"""Of the run before, of this one, and of the one after the power came back."""
BOOT_ID = "/proc/sys/kernel/random/boot_id"
PATCHED = (kernel_module, journal_module, recovery_module)
Values = Mapping[str, str]

BATCHES: list[dict[str, int | str]] = [
    {"vm.swappiness": 10, "vm.dirty_bytes": 2**26, "vm.overcommit_kbytes": 2**21},
    {
        "vm.dirty_ratio": 30,
        "block/vda/scheduler": "kyber",
        "block/vda/nr_requests": 128,
        "block/vda/iosched/read_lat_nsec": 10**6,
    },
    {"vm.swappiness": 20, "block/vda/scheduler": "bfq"},  # refused: the batch is rolled back
    {"vm.swappiness": 30, "block/vda/iosched/read_expire": 200},
]


@dataclass(frozen=True)
class Cut:
    """The disk and the machine at one moment.

    Attributes:
        disk: What is on the platter.
        files: Every file of the machine, parameters and the rest.
        allowed: The sets of values that recovery in the same boot may end with.
        settings: The settings that may be told as the crash of this boot.
        changed: Whether a value is none that may stay, because of the guard.
        before: Whether the run before, of another boot, had left a setting in force.
        moment: What was just done, for a person.
        same_boot: Whether the same boot can find this; another one always can.
    """

    disk: bytes
    files: Mapping[str, str]
    allowed: tuple[Values, ...]
    settings: tuple[Values, ...]
    changed: bool
    before: bool
    moment: str
    same_boot: bool = True


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


@dataclass
class Tally:
    """What came of it."""

    cuts: int = 0
    recoveries: int = 0
    restored: int = 0
    crashes: int = 0
    unclear: int = 0
    wrong: list[str] = field(default_factory=list)


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


class Life(ABC):
    """A guard's life on a machine, and every state that a power cut in it could leave.

    Attributes:
        cuts: What was kept, each combination of disk and machine once.
        before: Whether a boot before this one went down with a setting in force.
    """

    def __init__(self, machine: PoweredMachine) -> None:
        self.machine = machine
        self.cuts: list[Cut] = []
        self.before = False
        self._seen: set[tuple[bytes, str]] = set()
        self.originals = machine.values()
        self.allowed: tuple[Values, ...] = (self.originals,)
        self.settings: tuple[Values, ...] = ()
        machine.after = self.step

    @abstractmethod
    def step(self, moment: str) -> None:
        """Keep what is on the disk, and what was in between since the last step."""

    def keep(
        self, disk: bytes, files: Mapping[str, str], moment: str, *, same_boot: bool = True
    ) -> None:
        """Keep one state, unless it is known."""
        key = (disk, repr((files, self.allowed, self.settings, self.before, same_boot)))
        if key in self._seen:
            return
        self._seen.add(key)
        changed = self.machine.values() not in self.allowed
        self.cuts.append(
            Cut(disk, files, self.allowed, self.settings, changed, self.before, moment, same_boot)
        )

    def go_down(self) -> None:
        """Lose the power for a first time, with a setting in force, and boot again."""
        keeper = self.machine.keeper()
        self.apply(keeper, BATCHES[0])
        self.apply(keeper, BATCHES[1])
        self.machine.live_again()
        self.machine.boot(BOOTS[1])
        self.before, self.settings = True, ()

    def live(self) -> None:
        """Take batches, a refusal, a restore, a commit, and a death that is recovered from."""
        keeper = self.machine.keeper()
        for setting in BATCHES[:3]:
            self.apply(keeper, setting)
        keeper.restore()
        self.settings = ()
        self.apply(keeper, BATCHES[3])
        self.apply(keeper, BATCHES[0])
        self.commit(keeper)
        self.apply(keeper, BATCHES[3])
        self.machine.live_again()  # the guard is killed, and the next one finds its journal
        recovery_module.restore(places=self.machine.places)
        self.settings = ()
        self.step("at the end")

    def apply(self, keeper, setting) -> None:
        """Let the guard apply `setting`; a refused one leaves the setting before."""
        wanted = {name: str(value) for name, value in setting.items()}
        self.settings = (*self.settings[-1:], wanted)
        with contextlib.suppress(SealtuneError):
            keeper.apply(setting)
        if self.machine.values() == self.originals:
            raise RuntimeError(f"the guard did not apply {setting}")

    def commit(self, keeper) -> None:
        """Let the guard accept the present values; until that is durable, both may come back."""
        kept = self.machine.values()
        self.allowed = (self.originals, kept)
        keeper.commit()
        self.originals, self.allowed, self.settings = kept, (kept,), ()


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
        trace: Requests,
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


def _written(disk: bytes, writes: list[tuple[int, bytes]]) -> bytes:
    image = bytearray(disk)
    for start, data in writes:
        image[start : start + len(data)] = data
    return bytes(image)


def run(*command: str) -> str:
    """Run a command that has to succeed; return what it printed."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


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


def record(folder: Path, how: How) -> OnDisk:
    """Return a guard's life with every state in which a power cut can leave it."""
    image, place = folder / "disk.img", folder / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    run("mkfs.ext4", "-q", "-b", "1024", "-J", "size=1", "-E", "lazy_itable_init=0", str(image))
    machine = PoweredMachine(folder, place / "lib", honest=how.honest)
    machine.put(BOOT_ID, BOOTS[0])
    with mounted(image, place) as device:
        os.sync()
        trace = Requests(folder, device)
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


def check(folder: Path, cuts: Iterable[Cut]) -> Tally:
    """Recover from each cut as the same boot and as another one; return what came of it."""
    tally, place = Tally(), folder / "copy"
    place.mkdir()
    (folder / "recovering").mkdir()
    machine = PoweredMachine(folder / "recovering", place / "lib")
    for cut in cuts:
        for examine in _EXAMINE[not cut.same_boot :]:
            # A file of its own: a loop device that is let go late must not write into the next.
            image = folder / f"copy-{tally.recoveries}.img"
            image.write_bytes(cut.disk)
            with mounted(image, place), stands_in(machine):
                _recover(machine, cut, examine, tally)
            image.unlink()
        tally.cuts += 1
    return tally


def check_torn(folder: Path, cuts: Iterable[Cut]) -> Tally:
    """Do the same with cuts that hold the journal's bytes only."""
    tally, machine = Tally(), PoweredMachine(folder, folder / "lib", honest=False)
    journal = Path(machine.places.journal)
    journal.parent.mkdir()
    with stands_in(machine):
        for cut in cuts:
            for examine in _EXAMINE[not cut.same_boot :]:
                for old in journal.parent.iterdir():
                    old.unlink()
                journal.write_bytes(cut.disk)
                _recover(machine, cut, examine, tally)
            tally.cuts += 1
    return tally


def _recover(
    machine: PoweredMachine,
    cut: Cut,
    examine: Callable[[PoweredMachine, Cut, Tally], str],
    tally: Tally,
) -> None:
    machine.be(cut.files)
    machine.writes.clear()
    try:
        problem = examine(machine, cut, tally)
    except (SealtuneError, OSError) as error:
        problem = f"{type(error).__name__}: {error}"
    finally:
        machine.live_again()
    tally.recoveries += 1
    if problem:
        tally.wrong.append(f"{examine.__name__[1:]}, {cut.moment}: {problem}")


def _same_boot(machine: PoweredMachine, cut: Cut, tally: Tally) -> str:
    """Return what is wrong after recovering with the values of that moment, ``""`` if nothing."""
    before = machine.values()
    report = recovery_module.restore(places=machine.places)
    now = machine.values()
    tally.restored += bool(report.restored)
    if report.failed or report.foreign:
        return f"left as they are: {report.failed} {report.foreign}"
    if now not in cut.allowed:
        lost = {p: (now.get(p), old) for p, old in cut.allowed[0].items() if now.get(p) != old}
        return f"not the originals: {lost}"
    if machine.writes and before == cut.allowed[0]:
        return f"written without need: {machine.writes}"
    return "" if not recovery_module.pending(machine.places) else "the journal is not empty"


def _another_boot(machine: PoweredMachine, cut: Cut, tally: Tally) -> str:
    """Return what is wrong after recovering in the next boot, ``""`` if nothing."""
    boot = machine.value(BOOT_ID)
    machine.put(BOOT_ID, BOOTS[2])
    report = recovery_module.restore(places=machine.places)
    told = recovery_module.crashes(machine.places)
    tally.crashes += report.crash is not None
    if machine.writes:
        return f"written in another boot: {machine.writes}"
    mine = [crash for crash in told if crash.boot_id == boot]
    if cut.changed and not mine:
        return "a setting was in force, and is not told as a crash"
    if mine and mine[0].setting not in cut.settings:
        return f"told as a crash: {mine[0].setting}, in force was one of {cut.settings}"
    if cut.before and boot == BOOTS[1] and BOOTS[0] not in [crash.boot_id for crash in told]:
        return "the crash of the boot before is forgotten"
    return "" if not recovery_module.pending(machine.places) else "the journal is not empty"


_EXAMINE = (_same_boot, _another_boot)


def cut_and_recover(how: How, most: int = 0) -> Tally:
    """Record, examine at most `most` of the cuts (0: all), print and return what came of it."""
    began = time.monotonic()
    with _in_memory() as folder:
        life = record(folder, how)
        cuts = _some(life.cuts, most, how.seed)
        tally = check(folder, cuts)
    tally.unclear = life.unclear
    print(
        f"{'beside a store that syncs' if how.beside else 'the guard alone'}: "
        f"{life.requests} write requests and {life.flushes} flushes of the disk; trace and image "
        f"disagreed after {life.unclear} steps, {life.twice} could not be taken apart\n"
        f"  {_told(tally, life.cuts, cuts, began)}",
        flush=True,
    )
    for line in tally.wrong[:20]:
        print(" ", line)
    return tally


def tear_and_recover(every: int = 1) -> Tally:
    """Do the same with the lengths to which the unsynced bytes can be torn, `every` so many."""
    began = time.monotonic()
    with _in_memory() as folder:
        (folder / "life").mkdir()
        (folder / "after").mkdir()
        life = record_torn(folder / "life", every)
        tally = check_torn(folder / "after", life.cuts)
    told = _told(tally, life.cuts, life.cuts, began)
    print(f"torn writes, without a disk:\n  {told}", flush=True)
    for line in tally.wrong[:20]:
        print(" ", line)
    return tally


def _told(tally: Tally, every: list[Cut], cuts: list[Cut], began: float) -> str:
    return (
        f"{len(every)} different states of disk and machine, {tally.cuts} examined, "
        f"{sum(cut.changed for cut in cuts)} of them with parameters changed; "
        f"{tally.recoveries} recoveries in {time.monotonic() - began:.0f} s: {tally.restored} "
        f"put the originals back, {tally.crashes} told a crash, {len(tally.wrong)} wrong"
    )


def _some(cuts: list[Cut], most: int, seed: int) -> list[Cut]:
    return random.Random(seed).sample(cuts, most) if 0 < most < len(cuts) else cuts


@contextlib.contextmanager
def _in_memory() -> Iterator[Path]:
    """Yield a directory in memory, so that copying images costs nothing on this machine's disk."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


def main() -> int:
    """Cut, recover, print counts; return 1 when anything was lost or made up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--lost", type=int, default=6, help="combinations of lost requests after each request"
    )
    parser.add_argument(
        "--most", type=int, default=0, help="examine at most so many cuts (0: all)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--without-fsync", action="store_true", help="break it: this has to find losses"
    )
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("error: mounting an image needs root")
    wrong = 0
    for beside in (False, True):
        how = How(chosen.lost, not chosen.without_fsync, beside, chosen.seed)
        wrong += len(cut_and_recover(how, chosen.most).wrong)
    wrong += len(tear_and_recover(101 if chosen.most else 1).wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
