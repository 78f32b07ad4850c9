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

from sealtune.catalogue import load_catalogue
from sealtune.catalogue.workloads import load_workloads
from sealtune.strategist.words import GENERAL_WORDS, STOP_WORDS

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


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SYSCTL = _words("vm net kernel fs dev proc sys user abi debug sunrpc crypto")
_DOMAINS = _words("""
    com org net edu gov io dev app cloud local internal intranet lan corp home arpa co ai me tv
    eu uk de fr ch at nl it es pl se no us ca br ru cn jp in au info biz tech xyz site online
""")
_FILES = _words("""
    conf cnf cfg ini env toml yaml yml json jsonl xml csv tsv log txt md rst html htm css php js ts
    py rb go rs java jar war sh sql db sqlite sqlite3 aof rdb wal gz tgz zip bz2 xz zst lz4 tar so
    parquet orc avro img iso qcow2 vmdk raw dat bin service socket timer mount slice pid sock lock
    tmp bak pdf jpg jpeg png gif svg webp mp3 mp4 mkv avi mov webm wav gguf onnx npz pkl cpp deb
    rpm
""")
_DOTTED = r"(?<![\w.-])[a-z0-9_][a-z0-9_-]{0,62}(?:\.[a-z0-9_-]{1,63})+(?![\w-])"
_PATH_END = r"[^\s'\"`,;:)\]}]"
_HOME = rf"(?:(?:/[\w.-]{{1,40}}){{0,3}}/(?:homes?|Users)/{_PATH_END}+|/root\b{_PATH_END}*)"
_LINE_BREAK = re.compile(r"(\\[nrt])")


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
    # An escaped line break is the end of a word, though it ends with a letter.
    return "".join(
        piece if _LINE_BREAK.fullmatch(piece) else _scrubbed(piece, identity)
        for piece in _LINE_BREAK.split(text)
    )


def _scrubbed(text: str, identity: Identity) -> str:
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
        (re.compile(_DOTTED, re.I), _dotted),
    )


def _dotted(match: re.Match[str]) -> str:
    """Replace the name of a host, and leave parameters, products, versions and files alone."""
    name = match.group().lower()
    labels = name.split(".")
    last = labels[-1]
    if name in _dotted_terms():
        return match.group()
    if last in _DOMAINS:
        return "[host]"
    start, end = match.span()
    before, after = match.string[start - 1 : start], match.string[end : end + 1]
    telling = (
        labels[0] not in _SYSCTL
        and before != "/"  # part of a path
        and after != "="  # a setting, such as log.segment.bytes=1073741824
        and not labels[1][0].isdigit()  # a version, such as 16.4, python3.11 or 6.12.0-1-amd64
        and len(last) > 1  # e.g., sysctl.d, main.c, 7.x
        and not (last in _FILES and (len(labels) == 2 or len(last) > 2 or labels[-2] in _FILES))
        and not (len(labels) == 2 and _begins(match.group().rpartition(".")[2]))
    )
    return "[host]" if telling else match.group()


def _begins(word: str) -> bool:
    """Whether `word` rather begins a sentence, typed without a blank, than ends a name."""
    return word.istitle() or word.lower() in GENERAL_WORDS | STOP_WORDS


@cache
def _dotted_terms() -> frozenset[str]:
    """Return the names with a dot that say what is served or tuned."""
    terms = [
        term.lower()
        for kind in load_workloads().classes
        for term in (*kind.products, *kind.signs, *kind.hints)
    ]
    names = [knob.name for knob in load_catalogue().knobs]
    return frozenset(
        name for name in (*terms, *names, "asp.net", "vb.net", "node.js") if "." in name
    )


@cache
def _identifiers() -> str:
    """Return a pattern of the words with an underscore that parameters are made of."""
    names = " ".join(knob.name for knob in load_catalogue().knobs)
    words = sorted(word for word in set(re.findall(r"\w+", names)) if "_" in word)
    return rf"(?<!\w)(?:{'|'.join(words)})(?!\w)"


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
        # A name stands out between - and _ too: alice-laptop, alice_db. But rmem_max is no Max.
        alone = rf"{_identifiers()}|(?<![^\W_])({re.escape(word)})(?![^\W_])"
        text = re.sub(alone, lambda m: placeholder if m[1] else m[0], text, flags=re.I)
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
