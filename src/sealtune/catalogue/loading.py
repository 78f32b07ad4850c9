"""Reads knobs.toml, refuses what is wrong in it by name, and finds a parameter by any spelling."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from sealtune.catalogue.bounds import resolve_bound
from sealtune.catalogue.forbidden import canonical, forbidden_reason
from sealtune.catalogue.knob import Knob, Under
from sealtune.errors import KnobError

NEEDS = ("swap", "numa", "haltpoll", "ratio_in_force")
"""What a knob's `needs` may name. ``ratio_in_force``: the files in `saved_with` must read 0, for
the kernel keeps a share or a number of bytes, never both, and we do not switch between them."""

TOPICS = ("database", "web", "cache", "latency", "disk", "network", "memory", "cpu")

_FIX = "Correct knobs.toml in the catalogue package."
_OPTIONAL = {
    "low", "high", "choices", "scale", "step", "order", "saved_with", "below", "under", "needs"
}  # fmt: skip
_DEVICE = r"[A-Za-z0-9_!-]+"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every parameter that may be tuned, in the order of the file.

    Attributes:
        knobs: The entries; block entries still carry ``{dev}``.
    """

    knobs: tuple[Knob, ...]

    def get(self, name: str) -> Knob | None:
        """Return the entry called exactly `name`, ``None`` if there is none."""
        return next((knob for knob in self.knobs if knob.name == name), None)

    def resolve(self, name: str, device: str | None = None) -> Knob:
        """Return the entry that `name` stands for.

        Args:
            name: The catalogue's name, the name with a device in it, an absolute path, a sysctl
                with slashes, or the last part of a name if only one entry has it.
            device: Block device put in for ``{dev}``, unless `name` says which; without it such
                an entry keeps ``{dev}``.

        Raises:
            KnobError: Unknown (the nearest names are given), ambiguous, or never tuned.

        >>> load_catalogue().resolve("/sys/block/vda/queue/read_ahead_kb").name
        'block/vda/read_ahead_kb'
        >>> load_catalogue().resolve("guest_halt_poll_ns").name
        'haltpoll/guest_halt_poll_ns'
        """
        if reason := forbidden_reason(name):
            raise KnobError(f"{name} is never tuned: {reason}")
        wanted = canonical(name)
        for knob in self.knobs:
            for spelling in (knob.name, knob.path):
                found = _device_in(canonical(spelling), wanted)
                if found is not None:
                    return _on(knob, found or device)
        matches = [knob for knob in self.knobs if _last_part(knob) == wanted]
        if len(matches) == 1:
            return _on(matches[0], device)
        raise KnobError(self._unknown(name, matches))

    def _unknown(self, name: str, matches: list[Knob]) -> str:
        if matches:
            return f"{name} could be {' or '.join(knob.name for knob in matches)}"
        by_name = {knob.name: knob.name for knob in self.knobs}
        by_last = {_last_part(knob): knob.name for knob in self.knobs}
        near = get_close_matches(name, by_name, n=3, cutoff=0.6)
        near += [by_last[last] for last in get_close_matches(name, by_last, n=3, cutoff=0.6)]
        hint = f"; nearest: {', '.join(dict.fromkeys(near))}" if near else ""
        return f"unknown parameter {name!r}{hint}"


@cache
def load_catalogue() -> Catalogue:
    """Return the catalogue of this package, read and checked once.

    Raises:
        KnobError: An entry is wrong; the message names entry and field.
    """
    return parse_catalogue(Path(__file__).with_name("knobs.toml").read_text("utf-8"))


