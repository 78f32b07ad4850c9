import pytest

from sealtune.errors import TooLittleTimeError
from sealtune.verdict import LOOKS, plan_clock


@pytest.mark.parametrize("minutes", [4, 6, 8, 10, 20, 45, 120, 600])
@pytest.mark.parametrize("knobs", [1, 6, 12])
def test_a_plan_fits_its_minutes_and_confirms(minutes, knobs):
    """
    No plan exceeds the minutes asked for, and each has an A/A of six runs, a search, at least
    six pairs and time to minimise.
    """
    clock = plan_clock(minutes, None, 5, 2, knobs)

    assert clock.total_seconds <= minutes * 60
    assert clock.phase("A/A").runs >= 6
    assert clock.search_trials >= 6
    assert clock.pairs in LOOKS
    assert clock.phase("confirmation").runs == 2 * clock.pairs
    assert clock.phase("minimising").runs >= 4
    assert clock.reserved_seconds == pytest.approx(
        clock.phase("confirmation").seconds + clock.phase("minimising").seconds
    )
    assert all(phase.says for phase in clock.phases)


def test_twenty_minutes_is_the_default_and_mostly_search():
    """
    Without minutes or trials the plan takes 20 minutes: 80 to 90 search runs, 18 pairs.
    """
    clock = plan_clock(None, None, 5, 2, 8)

    assert 19.5 < clock.total_seconds / 60 <= 20
    assert 80 <= clock.phase("search").runs <= 90
    assert 18 == clock.pairs


def test_six_minutes_are_a_useful_plan():
    """
    Six minutes of 7 s runs leave 18 or more search runs, six pairs and five steps of minimising.
    """
    clock = plan_clock(6, None, 5, 2, 8)

    assert clock.phase("search").runs >= 18
    assert 6 == clock.pairs
    assert clock.phase("minimising").runs >= 10


def test_too_little_time_names_the_minutes_that_would_do():
    """
    A budget without room for six pairs is refused, and the minutes it names are accepted.
    """
    with pytest.raises(TooLittleTimeError, match=r"(\S+) minutes would do") as refusal:
        plan_clock(2, None, 5, 2, 8)

    minutes = float(str(refusal.value).split()[-4])
    assert 2 < minutes < 5
    assert 6 == plan_clock(minutes, None, 5, 2, 8).pairs


@pytest.mark.parametrize("minutes", [0, -1, 0.01])
def test_no_time_at_all_is_refused_kindly(minutes):
    """
    Zero and negative minutes are too little time, not a crash.
    """
    with pytest.raises(TooLittleTimeError):
        plan_clock(minutes, None, 5, 2, 8)


@pytest.mark.parametrize("trials", [1, 10, 60, 200])
def test_trials_alone_set_the_clock(trials):
    """
    With trials and no minutes exactly that many are searched, and the rest follows.
    """
    clock = plan_clock(None, trials, 5, 2, 8)

    assert trials == clock.search_trials
    assert clock.phase("search").runs > trials
    assert clock.pairs >= 6


def test_of_trials_and_minutes_the_smaller_wins():
    """
    A trial limit below what the minutes allow shortens the search, one above it does nothing.
    """
    full = plan_clock(20, None, 5, 2, 8)

    assert 20 == plan_clock(20, 20, 5, 2, 8).search_trials
    assert plan_clock(20, 20, 5, 2, 8).total_seconds < full.total_seconds
    assert full == plan_clock(20, 10_000, 5, 2, 8)
