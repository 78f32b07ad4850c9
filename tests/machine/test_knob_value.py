import os

import pytest

from sealtune.catalogue.knob import Knob
from sealtune.machine import read_knob

NUMBER = Knob("vm.example", "/proc/sys/vm/example", "int")
CHOICE = Knob("x/example", "/sys/x/example", "choice")
CONTROL = Knob(
    "net.ipv4.tcp_congestion_control", "/proc/sys/net/ipv4/tcp_congestion_control", "choice"
)


def test_blanks_become_single(tree):
    """
    Tabs and newlines of a triple become single blanks, so that values can be compared.
    """
    tree.write(CHOICE.path, "4096\t131072\t6291456\n")

    reading = read_knob(CHOICE, tree.root)

    assert ("ok", "4096 131072 6291456", ()) == (reading.state, reading.value, reading.offered)


def test_a_bracketed_list_gives_selection_and_offer(tree):
    """
    Of a list with brackets the selected word is the value and the words are the offer.
    """
    tree.write(CHOICE.path, "always defer+madvise [madvise] never\n")

    reading = read_knob(CHOICE, tree.root)

    assert "madvise" == reading.value
    assert ("always", "defer+madvise", "madvise", "never") == reading.offered


def test_an_offer_in_a_sister_file_is_read(tree):
    """
    Congestion controls on offer stand in another file of the same folder.
    """
    tree.write(CONTROL.path, "bbr\n")
    tree.write("/proc/sys/net/ipv4/tcp_available_congestion_control", "reno bbr\n")

    assert ("reno", "bbr") == read_knob(CONTROL, tree.root).offered


def test_a_missing_file_is_missing(tree):
    """
    A parameter that this kernel lacks has no value, and no error.
    """
    reading = read_knob(NUMBER, tree.root)

    assert ("missing", None) == (reading.state, reading.value)


@pytest.mark.parametrize("mode", [0o444, 0o400])
def test_a_file_without_a_write_bit_is_read_only(tree, mode):
    """
    Root, too, is told that a file of mode 0444 cannot be written.
    """
    tree.write(NUMBER.path, "60\n", mode=mode)

    reading = read_knob(NUMBER, tree.root)

    assert ("read_only", "60") == (reading.state, reading.value)


def test_a_read_only_mount_is_read_only(tree, monkeypatch):
    """
    A writable mode on a read-only mount is not taken for writable.
    """
    tree.write(NUMBER.path, "60\n")
    real = os.statvfs

    class ReadOnly:
        f_flag = os.ST_RDONLY

    assert "ok" == read_knob(NUMBER, tree.root).state
    monkeypatch.setattr(os, "statvfs", lambda path: ReadOnly())
    assert "read_only" == read_knob(NUMBER, tree.root).state
    assert not real(tree.root).f_flag & os.ST_RDONLY


def test_a_file_that_refuses_reading_is_unreadable(tree):
    """
    What cannot be read says so in the system's own words.
    """
    (tree.root / "proc/sys/vm/example").mkdir(parents=True)  # reading a folder fails, for root too

    reading = read_knob(NUMBER, tree.root)

    assert ("unreadable", None) == (reading.state, reading.value)
    assert reading.detail
