"""Takes out of a text what tells whose machine this is, before it goes to a model.

Host names, network addresses, mail addresses, people's user names, their home directories and the
values of environment variables become placeholders; what the workload is stays readable.
"""

import ipaddress
import os
import pwd
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from sealtune.catalogue.workloads import load_workloads

_FIRST_PERSON = 1000
_NOBODY = 65_534
_SHORTEST_NAME = 3
_SHORTEST_SECRET = 6
_SHORTEST_VALUE = 8
_HARDWARE = (
    "/etc/machine-id",
    "/proc/sys/kernel/random/boot_id",
    "/sys/class/dmi/id/*_serial",
    "/sys/class/dmi/id/product_uuid",
    "/sys/block/*/device/serial",
    "/sys/block/*/device/wwid",
    "/sys/block/*/wwid",
)
_SECRET_NAME = re.compile(
    r"key|token|secret|passw|_pwd$|credential|auth|cookie|session|dsn|private|_url$", re.I
)
_COMMON_HOSTS = {"localhost", "localdomain", "linux", "debian", "ubuntu", "server", "host"}
_SYSCTL = r"(?:vm|net|kernel|fs|dev|proc|sys|user|abi|debug|sunrpc|crypto)\."
_DOMAIN = (
    r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+"
    r"(?:com|org|net|edu|gov|io|dev|app|cloud|local|internal|intranet|lan|corp|home|arpa"
    r"|eu|uk|de|fr|ch|at|nl|it|es|pl|se|no|us|ca|br|ru|cn|jp|in|au|info|biz)"
)
_HOME = r"(?:/(?:export/|var|usr)?/?(?:home|Users)/[^\s'\"`,;:)\]}]+|/root\b[^\s'\"`,;:)\]}]*)"


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells whose machine this is.

    Attributes:
        hosts: Names of the machine.
        people: User names of people, not of services.
        homes: Their home directories.
        values: Values of environment variables.
        ids: Serial numbers and other marks of this machine and its disks.
    """

    hosts: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    homes: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


def gather_identity(environment: Mapping[str, str] = os.environ) -> Identity:
    """Return what tells whose machine this is: its name, its people, its environment."""
    people, homes = _people(environment)
    return Identity(_hosts(), people, homes, _values(environment), _ids())


def secrets(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the values of variables whose names speak of keys, passwords and the like."""
    return tuple(
        value
        for name, value in environment.items()
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET
    )


def scrub(text: str, identity: Identity) -> str:
    """Return `text` with everything that identifies a machine or a person replaced.

    >>> scrub("redis on 10.1.2.3, dumps in /home/alice/dumps", Identity())
    'redis on [address], dumps in [home directory]'
    >>> scrub("PostgreSQL 16 with vm.swappiness at 10", Identity())
    'PostgreSQL 16 with vm.swappiness at 10'
    """
    for value in sorted((*identity.values, *identity.ids), key=len, reverse=True):
        text = text.replace(value, "[value]")
    for home in sorted(identity.homes, key=len, reverse=True):
        text = re.sub(
            rf"(?<![\w/]){re.escape(home)}(?:/[^\s'\"`,;:)\]}}]*)?", "[home directory]", text
        )
    for pattern, replacement in _patterns():
        text = pattern.sub(replacement, text)
    text = _replace_words(text, identity.hosts, "[host]")
    return _replace_words(text, identity.people, "[user]")


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]:
    return (
        (re.compile(_HOME), "[home directory]"),
        (re.compile(r"(?<![\w~])~[\w.-]*/[^\s'\"`,;:)\]}]*"), "[home directory]"),
        (re.compile(r"\b[a-z][a-z0-9+.-]{0,20}://[^\s'\"`<>)\]}]+", re.I), "[address]"),
        (
            re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{32}\b", re.I),
            "[id]",
        ),
        (re.compile(r"\b(?:wwn-0x|eui\.|naa\.)[0-9a-f]{8,}\b", re.I), "[id]"),
        (re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*"), "[account]"),
        (
            re.compile(r"(?<![\w:.-])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![\w:-])", re.I),
            "[address]",
        ),
        (re.compile(r"(?<![\w.])(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}(?!\.?\w)", re.I), "[address]"),
        (
            re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?(?::\d{1,5})?(?![\w.]\w)"),
            "[address]",
        ),
        (
            re.compile(r"(?<![\w:.])[0-9a-f:.]{3,64}(?:%\w+)?(?:/\d{1,3})?", re.I),
            _address,
        ),
        (re.compile(rf"(?<![\w.-])(?!{_SYSCTL})(?!asp\.|vb\.){_DOMAIN}(?![\w-])", re.I), "[host]"),
    )


def _address(match: re.Match[str]) -> str:
    """Replace what really is an IPv6 address, and leave 12:30:45 and 3.5 alone."""
    found = re.split(r"[%/]", match.group())[0]
    for candidate in (found, found.rstrip(".:")):
        if candidate.count(":") < 2 or len(candidate) <= 2:
            continue
        with suppress(ValueError):
            ipaddress.IPv6Address(candidate)
            return "[address]"
    return match.group()


def _replace_words(text: str, words: Iterable[str], placeholder: str) -> str:
    for word in sorted(words, key=len, reverse=True):
        text = re.sub(rf"(?<![\w-]){re.escape(word)}(?![\w-])", placeholder, text, flags=re.I)
    return text


def _hosts() -> tuple[str, ...]:
    try:
        names = {socket.gethostname(), os.uname().nodename}
    except OSError:
        return ()
    names |= {name.partition(".")[0] for name in names}
    return _telling(names - _COMMON_HOSTS)


def _ids() -> tuple[str, ...]:
    found: set[str] = set()
    for pattern in _HARDWARE:
        for path in Path("/").glob(pattern.removeprefix("/")):
            with suppress(OSError, ValueError):  # many are for root alone
                found.add(path.read_text("utf-8").strip())
    return tuple(sorted(text for text in found if re.search(r"\d", text) and len(text) >= 6))


def _people(environment: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names and the homes of everybody who is no service."""
    names = {environment.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER")}
    homes = {environment.get("HOME", "")}
    for entry in pwd.getpwall():
        if _FIRST_PERSON <= entry.pw_uid < _NOBODY:
            names.add(entry.pw_name)
            homes.add(entry.pw_dir)
    # A home of / or /nonexistent is nobody's, and would take words out that tell nothing.
    telling = (home.rstrip("/") for home in homes if len(PurePosixPath(home).parts) > 2)
    return _telling(names - {"root"}), tuple(sorted(telling))


def _telling(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names that tell something: not those that also name a product."""
    products = {product.lower() for kind in load_workloads().classes for product in kind.products}
    return tuple(
        sorted(n for n in names if len(n) >= _SHORTEST_NAME and n.lower() not in products)
    )


def _values(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values that could only have been copied: no plain words, no number."""
    plain = re.compile(r"[A-Za-z ]*|[\d.]*")
    others = (
        value
        for value in environment.values()
        if len(value) >= _SHORTEST_VALUE and not plain.fullmatch(value)
    )
    return tuple(sorted({*secrets(environment), *others}))
