"""No network but the loopback: a few instructions that the kernel asks for a control group.

Programs of the kernel's BPF virtual machine, attached to a group of version 2, decide on every
``connect``, ``bind`` and addressed ``sendmsg`` of the processes in it: 127.0.0.0/8 and ::1 pass,
everything else fails with EPERM. What travels over a connection costs nothing: nobody looks at
packets. They vanish with the group. What they refuse they note, so that whoever wonders why a
program failed can be told. Standard library only.
"""

import contextlib
import ctypes
import os
import resource
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SYSCALLS = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
_MAKE_MAP, _LOOK_UP, _LOAD, _ATTACH = 0, 1, 5, 8
_ARRAY = 2
_BESIDE_OTHERS = 2
_PACKET, _SOCKET, _ADDRESS = 8, 9, 18
"""Types of program: they see a packet, a socket being made, or an address."""
_LOAD_BYTE, _LOAD_WORD, _OR, _SET, _JUMP, _EXIT = 0x71, 0x61, 0x4F, 0xB7, 0x05, 0x95
_LOAD_ADDRESS, _STORE_WORD, _IN_A_MAP = 0x18, 0x62, 2
_IF_EQUAL, _IF_DIFFERENT = 0x16, 0x56
"""Comparisons of 32 bits; those of 64 would stretch the sign of the constant."""
_IP4, _IP6 = 4, 8
"""Where the address stands in ``struct bpf_sock_addr``, in network byte order."""
_PROTOCOL = 12
_TCP, _UDP = 6, 17
_DEVICE, _LOOPBACK = 40, 1
"""Where a packet's device stands in ``struct __sk_buff``; the loopback is the first everywhere."""


