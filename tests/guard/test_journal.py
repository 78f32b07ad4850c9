"""The journal's reader: any damage is told, none is guessed around."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtune.errors import JournalError
from sealtune.guard.journal import Entry, Journal, encode, replay

BOOT = "11111111-2222"


def _record(kind, **fields):
    return encode({"v": 1, "boot": BOOT, "kind": kind, **fields})


def _batch(number, **values):
    files = [
        Entry(f"/proc/sys/vm/{name}", f"vm.{name}", 0, "", (), old, new)
        for name, (old, new) in values.items()
    ]
    return _record("batch", time=float(number), setting={"vm.swappiness": "1"}, files=files)


LINES = [
    _batch(1, swappiness=("60", "10"), dirty_ratio=("20", "30")),
    _record("made", values={"/proc/sys/vm/swappiness": "10", "/proc/sys/vm/dirty_ratio": "30"}),
    _batch(2, swappiness=("60", "20"), tcp_rmem=("4096 131072 6291456", "4096 131072 1")),
    _record("made", values={"/proc/sys/vm/swappiness": "20"}),
]
WHOLE = b"".join(LINES)
ORIGINALS = {
    "/proc/sys/vm/swappiness": "60",
    "/proc/sys/vm/dirty_ratio": "20",
    "/proc/sys/vm/tcp_rmem": "4096 131072 6291456",
}


def _originals(data):
    try:
        state, _ = replay(data, "journal")
    except JournalError:
        return {}
    return {path: entry.old for path, entry in state.held.items()}


def test_what_was_written_is_read_back():
    """
    The oldest value of each file, and the setting in force, come back.
    """
    assert ORIGINALS == _originals(WHOLE)


def test_every_truncation_reads_as_the_records_before_it():
    """
    A torn last line was never acted on: cutting anywhere yields exactly the whole records.
    """
    for length in range(len(WHOLE)):
        state, valid = replay(WHOLE[:length], "journal")
        assert WHOLE[:valid] in (b"", *(b"".join(LINES[:n]) for n in range(1, 5)))
        assert WHOLE[valid:length].count(b"\n") == 0
        assert state.held.items() <= replay(WHOLE, "journal")[0].held.items() or valid


def test_every_flipped_bit_is_told():
    """
    No single flipped bit passes: neither in a record, nor in its checksum, nor in its line end.
    """
    for index in range(len(WHOLE) * 8):
        data = bytearray(WHOLE)
        data[index // 8] ^= 1 << index % 8
        with pytest.raises(JournalError):
            replay(bytes(data), "journal")


@given(
    st.lists(
        st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(1, 255)), min_size=1, max_size=6
    ),
    st.integers(0, len(WHOLE)),
)
def test_no_damage_yields_a_wrong_original(damage, length):
    """
    Whatever bytes change and wherever the file ends, an original is right or not given.
    """
    data = bytearray(WHOLE)
    for index, change in damage:
        data[index] ^= change
    assert _originals(bytes(data[:length])).items() <= ORIGINALS.items()


@given(st.binary(min_size=1, max_size=200))
def test_a_file_that_is_not_ours_is_never_read_as_values(data):
    """
    Arbitrary bytes give no originals.
    """
    assert {} == _originals(data)


@pytest.mark.parametrize(
    "data",
    [
        b"vm.swappiness = 60\n",
        b"vm.swappiness = 60",
        encode({"v": 2, "boot": BOOT, "kind": "batch", "files": []}),
        encode({"v": 1, "boot": BOOT, "kind": "later", "files": []}),
        encode({"v": 1, "boot": "../../etc/x", "kind": "undo", "paths": []}),
        _batch(1, swappiness=("60", "10")) + _batch(2, swappiness=("61", "10")),
        _batch(1, **{"../../../etc/passwd": ("60", "10")}),
        _record("made", values={"/proc/sys/vm/swappiness": "10"}),
    ],
    ids=[
        "text",
        "text without end",
        "version",
        "kind",
        "boot",
        "two originals",
        "path",
        "no batch",
    ],
)
def test_a_journal_that_is_not_understood_is_kept_as_it_is(machine, data):
    """
    Foreign, future and contradictory journals stop the guard, and stay on disk byte for byte.
    """
    os.makedirs(os.path.dirname(machine.places.journal))
    with open(machine.places.journal, "wb") as file:
        file.write(data)
    with pytest.raises(JournalError, match=r"damaged, or not ours"):
        Journal(machine.places.journal, BOOT)
    with open(machine.places.journal, "rb") as file:
        assert data == file.read()
