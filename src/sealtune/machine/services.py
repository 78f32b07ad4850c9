"""Which servers this machine runs: evidence of what it is for, before anybody says a word.

Only names of the catalogue's table and port numbers leave this module: no argument of a command
line, no path of a person, no value of an environment.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from sealtune.catalogue.services import ServerProgram, load_services
from sealtune.machine.files import read_text, under

State = Literal["running", "listening", "installed"]
_STATES: tuple[State, ...] = ("running", "listening", "installed")

_PROGRAM_DIRECTORIES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/snap/bin")
_UNIT_DIRECTORIES = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")

WORKPLACE = Path("sealtune", "work")
"""End of the directory where benchmarks keep private servers, whoever runs them."""
_WARDEN = "sealtune/benchmarks/warden.py"
_COMMAND_BYTES = 65_536  # a Java class path is long, and the class comes after it
_ANY_WORD = frozenset({"java", "beam.smp"})
_SCRIPTS = frozenset(
    {"python", "node", "nodejs", "ruby", "perl", "php", "bun", "deno", "sh", "bash"}
)
_VERSION = re.compile(r"[-.]?\d[\d.]*$")
_LISTENS_TCP, _LISTENS_UNIX = "0A", 0x10000


@dataclass(frozen=True, slots=True)
class Service:
    """A server that was found here.

    Attributes:
        name: What it is called in a sentence, from services.toml.
        state: ``running``: its process is there; ``listening``: only its port or socket is;
            ``installed``: only its program is.
        workload_class: Class of workloads.toml that it stands for.
        evidence: What was seen, such as ``process postgres, port 5432``.
    """

    name: str
    state: State
    workload_class: str
    evidence: str


class _Process(NamedTuple):
    parent: int
    name: str
    command: tuple[str, ...]


class _Traces(NamedTuple):
    """What there is to see: service name to process, open ports and sockets, what is installed."""

    running: Mapping[str, str]
    open: frozenset[str]
    programs: frozenset[str]
    units: frozenset[str]


def find_services(root: Path = Path("/"), *, private: Sequence[Path] = ()) -> tuple[Service, ...]:
    """Return the servers of this machine: those that run first, then listening, then installed.

    Needs no root: what is hidden from this user is not seen, and no error. The servers that
    sealtune starts for its benchmarks do not count.

    Args:
        root: Root of the tree to read.
        private: Directories of benchmarks beside the usual one; servers in them do not count.
    """
    places = (f"/{WORKPLACE}/", *(f"{str(place).rstrip('/')}/" for place in private))
    traces = _look(root, places)
    explained = {
        mark
        for service in load_services()
        if service.name in traces.running
        for mark in _marks(service, traces)
    }
    found: list[Service] = []
    for service in load_services():
        state, evidence = _judge(service, traces, explained, root)
        if evidence:
            found.append(Service(service.name, state, service.workload_class, evidence))
    return tuple(sorted(found, key=lambda service: _STATES.index(service.state)))


def _judge(
    service: ServerProgram, traces: _Traces, explained: set[str], root: Path
) -> tuple[State, str]:
    """Return the strongest state of `service` and what speaks for it, ``""`` if nothing does."""
    marks = _marks(service, traces)
    if service.name in traces.running:
        return "running", ", ".join((f"process {traces.running[service.name]}", *marks[:2]))
    unexplained = [mark for mark in marks if mark not in explained]
    if unexplained:
        explained.update(unexplained)  # of several servers on one port the first is named
        return "listening", ", ".join(unexplained[:2])
    return "installed", _installed(service, traces, root)


def _marks(service: ServerProgram, traces: _Traces) -> list[str]:
    """Return the open ports and sockets that `service` would have."""
    ports = [f"port {port}" for port in service.ports if f"port {port}" in traces.open]
    patterns = [f"socket {pattern}" for pattern in service.sockets]
    return ports + sorted(m for m in traces.open if any(fnmatch(m, p) for p in patterns))


def _look(root: Path, places: Sequence[str]) -> _Traces:
    processes = _processes(root)
    own = _own(processes, places, root)
    running: dict[str, str] = {}
    for pid, process in processes.items():
        service, name = _recognise(process)
        if service and pid not in own and not _works_in(pid, places, root):
            running.setdefault(service, name)
    heard = frozenset(_open(root, _sockets_of(own, root), places))
    units = {name.removesuffix(".service").rstrip("@") for name in _list(root, _UNIT_DIRECTORIES)}
    return _Traces(
        running, heard, _versionless(_list(root, _PROGRAM_DIRECTORIES)), _versionless(units)
    )


def _processes(root: Path) -> dict[int, _Process]:
    processes: dict[int, _Process] = {}
    for folder in under(root, "/proc").glob("[0-9]*"):
        # The name stands in parentheses and may hold blanks and parentheses itself.
        before, _, rest = (read_text(root, f"/proc/{folder.name}/stat") or "").rpartition(")")
        fields = rest.split()
        if before and len(fields) > 1:
            name = before.partition("(")[2]
            processes[int(folder.name)] = _Process(int(fields[1]), name, _command(folder))
    return processes


def _command(folder: Path) -> tuple[str, ...]:
    try:
        with (folder / "cmdline").open("rb") as file:
            text = file.read(_COMMAND_BYTES)
    except OSError:
        return ()
    return tuple(text.decode("utf-8", "replace").rstrip("\0").split("\0"))


def _recognise(process: _Process) -> tuple[str, str]:
    """Return the service that `process` belongs to and the name that says so, or two ``""``."""
    programs, words = _table()
    first = process.command[0] if process.command else ""
    # A server that states what it does ("nginx: worker process") keeps its name in front.
    title = _last(first.split()[0].rstrip(":")) if first.strip() else ""
    for name in (title, _last(first), process.name):
        for candidate in (name, _VERSION.sub("", name)):
            if candidate in programs:
                return programs[candidate], candidate
    for word in _telling(title, process.command[1:]):
        if word in words:
            return words[word], word
    return "", ""


def _telling(program: str, arguments: Sequence[str]) -> list[str]:
    """Return the words of a command line that say what an interpreter runs."""
    name = _VERSION.sub("", program)
    if name in _ANY_WORD:
        return [_last(word) for word in arguments] + list(arguments)
    plain = [word for word in arguments if not word.startswith("-")]
    return [_last(plain[0])] if name in _SCRIPTS and plain else []


@cache
def _table() -> tuple[dict[str, str], dict[str, str]]:
    """Return program to service name, and telling word to service name."""
    programs = {program: s.name for s in load_services() for program in s.programs}
    return programs, {word: s.name for s in load_services() for word in s.words}


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _own(processes: Mapping[int, _Process], places: Sequence[str], root: Path) -> set[int]:
    """Return this process, every sealtune, the benchmarks' servers, and all below them."""
    own = {pid for pid, process in processes.items() if _is_ours(process.command, places)}
    if root == Path("/"):
        own.add(os.getpid())
    while new := {pid for pid in processes if processes[pid].parent in own} - own:
        own |= new
    return own