def _step(code: int, target: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    little = sys.byteorder == "little"
    registers = target | source << 4 if little else target << 4 | source
    return struct.pack("=BBhI", code, registers, offset, value & 0xFFFFFFFF)


def _in_network_order(number: int) -> int:
    return int.from_bytes(number.to_bytes(4, "big"), sys.byteorder)


_PASS = [_step(_SET, 0, value=1), _step(_EXIT)]
_REFUSE = [_step(_SET, 0, value=0), _step(_EXIT)]
# The end of each of them is a refusal, see `_refusal`.
_ONLY_LOOPBACK_4 = [
    _step(_LOAD_BYTE, 2, 1, _IP4),
    _step(_IF_DIFFERENT, 2, offset=2, value=127),
    *_PASS,
]
_ONLY_LOOPBACK_6 = [
    _step(_LOAD_WORD, 2, 1, _IP6),
    _step(_LOAD_WORD, 3, 1, _IP6 + 4),
    _step(_OR, 2, 3),
    _step(_IF_DIFFERENT, 2, offset=10, value=0),
    _step(_LOAD_WORD, 2, 1, _IP6 + 8),
    _step(_IF_EQUAL, 2, offset=4, value=0),
    # An IPv4 address in IPv6 clothes, ::ffff:127.0.0.1: the hooks of IPv4 never see it.
    _step(_IF_DIFFERENT, 2, offset=7, value=_in_network_order(0xFFFF)),
    _step(_LOAD_BYTE, 3, 1, _IP6 + 12),
    _step(_IF_DIFFERENT, 3, offset=5, value=127),
    _step(_JUMP, offset=2),
    _step(_LOAD_WORD, 3, 1, _IP6 + 12),
    _step(_IF_DIFFERENT, 3, offset=2, value=_in_network_order(1)),
    *_PASS,
]
_ONLY_TCP_AND_UDP = [
    _step(_LOAD_WORD, 2, 1, _PROTOCOL),
    _step(_IF_EQUAL, 2, offset=1, value=_TCP),
    _step(_IF_DIFFERENT, 2, offset=2, value=_UDP),
    *_PASS,
]
_ONLY_THROUGH_THE_LOOPBACK = [
    _step(_LOAD_WORD, 2, 1, _DEVICE),
    _step(_IF_DIFFERENT, 2, offset=2, value=_LOOPBACK),
    *_PASS,
]
_HOOKS = (
    (_SOCKET, 2, _ONLY_TCP_AND_UDP),  # ping, SCTP and MPTCP pass no hook of their addresses
    (_ADDRESS, 8, _ONLY_LOOPBACK_4),  # bind
    (_ADDRESS, 9, _ONLY_LOOPBACK_6),
    (_ADDRESS, 10, _ONLY_LOOPBACK_4),  # connect
    (_ADDRESS, 11, _ONLY_LOOPBACK_6),
    (_ADDRESS, 14, _ONLY_LOOPBACK_4),  # sendmsg to an address
    (_ADDRESS, 15, _ONLY_LOOPBACK_6),
    (_PACKET, 1, _ONLY_THROUGH_THE_LOOPBACK),  # on its way out
)


def only_loopback(group: Path, noted: int | None = None) -> bool:
    """Let the processes of `group`, a control group of version 2, reach nothing but the loopback.

    Needs root. Unix sockets are not touched, and neither are connections that exist already.

    Args:
        group: Its directory.
        noted: Where refusals are noted, see `notebook`.

    Returns:
        Whether all of it stands; without a hook that this kernel lacks it is not.
    """
    number = _SYSCALLS.get(os.uname().machine)
    if number is None:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    directory = os.open(group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with _room_to_lock():
            return all([_attach(libc, number, directory, noted, *hook) for hook in _HOOKS])
    finally:
        os.close(directory)


def notebook() -> int | None:
    """Return a descriptor of what `only_loopback` notes its refusals in; ``None`` without it.

    It needs Linux 5.2.
    """
    number = _SYSCALLS.get(os.uname().machine)
    if number is None:
        return None
    made = struct.pack("=IIIII", _ARRAY, 4, 4, 1, 0)
    with _room_to_lock():
        found = int(ctypes.CDLL(None).syscall(number, _MAKE_MAP, made, len(made)))
    return None if found < 0 else found


def has_refused(noted: int | None) -> bool:
    """Return whether a refusal is noted in `noted`."""
    number = _SYSCALLS.get(os.uname().machine)
    if noted is None or number is None:
        return False
    key, value = ctypes.c_uint32(0), ctypes.c_uint32(0)
    asked = struct.pack("=IIQQQ", noted, 0, ctypes.addressof(key), ctypes.addressof(value), 0)
    ctypes.CDLL(None).syscall(number, _LOOK_UP, asked, len(asked))
    return value.value != 0


@contextmanager
def _room_to_lock() -> Iterator[None]:
    """Lift the limit on locked memory for a moment, as far as we may.

    Before Linux 5.11 every program and map counts as locked memory of its user, all groups
    together: the customary 64 KiB do not suffice for two groups.
    """
    before = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    for most in (resource.RLIM_INFINITY, before[1]):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (most, most))
            break
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, before)


def _refusal(noted: int | None) -> list[bytes]:
    if noted is None:
        return _REFUSE
    where = [_step(_LOAD_ADDRESS, 1, _IN_A_MAP, value=noted), _step(0)]
    return [*where, _step(_STORE_WORD, 1, value=1), *_REFUSE]


def _attach(
    libc: ctypes.CDLL,
    number: int,
    group: int,
    noted: int | None,
    kind: int,
    hook: int,
    steps: list[bytes],
) -> bool:
    program = _load(libc, number, kind, hook, [*steps, *_refusal(noted)])
    if program < 0 and noted is not None:  # the fence matters more than the note
        program = _load(libc, number, kind, hook, [*steps, *_REFUSE])
    if program < 0:
        return False
    try:
        attach = struct.pack("=IIII", group, program, hook, _BESIDE_OTHERS)
        return not libc.syscall(number, _ATTACH, attach, len(attach))
    finally:
        os.close(program)


def _load(libc: ctypes.CDLL, number: int, kind: int, hook: int, steps: list[bytes]) -> int:
    code = ctypes.create_string_buffer(b"".join(steps))
    licence = ctypes.create_string_buffer(b"GPL")
    where = (ctypes.addressof(code), ctypes.addressof(licence))
    load = struct.pack("=IIQQIIQII16sII", kind, len(steps), *where, 0, 0, 0, 0, 0, b"", 0, hook)
    return int(libc.syscall(number, _LOAD, load, len(load)))
