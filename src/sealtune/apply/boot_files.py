"""What other configuration files set at boot: sysctl.d(5), sysctl.conf(5) and tmpfiles.d(5).

Reads only. The rules were checked against systemd-sysctl 252, procps 4.0.2 and
systemd-tmpfiles 252 themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_DIRECTORIES = ("etc", "run", "usr/local/lib", "usr/lib", "lib")
_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Assignment:
    """One line of a configuration file that sets, or excludes, one thing.

    Attributes:
        file: The file.
        line: Line number from 1.
        target: Path below /proc/sys without leading slash (``net/ipv4/tcp_rmem``), or the
            absolute path that a tmpfiles.d line writes, perhaps a pattern.
        value: The text assigned; ``None`` for a sysctl.d line ``-key`` that excludes `target`.
    """

    file: Path
    line: int
    target: str
    value: str | None


def configuration_files(root: Path, kind: str) -> list[Path]:
    """Return the ``*.conf`` files of ``sysctl.d`` or ``tmpfiles.d`` in the order they are read.

    Sorted by base name whatever the directory; of one base name only the file in the first
    directory counts (/etc, /run, /usr/local/lib, /usr/lib, /lib), which is how a link to
    /dev/null masks a file. Hidden files are included: procps reads them, systemd does not.
    """
    found: dict[str, Path] = {}
    for directory in _DIRECTORIES:
        try:
            names = sorted(path.name for path in (root / directory / kind).iterdir())
        except OSError:
            continue
        for name in names:
            if name.endswith(".conf"):
                found.setdefault(name, root / directory / kind / name)
    return [found[name] for name in sorted(found, key=lambda name: name.encode())]


def sysctl_target(key: str) -> str:
    """Return the path below /proc/sys that `key` names.

    A first separator ``/`` leaves the rest as it is; after a first ``.`` the two are swapped.

    >>> sysctl_target("net.ipv4.conf.enp3s0/200.forwarding")
    'net/ipv4/conf/enp3s0.200/forwarding'
    >>> sysctl_target("net/ipv4/conf/enp3s0.200/forwarding")
    'net/ipv4/conf/enp3s0.200/forwarding'
    """
    key = key.strip()
    first = next((character for character in key if character in "./"), "/")
    if first == ".":
        key = key.translate(str.maketrans("./", "/."))
    return key.lstrip("/")


def sysctl_assignments(file: Path) -> list[Assignment]:
    """Return what `file` assigns or excludes, in order; an unreadable file assigns nothing.

    Patterns are left out: a line that names its parameter in full wins over any pattern,
    wherever the pattern stands, and ours always names it.
    """
    found = []
    for number, text in _lines(file):
        key, equals, value = text.partition("=")
        excludes = not equals and key.startswith("-")
        target = sysctl_target(key.removeprefix("-"))
        if (equals or excludes) and target and not _GLOB & set(target):
            found.append(Assignment(file, number, target, value.strip() if equals else None))
    return found


def tmpfiles_writes(file: Path) -> list[Assignment]:
    """Return what the ``w`` lines of `file` write, in order; the target may be a pattern."""
    found = []
    for number, text in _lines(file):
        fields = text.split(None, 6)
        if len(fields) == 7 and fields[0].startswith("w"):
            found.append(Assignment(file, number, fields[1].strip("\"'"), fields[6].strip()))
    return found


def is_pattern(target: str) -> bool:
    """Whether `target` matches more than one name."""
    return bool(_GLOB & set(target))


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    # Anything but a regular file is skipped: /dev/null masks, and a FIFO would never end.
    try:
        content = file.read_text("utf-8", errors="replace") if file.is_file() else ""
    except OSError:
        return
    for number, text in enumerate(content.split("\n"), 1):
        if (text := text.strip()) and text[0] not in "#;":
            yield number, text
