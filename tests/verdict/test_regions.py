"""Where a knob is best, in words."""

import numpy as np
import pytest

from sealtune.verdict.regions import best_region

NUMBERS = (4, 16, 64, 256, 1024)


@pytest.mark.parametrize(
    ("curve", "said"),
    [
        ([0.0, 0.2, 0.4, 0.6, 1.0], "larger is better"),
        ([0.0, 0.5, 0.9, 1.0, 0.95], "larger is better up to about 64"),
        ([1.0, 0.95, 0.2, 0.1, 0.0], "smaller is better down to about 16"),
        ([1.0, 0.5, 0.2, 0.1, 0.0], "smaller is better"),
        ([0.0, 0.2, 1.0, 0.2, 0.0], "best around 64"),
        ([0.0, 0.9, 1.0, 0.2, 0.0], "best between about 16 and 64"),
        ([1.0, 0.0, 1.01, 0.0, 0.9], ""),
        ([1.0, 1.0, 1.0, 1.0, 1.0], ""),
    ],
)
def test_the_shape_of_the_curve_is_said_in_words(curve, said):
    """
    Each shape has its words; a flat curve and one with two hills have none.
    """
    assert said == best_region(NUMBERS, np.array(curve), np.array([curve] * 10))


def test_nothing_is_said_where_resamples_contradict():
    """
    When three of ten resamples see it the other way round, it is not clear.
    """
    curve = np.array([0.0, 0.2, 0.4, 0.6, 1.0])
    assert "" == best_region(NUMBERS, curve, np.array([curve] * 7 + [curve[::-1]] * 3))
    assert "larger is better" == best_region(NUMBERS, curve, np.array([curve] * 10))


def test_choices_as_good_as_each_other_are_named_together():
    """
    Two choices that are nearly equally good are both named.
    """
    curve = np.array([0.9, 0.0, 1.0])
    assert "best: none or kyber" == best_region(("none", "bfq", "kyber"), curve, curve[None, :])
