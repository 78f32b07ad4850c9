"""The guard's hands: one batch of values at a time, journalled, written, read back, undoable."""

import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from errno import errorcode
from functools import partial

from sealtune.errors import JournalError, KnobError, WriteRefusedError
from sealtune.guard.journal import Journal
from sealtune.guard.kernel import Kernel
from sealtune.guard.report import RestoreReport, Write
from sealtune.guard.rules import Rules
from sealtune.guard.undo import foreign_files, put_back, read_or_reason, write_until_settled


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

    @property
    def holds(self) -> bool:
        """Whether anything may differ from its original because of us."""
        return bool(self._journal.state.held)

    def look_at(self, names: Iterable[str] | None) -> None:
        """Read the originals of `names`; of every parameter without a device when None.

        Raises:
            KnobError: A name is unknown, or its file cannot be read.
        """
        every = names is None
        for name in list(self._rules.limits) if names is None else names:
            path = self._rules.limit(name).path
            if path in self._journal.state.held:  # what it reads now is ours
                self.originals[name] = self._journal.state.held[path].old
                continue
            value = read_or_reason(self._kernel, path)
            if not value.startswith("["):
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
            JournalError: The old values could not be made durable; nothing was written.
            WriteRefusedError: The kernel refused; all is as it was before this call.
        """
        # Again, for an untouched parameter may have been changed by its owner since the start.
        self.look_at(setting)
        texts = self._rules.check(setting, self.originals)
        asked = {self._rules.limit(name).path: text for name, text in texts.items()}
        wanted, before = self._plan(asked)
        changes = {path for path, value in wanted.items() if before[path] != value}
        if changes:
            changes |= {side for path in changes for side in self._rules.saved_with(path)}
            old = {path: before[path] for path in changes & set(before)}
            targets = {path: wanted[path] for path in old if path in wanted}
            before.update(self._batch(old, targets, texts))
        return {
            name: before.get(self._rules.limit(name).path, self.originals[name])
            for name in setting
        }

    def _plan(self, asked: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Return the value wanted of each file, and the present one of each that may change."""
        rules, held = self._rules, self._journal.state.held
        side = {other for path in asked for other in rules.saved_with(path)} - set(asked)
        paths = {*asked, *held, *side}
        before = {path: read_or_reason(self._kernel, path) for path in paths}
        before = {path: value for path, value in before.items() if not value.startswith("[")}
        if gone := sorted(set(asked) - set(before)):
            raise KnobError(
                f"{', '.join(gone)}: was there at the start and cannot be read any more"
            )
        # The other form of a pair, and files that are no parameters of ours, are the kernel's to
        # make; nr_requests beside another scheduler stays as found unless it is asked for.
        free = {path for path in side if not rules.is_knob(path)}
        free.update(mate for path in asked for mate in rules.mates(path))
        free |= foreign_files(self._journal.state, before)
        wanted = dict(asked)
        for path in (set(held) | side) & set(before) - free - set(asked):
            wanted[path] = held[path].old if path in held else before[path]
        return wanted, before

    def _batch(
        self, before: dict[str, str], wanted: dict[str, str], texts: dict[str, str]
    ) -> dict[str, str]:
        held, rules = self._journal.state.held, self._rules
        entries = {
            path: rules.entry(path, held[path].old if path in held else value, wanted.get(path))
            for path, value in before.items()
        }
        files = list(entries.values())
        self._journal.append("batch", durable=True, time=time.time(), setting=texts, files=files)
        asked = {rules.limit(name).path for name in texts}
        side = {other for path in asked for other in rules.saved_with(path)} - asked
        try:
            write_until_settled(self._kernel, entries, wanted, partial(self._write, lenient=side))
        except WriteRefusedError:
            forgiving = partial(self._write, lenient=set(before))
            write_until_settled(self._kernel, entries, before, forgiving)
            raise
        finally:
            made = {path: read_or_reason(self._kernel, path) for path in before}
            with suppress(JournalError):  # unrecorded, whatever is there counts as ours
                self._journal.append("made", durable=False, values=made)
        return made

    def _write(self, path: str, value: str, found: str, *, lenient: Collection[str]) -> str:
        name = self._rules.name(path)
        try:
            self._kernel.write(path, value)
        except OSError as error:
            if path in lenient:
                return found
            reason = f"{errorcode.get(error.errno or 0, '?')}, {error.strerror}"
            raise WriteRefusedError(f"{name}: the kernel refuses {value!r} ({reason})") from error
        made = read_or_reason(self._kernel, path)
        self.log.append(Write(time.time(), name, found, made))
        return made

    def restore(self) -> RestoreReport:
        """Put everything back, except what somebody else has changed since.

        Raises:
            JournalError: All is restored, and only the journal could not be emptied.
        """
        everything = list(self._journal.state.held)
        report = put_back(self._kernel, self._journal, partial(self._write, lenient=everything))
        for name, found, _ in report.foreign:
            self.originals[name] = found
        return report

    def commit(self) -> None:
        """Accept the present values for good: they are the originals from now on."""
        names = [entry.name for entry in self._journal.state.held.values()]
        self._journal.clear()
        self.look_at(name for name in names if name in self._rules.limits)
