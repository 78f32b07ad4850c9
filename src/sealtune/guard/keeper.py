"""The guard's hands: one batch of values at a time, journalled, written, read back, undoable."""

import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from errno import errorcode
from functools import partial

from sealtune.errors import JournalError, KnobError, WriteRefusedError
from sealtune.guard.journal import Entry, Journal
from sealtune.guard.kernel import Kernel
from sealtune.guard.report import RestoreReport, Write
from sealtune.guard.rules import Rules
from sealtune.guard.undo import (
    WriteValue,
    foreign_files,
    put_back,
    read_or_reason,
    write_until_settled,
)

MOST_BYTES = 1 << 20
"""Length of the journal beyond which a setting begins anew from the originals: it must stay quick
to read, and a session that never restores must not fill the disk."""


class Keeper:
    """Holds the originals and moves the machine between them and settings.

    The order is the contract: the old value is durable before the new one reaches the kernel. A
    crash at any instant leaves an untouched parameter or a record of how to put it back.

    Attributes:
        originals: Value of each parameter before our first write, as far as read.
        log: Every value written to the kernel, in order.
    """

    def __init__(self, kernel: Kernel, journal: Journal, rules: Rules) -> None:
        self._kernel, self._journal, self._rules = kernel, journal, rules
        self.originals: dict[str, str] = {}
        self.log: list[Write] = []
        self._read_back: dict[str, str] = {}
        self._strangers: dict[str, str] = {}  # what others have set, and its value before all

    @property
    def holds(self) -> bool:
        """Whether anything may differ from its original because of us."""
        return bool(self._journal.state.held)

    def look_at(self, names: Iterable[str] | None) -> None:
        """Read the originals of `names`; of every parameter without a device when None.

        One that does not exist under the original choice of another has none.

        Raises:
            KnobError: A name is unknown, or its file cannot be read.
        """
        every, held = names is None, self._journal.state.held
        for name in list(self._rules.limits) if names is None else names:
            path = self._rules.limit(name).path
            if path in held and not held[path].born:  # what it reads now is ours
                self.originals[name] = held[path].old
                continue
            value, decider = read_or_reason(self._kernel, path), self._rules.decider(path)
            if decider in held or (decider and value.startswith("[")):
                self.originals.pop(name, None)
            elif not value.startswith("["):
                self.originals[name] = value
            elif not every:
                raise KnobError(f"{name}: {path} cannot be read {value}")

    def values(self) -> dict[str, str]:
        """Return what the kernel has now for every parameter looked at."""
        return {n: read_or_reason(self._kernel, self._rules.limit(n).path) for n in self.originals}

    def apply(self, setting: Mapping[str, object]) -> dict[str, str]:
        """Make the machine its originals plus `setting`; return what the kernel made of each.

        Raises:
            KnobError: Not allowed; nothing was written.
            JournalError: The old values could not be made durable; all is as before this call.
            WriteRefusedError: The kernel refused; all is as it was before this call.
        """
        if self._journal.size > MOST_BYTES and self.restore().failed:
            raise JournalError("the journal is full and cannot be emptied: values are not back")
        texts = self._checked(setting)
        # Of every name: what equals the original of before is no longer the present value.
        if self._give_way({self._rules.limit(name).path for name in setting}):
            texts = self._checked(setting)
        asked = {self._rules.limit(name).path: text for name, text in texts.items()}
        wanted, before = self._plan(asked)
        changes = {path for path, value in wanted.items() if before.get(path, value) != value}
        late = {path for path in asked if path not in before}
        if gone := sorted(path for path in late if self._rules.decider(path) not in changes):
            raise KnobError(
                f"{', '.join(gone)}: was there at the start and cannot be read any more"
            )
        if changes:
            changes |= {side for path in changes for side in self._rules.saved_with(path)}
            before.update(self._batch(self._touched(changes, asked, before), wanted, texts, late))
        return {
            name: before.get(self._rules.limit(name).path, self.originals.get(name, ""))
            for name in setting
        }

    def _checked(self, setting: Mapping[str, object]) -> dict[str, str]:
        """Return what of `setting` differs from the originals, as texts."""
        # Again, for an untouched parameter may have been changed by its owner since the start.
        self.look_at([*setting, *self._rules.deciders(setting)])
        return self._rules.check(setting, self.originals)

    def _give_way(self, asked: Iterable[str]) -> bool:
        """Let what somebody else has set in the files `asked` be their original from here on.

        The journal keeps one original a file, so it begins anew; later restores tell it again.
        Returns whether there was any.
        """
        found = {path: read_or_reason(self._kernel, path) for path in self._journal.state.held}
        foreign = foreign_files(self._journal.state, found).intersection(asked)
        if foreign and self.restore().failed:
            raise JournalError("somebody else sets parameters too, and values are not back")
        return bool(foreign)

    def _plan(self, asked: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Return the value wanted of each file, and the present one of each that may change."""
        rules, held = self._rules, self._journal.state.held
        side = {other for path in asked for other in rules.saved_with(path)} - set(asked)
        paths = {*asked, *held, *side}
        before = {path: read_or_reason(self._kernel, path) for path in paths}
        before = {path: value for path, value in before.items() if not value.startswith("[")}
        # The other form of a pair, and files that are no parameters of ours, are the kernel's to
        # make; nr_requests beside another scheduler stays as found unless it is asked for.
        free = {path for path in side if not rules.is_knob(path)}
        free.update(mate for path in asked for mate in rules.mates(path))
        free |= foreign_files(self._journal.state, before)
        wanted = dict(asked)
        # A file that is held and gone comes back with the scheduler that it belongs to.
        for path in (set(held) | (side & set(before))) - free - set(asked):
            wanted[path] = held[path].old if path in held else before[path]
        return wanted, before

    def _touched(
        self, changes: set[str], asked: Collection[str], before: dict[str, str]
    ) -> dict[str, str | None]:
        """Return what each file of a batch reads now, ``None`` for one that is not there.

        What is not held beside a scheduler that is came with our own switch: nobody's original,
        and gone with the next one. It counts only when it is asked for.
        """
        rules, held = self._rules, self._journal.state.held
        here = {
            path
            for path in changes & set(before)
            if path in held or path in asked or rules.decider(path) not in held
        }
        return {path: before.get(path) for path in here | (changes & set(held))}

    def _batch(
        self,
        now: dict[str, str | None],
        wanted: dict[str, str],
        texts: dict[str, str],
        late: Collection[str],
    ) -> dict[str, str]:
        """Journal and write; the files in `late` are there only once the others are written."""
        rules = self._rules
        asked = {rules.limit(name).path for name in texts}
        side = {other for path in asked for other in rules.saved_with(path)} - asked
        write = partial(self._write, lenient=side)
        self._read_back = {}
        entries = self._announce(now, wanted, texts)
        try:
            self._settle(entries, wanted, write)
            if late:
                found = {path: read_or_reason(self._kernel, path) for path in late}
                if missing := [path for path in late if found[path].startswith("[")]:
                    raise WriteRefusedError(f"{rules.name(missing[0])}: there is no {missing[0]}")
                if fresh := {p: value for p, value in found.items() if p not in entries}:
                    entries |= self._announce(fresh, wanted, texts)
                    self._settle(entries, wanted, write)
        except (WriteRefusedError, JournalError):
            forgiving = partial(self._write, lenient=set(entries))
            before = {path: value for path, value in now.items() if value is not None}
            write_until_settled(self._kernel, entries, before, forgiving)
            raise
        finally:
            made = {path: read_or_reason(self._kernel, path) for path in entries}
            # What somebody else sets before the batch is over is not what the kernel made of it.
            mixed = {other for path in self._read_back for other in rules.saved_with(path)}
            made |= {p: v for p, v in self._read_back.items() if p in entries and p not in mixed}
            with suppress(JournalError):  # unrecorded, whatever is there counts as ours
                self._journal.append("made", durable=False, values=made)
        return made

    def _announce(
        self, now: Mapping[str, str | None], wanted: dict[str, str], texts: dict[str, str]
    ) -> dict[str, Entry]:
        """Make the original of each file in `now`, and what is wanted of it, durable."""
        held = self._journal.state.held
        entries: dict[str, Entry] = {}
        for path, value in now.items():
            known = held.get(path)
            old = known.old if known else value or ""
            entry = self._rules.entry(path, old, wanted.get(path))
            entries[path] = entry._replace(born=known.born if known else entry.decider in held)
        files = list(entries.values())
        self._journal.append("batch", durable=True, time=time.time(), setting=texts, files=files)
        return entries

    def _settle(
        self, entries: dict[str, Entry], wanted: dict[str, str], write: WriteValue
    ) -> None:
        targets = {path: wanted[path] for path in entries if path in wanted}
        write_until_settled(self._kernel, entries, targets, write)

    def _write(self, path: str, value: str, found: str, *, lenient: Collection[str]) -> str:
        name = self._rules.name(path)
        try:
            self._kernel.write(path, value)
        except OSError as error:
            if path in lenient:
                return found
            reason = f"{errorcode.get(error.errno or 0, '?')}, {error.strerror}"
            raise WriteRefusedError(f"{name}: the kernel refuses {value!r} ({reason})") from error
        made = self._read_back[path] = read_or_reason(self._kernel, path)
        self.log.append(Write(time.time(), name, found, made))
        return made

    def restore(self) -> RestoreReport:
        """Put everything back, except what somebody else has changed since.

        Whatever they have changed since the start is told again, as it reads now and with its
        value before all, unless they have put that back themselves.

        Raises:
            JournalError: All is restored, and only the journal could not be emptied.
        """
        everything = list(self._journal.state.held)
        report = put_back(self._kernel, self._journal, partial(self._write, lenient=everything))
        for name, _, old in report.foreign:
            self._strangers.setdefault(name, old)
        theirs = {name: old for name, _, old in report.failed}  # reads what is ours still
        foreign = []
        for name, old in list(self._strangers.items()):
            limit = self._rules.limits.get(name)
            path = limit.path if limit else name
            found = theirs.get(name) or read_or_reason(self._kernel, path)
            if limit and not found.startswith("["):
                self.originals[name] = found
            if found == old:
                del self._strangers[name]
            else:
                foreign.append((name, found, old))
        return report._replace(foreign=foreign)

    def commit(self) -> None:
        """Accept the present values for good: they are the originals from now on."""
        names = [entry.name for entry in self._journal.state.held.values()]
        self._journal.clear()
        self._strangers.clear()
        self.look_at(name for name in names if name in self._rules.limits)