def parse_catalogue(text: str) -> Catalogue:
    """Return the catalogue written in `text` (TOML, one ``[[knob]]`` per entry).

    Raises:
        KnobError: No TOML, or an entry with an unknown, missing or ill-typed field or a value
            that contradicts another; the message names entry and field.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise KnobError(f"catalogue: no valid TOML: {error}", fix=_FIX) from error
    entries = document.pop("knob", None)
    if document or not isinstance(entries, list) or not entries:
        raise KnobError(f"catalogue: need [[knob]] entries only, found {[*document]}", fix=_FIX)
    hints = get_type_hints(Knob)
    knobs = tuple(_read(entry, position, hints) for position, entry in enumerate(entries, 1))
    names = [knob.name for knob in knobs]
    for knob in knobs:
        if names.count(knob.name) > 1:
            raise _wrong(knob.name, "name", "stands twice")
        if knob.below is not None and knob.below not in names:
            raise _wrong(knob.name, "below", f"{knob.below!r} is no entry")
        if knob.under is not None:
            _check_under(knob, knob.under, knobs)
    return Catalogue(knobs)


def _read(entry: Mapping[str, Any], position: int, hints: Mapping[str, Any]) -> Knob:
    name = str(entry.get("name", f"entry {position}"))
    for field in fields(Knob):
        required = field.default is MISSING or field.name not in _OPTIONAL
        if required and field.name not in entry:
            raise _wrong(name, field.name, "is missing")
    values: dict[str, Any] = {}
    for key, value in entry.items():
        if key not in hints:
            raise _wrong(name, key, f"is unknown; allowed: {', '.join(hints)}")
        values[key] = tuple(value) if isinstance(value, list) else value
        if key == "under":
            values[key] = _under(name, value)
        if not _fits(values[key], hints[key]):
            raise _wrong(name, key, f"is {value!r}, need {_words(hints[key])}")
    knob = Knob(**values)
    _check_range(knob, entry)
    _check_place(knob)
    return knob


def _under(name: str, value: object) -> Under:
    found = value if isinstance(value, Mapping) else {}
    param, choices = found.get("param"), found.get("values")
    texts = isinstance(choices, list) and all(type(choice) is str for choice in choices)
    if set(found) != {"param", "values"} or type(param) is not str or not (choices and texts):
        need = '{param = "NAME", values = ["CHOICE", ...]}'
        raise _wrong(name, "under", f"is {value!r}, need {need}")
    return Under(param, tuple(choices))


def _check_under(knob: Knob, under: Under, knobs: tuple[Knob, ...]) -> None:
    other = next((other for other in knobs if other.name == under.param), None)
    if other is None or other.kind != "choice":
        raise _wrong(knob.name, "under", f"names {under.param!r}, which is no entry with choices")
    if other.under is not None:
        raise _wrong(knob.name, "under", f"names {other.name}, which is conditional itself")
    unknown = [value for value in under.values if value not in other.choices]
    if unknown:
        allowed = ", ".join(other.choices)
        raise _wrong(knob.name, "under", f"names {unknown}, allowed: {allowed}")
    if knob.path not in other.saved_with:
        raise _wrong(knob.name, "under", f"needs {knob.path} in saved_with of {other.name}")
    if knob.order <= other.order:
        raise _wrong(knob.name, "order", f"is {knob.order}, must be above that of {other.name}")
    # It may have no present value on a machine: nothing may be derived from one.
    if knob.kind == "choice":
        sound = knob.default in knob.choices
    else:
        try:
            low, high = (resolve_bound(bound, None, 2**30) for bound in (knob.low, knob.high))
        except ValueError as error:
            raise _wrong(knob.name, "low", f"or high: {error}") from error
        sound = knob.default.isdecimal() and low <= int(knob.default) <= high
    if not sound:
        raise _wrong(knob.name, "default", f"is {knob.default!r}, need a value of its range")


def _check_range(knob: Knob, entry: Mapping[str, Any]) -> None:
    if knob.kind == "choice":
        if len(set(knob.choices)) != len(knob.choices) or len(knob.choices) < 2:
            raise _wrong(knob.name, "choices", "needs two distinct texts or more")
        if "low" in entry or "high" in entry:
            raise _wrong(knob.name, "low", "has no meaning for a choice")
        return
    for key in ("low", "high"):
        if key not in entry:
            raise _wrong(knob.name, key, "is missing")
        try:
            resolve_bound(getattr(knob, key), 0, 2**30)
        except ValueError as error:
            raise _wrong(knob.name, key, str(error)) from error
    if knob.choices:
        raise _wrong(knob.name, "choices", "has no meaning for an int")
    if knob.step < 1:
        raise _wrong(knob.name, "step", f"is {knob.step}, need at least 1")
    if isinstance(knob.low, int) and isinstance(knob.high, int) and knob.low >= knob.high:
        raise _wrong(knob.name, "high", f"is {knob.high}, not above low {knob.low}")


def _check_place(knob: Knob) -> None:
    sysctl = knob.path.startswith("/proc/sys/")
    if not sysctl and not knob.path.startswith("/sys/"):
        raise _wrong(knob.name, "path", f"is {knob.path!r}, need a file under /proc/sys or /sys")
    if sysctl and canonical(knob.path) != knob.name:
        raise _wrong(knob.name, "path", f"{knob.path!r} is another parameter's")
    if knob.persist != ("sysctl.d" if sysctl else "tmpfiles.d"):
        raise _wrong(knob.name, "persist", f"is {knob.persist!r}, which cannot keep {knob.path}")
    for key, allowed in (("needs", NEEDS), ("topics", TOPICS)):
        unknown = [word for word in getattr(knob, key) if word not in allowed]
        if unknown:
            raise _wrong(knob.name, key, f"names {unknown}, allowed: {', '.join(allowed)}")
    if not knob.why or not knob.source or not knob.topics:
        raise _wrong(knob.name, "why, source, topics", "must say something")
    if reason := forbidden_reason(knob.name) or forbidden_reason(knob.path):
        raise _wrong(knob.name, "name", f"is never tuned: {reason}")


def _fits(value: object, hint: Any) -> bool:  # noqa: ANN401 - a type hint has no common type
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if isinstance(hint, UnionType):
        return any(_fits(value, option) for option in get_args(hint))
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(type(item) is str for item in value)
    return type(value) is hint  # not isinstance: True is no number here


def _words(hint: Any) -> str:  # noqa: ANN401 - a type hint has no common type
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    return "a list of texts" if get_origin(hint) is tuple else getattr(hint, "__name__", str(hint))


def _wrong(entry: str, field: str, what: str) -> KnobError:
    return KnobError(f"catalogue, {entry}: {field} {what}", fix=_FIX)


def _last_part(knob: Knob) -> str:
    return canonical(knob.name).rpartition(".")[2]


def _device_in(template: str, wanted: str) -> str | None:
    """Return the device that makes `template` into `wanted`, "" if none is needed, else None."""
    if template == wanted:
        return ""
    before, dev, after = template.partition("{dev}")
    match = re.fullmatch(f"{re.escape(before)}({_DEVICE}){re.escape(after)}", wanted)
    return match[1] if dev and match else None


def _on(knob: Knob, device: str | None) -> Knob:
    if device is None:
        return knob
    if not re.fullmatch(_DEVICE, device):
        raise KnobError(f"{knob.name}: {device!r} is no block device name")
    return knob.on_device(device)
