"""From a command line to a `BenchmarkSpec`: what is known runs, what is not asks first."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sealtune.benchmarks.base import BenchmarkSpec
from sealtune.benchmarks.fio_jobs import FIO
from sealtune.benchmarks.grammar import (
    COMPANY,
    GRAMMARS,
    Grammar,
    Parsed,
    keep_value,
    read_options,
)
from sealtune.benchmarks.perf_tests import PERF
from sealtune.errors import ConfigError

SYSTEM_DIRECTORY = re.compile(
    r"(/usr)?(/local)?/s?bin|/usr/lib/postgresql/\d+/bin|/usr/pgsql-\d+/bin"
)
TOOLS: Final = {**GRAMMARS, "fio": FIO, "perf": PERF}
"""Program name to what its options mean."""
FAMILIAR_PATTERNS = {
    "pgbench": r"^tps = ([\d.]+)",
    "ab": r"^Requests per second:\s+([\d.]+)",
    "wrk": r"^Requests/sec:\s+([\d.]+)",
}
"""Where tools that run as a custom command print their result."""


def parse_command(text: str) -> BenchmarkSpec:
    """Return what `text` asks for; starts nothing.

    ``sudo -u X`` is dropped, run lengths are replaced by the session's own. A command of the
    catalogue needs no approval. One that names the person's own database or server gets
    `BenchmarkSpec.approval` and `BenchmarkSpec.target`; one that no adapter knows becomes
    ``custom`` and needs approval too.

    Raises:
        ConfigError: Empty, badly quoted, meant for a shell, or a known tool with a bad value.

    >>> parse_command("pgbench -c 4 -j 2").options
    {'clients': 4, 'jobs': 2}
    >>> parse_command("pgbench -S -c 2 --beside-cpu-hogs 4").options
    {'mode': 'select', 'clients': 2, 'beside-cpu-hogs': 4}
    """
    words, notices = _without_sudo(_words(text))
    program = Path(words[0])
    grammar = TOOLS.get(program.name)
    trusted = str(program.parent) == "." or SYSTEM_DIRECTORY.fullmatch(str(program.parent))
    if grammar is None or not trusted:
        return _custom(text, words, notices)
    alone, company = _split_company(words[1:])
    parsed = read_options(grammar, alone)
    if parsed is None:
        return _custom(text, words, notices)
    parsed.options.update(company.options)
    return _known(text, grammar, parsed, notices)


def _known(text: str, grammar: Grammar, parsed: Parsed, notices: list[str]) -> BenchmarkSpec:
    notices = [*notices, *parsed.notices]
    approval = None
    if parsed.target:
        named = ", ".join(f"{key} {value}" for key, value in parsed.target.items())
        approval = (
            f"it names {grammar.owns} of yours ({named}); without your approval "
            f"{grammar.private} is measured instead"
        )
    return BenchmarkSpec(
        grammar.adapter, parsed.options, text, approval, tuple(notices), parsed.target
    )


def _split_company(words: Sequence[str]) -> tuple[list[str], Parsed]:
    """Take ``--beside-cpu-hogs N`` out of `words`."""
    alone, company, rest = list[str](), Parsed(), list(words)
    flag = f"--{COMPANY.name}"
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name != flag:
            alone.append(word)
            continue
        if not equals and not rest:
            raise ConfigError(f"benchmark_command: {flag} needs a value")
        keep_value(company, COMPANY, value if equals else rest.pop(0), flag)
    return alone, company


def _custom(text: str, words: Sequence[str], notices: list[str]) -> BenchmarkSpec:
    words, allowed = _allowances(words)
    command = shlex.join(words)
    pattern = FAMILIAR_PATTERNS.get(Path(words[0]).name)
    options = {"argv": command, **({"pattern": pattern} if pattern else {}), **allowed}
    return BenchmarkSpec(
        "custom",
        options,
        text,
        f"sealtune does not know this command and would run it as it stands: {command}"
        + "".join(f", allowed to {_MEANING[name]}" for name in allowed)
        + (f" {allowed['writable']}" if "writable" in allowed else ""),
        tuple(notices),
    )


_MEANING = {"network": "reach other machines", "writable": "write in"}


def _allowances(words: Sequence[str]) -> tuple[list[str], dict[str, str | bool]]:
    """Take what a command of the person's is allowed out of `words`, sorted by name."""
    rest, allowed = list[str](), dict[str, str | bool]()
    for word in words:
        name, _, value = word.partition("=")
        if word == "--sealtune-network":
            allowed["network"] = True
        elif name == "--sealtune-writable":
            if not value.startswith("/"):
                raise ConfigError(
                    f"benchmark_command: {name} needs a directory: {name}=/srv/results"
                )
            allowed["writable"] = value
        else:
            rest.append(word)
    if not rest:
        raise ConfigError("benchmark_command: allowances without a command")
    return rest, dict(sorted(allowed.items()))


def _words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";<>|&")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        split = list(lexer)
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"benchmark_command: {text!r}: {error}") from error
    found = [word for word in split if word and set(word) <= set(";<>|&")]
    found += re.findall(r"\$\(|`|\n", re.sub(r"'[^']*'", "", text.strip()))
    if found:
        raise ConfigError(
            f"benchmark_command: {text!r} contains {found[0]!r}; commands never go through a "
            "shell. Put it into a script, make that executable, and name the script."
        )
    hidden = next((sign for sign in text.strip(" \n") if not sign.isprintable()), None)
    if hidden is not None:  # what is approved must be what is seen
        raise ConfigError(
            f"benchmark_command: {text!r} contains {hidden!r}, which cannot be seen on a screen; "
            "write it with printable characters and blanks alone"
        )
    if not words:
        raise ConfigError("benchmark_command: empty; name a benchmark such as 'pgbench -c 4'")
    return words


def _without_sudo(words: list[str]) -> tuple[list[str], list[str]]:
    if Path(words[0]).name != "sudo":
        return words, []
    rest, user = words[1:], ""
    while rest and rest[0].startswith("-"):
        flag = rest.pop(0)
        if flag in ("-u", "-g") and rest:
            value = rest.pop(0)
            user = value if flag == "-u" else user
        elif flag.startswith("--user="):
            user = flag.partition("=")[2]
        elif flag == "--":
            break
    if not rest:
        raise ConfigError("benchmark_command: sudo without a command")
    dropped = f"sudo -u {user}" if user else "sudo"
    return rest, [f"{dropped} dropped: benchmarks run as an unprivileged user of their own"]
