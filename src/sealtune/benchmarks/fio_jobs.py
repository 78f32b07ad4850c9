"""Jobs of a fio command line: which options are honoured, and what they ask of the machine.

Everything here is an allow-list. Files lie in the benchmark's private directory whatever a command
says, the length of a run is the session's, and nothing fio could start or write elsewhere passes.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sealtune.benchmarks.grammar import Grammar, Parsed
from sealtune.errors import ConfigError

DEFAULT = "--name=load --rw=randread --bs=4k --size=256m --ioengine=psync"
"""What plain ``fio`` means."""
SIZE_BYTES = 256 << 20
MOST_JOBS, MOST_BUFFER_BYTES = 64, 1 << 30
MEMORY = "--sealtune-memory"
_SIZE = r"[1-9]\d{0,14}[kKmMgGtT]?[bB]?"
_BIT, _PERCENT, _NUMBER = "[01]", r"100|\d{1,2}", r"\d{1,9}"
_ALLOWED: Mapping[str, tuple[str, str]] = {
    "rw": ("(rand)?(read|write|rw)|readwrite", "read, write, rw, randread, randwrite or randrw"),
    "bs": (_SIZE, "a size such as 4k"),
    "size": (_SIZE, "a size such as 1g"),
    "ioengine": (
        "sync|psync|vsync|pvsync2?|mmap|libaio|posixaio|io_uring",
        "sync, psync, vsync, pvsync, pvsync2, mmap, libaio, posixaio or io_uring",
    ),
    "filename": (r"\w[\w.-]{0,63}", "a plain name; files lie in the private directory"),
    "iodepth": (r"[1-9]\d{0,2}", "1 to 999"),
    "numjobs": (r"[1-9]\d?", f"1 to {MOST_JOBS}"),
    "nrfiles": (r"[1-9]\d{0,2}", "1 to 999"),
    "rwmixread": (_PERCENT, "0 to 100"),
    "rwmixwrite": (_PERCENT, "0 to 100"),
    "percentage_random": (_PERCENT, "0 to 100"),
    "random_distribution": (
        r"random|(zipf|pareto):\d(\.\d{1,4})?",
        "random, zipf:1.2, pareto:0.9",
    ),
    "direct": (_BIT, "0 or 1"),
    "buffered": (_BIT, "0 or 1"),
    "invalidate": (_BIT, "0 or 1"),
    "overwrite": (_BIT, "0 or 1"),
    "randrepeat": (_BIT, "0 or 1"),
    "end_fsync": (_BIT, "0 or 1"),
    "sync": ("[01]|none|sync|dsync", "none, sync or dsync"),
    "fadvise_hint": ("[01]|none|random|sequential", "0, 1, none, random or sequential"),
    "fsync": (_NUMBER, "a number of writes"),
    "fdatasync": (_NUMBER, "a number of writes"),
    "randseed": (_NUMBER, "a number"),
    "rate": (_SIZE, "bytes a second, such as 10m"),
    "rate_iops": (_NUMBER, "operations a second"),
    "thinktime": (_NUMBER, "microseconds"),
}
"""Option to the pattern of its values, and how a person is told."""
_FLAGS = frozenset({"thread", "norandommap"})
_ALIASES = {"readwrite": "rw", "blocksize": "bs"}
_LENGTHS = frozenset({"runtime", "time_based", "loops", "io_size", "number_ios", "ramp_time"})
_DROPPED = frozenset(
    {
        "group_reporting",
        "minimal",
        "eta",
        "eta-newline",
        "output-format",
        "status-interval",
        "gtod_reduce",
        "fallocate",
        "percentile_list",
        "clat_percentiles",
    }
)
"""Reporting and laying out files: the adapter's own."""
_BARE = _FLAGS | {"time_based", "group_reporting", "minimal", "gtod_reduce"}
"""Options that need no value; every other one takes the next word when it has no ``=``."""
_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


@dataclass(frozen=True, slots=True)
class FioJob:
    """One ``--name`` of a command, with what it inherited from the options before the first.

    Attributes:
        name: Letters, digits, ``_`` and ``-``.
        settings: fio's own option names to checked values; ``""`` for a flag.
    """

    name: str
    settings: Mapping[str, str]

    @property
    def words(self) -> list[str]:
        """The job as arguments of fio."""
        given = [
            f"--{key}={value}" if value else f"--{key}" for key, value in self.settings.items()
        ]
        return [f"--name={self.name}", *given]

    @property
    def clones(self) -> int:
        """How many processes do it."""
        return int(self.settings.get("numjobs", "1"))

    @property
    def size_bytes(self) -> int:
        """What one process works on [bytes]."""
        return size_of(self.settings["size"])

    @property
    def buffer_bytes(self) -> int:
        """Memory that its buffers take [bytes]."""
        depth = int(self.settings.get("iodepth", "1"))
        return self.clones * depth * size_of(self.settings.get("bs", "4k"))

    @property
    def cold(self) -> bool:
        """Whether its files should not be in the page cache; fio drops them unless told not to."""
        direct = self.settings.get("direct", "0") == "1"
        return direct or self.settings.get("invalidate", "1") == "1"


