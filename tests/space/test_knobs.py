"""One dimension: what may be encoded comes back, and nothing leaves the range."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtune.space.knobs import ChoiceKnob, IntKnob


@st.composite
def int_knobs(draw, scale=None):
    """Any valid integer knob."""
    scale = scale or draw(st.sampled_from(["linear", "log"]))
    low = draw(st.integers(0 if scale == "log" else -(10**6), 10**6))
    high = low + draw(st.integers(0, 10**9))
    step = draw(st.integers(1, max(1, min(5000, high - low))))
    return IntKnob("k", low, high, scale=scale, step=step)


choice_knobs = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=9, unique=True).map(
    lambda choices: ChoiceKnob("c", choices)
)


@given(knob=int_knobs(), position=st.floats(-2, 3))
def test_decoded_integers_are_inside_and_on_the_grid(knob, position):
    """Whatever the position, the value lies in the range, on a step or at the upper end."""
    value = knob.decode(position)

    assert knob.low <= value <= knob.high
    assert (value - knob.low) % knob.step == 0 or value == knob.high


@given(knob=int_knobs(), data=st.data())
def test_an_integer_comes_back(knob, data):
    """Encoding a value on the grid and decoding it gives the value again."""
    steps = data.draw(st.integers(0, (knob.high - knob.low) // knob.step))
    value = knob.low + steps * knob.step

    assert value == knob.decode(knob.encode(value))


@given(knob=int_knobs(), data=st.data())
def test_encoding_keeps_the_order(knob, data):
    """A larger value never has a smaller position."""
    small = data.draw(st.integers(knob.low, knob.high))
    large = data.draw(st.integers(small, knob.high))

    assert knob.encode(small) <= knob.encode(large)


@given(knob=int_knobs())
def test_both_ends_are_reachable(knob):
    """Positions 0 and 1 are the ends of the range, up to one step."""
    assert knob.low == knob.decode(0.0)
    assert knob.high - knob.decode(1.0) < knob.step


@given(knob=int_knobs(), value=st.integers(-(10**12), 10**12))
def test_a_value_outside_is_clipped(knob, value):
    """Encoding never leaves [0, 1]."""
    assert 0.0 <= knob.encode(value) <= 1.0


def test_a_log_scale_spreads_ratios_evenly():
    """Equal distances are equal ratios, and 0 stays reachable."""
    knob = IntKnob("k", 0, 1_000_000, scale="log", step=100)

    assert 0 == knob.decode(0.0)
    assert pytest.approx(0.25, abs=0.01) == knob.encode(900)
    assert 1_000_000 == knob.decode(1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"low": 2, "high": 1},
        {"low": 0, "high": 9, "step": 0},
        {"low": -1, "high": 9, "scale": "log"},
        {"low": 0, "high": 9, "start": 10},
    ],
)
def test_an_impossible_range_is_refused_by_name(wrong):
    """The error names the knob."""
    with pytest.raises(ValueError, match="broken"):
        IntKnob("broken", **wrong)


@given(knob=choice_knobs)
def test_a_choice_comes_back(knob):
    """Encoding a choice and decoding it gives the choice again."""
    assert list(knob.choices) == [knob.decode(knob.encode(choice)) for choice in knob.choices]


@given(knob=choice_knobs, position=st.floats(-2, 3))
def test_any_position_is_a_choice(knob, position):
    """Whatever the position, the value is one of the choices."""
    assert knob.decode(position) in knob.choices


def test_the_start_is_where_it_was_put():
    """A given start is kept; without one it is the middle, or the first choice."""
    assert 60 == IntKnob("a", 0, 100, start=60).first
    assert 50 == IntKnob("a", 0, 100).first
    assert "y" == ChoiceKnob("c", ["x", "y"], start="y").first
    assert "x" == ChoiceKnob("c", ["x", "y"]).first


@pytest.mark.parametrize(("choices", "start"), [([], None), (["x", "x"], None), (["x"], "y")])
def test_impossible_choices_are_refused_by_name(choices, start):
    """The error names the knob."""
    with pytest.raises(ValueError, match="broken"):
        ChoiceKnob("broken", choices, start)
