"""What may be written: the guard's own check, so that a bug in one layer is not enough."""

from collections.abc import Iterable, Mapping

from sealtune.catalogue.bounds import Limit, resolve_range
from sealtune.errors import KnobError
from sealtune.guard.journal import Entry
from sealtune.guard.kernel import Kernel

_DEVICE_LETTERS = set("abcdefghijklmnopqrstuvwxyz0123456789-_!")


class Rules:
    """The limits on this machine; ``{dev}`` becomes a device when one is first named."""

    def __init__(self, limits: Mapping[str, Limit], kernel: Kernel) -> None:
        self._kernel = kernel
        self._memory = kernel.memory_bytes()
        self._templates = {name: limit for name, limit in limits.items() if "{dev}" in name}
        self.limits = {name: limit for name, limit in limits.items() if "{dev}" not in name}
        self._names = {limit.path: name for name, limit in self.limits.items()}

    def limit(self, name: str) -> Limit:
        """Return the limit of `name`.

        Raises:
            KnobError: Unknown, forbidden, or on a device that does not exist.
        """
        if name not in self.limits:
            self._learn_device(name)
        if name not in self.limits:
            raise KnobError(f"{name}: not a parameter that may be tuned on this machine")
        return self.limits[name]

    def _learn_device(self, name: str) -> None:
        for template in self._templates:
            head, tail = template.split("{dev}")
            device = name[len(head) : len(name) - len(tail)]
            if (
                _is_device(device)
                and name == head + device + tail
                and self._kernel.has_disk(device)
            ):
                self._add_device(device)
                return

    def _add_device(self, device: str) -> None:
        for template, limit in self._templates.items():
            name = template.replace("{dev}", device)
            self.limits[name] = limit._replace(
                path=limit.path.replace("{dev}", device),
                saved_with=tuple(path.replace("{dev}", device) for path in limit.saved_with),
                below=limit.below and limit.below.replace("{dev}", device),
                under=limit.under and (limit.under[0].replace("{dev}", device), limit.under[1]),
            )
            self._names[self.limits[name].path] = name

    def check(self, setting: Mapping[str, object], originals: Mapping[str, str]) -> dict[str, str]:
        """Return the text to write for each parameter of `setting` that differs from its original.

        Raises:
            KnobError: A name, value or combination is not allowed; the message says what is.
        """
        texts = {name: self._text(name, val, originals.get(name)) for name, val in setting.items()}
        for name in texts:
            self._check_under(name, {**originals, **texts})
        texts = {name: text for name, text in texts.items() if text != originals.get(name)}
        off = {path for name in texts for path in self.mates(self.limits[name].path)}
        for name in texts:
            if self.limits[name].path in off:
                raise KnobError(f"{name}: its other form is set too; the kernel keeps only one")
        for low, limit in self.limits.items():
            if limit.below and (low in texts or limit.below in texts):
                self._check_below(low, limit.below, {**originals, **texts}, off)
        return texts

    def _text(self, name: str, value: object, original: str | None) -> str:
        limit = self.limit(name)
        text = " ".join(str(value).split())
        if text == original:
            return text
        if limit.kind == "choice":
            if text not in limit.choices:
                raise KnobError(f"{name}: {value!r} is not one of {', '.join(limit.choices)}")
            return text
        # A 0 that only says "off" (dirty_bytes) must not open the range below the safe minimum.
        known = original or ""
        off = known == "0" and self.mates(limit.path)
        present = int(known) if known.lstrip("-").isdigit() and not off else None
        low, high = resolve_range(limit, present, self._memory)
        is_number = isinstance(value, int | str) and not isinstance(value, bool)
        if not is_number or not text.lstrip("-").isdecimal() or text != str(int(text)):
            raise KnobError(f"{name}: {value!r} is no whole number; allowed is {low} to {high}")
        if not low <= int(text) <= high:
            raise KnobError(f"{name}: {text} is outside {low} to {high}")
        return text

    def _check_below(self, low: str, high: str, values: Mapping[str, str], off: set[str]) -> None:
        if high not in values or {self.limits[low].path, self.limits[high].path} & off:
            return  # switched off by its other form, in bytes or in percent
        if int(values[high]) > 0 and int(values.get(low, 0)) >= int(values[high]):
            raise KnobError(
                f"{low}: {values[low]} must stay below {high}, which is {values[high]}"
            )

    def _check_under(self, name: str, values: Mapping[str, str]) -> None:
        under = self.limits[name].under
        if under and values.get(under[0]) not in under[1]:
            needed, found = " or ".join(under[1]), values.get(under[0], "unreadable")
            raise KnobError(f"{name}: exists only under {under[0]} {needed}, which is {found}")

    def deciders(self, names: Iterable[str]) -> set[str]:
        """Return the parameters that decide whether those in `names` exist."""
        return {under[0] for name in names if (under := self.limit(name).under)}

    def decider(self, path: str) -> str:
        """Return the file whose value decides whether `path` exists, ``""`` if none does."""
        if name := self._names.get(path):
            under = self.limits[name].under
            return self.limits[under[0]].path if under else ""
        every = {limit.under[0] for limit in self.limits.values() if limit.under}
        found = (self.limits[name] for name in every if path in self.limits[name].saved_with)
        return next((limit.path for limit in found), "")

    def mates(self, path: str) -> tuple[str, ...]:
        """Return the files that stand for the same thing as `path`; the kernel keeps one."""
        name = self._names.get(path)
        if name is None:
            return tuple(k.path for k in self.limits.values() if path in k.saved_with)
        return tuple(
            other
            for other in self.limits[name].saved_with
            if other not in self._names or path in self.limits[self._names[other]].saved_with
        )

    def saved_with(self, path: str) -> tuple[str, ...]:
        """Return the files that change as a side effect of writing `path`."""
        name = self._names.get(path)
        return self.limits[name].saved_with if name else self.mates(path)

    def name(self, path: str) -> str:
        """Return what a person calls `path`; the path itself if it is no parameter of ours."""
        return self._names.get(path, path)

    def is_knob(self, path: str) -> bool:
        """Whether `path` is a parameter of the catalogue, not only a side effect of one."""
        return path in self._names

    def entry(self, path: str, old: str, new: str | None) -> Entry:
        """Return the journal's entry for writing `new` over `old`."""
        name, mates = self._names.get(path), self.mates(path)
        if (
            name is None
        ):  # after the parameter that changes it: allowed after chosen congestion control
            order = 1 + max((self.limits[self._names[mate]].order for mate in mates), default=0)
            return Entry(path, path, order, "", mates, old, new, self.decider(path))
        limit = self.limits[name]
        below = self.limits[limit.below].path if limit.below else ""
        return Entry(path, name, limit.order, below, mates, old, new, self.decider(path))


def _is_device(name: str) -> bool:
    """Return whether `name` is a plain device name (``vda``, ``dm-0``), never a path."""
    return bool(name) and set(name) <= _DEVICE_LETTERS
