"""What may be written and what may be run, worked out again without the code that is attacked.

Ranges come from knobs.toml read as plain TOML, present values from the files themselves, commands
from a list written by hand: a defect of the catalogue's loader, the validator or the grammar of
commands is not shared by what judges it.
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import sealtune.catalogue

_SIZE = re.compile(r"[1-9]\d{0,14}[kKmMgGtT]?[bB]?")
_PLAIN = re.compile(r"[\w.:-]{1,64}")
_NUMBER = re.compile(r"\d{1,8}")
_FIO_WORD = re.compile(r"--([a-z_]+)(?:=([\w.:-]{0,64}))?")
_FIO = frozenset(
    (
        *("name", "rw", "bs", "size", "ioengine", "filename", "iodepth", "numjobs", "nrfiles"),
        *("rwmixread", "rwmixwrite", "percentage_random", "random_distribution", "direct"),
        *("buffered", "invalidate", "overwrite", "randrepeat", "end_fsync", "sync", "fsync"),
        *("fadvise_hint", "fdatasync", "randseed", "rate", "rate_iops", "thinktime", "thread"),
        "norandommap",
    )
)
_FIO_ENGINES = frozenset(
    ("sync", "psync", "vsync", "pvsync", "pvsync2", "mmap", "libaio", "posixaio", "io_uring")
)
_NUMBERED = ("threads", "cpu-max-prime", "thread-yields", "thread-locks", "file-num")
_WORDED = (
    *("memory-scope", "memory-oper", "memory-access-mode", "file-test-mode", "file-io-mode"),
    *("file-extra-flags", "file-fsync-mode"),
)
_OPTIONS: Mapping[str, Mapping[str, re.Pattern[str]]] = {
    "pgbench": {
        **dict.fromkeys(("clients", "jobs", "scale"), _NUMBER),
        "mode": re.compile("tpcb|simple|select"),
        "protocol": re.compile("simple|extended|prepared"),
        "connect": re.compile("True"),
    },
    "redis": {
        **dict.fromkeys(("clients", "bytes", "pipeline", "keys"), _NUMBER),
        "test": re.compile(r"[a-z][\w,]*", re.IGNORECASE | re.ASCII),
    },
    "ab": {"clients": _NUMBER, "keepalive": re.compile("True")},
    "sysbench": {
        "test": re.compile("cpu|memory|threads|fileio"),
        **dict.fromkeys((*_NUMBERED, "file-fsync-freq"), _NUMBER),
        **dict.fromkeys(("memory-block-size", "file-total-size", "file-block-size"), _SIZE),
        **dict.fromkeys(_WORDED, re.compile("[a-z]{3,9}")),
    },
    "sqlite": dict.fromkeys(("mix", "journal", "synchronous"), re.compile("[a-z]{3,6}")),
    "fio": {"memory": _SIZE},
    "perf": {
        "test": re.compile("(sched|syscall|mem|futex|epoll) [a-z-]+"),
        "size": _SIZE,
        "function": re.compile("[a-z0-9-]{1,32}"),
        **dict.fromkeys(("groups", "threads", "futexes", "descriptors"), _NUMBER),
        **dict.fromkeys(
            ["threaded", "pipe", "shared", "multi", "nonblocking", "edge", "oneshot", "random"],
            re.compile("True"),
        ),
    },
}
"""Adapter to option to what it may hold without anybody's approval."""


@cache
def _entries() -> Mapping[str, Mapping[str, Any]]:
    text = Path(sealtune.catalogue.__file__).with_name("knobs.toml").read_text("utf-8")
    return {entry["name"]: entry for entry in tomllib.loads(text)["knob"]}


def unsafe_value(name: str, value: object, present: str | None = None) -> str | None:
    """Return why `value` may not be written to `name`, ``None`` if it may.

    Args:
        name: A parameter as the search space calls it, its device filled in.
        value: What would be written.
        present: Value as found, always allowed; read from the machine when ``None``.
    """
    parts = name.split("/")
    entry = _entries().get(
        "/".join(("block", "{dev}", *parts[2:])) if parts[0] == "block" else name
    )
    if entry is None:
        return f"{name} is no parameter of the catalogue"
    path = str(entry["path"]).replace("{dev}", parts[1] if len(parts) > 1 else "")
    if not path.startswith(("/proc/sys/", "/sys/")) or ".." in path:
        return f"{path} is outside of /proc/sys and /sys"
    found = present if present is not None else _found(path)
    if found is not None and str(value) == found:
        return None
    if entry["kind"] == "choice":
        allowed = entry["choices"]
        return None if value in allowed else f"{name} = {value!r}, not among {allowed}"
    low, high = (_bound(entry[end], found) for end in ("low", "high"))
    if found is not None and found.lstrip("-").isdigit():
        low, high = min(low, int(found)), max(high, int(found))
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value):
        value = int(value)
    inside = type(value) is int and low <= value <= high
    return None if inside else f"{name} = {value!r}, outside {low}..{high}"


def unapproved(adapter: str, options: Mapping[str, object]) -> str | None:
    """Return what of `options` needed a person's approval, ``None`` if nothing did."""
    if adapter not in _OPTIONS:
        return f"{adapter} is no benchmark of the catalogue"
    for name, value in options.items():
        if adapter == "fio" and name == "jobs":
            bad = _bad_fio_word(str(value))
            if bad:
                return f"fio {bad}"
        elif name == "beside-cpu-hogs":
            if not 1 <= int(str(value)) <= 64:
                return f"{value} CPU hogs"
        elif name not in _OPTIONS[adapter]:
            return f"{adapter} {name}"
        elif not _OPTIONS[adapter][name].fullmatch(str(value)):
            return f"{adapter} {name}={value!r}"
    return None


def _bad_fio_word(jobs: str) -> str | None:
    for word in jobs.split():
        found = _FIO_WORD.fullmatch(word)
        if found is None or found[1] not in _FIO:
            return word
        if found[1] == "ioengine" and found[2] not in _FIO_ENGINES:
            return word
        if found[1] == "filename" and not _PLAIN.fullmatch(found[2] or ""):
            return word
    return None


def _found(path: str) -> str | None:
    try:
        text = Path(path).read_text("utf-8").strip()
    except (OSError, ValueError):
        return None
    chosen = re.search(r"\[(.+?)\]", text)
    return chosen[1] if chosen else text


def _bound(text: object, present: str | None) -> int:
    """Work out ``0.04*RAM/1024`` and the like with the memory that the kernel tells."""
    if isinstance(text, int):
        return text
    if text == "present":
        return int(present or 0)
    if least := re.fullmatch(r"min\((.+),(.+)\)", str(text)):
        return min(_bound(least[1].strip(), present), _bound(least[2].strip(), present))
    if str(text).isdigit():
        return int(str(text))
    share = re.fullmatch(r"([\d.]+)\*RAM(?:/(\d+))?", str(text))
    assert share, text
    return int(float(share[1]) * _memory_bytes() / int(share[2] or 1)) + 1


@cache
def _memory_bytes() -> int:
    found = re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text("ascii"))
    assert found
    return int(found[1]) * 1024
