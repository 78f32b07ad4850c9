"""Undo an applied setting: our files away, the previous values back, nobody else's touched."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from sealtune.apply.files import remove_file, replace_file
from sealtune.apply.live import (
    LiveWriter,
    ReadLive,
    Value,
    as_value,
    live_writer,
    read_live,
    same_value,
)
from sealtune.apply.plan import catalogued
from sealtune.apply.record import (
    Entry,
    Record,
    applied_names,
    digest,
    load_record,
    record_path,
)
from sealtune.catalogue.knob import ABSENT
from sealtune.errors import ApplyError, KeepingError, KnobError, NotRootError, RestoreError


@dataclass(frozen=True, slots=True)
class Reverted:
    """What undoing did.

    Attributes:
        name: What was undone; ``""`` when nothing was applied.
        removed: Files removed.
        kept: Files left in place because somebody changed them since.
        restored: Knob name to the value put back.
        left: Knob name to the value found, which is neither what we applied nor what was there
            before: somebody else's, and left alone.
    """

    name: str
    removed: tuple[Path, ...] = ()
    kept: tuple[Path, ...] = ()
    restored: Mapping[str, str] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)


def revert(
    name: str | None = None,
    root: Path = Path("/"),
    guard: LiveWriter | None = None,
    read: ReadLive = read_live,
) -> Reverted:
    """Remove the files of `name` and put the previous live values back.

    The record goes last, so that an interrupted revert is finished by the next one. The live
    kernel is touched when `guard` is given or `root` is ``/``.

    Args:
        name: What to undo; may be left out when only one setting is applied.
        root: Directory that stands for ``/``.
        guard: Writer of live values; the guard is started when ``None`` and one is needed.
        read: Reader of live values.

    Raises:
        KeepingError: No such name, or several are applied and none was named.
        ApplyError: A file cannot be removed; run it again when it can be.
        RestoreError: A previous value does not read back; the record is kept for another try.
    """
    record = _chosen(name, root)
    if record is None:
        return Reverted("")
    live = guard is not None or root == Path("/")
    if live and guard is None and os.geteuid() != 0:
        raise NotRootError("removing files under /etc and writing the kernel needs root")
    _hand_down(record, root)
    removed, kept = _remove_files(record, root)
    restored, left = _restorable(record.entries, read) if live else ({}, {})
    if restored:
        _restore(restored, guard)
    _remove(record_path(root, record.name))
    return Reverted(record.name, removed, kept, restored, left)


def foresee_revert(name: str, root: Path = Path("/"), read: ReadLive | None = None) -> Reverted:
    """Return what `revert` of `name` would do now; touches nothing.

    Args:
        name: What would be undone.
        root: Directory that stands for ``/``. Live values are read for ``/`` only.
        read: Reader of live values, asked whatever the root.

    Raises:
        KeepingError: No such name.
        ApplyError: A file cannot be read.
    """
    record = _chosen(name, root)
    if record is None:
        return Reverted("")
    ours, others = _our_files(record, root)
    if read is None and root == Path("/"):
        read = read_live
    restored, left = _restorable(record.entries, read) if read else ({}, {})
    return Reverted(record.name, ours, others, restored, left)


def _hand_down(record: Record, root: Path) -> None:
    """Give what was there before to every setting that was applied on top of this one.

    Undoing that one later would else bring back a value of this one, which is undone itself.

    Raises:
        ApplyError: A record cannot be written; nothing has been undone yet.
    """
    for name in applied_names(root):
        other = None
        with suppress(KeepingError):  # a damaged record of another setting must not stop this one
            other = load_record(root, name)
        if other is None or name == record.name:
            continue
        entries = dict(other.entries)
        for knob, entry in other.entries.items():
            mine = record.entries.get(knob)
            if mine and _is_ours(entry.previous, mine):
                entries[knob] = replace(
                    entry, previous=mine.previous, side_effects=mine.side_effects
                )
        if entries != other.entries:
            path = record_path(root, name)
            try:
                replace_file(path, replace(other, entries=entries).as_json().encode())
            except OSError as error:
                raise ApplyError(f"{path} cannot be written: {error.strerror}") from error


def _is_ours(found: str, entry: Entry) -> bool:
    """Whether `found` is what we applied, or what the kernel made of it."""
    return same_value(found, entry.value) or bool(entry.live and same_value(found, entry.live))


def _chosen(name: str | None, root: Path) -> Record | None:
    names = applied_names(root)
    if name is None:
        if len(names) > 1:
            raise KeepingError(
                f"several settings are applied: {', '.join(names)}",
                fix="Name one: `sealtune revert NAME`.",
            )
        return load_record(root, names[0]) if names else None
    if name not in names:
        raise KeepingError(
            f"{name!r} is not applied; applied: {', '.join(names) or 'nothing'}",
            fix="`sealtune status` shows what is applied.",
        )
    return load_record(root, name)


def _remove_files(record: Record, root: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    ours, others = _our_files(record, root)
    for path in ours:
        _remove(path)
    return ours, others


def _our_files(record: Record, root: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the files that are as we left them, and those that somebody changed since."""
    removed: list[Path] = []
    kept: list[Path] = []
    for inside, sums in record.files.items():
        path = root / inside.lstrip("/")
        try:
            ours = not path.is_symlink() and digest(path.read_bytes()) in sums
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ApplyError(f"{path}: {error.strerror}") from error
        (removed if ours else kept).append(path)
    return tuple(removed), tuple(kept)


