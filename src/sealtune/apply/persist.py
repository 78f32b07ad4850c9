"""Write a plan: the record of what was there first, then the files, then the live values."""

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sealtune.apply.files import FileChanges
from sealtune.apply.live import LiveWriter, ReadLive, Value, as_value, live_writer, read_live
from sealtune.apply.plan import FilePlan, plan_files
from sealtune.apply.record import Entry, Record, digest, load_record, record_path
from sealtune.catalogue.knob import ABSENT, Knob
from sealtune.errors import ApplyError, NothingConfirmedError, NotRootError, SealtuneError


@dataclass(frozen=True, slots=True)
class Applied:
    """What was made permanent.

    Attributes:
        name: Name to give to `sealtune.apply.revert`.
        files: Files written.
        live: Knob name to what the kernel made of it; empty when only files were written.
        record: Where the previous values are kept.
    """

    name: str
    files: tuple[Path, ...]
    live: Mapping[str, str]
    record: Path


def apply_result(
    result: Mapping[str, Any],
    knobs: Mapping[str, Knob],
    previous: Mapping[str, Value],
    reasons: Mapping[str, str],
    *,
    root: Path = Path("/"),
    guard: LiveWriter | None = None,
) -> Applied:
    """Make the ``best_config`` of a confirmed improvement permanent; see `apply_setting`.

    Args:
        result: A session's Result mapping.
        knobs: The knob of each parameter in it, ``{dev}`` filled in.
        previous: Text each of them had before the session.
        reasons: Why each was changed.
        root: Directory that stands for ``/``; with another one the kernel is not touched.
        guard: Writer of live values; the guard is started for it when ``None``.

    Raises:
        NothingConfirmedError: Anything but a confirmed, real improvement.
    """
    gain = confirmed_gain(result)
    name = str(result.get("workload_name", ""))
    plan = plan_files(result.get("best_config", {}), knobs, previous, reasons, gain, name, root)
    return apply_setting(plan, guard)


def confirmed_gain(result: Mapping[str, Any]) -> str:
    """Return the gain of `result` in words.

    Raises:
        NothingConfirmedError: The run was simulated, ended otherwise than improved, or has no
            confirmed gain with an interval.
    """
    if result.get("simulated"):
        raise NothingConfirmedError("the run was SIMULATED: it says nothing about this machine")
    if result.get("verdict") != "improved":
        raise NothingConfirmedError(f"the verdict is {result.get('verdict')!r}, not 'improved'")
    gain = result.get("gain")
    if not isinstance(gain, Mapping) or gain.get("confirmed") is not True:
        raise NothingConfirmedError("the gain was not confirmed")
    numbers = [gain.get(key) for key in ("estimate", "ci_low", "ci_high")]
    if not all(isinstance(n, int | float) and math.isfinite(n) for n in numbers):
        raise NothingConfirmedError(f"the gain has no interval: {dict(gain)}")
    estimate, low, high = numbers
    share = gain.get("confidence", 0.95)
    return f"x{estimate:.3g} ({share:.0%} interval {low:.3g} to {high:.3g})"


def apply_setting(
    plan: FilePlan, guard: LiveWriter | None = None, read: ReadLive = read_live
) -> Applied:
    """Write the plan's files and set the live values; all of it or nothing.

    The record with the previous values is durable before the first file is written. The live
    kernel is touched when `guard` is given or the plan's root is ``/``; the guard is then asked
    to commit as the very last step.

    Raises:
        ApplyError: A file could not be written; everything is as it was.
        GuardError: A live value could not be set; everything is as it was.
    """
    if guard is None and plan.root == Path("/") and os.geteuid() != 0:
        raise NotRootError("writing under /etc and to the kernel needs root")
    changes = FileChanges()
    with _writer(plan.root, guard) as writer, _undone_on_failure(changes, plan):
        record = _new_record(plan, read if writer else None)
        path = record_path(plan.root, plan.name)
        changes.write(path, record.as_json())
        for file, content in plan.files:
            changes.write(file, content)
        live = _set_live(plan, record, changes, writer) if writer else {}
        if not writer:
            changes.write(path, _settled(record, {}).as_json())
    return Applied(plan.name, tuple(file for file, _ in plan.files), live, path)


def _set_live(
    plan: FilePlan, record: Record, changes: FileChanges, writer: LiveWriter
) -> dict[str, str]:
    live = writer.apply(plan.setting)
    try:
        changes.write(record_path(plan.root, plan.name), _settled(record, live).as_json())
        writer.commit()
    except BaseException:
        # What is not committed the guard puts back when it is closed; a guard that the caller
        # goes on using would keep it until then.
        with suppress(SealtuneError, OSError):
            there = {name: text for name, text in plan.before.items() if text != ABSENT}
            writer.apply({name: as_value(text) for name, text in there.items()})
        raise
    return dict(live)


def _writer(root: Path, guard: LiveWriter | None) -> AbstractContextManager[LiveWriter | None]:
    if guard is not None:
        return nullcontext(guard)
    return live_writer() if root == Path("/") else nullcontext(None)


@contextmanager
def _undone_on_failure(changes: FileChanges, plan: FilePlan) -> Iterator[None]:
    try:
        yield
    except BaseException as failure:
        left = changes.undo()
        if left:
            names = ", ".join(map(str, left))
            raise ApplyError(
                f"{failure}; and these could not be put back: {names}",
                fix=f"Run `sealtune revert {plan.name}` once the disk can be written again.",
            ) from failure
        if isinstance(failure, OSError):
            raise ApplyError(f"{failure}; nothing was changed") from failure
        raise


def _new_record(plan: FilePlan, read: ReadLive | None) -> Record:
    """Return the record to store first: it knows the old content of each file and the new."""
    earlier = load_record(plan.root, plan.name)
    files = dict(earlier.files) if earlier else {}
    for file, content in plan.files:
        inside = "/" + str(file.relative_to(plan.root))
        files[inside] = (*files.get(inside, ()), digest(content.encode()))
    entries = {name: _with_side_effects(entry, read) for name, entry in plan.entries.items()}
    return Record(plan.name, plan.gain, entries, files)


def _with_side_effects(entry: Entry, read: ReadLive | None) -> Entry:
    """Fill in what the files that change with this one hold now, unless it is known already."""
    if read is None:
        return entry
    known = entry.side_effects.items()
    return replace(entry, side_effects={path: text or read(path) or "" for path, text in known})


def _settled(record: Record, live: Mapping[str, str]) -> Record:
    """Return the record to keep: the new content only, and what the kernel made of the values."""
    files = {file: sums[-1:] for file, sums in record.files.items()}
    entries: dict[str, Entry] = {
        name: replace(entry, live=live[name]) if name in live else entry
        for name, entry in record.entries.items()
    }
    return replace(record, files=files, entries=entries)
