"""What the terminal says of guard rails that tripped."""

import pytest
from tests.report.example import result

from sealtune.report.text import evidence


@pytest.mark.parametrize(
    ("guards", "says"),
    [
        (["p99 latency was 500 ms"], "1 run ended and undone: p99 latency was 500 ms"),
        (["hung tasks: 1", "x"], "2 runs ended and undone: the first because hung tasks: 1"),
    ],
)
def test_tripped_rails_are_part_of_the_evidence(guards, says):
    """
    How many runs tripped one, and why the first did; nothing when none did.
    """
    assert ("Guard rails", says) in evidence(result(guards=guards))
    assert "Guard rails" not in dict(evidence(result(guards=[])))
