"""What applying a setting would write, decided in full before anything is touched."""

import difflib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sealtune.apply.conflicts import Conflict, find_conflicts
from sealtune.apply.live import Value, present_value
from sealtune.apply.record import Entry, digest, load_record
from sealtune.catalogue import load_catalogue
from sealtune.catalogue.forbidden import forbidden_reason
from sealtune.catalogue.knob import ABSENT, Knob, Under
from sealtune.errors import ApplyError, KnobError

_NAME_LENGTH = 40
_MARK_LENGTH = 4
_COMMENT_LENGTH = 160
_VALUE = re.compile(r"[A-Za-z0-9_.:+-]+( [A-Za-z0-9_.:+-]+)*")
_PATH = re.compile(r"/(proc/sys|sys)(/[A-Za-z0-9_.:@+-]+)+")


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What applying would do.

    Attributes:
        name: Sanitised name, part of every file name.
        setting: Knob name to value, as asked for now.
        before: Knob name to the text that it has just before this apply.
        files: Path (below `root`) and whole content of each file that will be written.
        conflicts: Other configuration that sets the same parameters, winners first.
        diff: Unified diff of the files against what is there now; empty when nothing changes.
        gain: The measured gain, one line.
        entries: Every parameter of this name, those of an earlier apply included.
        root: Directory that stands for ``/``.
    """

    name: str
    setting: Mapping[str, Value]
    before: Mapping[str, str]
    files: tuple[tuple[Path, str], ...]
    conflicts: tuple[Conflict, ...]
    diff: str
    gain: str
    entries: Mapping[str, Entry]
    root: Path


def plan_files(
    setting: Mapping[str, Value],
    knobs: Mapping[str, Knob],
    previous: Mapping[str, Value],
    reasons: Mapping[str, str],
    gain: str,
    name: str,
    root: Path = Path("/"),
) -> FilePlan:
    """Return what applying `setting` would write; touches nothing.

    An earlier apply of the same name stays part of the files, and its record of the previous
    values is the one that counts: the new gain was measured on top of it.

    Args:
        setting: Knob name to value; not empty.
        knobs: The knob of each name in `setting`, ``{dev}`` filled in.
        previous: Text each of them had before the session; `ABSENT` for one that did not exist.
        reasons: Why each was changed; any text, perhaps a model's: made harmless here.
        gain: The measured gain in words.
        name: Workload name; see `safe_name`.
        root: Directory that stands for ``/``.

    Raises:
        KnobError: An unknown or forbidden parameter, or a value that it may not have.
        ApplyError: Nothing to apply, or a file of that name is not as sealtune left it.
    """
    name, gain = safe_name(name), one_line(gain)
    if not setting:
        raise ApplyError("the setting is empty: nothing to apply", fix="Nothing has to be done.")
    earlier = load_record(root, name)
    entries = dict(earlier.entries) if earlier else {}
    before = {}
    for knob_name, value in setting.items():
        fresh = _entry(knob_name, value, knobs, previous)
        before[knob_name] = fresh.previous
        known = entries.get(knob_name, fresh)
        entries[knob_name] = replace(
            fresh,
            previous=known.previous,
            side_effects=known.side_effects,
            reason=one_line(reasons.get(knob_name, "")),
            gain=gain,
        )
    for knob_name in setting:
        _refuse_absent(knob_name, entries, before[knob_name])
    # Of an earlier apply what exists no longer under this one's scheduler; nothing undoes it.
    entries = {
        knob: entry
        for knob, entry in entries.items()
        if entry.previous != ABSENT or exists_with(knob, entries)
    }
    files = _render(name, entries, root)
    _refuse_foreign(files, earlier.files if earlier else {}, root)
    kept = {knob: entry for knob, entry in entries.items() if exists_with(knob, entries)}
    values = {entry.path: entry.value for entry in kept.values()}
    conflicts = find_conflicts(root, sysctl_file(root, name), tmpfiles_file(root, name), values)
    return FilePlan(
        name, dict(setting), before, files, conflicts, _diff(files), gain, entries, root
    )


def exists_with(name: str, entries: Mapping[str, Entry]) -> bool:
    """Whether the parameter `name` exists under the values in `entries`, as far as they say."""
    under = condition(name)
    return (
        under is None or under.param not in entries or entries[under.param].value in under.values
    )


def condition(name: str) -> Under | None:
    """Return the choices of another parameter under which `name` exists, if any are needed."""
    knob = catalogued(name)
    return knob.under if knob else None


def catalogued(name: str) -> Knob | None:
    """Return the catalogue's entry of a name or path, ``None`` if it has none any more."""
    try:
        return load_catalogue().resolve(name)
    except KnobError:
        return None


def safe_name(name: str) -> str:
    """Return `name` as a part of file names: letters, digits and single dashes, 40 at most.

    A long one is cut at a word and told from others that begin alike by a part of its hash.

    >>> safe_name("PostgreSQL OLTP / ../../etc"), safe_name("...")
    ('postgresql-oltp-etc', 'setting')
    >>> safe_name("make this box fast for a redis cache with one client")
    'make-this-box-fast-for-a-redis-8bf4'
    """
    whole = "-".join(re.findall(r"[a-z0-9]+", name.lower()))
    if len(whole) <= _NAME_LENGTH:
        return whole or "setting"
    mark = hashlib.sha256(whole.encode()).hexdigest()[:_MARK_LENGTH]
    room = _NAME_LENGTH - _MARK_LENGTH - 1
    cut = whole[: room + 1]
    return f"{cut.rpartition('-')[0] or cut[:room]}-{mark}"


