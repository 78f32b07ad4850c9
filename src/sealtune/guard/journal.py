"""The write-ahead journal: old values, on disk until they have been put back.

One line per record: CRC-32 of the rest in hex, a space, and a JSON object with version, boot and
kind. ``batch`` is written and synced before the kernel is touched; ``made`` (what the kernel made
of it) and ``undo`` (restoring has begun) need no sync: the page cache outlives any process, and a
machine that goes down takes the values themselves with it.
"""

import binascii
import json
import os
import re
from contextlib import suppress
from typing import Any, NamedTuple

from sealtune.errors import JournalError
from sealtune.guard.report import Crash

VERSION = 1
_START = b' {"v":%d,"boot":"' % VERSION
_BOOT = re.compile(r"[0-9a-f-]{1,64}")


class Entry(NamedTuple):
    """One file of a batch, with all that is needed to put it back without the catalogue.

    Attributes:
        path: Absolute file under /proc/sys or /sys.
        name: What a person calls it.
        order: Write order, small first.
        below: File whose value this one must stay under, or ``""``.
        mates: Files that the kernel switches to 0 when this one is written, and back.
        old: Value before our first write.
        new: Value we are about to write; ``None`` for a file that only changes as a side effect.
        decider: File whose value decides whether this one exists, or ``""``.
        born: Not there at first: a switch of ours made it, and `old` is what it came with.
    """

    path: str
    name: str
    order: int
    below: str
    mates: tuple[str, ...]
    old: str
    new: str | None
    decider: str = ""
    born: bool = False

    def is_back(self, value: str) -> bool:
        """Whether `value`, read now, is as before our first write; a born file may be gone."""
        return value == self.old or (self.born and value.startswith("["))


class State:
    """What the records so far say: the files held, and which values in them are ours."""

    def __init__(self) -> None:
        self.boot = ""
        self.time = 0.0
        self.setting: dict[str, str] = {}
        self.held: dict[str, Entry] = {}
        self.ours: dict[str, set[str] | None] = {}
        """Values that we put there; None while a write may be under way: any value is ours."""

    def take(self, record: dict[str, Any]) -> None:
        """Add one record."""
        kind = record["kind"]
        if kind == "batch":
            self.boot, self.time = record["boot"], float(record["time"])
            self.setting = dict(record["setting"])
            for fields in record["files"]:
                path, name, order, below, mates, *rest = fields
                self._hold(Entry(path, name, order, below, tuple(mates), *rest))
        elif kind == "made":
            for path, value in record["values"].items():
                self.ours[path] = {value, self.held[path].new or value}
        elif kind == "undo":
            self.ours.update(dict.fromkeys(record["paths"]))
        elif kind == "abandon":
            for path in record["paths"]:
                del self.held[path], self.ours[path]
        else:
            raise ValueError(f"unknown kind {kind!r}")

    def _hold(self, entry: Entry) -> None:
        known = self.held.get(entry.path, entry)
        if known.old != entry.old:
            raise ValueError(f"two original values for {entry.path}")
        if ".." in entry.path or not entry.path.startswith(("/proc/sys/", "/sys/")):
            raise ValueError(f"{entry.path} is no kernel parameter")
        self.held[entry.path] = entry
        self.ours[entry.path] = None


def encode(record: dict[str, Any]) -> bytes:
    """Return `record` as a line."""
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
    return b"%08x %s\n" % (binascii.crc32(text), text)


def replay(data: bytes, path: str) -> tuple[State, int]:
    """Return what a journal says, and how many of its bytes are whole records.

    A torn last line is no error: its values never reached the kernel.

    Raises:
        JournalError: Anything else is wrong with it; nothing is ever guessed.
    """
    state, position = State(), 0
    for line in data.splitlines(keepends=True):
        if not line.endswith(b"\n") and position + len(line) == len(data) and _is_torn(line):
            return state, position
        try:
            record = _decode(line)
            if state.boot and record["boot"] != state.boot:
                raise ValueError("records of two boots")
            state.take(record)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            where = f"{path}: damaged, or not ours, at byte {position} ({error})"
            fix = "Compare it with the machine by hand, then move it away; it was left as it is."
            raise JournalError(where, fix=fix) from error
        position += len(line)
    return state, position