def _is_ours(command: Sequence[str], places: Sequence[str]) -> bool:
    plain = [word for word in command[1:] if not word.startswith("-")]
    program = _last(command[0]) if command else ""
    if _VERSION.sub("", program) == "python" and plain:
        program = "sealtune" if plain[0].endswith(_WARDEN) else _last(plain[0])
    return program == "sealtune" or any(place in word for word in command for place in places)


def _works_in(pid: int, places: Sequence[str], root: Path) -> bool:
    with suppress(OSError):
        here = f"{under(root, f'/proc/{pid}/cwd').readlink()}/"
        return any(place in here for place in places)
    return False


def _sockets_of(pids: Iterable[int], root: Path) -> set[str]:
    """Return the numbers of the sockets that these processes hold open."""
    numbers: set[str] = set()
    for pid in pids:
        with suppress(OSError):
            for entry in under(root, f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    kind, _, number = str(entry.readlink()).partition(":")
                    if kind == "socket":
                        numbers.add(number.strip("[]"))
    return numbers


def _open(root: Path, own: set[str], places: Sequence[str]) -> Iterator[str]:
    """Yield ``port 5432`` and ``socket NAME`` of whatever listens, `own` socket numbers aside."""
    for table in ("tcp", "tcp6"):
        for line in (read_text(root, f"/proc/net/{table}") or "").splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _LISTENS_TCP and fields[9] not in own:
                yield f"port {int(fields[1].rpartition(':')[2], 16)}"
    for line in (read_text(root, "/proc/net/unix") or "").splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if len(fields) < 8 or not int(fields[3], 16) & _LISTENS_UNIX or fields[6] in own:
            continue
        if not any(place in fields[7] for place in places):
            yield f"socket {_last(fields[7])}"


def _list(root: Path, directories: Sequence[str]) -> set[str]:
    names: set[str] = set()
    for directory in directories:
        with suppress(OSError):
            names.update(os.listdir(under(root, directory)))
    return names


def _versionless(names: Iterable[str]) -> frozenset[str]:
    """Return `names`, and each without the version at its end."""
    return frozenset(form for name in names for form in (name, _VERSION.sub("", name)))


def _installed(service: ServerProgram, traces: _Traces, root: Path) -> str:
    for program in service.programs:
        if program in traces.programs:
            return f"program {program}"
    for name in (*service.programs, service.name.lower()):
        if name in traces.units:
            return f"unit {name}.service"
    for pattern in service.paths:
        if any(root.glob(pattern.lstrip("/"))):
            return f"program {_last(pattern)}"
    return ""