def _remove(path: Path) -> None:
    try:
        remove_file(path)
    except OSError as error:
        fix = "Make the directory writable and revert again; what is left is undone then."
        raise ApplyError(f"{path}: cannot be removed: {error.strerror}", fix=fix) from error


def _restorable(
    entries: Mapping[str, Entry], read: ReadLive
) -> tuple[dict[str, str], dict[str, str]]:
    restored: dict[str, str] = {}
    left: dict[str, str] = {}
    for name, entry in sorted(entries.items(), key=lambda item: item[1].order, reverse=True):
        if entry.previous == ABSENT:
            continue  # goes with the scheduler that brought it
        found = read(entry.path)
        if found is None:
            left[name] = ABSENT
            continue
        if same_value(found, entry.previous):
            continue
        if _is_ours(found, entry):
            target, text = _what_to_write(name, entry)
            restored[target] = text
        else:
            left[name] = found
    back = _coming_back(entries, restored)
    return restored | back, {name: found for name, found in left.items() if name not in back}


def _coming_back(entries: Mapping[str, Entry], restored: Mapping[str, str]) -> dict[str, str]:
    """Return what exists again, reset, once the schedulers in `restored` are back, as it was."""
    back: dict[str, str] = {}
    for name in (name for name in restored if name in entries):
        for path, before in entries[name].side_effects.items():
            knob = catalogued(path)
            under = knob.under if knob else None
            if knob is None or under is None or under.param != name:
                continue
            text = entries[knob.name].previous if knob.name in entries else before
            if restored[name] in under.values and text not in ("", ABSENT):
                back[knob.name] = text
    return back


def _what_to_write(name: str, entry: Entry) -> tuple[str, str]:
    """Return the parameter and text that bring the previous state back.

    ``vm.dirty_ratio`` 0 means that ``vm.dirty_bytes`` was in force, and the kernel refuses the 0:
    of such a pair the one that was not 0 is written.
    """
    partner = next(
        ((path, text) for path, text in entry.side_effects.items() if text not in {"", "0"}), None
    )
    if entry.previous == "0" and partner and partner[0].startswith("/proc/sys/"):
        return partner[0].removeprefix("/proc/sys/").replace("/", "."), partner[1]
    return name, entry.previous


def _restore(values: Mapping[str, str], guard: LiveWriter | None) -> None:
    writer: AbstractContextManager[LiveWriter] = nullcontext(guard) if guard else live_writer()
    with writer as live:
        found, refused = _write_back(values, live)
        for name in found:
            if not same_value(found[name], values[name]):
                raise RestoreError(f"{name}: wrote {values[name]!r}, reads back {found[name]!r}")
        live.commit()
    if refused:
        lines = "; ".join(f"{name} to {values[name]}: {why}" for name, why in refused.items())
        raise RestoreError(
            f"the guard does not put back {lines}",
            fix="Set these by hand, or restart the machine; then run `sealtune revert` again.",
        )


def _write_back(
    values: Mapping[str, str], live: LiveWriter
) -> tuple[dict[str, str], dict[str, str]]:
    """Return what each value reads back as, and why each of the others may not be written.

    A previous value may lie outside the range that the guard allows today. It must not keep the
    others from going back, so a refused batch is built up again without it.
    """
    batch = {name: as_value(text) for name, text in values.items()}
    try:
        return live.apply(batch), {}
    except KnobError:
        pass
    accepted: dict[str, Value] = {}
    found: dict[str, str] = {}
    refused: dict[str, str] = {}
    for name, value in batch.items():
        try:
            found = live.apply({**accepted, name: value})
            accepted[name] = value
        except KnobError as error:
            refused[name] = str(error)
    return found, refused
