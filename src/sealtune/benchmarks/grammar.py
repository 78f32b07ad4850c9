"""The options of the known tools that an adapter can honour, and what becomes of each."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sealtune.errors import ConfigError

Kind = Literal["count", "text", "flag", "length", "ignore", "target"]


@dataclass(frozen=True, slots=True)
class Option:
    """What one command-line option means.

    Attributes:
        name: Key in `BenchmarkSpec.options`.
        kind: ``count`` (a whole number from 1 to `most`), ``text``, ``flag``; ``length`` and
            ``ignore`` are dropped, the first with a notice; ``target`` names something of the
            person's own.
        most: Largest allowed count.
        choices: Allowed texts; any when empty.
        shape: Pattern that a text must match; any when empty.
        value: What a flag sets.
        takes: Whether a dropped option is followed by a value.
    """

    name: str
    kind: Kind = "count"
    most: int = 1_000_000
    choices: tuple[str, ...] = ()
    shape: str = ""
    value: str | int | bool = True
    takes: bool = True

    @property
    def has_value(self) -> bool:
        """Whether the next word belongs to it."""
        return self.kind != "flag" and self.takes


@dataclass(frozen=True, slots=True)
class Grammar:
    """One tool's options.

    Attributes:
        adapter: Adapter that runs it.
        options: Option word to meaning.
        words: Keys that bare words fill, in order.
        target_words: Those of `words` that name something of the person's own.
        ignored_words: Bare words without meaning for us.
        owns: What a target is, for the question.
        private: What is measured without approval.
        reader: Reads the words itself, for tools whose options depend on what stands before them.
    """

    adapter: str
    options: Mapping[str, Option]
    words: tuple[str, ...] = ()
    target_words: tuple[str, ...] = ()
    ignored_words: tuple[str, ...] = ()
    owns: str = ""
    private: str = ""
    reader: "Callable[[Sequence[str]], Parsed | None] | None" = None


@dataclass(slots=True)
class Parsed:
    """What `read_options` found."""

    options: dict[str, str | int | bool] = field(default_factory=dict)
    target: dict[str, str | int | bool] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


def read_options(grammar: Grammar, words: Sequence[str]) -> Parsed | None:
    """Return what `words` mean to `grammar`; ``None`` when one of them means nothing to it.

    Raises:
        ConfigError: A value is not allowed.
    """
    if grammar.reader is not None:
        return grammar.reader(words)
    parsed, places, rest = Parsed(), list(grammar.words), list(words)
    while rest:
        word = rest.pop(0)
        if word in grammar.ignored_words:
            continue
        if not word.startswith("-"):
            if not places:
                return None
            name = places.pop(0)
            keep_value(
                parsed, Option(name, "target" if name in grammar.target_words else "text"), word
            )
            continue
        split = _split(grammar, word)
        if split is None:
            return None
        flag, value = split
        option = grammar.options[flag]
        if option.has_value and value is None:
            if not rest:
                raise ConfigError(f"benchmark_command: {flag} needs a value")
            value = rest.pop(0)
        _take(parsed, option, flag, value)
    if grammar.adapter == "sysbench" and parsed.options.get("test", "cpu") not in SYSBENCH_TESTS:
        return None
    return parsed


def _split(grammar: Grammar, word: str) -> tuple[str, str | None] | None:
    """Return option and attached value of ``-c4``, ``--clients=4`` or ``-c``."""
    if word in grammar.options:
        return word, None
    flag, equals, value = word.partition("=")
    if equals and flag in grammar.options:
        return flag, value
    short = word[:2]
    if not word.startswith("--") and short in grammar.options and len(word) > 2:
        return (short, word[2:]) if grammar.options[short].has_value else None
    return None


def _take(parsed: Parsed, option: Option, flag: str, value: str | None) -> None:
    if option.kind == "flag":
        parsed.options[option.name] = option.value
    elif option.kind == "length":
        parsed.notices.append(f"{flag} {value} replaced by the run length of the session")
    elif option.kind != "ignore":
        keep_value(parsed, option, value or "", flag)


def keep_value(parsed: Parsed, option: Option, value: str, flag: str = "") -> None:
    """Check `value` and put it where `option` wants it.

    Raises:
        ConfigError: It is not allowed.
    """
    named = f"benchmark_command: {flag or option.name} {value!r}"
    if option.kind == "target":
        parsed.target[option.name] = value
    elif option.kind == "text":
        if option.choices and value not in option.choices:
            raise ConfigError(f"{named}: allowed are {', '.join(option.choices)}")
        if option.shape and not re.fullmatch(option.shape, value, re.ASCII | re.IGNORECASE):
            raise ConfigError(f"{named}: must be of the form {option.shape}")
        parsed.options[option.name] = value
    else:
        if not value.isdecimal() or not 1 <= int(value) <= option.most:
            raise ConfigError(f"{named}: must be a whole number from 1 to {option.most}")
        parsed.options[option.name] = int(value)


def _named(options: Mapping[str, Option]) -> dict[str, Option]:
    """Spell out keys such as ``-c --client``."""
    return {word: option for words, option in options.items() for word in words.split()}


COMPANY = Option("beside-cpu-hogs", most=64)
"""Our own option of every known tool: it runs beside so many CPU hogs of another session."""
SYSBENCH_TESTS = ("cpu", "memory", "threads", "fileio")
_SIZE = r"[1-9][0-9]{0,11}[KMGT]?B?"
_DROPPED = Option("", "ignore")
_DROPPED_FLAG = Option("", "ignore", takes=False)
_LENGTH = Option("", "length")
_CLIENTS = Option("clients", most=10_000)

PGBENCH = Grammar(
    "pgbench",
    _named(
        {
            "-c --client": _CLIENTS,
            "-j --jobs": Option("jobs", most=1000),
            "-s --scale": Option("scale", most=1000),
            "-S --select-only": Option("mode", "flag", value="select"),
            "-N --skip-some-updates": Option("mode", "flag", value="simple"),
            "-M --protocol": Option(
                "protocol", "text", choices=("simple", "extended", "prepared")
            ),
            "-C --connect": Option("connect", "flag"),
            "-t --transactions": _LENGTH,
            "-T --time": _LENGTH,
            "-P --progress": _DROPPED,
            "-n --no-vacuum -r --report-per-command -v --vacuum-all": _DROPPED_FLAG,
            "-h --host": Option("host", "target"),
            "-p --port": Option("port", "target"),
            "-U --username": Option("user", "target"),
            "-d --dbname": Option("database", "target"),
        }
    ),
    words=("database",),
    target_words=("database",),
    owns="a database",
    private="a private throwaway cluster",
)
REDIS = Grammar(
    "redis",
    _named(
        {
            "-t": Option("test", "text", shape=r"[a-z][a-z0-9_,]{0,200}"),
            "-c": _CLIENTS,
            "-d": Option("bytes", most=1 << 20),
            "-P": Option("pipeline", most=10_000),
            "-r": Option("keys", most=10_000_000),
            "-n": _LENGTH,
            "-q --csv": _DROPPED_FLAG,
            "-h": Option("host", "target"),
            "-p": Option("port", "target"),
            "-s": Option("socket", "target"),
        }
    ),
    owns="a Redis server",
    private="a private throwaway server",
)
AB = Grammar(
    "ab",
    _named(
        {
            "-c": _CLIENTS,
            "-k": Option("keepalive", "flag"),
            "-n -t": _LENGTH,
            "-q": _DROPPED_FLAG,
            "-s": _DROPPED,
        }
    ),
    words=("url",),
    target_words=("url",),
    owns="a web server",
    private="a private nginx",
)
SYSBENCH = Grammar(
    "sysbench",
    {
        "--threads": Option("threads", most=10_000),
        "--time": _LENGTH,
        "--max-time": _LENGTH,
        "--events": _LENGTH,
        "--max-requests": _LENGTH,
        "--report-interval": _DROPPED,
        "--percentile": _DROPPED,
        "--memory-total-size": _LENGTH,
        "--cpu-max-prime": Option("cpu-max-prime", most=10_000_000),
        "--memory-block-size": Option("memory-block-size", "text", shape=_SIZE),
        "--memory-scope": Option("memory-scope", "text", choices=("global", "local")),
        "--memory-oper": Option("memory-oper", "text", choices=("read", "write", "none")),
        "--memory-access-mode": Option("memory-access-mode", "text", choices=("seq", "rnd")),
        "--thread-yields": Option("thread-yields"),
        "--thread-locks": Option("thread-locks"),
        "--file-test-mode": Option(
            "file-test-mode",
            "text",
            choices=("seqwr", "seqrewr", "seqrd", "rndrd", "rndwr", "rndrw"),
        ),
        "--file-total-size": Option("file-total-size", "text", shape=_SIZE),
        "--file-num": Option("file-num", most=1024),
        "--file-block-size": Option("file-block-size", "text", shape=_SIZE),
        "--file-io-mode": Option("file-io-mode", "text", choices=("sync", "async", "mmap")),
        "--file-extra-flags": Option(
            "file-extra-flags", "text", choices=("sync", "dsync", "direct")
        ),
        "--file-fsync-freq": Option("file-fsync-freq"),
        "--file-fsync-mode": Option("file-fsync-mode", "text", choices=("fsync", "fdatasync")),
    },
    words=("test",),
    ignored_words=("run",),
)
SQLITE = Grammar(
    "sqlite",
    {
        "--mix": Option("mix", "text", choices=("write", "read")),
        "--journal": Option("journal", "text", choices=("wal", "delete")),
        "--synchronous": Option("synchronous", "text", choices=("full", "normal")),
    },
)
GRAMMARS: Mapping[str, Grammar] = {
    "pgbench": PGBENCH,
    "redis-benchmark": REDIS,
    "redis": REDIS,
    "ab": AB,
    "sysbench": SYSBENCH,
    "sealtune-sqlite": SQLITE,
    "sqlite": SQLITE,
}
"""Program name to what its options mean."""
