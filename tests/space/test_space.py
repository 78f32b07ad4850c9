"""The space: settings and positions are two faces of one thing, and couplings always hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtune.space.knobs import ChoiceKnob, IntKnob
from sealtune.space.space import Below, Space

MIXED = Space(
    [
        IntKnob("vm.dirty_ratio", 5, 80, start=20),
        IntKnob("vm.dirty_background_ratio", 1, 50, start=10),
        IntKnob("vm.max", 1, 10**7, scale="log"),
        ChoiceKnob("thp", ["always", "madvise", "never"], start="madvise"),
    ],
    [Below("vm.dirty_background_ratio", "vm.dirty_ratio")],
)
positions = st.lists(st.floats(-0.5, 1.5), min_size=4, max_size=4)


@given(vector=positions)
def test_a_coupled_knob_stays_below_its_partner(vector):
    """Whatever the position, background is strictly below foreground, both in range."""
    setting = MIXED.decode(vector)

    assert 1 <= setting["vm.dirty_background_ratio"] < setting["vm.dirty_ratio"] <= 80


@given(vector=positions)
def test_a_decoded_setting_comes_back(vector):
    """Decoding, encoding and decoding again changes nothing any more."""
    setting = MIXED.decode(vector)

    assert setting == MIXED.decode(MIXED.encode(setting))


@given(vector=positions)
def test_repairing_twice_is_repairing_once(vector):
    """A repaired setting needs no repair."""
    setting = MIXED.decode(vector)

    assert setting == MIXED.repair(setting)


@given(lower=st.integers(0, 10), upper=st.integers(0, 10))
def test_the_upper_one_is_raised_when_lowering_is_not_enough(lower, upper):
    """Two knobs with the same range keep the order even where the upper one is at its minimum."""
    space = Space([IntKnob("low", 0, 10), IntKnob("high", 0, 10)], [Below("low", "high")])

    setting = space.repair({"low": lower, "high": upper})

    assert setting["low"] < setting["high"]


@given(values=st.tuples(*[st.integers(0, 10)] * 3))
def test_chained_couplings_all_hold(values):
    """With a below b and b below c, repair satisfies both, in whichever order they are given."""
    knobs = [IntKnob(name, 0, 10) for name in "abc"]
    for couplings in ([Below("a", "b"), Below("b", "c")], [Below("b", "c"), Below("a", "b")]):
        setting = Space(knobs, couplings).repair(dict(zip("abc", values, strict=True)))

        assert setting["a"] < setting["b"] < setting["c"]


def test_a_missing_knob_is_encoded_at_its_start():
    """The empty setting has the position of the start."""
    np.testing.assert_array_equal(MIXED.encode(MIXED.start), MIXED.encode({}))


def test_the_start_keeps_the_couplings():
    """A start that breaks a coupling is repaired."""
    space = Space(
        [IntKnob("low", 0, 90, start=50), IntKnob("high", 0, 90, start=20)], [Below("low", "high")]
    )

    assert {"low": 19, "high": 20} == space.start


def test_the_wrong_number_of_positions_is_refused():
    """The message says how many are needed and how many were given."""
    with pytest.raises(ValueError, match="need 4 numbers, got 3"):
        MIXED.decode([0.1, 0.2, 0.3])


def test_an_empty_space_and_a_repeated_knob_are_refused():
    """A space needs at least one knob, each name once."""
    with pytest.raises(ValueError, match="at least one"):
        Space([])
    with pytest.raises(ValueError, match="twice"):
        Space([IntKnob("a", 0, 1), IntKnob("a", 0, 2)])


def test_an_unknown_knob_is_a_key_error():
    """Asking for a knob that is not there does not return something else."""
    assert "thp" == MIXED.knob("thp").name
    with pytest.raises(KeyError):
        MIXED.knob("vm.unknown")