def one_line(text: str) -> str:
    r"""Return `text` fit for a comment: one line, printable, not endless.

    >>> one_line("good\nvm.swappiness = 0\x1b[2J")
    'good vm.swappiness = 0[2J'
    """
    words = "".join(c for c in " ".join(text.split()) if c.isprintable())
    return words if len(words) <= _COMMENT_LENGTH else words[: _COMMENT_LENGTH - 3] + "..."


def sysctl_file(root: Path, name: str) -> Path:
    """Return our file under sysctl.d; ``99-zz`` sorts behind what distributions ship."""
    return root / f"etc/sysctl.d/99-zz-sealtune-{name}.conf"


def tmpfiles_file(root: Path, name: str) -> Path:
    """Return our file under tmpfiles.d."""
    return root / f"etc/tmpfiles.d/sealtune-{name}.conf"


def _entry(
    name: str, value: Value, knobs: Mapping[str, Knob], previous: Mapping[str, Value]
) -> Entry:
    knob = knobs.get(name)
    if knob is None:
        raise KnobError(f"{name}: not in the catalogue")
    if why := forbidden_reason(name):
        raise KnobError(f"{name}: never tuned: {why}")
    if name not in previous:
        raise KnobError(f"{name}: its previous value is not known, so it could not be undone")
    if not _PATH.fullmatch(knob.path) or ".." in knob.path.split("/"):
        raise KnobError(f"{name}: {knob.path!r} is no single file under /proc/sys or /sys")
    before = present_value(str(previous[name]))
    text = str(value)
    _refuse_value(knob, text, "" if before == ABSENT else before)
    tmpfiles = knob.persist == "tmpfiles.d" or not knob.path.startswith("/proc/sys/")
    unread = dict.fromkeys(knob.saved_with, "")
    return Entry(knob.path, text, before, tmpfiles, knob.order, "", "", side_effects=unread)


def _refuse_absent(name: str, entries: Mapping[str, Entry], before: str) -> None:
    under = condition(name)
    unmet = before == ABSENT and (under is None or under.param not in entries)
    if unmet or not exists_with(name, entries):
        raise KnobError(f"{name}: exists only {under}, which this setting does not bring")


def _refuse_value(knob: Knob, text: str, before: str) -> None:
    if not _VALUE.fullmatch(text):
        raise KnobError(f"{knob.name}: {text!r} is no value; words of letters, digits and _.:+-")
    if knob.kind == "choice":
        if knob.choices and text not in (*knob.choices, before):
            raise KnobError(f"{knob.name}: {text!r} is not among {', '.join(knob.choices)}")
        return
    if not re.fullmatch(r"-?[0-9]+", text):
        raise KnobError(f"{knob.name}: {text!r} is not an integer")
    # The range of a session is widened to hold the value that was found.
    found = [int(before)] if re.fullmatch(r"-?[0-9]+", before) else []
    low = min([knob.low, *found]) if isinstance(knob.low, int) else None
    high = max([knob.high, *found]) if isinstance(knob.high, int) else None
    if (low is not None and int(text) < low) or (high is not None and int(text) > high):
        raise KnobError(f"{knob.name}: {text} is outside {knob.low}..{knob.high}")


def _render(name: str, entries: Mapping[str, Entry], root: Path) -> tuple[tuple[Path, str], ...]:
    there = [(knob, entry) for knob, entry in entries.items() if exists_with(knob, entries)]
    ordered = sorted(there, key=lambda item: (item[1].order, item[0]))
    head = f"# Written by sealtune for {name}. Undo: sealtune revert {name}\n"
    sysctls = [_comment(*item) + _sysctl_line(item[1]) for item in ordered if not item[1].tmpfiles]
    writes = [
        _comment(*item) + f"w- {item[1].path} - - - - {item[1].value}\n"
        for item in ordered
        if item[1].tmpfiles
    ]
    files = [(sysctl_file(root, name), sysctls), (tmpfiles_file(root, name), writes)]
    return tuple((path, head + "".join(lines)) for path, lines in files if lines)


def _comment(name: str, entry: Entry) -> str:
    reason = f"# {name}: {entry.reason or 'no reason was given'}\n"
    return f"\n{reason}# before: {entry.previous}; measured gain: {entry.gain}\n"


def _sysctl_line(entry: Entry) -> str:
    key = entry.path.removeprefix("/proc/sys/")
    # A dot inside a component (a network interface such as eth0.100) needs the slash form.
    return f"{key if '.' in key else key.replace('/', '.')} = {entry.value}\n"


def _refuse_foreign(
    files: tuple[tuple[Path, str], ...], ours: Mapping[str, tuple[str, ...]], root: Path
) -> None:
    for path, _ in files:
        inside = "/" + str(path.relative_to(root))
        try:
            if path.is_symlink() or digest(path.read_bytes()) not in ours.get(inside, ()):
                raise ApplyError(
                    f"{path} is there and is not as sealtune wrote it",
                    fix="Look at it, move it away if it is not needed, and apply again.",
                )
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ApplyError(f"{path}: {error.strerror}") from error


def _diff(files: tuple[tuple[Path, str], ...]) -> str:
    parts: list[str] = []
    for path, content in files:
        old = path.read_text("utf-8") if path.exists() else ""
        source = str(path) if old else "/dev/null"
        lines = difflib.unified_diff(
            old.splitlines(keepends=True), content.splitlines(keepends=True), source, str(path)
        )
        parts.extend(lines)
    return "".join(parts)