def _decode(line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n") or line[8:9] != b" ":
        raise ValueError("no record")
    if b"%08x" % binascii.crc32(line[9:-1]) != line[:8]:
        raise ValueError("wrong checksum")
    record: dict[str, Any] = json.loads(line[9:-1])
    if record["v"] != VERSION or not _BOOT.fullmatch(record["boot"]):
        raise ValueError(f"version {record['v']}, boot {record['boot']!r}")
    return record


def _is_torn(tail: bytes) -> bool:
    # The sync of another file (the store's) takes the length of our file along, but not the text
    # of a record that we did not sync: after a power cut zeros stand in its place.
    text = tail.rstrip(b"\0")
    record = text[9:-1] if text == tail else text[9:]
    whole = b"%08x" % binascii.crc32(record) == text[:8]  # only its line end is damaged
    begins_well = not text or re.match(rb"[0-9a-f]{1,8}", text) is not None
    return begins_well and _START.startswith(text[8 : 8 + len(_START)]) and not whole


class Journal:
    """The journal file, open for appending. Only the holder of the lock may have one.

    Appending changes no directory entry, so the directory is synced once, when the file is made.

    Raises:
        JournalError: It cannot be opened, or what is in it is damaged.
    """

    def __init__(self, path: str, boot_id: str) -> None:
        self._path, self._boot = path, boot_id
        self.crash: Crash | None = None
        try:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            self._open()
            with open(path, "rb") as file:
                self.state, self._length = replay(file.read(), path)
            if self.state.boot not in ("", boot_id):
                self._archive()
            self._cut()
        except OSError as error:
            raise JournalError(f"{path}: {error.strerror}") from error

    @property
    def size(self) -> int:
        """Length of all records so far [bytes]."""
        return self._length

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o644)
        self._sync_directory()

    def _sync_directory(self) -> None:
        directory = os.open(os.path.dirname(self._path), os.O_RDONLY | os.O_CLOEXEC)
        os.fsync(directory)
        os.close(directory)

    def _archive(self) -> None:
        state = self.state
        self.crash = Crash(state.boot, state.time, state.setting)
        os.close(self._descriptor)
        os.rename(self._path, f"{self._path}.{state.boot}.crash")
        self.state, self._length = State(), 0
        self._open()

    def _cut(self) -> None:
        if os.fstat(self._descriptor).st_size != self._length:
            os.ftruncate(self._descriptor, self._length)
            os.fsync(self._descriptor)

    def append(self, kind: str, *, durable: bool, **fields: object) -> None:
        """Add a record; with `durable`, return only once it has reached the disk.

        Raises:
            JournalError: It has not. The caller must not write what the record announces.
        """
        record = {"v": VERSION, "boot": self._boot, "kind": kind, **fields}
        line = encode(record)
        try:
            status = os.fstat(self._descriptor)
            if status.st_nlink == 0 or status.st_size != self._length:
                raise OSError(0, "removed or changed by somebody else during the run")
            if os.write(self._descriptor, line) != len(line):
                raise OSError(0, "no space left for a whole record")
            if durable:
                os.fsync(self._descriptor)
        except OSError as error:
            with suppress(OSError):
                self._cut()  # half a record must not stay in front of the next one
            raise JournalError(f"{self._path}: {error.strerror}") from error
        self._length += len(line)
        self.state.take(record)

    def clear(self) -> None:
        """Forget everything. Call only when every file reads back as it should.

        Raises:
            JournalError: The disk refused; the records are still there.
        """
        try:
            if os.fstat(self._descriptor).st_size == 0:  # not our count: a record may be half made
                return
            os.ftruncate(self._descriptor, 0)
            os.fsync(self._descriptor)
        except OSError as error:
            raise JournalError(f"{self._path}: {error.strerror}") from error
        self.state, self._length = State(), 0

    def close(self) -> None:
        """Close the file, whatever is in it."""
        os.close(self._descriptor)
