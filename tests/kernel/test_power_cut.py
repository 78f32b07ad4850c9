"""The power is cut at some moments; at all of them by ``python -m tests.kernel.power_cut``."""

import os

import pytest
from tests.kernel.power_cut.cutting import cut_and_recover, tear_and_recover
from tests.kernel.power_cut.recording import How

needs_root = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system image: needs root"),
]


def on_a_disk(test):
    for mark in needs_root:
        test = mark(test)
    return test


@on_a_disk
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a store"])
def test_a_power_cut_loses_nothing_and_makes_nothing_up(beside):
    """
    From whatever reached the disk: the same boot gets its originals back; another boot writes
    nothing and tells the crash.
    """
    tally = cut_and_recover(How(lost=1, beside=beside), most=16)
    assert [] == tally.wrong
    assert tally.restored > 5
    assert tally.crashes > 5
    assert 0 == tally.unclear


@on_a_disk
def test_without_the_sync_before_the_write_originals_would_be_lost():
    """
    A guard whose fsync does nothing is caught.
    """
    tally = cut_and_recover(How(lost=0, honest=False), most=20)
    assert any("not the originals" in line for line in tally.wrong)
    assert any("not told as a crash" in line for line in tally.wrong)


def test_a_torn_write_loses_nothing_and_makes_nothing_up(tmp_path):
    """
    The same holds wherever the bytes end that were never synced, and if zeros follow them.
    """
    tally = tear_and_recover(every=499)
    assert [] == tally.wrong
    assert tally.restored > 5
