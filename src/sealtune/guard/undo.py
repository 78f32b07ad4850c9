"""Putting values into the kernel until they stay, and putting the old ones back.

Works on a journal alone: no catalogue, no limits. What is written here was in the kernel before.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from functools import partial

from sealtune.errors import JournalError
from sealtune.guard.journal import Entry, Journal, State
from sealtune.guard.kernel import Kernel
from sealtune.guard.report import RestoreReport

WriteValue = Callable[[str, str, str], str]
"""Writes to a path a value, over the one found; returns what the path reads then."""
_PASSES = 4


def read_or_reason(kernel: Kernel, path: str) -> str:
    """Return the value of `path`, or in brackets why there is none (never equal to a value)."""
    try:
        return kernel.read(path)
    except OSError as error:
        return f"[{error.strerror}]"


def in_order(
    entries: Iterable[Entry], wanted: Mapping[str, str], now: Mapping[str, str]
) -> list[Entry]:
    """Return `entries` in write order, so that no state in between breaks a ``below``."""
    ordered = sorted(entries, key=lambda entry: (entry.order, entry.path))
    for low in list(ordered):
        high = next((entry for entry in ordered if entry.path == low.below), None)
        if high is None or not (wanted[low.path] + now[high.path]).isdigit():
            continue
        raising = int(wanted[low.path]) >= int(now[high.path])
        first, second = (high, low) if raising else (low, high)
        ordered.remove(first)
        ordered.insert(ordered.index(second), first)
    return ordered


def write_until_settled(
    kernel: Kernel, entries: Mapping[str, Entry], wanted: Mapping[str, str], write: WriteValue
) -> None:
    """Write what differs from `wanted`, again while a later write undoes an earlier one.

    A value that the kernel rounds is written once. A 0 of a pair (``dirty_bytes`` beside
    ``dirty_ratio``) is left to the kernel, which sets it when the other one is written: most
    refuse it, and ``overcommit_kbytes`` would switch the other one off.
    """
    made: dict[str, str] = {}
    for attempt in range(_PASSES):
        now = {path: read_or_reason(kernel, path) for path in wanted}
        differing = [
            entries[path]
            for path, value in wanted.items()
            if now[path] not in (value, made.get(path)) and not now[path].startswith("[")
        ]
        if attempt == 0:
            differing = [e for e in differing if not (e.mates and wanted[e.path] == "0")]
        elif not differing:
            return
        for entry in in_order(differing, wanted, now):
            if read_or_reason(kernel, entry.path).startswith("["):
                continue  # a switch before it took the file away
            made[entry.path] = write(entry.path, wanted[entry.path], now[entry.path])


def foreign_files(
    state: State, found: Mapping[str, str], gone_with: Collection[str] = ()
) -> set[str]:
    """Return the held files whose value in `found` was set by somebody else since our last write.

    Includes a 0 that is there only because they set the partner of that file, and a file that is
    gone because they switched what decides whether it exists (in `gone_with` if it is not held).
    """
    foreign = set()
    for path, value in found.items():
        ours = state.ours.get(path)
        if ours is not None and value not in ours | {state.held[path].old} and value[:1] != "[":
            foreign.add(path)
    zero = {
        path
        for path in set(found) & set(state.held)
        if found[path] == "0" != state.held[path].old
        and foreign.intersection(state.held[path].mates)
    }
    gone = {
        path
        for path in set(found) & set(state.held)
        if state.held[path].decider in foreign.union(gone_with)
        and found[path].startswith("[")
        and not state.held[path].born
    }
    return foreign | zero | gone


def put_back(kernel: Kernel, journal: Journal, write: WriteValue | None = None) -> RestoreReport:
    """Put back everything the journal holds; forget it once all of it reads back.

    Compares before it writes: a value that is not ours was set by somebody else since, and stays.
    So does a 0 that is there only because they set its partner. `write` must not raise.

    Raises:
        JournalError: All is restored, and only the journal could not be emptied.
    """
    state = journal.state
    held = dict(state.held)
    found = {path: read_or_reason(kernel, path) for path in held}
    foreign = foreign_files(state, found, _deciders(kernel, held))
    changed = {path for path, entry in held.items() if not entry.is_back(found[path])}
    changed -= foreign
    # The unchanged ones too: putting back a scheduler resets its nr_requests.
    wanted = {path: held[path].old for path in held if path not in foreign}
    if changed:
        # From here until all is back, a side effect of ours must not be taken for somebody else's.
        with suppress(JournalError):
            journal.append("undo", durable=False, paths=list(wanted))
        write_until_settled(kernel, held, wanted, write or partial(_attempt, kernel))
    now = {path: read_or_reason(kernel, path) for path in wanted}
    back = [p for p, old in wanted.items() if now[p] == old and p in changed]
    restored = [(held[p].name, found[p], now[p]) for p in back]
    failed = [(held[p].name, now[p], o) for p, o in wanted.items() if not held[p].is_back(now[p])]
    if not failed:
        journal.clear()
    strangers = [(held[path].name, found[path], held[path].old) for path in sorted(foreign)]
    return RestoreReport(restored, strangers, failed, journal.crash)


def _deciders(kernel: Kernel, held: Mapping[str, Entry]) -> set[str]:
    """Return what decides whether held files exist, is there, and was never ours to write.

    Where it cannot be read the device is gone, and its files with it: that is nobody's choice.
    """
    deciders = {entry.decider for entry in held.values() if entry.decider} - set(held)
    return {path for path in deciders if not read_or_reason(kernel, path).startswith("[")}


def _attempt(kernel: Kernel, path: str, value: str, _found: str) -> str:
    with suppress(OSError):  # the read-back decides, not the write
        kernel.write(path, value)
    return read_or_reason(kernel, path)
