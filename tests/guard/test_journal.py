"""The journal's reader: any damage is told, none is guessed around."""

import os

import pytest
from hypothesis import given, settings
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


def test_damage_to_a_real_journal_is_refused_or_a_torn_tail(machine):
    """
    What a run with coupled and born files wrote: cut anywhere, then one bit flipped, it reads as
    the records before the cut, or is refused; never as anything else.
    """
    keeper = machine.keeper()
    keeper.look_at(None)
    for setting in (
        {"vm.swappiness": 10, "vm.dirty_bytes": 2**26},
        {"block/vda/scheduler": "kyber", "block/vda/iosched/read_lat_nsec": 10**6},
        {"vm.dirty_ratio": 30},
    ):
        keeper.apply(setting)
    with open(machine.places.journal, "rb") as file:
        whole = file.read()
    lines = whole.splitlines(keepends=True)
    ends = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]

    @settings(max_examples=400, deadline=None)
    @given(st.integers(0, len(whole)), st.integers(0, len(whole) * 8 - 1), st.booleans())
    def check(length, bit, flip):
        data = bytearray(whole)
        if flip:
            data[bit // 8] ^= 1 << bit % 8
        try:
            state, valid = replay(bytes(data[:length]), "journal")
        except JournalError:
            assert flip
            assert bit // 8 < length
            return
        torn = max(end for end in ends if end <= length)
        # A flip in the torn line itself is no matter: it is not read.
        assert valid == torn
        assert not flip or bit // 8 >= torn
        assert state.held == replay(whole[:torn], "journal")[0].held

    check()


@pytest.mark.parametrize("torn", [b"", LINES[2][:4], LINES[2][:60]])
def test_zeros_in_place_of_the_last_record_are_a_torn_tail(torn):
    """
    What some file systems leave of a record that was not synced, after a power cut; in place of
    an earlier record they are damage.
    """
    state, valid = replay(LINES[0] + torn + bytes(512), "journal")
    assert len(LINES[0]) == valid
    assert "60" == state.held["/proc/sys/vm/swappiness"].old
    for data in (LINES[0] + bytes(512) + LINES[1], LINES[0] + LINES[1][:-1] + bytes(8)):
        with pytest.raises(JournalError):
            replay(data, "journal")


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
