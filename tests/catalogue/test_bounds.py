from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtune.catalogue.bounds import Limit, resolve_bound, resolve_range

GIB = 2**30
LIMIT = Limit("/proc/sys/f", "int", 10, 60, (), 1, 0, (), None)


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        (7, 7),
        ("7", 7),
        ("present", 60),
        ("0.25*RAM", 2 * GIB),
        ("0.04*RAM/1024", 335544),
        ("min(0.04*RAM/1024, 1048576)", 335544),
        ("min(0.04*RAM/1024, 1024)", 1024),
        ("min(present, 100)", 60),
    ],
)
def test_every_form_of_a_bound_is_understood(bound, expected):
    """
    A number, the present value, a share of memory and the smaller of two
    resolve to the number they stand for on an 8 GiB machine.
    """
    assert expected == resolve_bound(bound, 60, 8 * GIB)


@pytest.mark.parametrize(
    "bound",
    ["", "RAM", "*RAM", "0.5*", "0.5*RAM/", "0.5*RAM/0", "0.5*RAMx", "0.5*RAM*2", ".5*RAM",
     "5.*RAM", "-1", "1e9", "0x10", "min(1)", "min(1, 2, 3)", "min(1, x)", "__import__('os')",
     "\u0661"],
)  # fmt: skip
def test_anything_else_is_refused(bound):
    """
    A text outside the tiny grammar raises and is never evaluated.
    """
    with pytest.raises(ValueError, match="bound"):
        resolve_bound(bound, 60, 8 * GIB)


def test_a_raise_only_bound_needs_the_present_value():
    """
    Without a present value, "present" is an error and not a guess.
    """
    with pytest.raises(ValueError, match="present"):
        resolve_bound("present", None, 8 * GIB)


@given(st.text(alphabet="0123456789.*RAM/min(), prest", max_size=30))
def test_no_text_does_anything_but_resolve_or_raise(text):
    """
    Whatever the text, the answer is a whole number or a ValueError.
    """
    with suppress(ValueError):
        assert type(resolve_bound(text, 5, 8 * GIB)) is int


@given(st.integers(0, 99), st.integers(0, 2**45))
def test_a_share_below_one_is_never_more_than_memory(hundredths, memory):
    """
    A share of memory is exact, rounded down, and within memory.
    """
    value = resolve_bound(f"0.{hundredths:02}*RAM", None, memory)

    assert hundredths * memory // 100 == value
    assert 0 <= value <= memory


@given(st.integers(-(10**9), 10**9))
def test_the_range_always_includes_the_present_value(present):
    """
    A machine's own value is legal, and widening never narrows the safe range.
    """
    low, high = resolve_range(LIMIT, present, GIB)

    assert low <= present <= high
    assert low <= 10
    assert 60 <= high


def test_an_unknown_present_value_widens_nothing():
    """
    Without a present value the safe range stands as written.
    """
    assert (10, 60) == resolve_range(LIMIT, None, GIB)