def size_of(text: str) -> int:
    """Return a size of fio's in bytes; its units are powers of 1024.

    >>> size_of("4k"), size_of("1g"), size_of("512")
    (4096, 1073741824, 512)
    """
    digits = text.lower().removesuffix("b")
    unit = _UNITS.get(digits[-1:], 1)
    return int(digits.rstrip("kmgt")) * unit


def files_bytes(jobs: Sequence[FioJob]) -> int:
    """Return what the files of all `jobs` take on disk; those who name the same file share it."""
    shared: dict[str, int] = {}
    private = 0
    for job in jobs:
        if file := job.settings.get("filename"):
            shared[file] = max(shared.get(file, 0), job.size_bytes)
        else:
            private += job.clones * job.size_bytes
    return private + sum(shared.values())


def parse_jobs(text: str) -> tuple[FioJob, ...]:
    """Return the jobs in `text`, a command line without its program.

    Raises:
        ConfigError: An option or a value that is not honoured, or too much memory asked for.
    """
    parsed = read_jobs(shlex.split(text))
    if parsed is None:
        raise ConfigError(f"benchmark_command: fio {text!r} names a job file")
    return _collect(shlex.split(str(parsed.options["jobs"])))


def read_jobs(words: Sequence[str]) -> Parsed | None:
    """Return the jobs as one canonical text; ``None`` when a word is a job file.

    Raises:
        ConfigError: An option or a value that is not honoured.
    """
    parsed, kept, rest = Parsed(), list[str](), list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            return None
        flag, equals, value = word.partition("=")
        key = flag.lstrip("-")
        if not equals and key not in _BARE:
            if not rest:
                raise ConfigError(f"benchmark_command: fio {flag} needs a value")
            value = rest.pop(0)
        _take(parsed, kept, key, value)
    jobs = _collect(kept or shlex.split(DEFAULT))
    _check_together(jobs)
    parsed.options["jobs"] = shlex.join(word for job in jobs for word in job.words)
    return parsed


def _take(parsed: Parsed, kept: list[str], key: str, value: str) -> None:
    key = _ALIASES.get(key, key)
    if key in _LENGTHS:
        shown = f"--{key}={value}" if value else f"--{key}"
        parsed.notices.append(f"{shown} replaced by the run length of the session")
    elif key == MEMORY.lstrip("-"):
        _check(key, value, _SIZE, "a size such as 128m")
        parsed.options["memory"] = value
    elif key == "name":
        _check(key, value, r"\w[\w-]{0,31}", "letters, digits, _ and -")
        kept.append(f"--name={value}")
    elif key in _FLAGS:
        _check(key, value, "[01]?", "no value")
        kept.extend([] if value == "0" else [f"--{key}"])
    elif key not in _DROPPED:
        kept.append(_checked(key, value))


def _checked(key: str, value: str) -> str:
    if key not in _ALLOWED:
        allowed = ", ".join(sorted((*_ALLOWED, *_FLAGS)))
        raise ConfigError(
            f"benchmark_command: fio --{key} is not honoured: sealtune chooses the place of the "
            f"files and the length of a run, and fio starts and writes nothing else. Allowed are "
            f"name, {allowed}, and {MEMORY}."
        )
    _check(key, value, *_ALLOWED[key])
    return f"--{key}={value}"


def _check(key: str, value: str, pattern: str, allowed: str) -> None:
    if not re.fullmatch(pattern, value, re.ASCII):
        raise ConfigError(f"benchmark_command: fio --{key} {value!r}: allowed: {allowed}")


def _collect(words: Sequence[str]) -> tuple[FioJob, ...]:
    """Give every job what stands before the first ``--name``, and under ``--name=global``."""
    common: dict[str, str] = {"size": f"{SIZE_BYTES >> 20}m"}
    jobs: list[tuple[str, dict[str, str]]] = []
    current = common
    for word in words:
        key, _, value = word.removeprefix("--").partition("=")
        if key != "name":
            current[key] = value
        elif value == "global":
            current = common
        else:
            current = dict(common)
            jobs.append((value, current))
    if not jobs:
        jobs.append(("load", common))
    return tuple(FioJob(name, settings) for name, settings in jobs)


def _check_together(jobs: Sequence[FioJob]) -> None:
    names = [job.name for job in jobs]
    if len(set(names)) < len(names):
        raise ConfigError(f"benchmark_command: fio jobs need different names, got {names}")
    processes = sum(job.clones for job in jobs)
    if processes > MOST_JOBS:
        raise ConfigError(
            f"benchmark_command: fio would start {processes} processes; at most {MOST_JOBS}"
        )
    buffers = sum(job.buffer_bytes for job in jobs)
    if buffers > MOST_BUFFER_BYTES:
        raise ConfigError(
            f"benchmark_command: fio's buffers (bs x iodepth x numjobs) would take "
            f"{buffers >> 20} MiB; at most {MOST_BUFFER_BYTES >> 20}"
        )


FIO = Grammar("fio", {}, reader=read_jobs)
