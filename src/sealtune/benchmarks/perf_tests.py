"""The tests of ``perf bench`` whose result can be read: their options, and how they are sized."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sealtune.benchmarks.grammar import Grammar, Option, Parsed, read_options
from sealtune.errors import ConfigError

DEFAULT_TEST = "sched pipe"
COPY_BYTES, MOST_COPY_BYTES = 16 << 20, 256 << 20
_LENGTH = Option("", "length")
_QUIET = Option("", "ignore", takes=False)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True, slots=True)
class PerfTest:
    """One test.

    Attributes:
        options: Words of an option, such as ``-g --group``, to its meaning.
        sized: ``loops`` when it knows only a number of rounds, ``seconds`` when it takes a time.
        least: Rounds below which its clock says nothing.
        result: Pattern that its output must match for a result.
    """

    options: Mapping[str, Option]
    sized: Literal["loops", "seconds"]
    least: int = 1
    result: str = r"(?P<micros>[\d.]+) usecs/op"

    @property
    def grammar(self) -> Grammar:
        """How its options are read."""
        named = {word: option for words, option in self.options.items() for word in words.split()}
        return Grammar("perf", named)

    def arguments(self, options: Mapping[str, str | int | bool]) -> list[str]:
        """Return `options`, as `read_perf` gave them, as words of the tool."""
        words: list[str] = []
        for given, option in self.options.items():
            if option.name and option.name in options:
                value = options[option.name]
                words += [given.split()[0], *([] if value is True else [str(value)])]
        return words


_AVERAGED = (
    r"(?s): (?P<threads>\d+) threads.*"
    r"^Averaged (?P<rate>\d+) operations/sec .*total secs = (?P<seconds>\d+)"
)
_COPIED = r"(?P<rate>[\d.]+) (?P<unit>[KMG]?)B/sec"
_LOOPS = {"-l --loop": _LENGTH}
_COPY = {
    "-s --size": Option("size", "text"),
    "-f --function": Option("function", "text"),
    "-l --nr_loops": _LENGTH,
}
_THREADS = {
    "-t --threads": Option("threads", most=1000),
    "-r --runtime": _LENGTH,
    "-S --shared": Option("shared", "flag"),
    "-s --silent": _QUIET,
}
TESTS: Final[Mapping[str, PerfTest]] = {
    "sched pipe": PerfTest(
        {**_LOOPS, "-T --threaded": Option("threaded", "flag")}, "loops", least=200
    ),
    "sched messaging": PerfTest(
        {
            "-g --group": Option("groups", most=100),
            "-p --pipe": Option("pipe", "flag"),
            "-t --thread": Option("threaded", "flag"),
            "-l --nr_loops": _LENGTH,
        },
        "loops",
        least=20,
        result=r"Total time: (?P<seconds>[\d.]+) \[sec\]",
    ),
    "syscall basic": PerfTest(_LOOPS, "loops", least=10_000),
    "mem memcpy": PerfTest(_COPY, "loops", result=_COPIED),
    "mem memset": PerfTest(_COPY, "loops", result=_COPIED),
    "futex hash": PerfTest(
        {**_THREADS, "-f --futexes": Option("futexes", most=1 << 20)}, "seconds", result=_AVERAGED
    ),
    "futex lock-pi": PerfTest(
        {**_THREADS, "-M --multi": Option("multi", "flag")}, "seconds", result=_AVERAGED
    ),
    "epoll wait": PerfTest(
        {
            "-t --threads": Option("threads", most=1000),
            "-r --runtime": _LENGTH,
            "-f --nfds": Option("descriptors", most=10_000),
            "-m --multiq": Option("multi", "flag"),
            "-B --nonblocking": Option("nonblocking", "flag"),
            "-E --edge": Option("edge", "flag"),
            "-S --oneshot": Option("oneshot", "flag"),
            "-R --randomize": Option("random", "flag"),
        },
        "seconds",
        result=_AVERAGED,
    ),
}
"""Collection and test to what is known of it."""


def read_perf(words: Sequence[str]) -> Parsed | None:
    """Return the test and its options; ``None`` for anything but a test that is known here.

    Raises:
        ConfigError: A value is not allowed.

    >>> read_perf(["bench", "sched", "messaging", "-p", "-g5"]).options
    {'test': 'sched messaging', 'pipe': True, 'groups': 5}
    """
    if not words:
        return Parsed({"test": DEFAULT_TEST})
    test = " ".join(words[1:3])
    if words[0] != "bench" or test not in TESTS:
        return None
    parsed = read_options(TESTS[test].grammar, words[3:])
    if parsed is None:
        return None
    parsed.options = {"test": test, **parsed.options}
    if "size" in parsed.options:
        copy_bytes(str(parsed.options["size"]))
    function = str(parsed.options.get("function", "default"))
    if not re.fullmatch(r"[a-z0-9-]{1,32}", function) or function == "all":
        raise ConfigError(f"benchmark_command: -f {function!r}: one function, such as default")
    return parsed


def copy_bytes(size: str) -> int:
    """Return the size of a buffer, such as ``16MB``, in bytes.

    Raises:
        ConfigError: It is no size, or larger than 256 MB.

    >>> copy_bytes("4KB")
    4096
    """
    found = re.fullmatch(r"([1-9]\d{0,11})([KMG]?)B?", size, re.IGNORECASE | re.ASCII)
    number = int(found.group(1)) * _UNITS[found.group(2).upper()] if found else 0
    if not 0 < number <= MOST_COPY_BYTES:
        most = MOST_COPY_BYTES >> 20
        raise ConfigError(f"benchmark_command: -s {size!r}: a size up to {most}MB, such as 16MB")
    return number


PERF = Grammar("perf", {}, reader=read_perf)
