"""What a slow tactician does to the planned time, and what a resumed session counts."""

import pytest
from tests.session.test_resume_search import ignore, stop_after, strategies, wish

from sealtune import seeking, session
from sealtune.entry import resumable_request
from sealtune.planning import make_plan
from sealtune.session import tune

pytestmark = pytest.mark.usefixtures("unexplained")


@pytest.fixture
def thinks(monkeypatch):
    """Make every tactician think for so many seconds of the session over its proposals."""
    clocks, how_long = [], {"seconds": lambda asked: 0.0}
    real = seeking.prepare_tactician

    class Watched(session.SimulatedClock):
        def __init__(self):
            super().__init__()
            clocks.append(self)

    class Slow:
        def __init__(self, sampler):
            self.name, self.tell, self._ask = sampler.name, sampler.tell, sampler.ask
            self._asked = 0

        def ask(self):
            self._asked += 1
            clocks[-1].advance(how_long["seconds"](self._asked))
            return self._ask()

    monkeypatch.setattr(session, "SimulatedClock", Watched)
    monkeypatch.setattr(
        seeking, "prepare_tactician", lambda *given, **named: Slow(real(*given, **named))
    )
    return lambda seconds: how_long.update(seconds=seconds)


def early(result):
    return [note for note in result.notes if "planned time ended the search" in note]


@pytest.mark.parametrize(
    "asked",
    [wish(trials=24), wish(trials=24, compare=("sobol",)), strategies()],
    ids=["one", "compared", "contest"],
)
def test_a_search_that_thinking_cut_short_says_so(store, thinks, asked):
    """
    With --trials alone the plan counts runs; whoever thinks long gets fewer, and a note says how
    many and why.
    """
    thinks(lambda number: 15.0)
    result = tune(make_plan(asked), store, ignore)

    (note,) = early(result)
    assert "random thought" in note or "sobol thought" in note
    assert "--minutes" in note
    if asked.rivals == () and not asked.compare:
        assert f"after {result.trials_run} of 24 trials" in note
        assert result.trials_run < 24


def test_a_search_that_had_its_trials_says_nothing(store, thinks):
    """
    Nor does one that was given minutes, whose number of trials nobody asked for.
    """
    assert early(tune(make_plan(wish(trials=12)), store, ignore)) == []
    thinks(lambda number: 15.0)
    assert early(tune(make_plan(wish(trials=None, minutes=8)), store, ignore)) == []


def test_the_replay_of_a_resumed_session_takes_nothing_from_its_time(store, thinks):
    """
    However long the tactician takes to come back to where it was, the search has all its trials.
    """
    asked = wish(trials=None, minutes=8)
    first = tune(make_plan(asked), store, stop_after(15, "search"))
    thinks(lambda number: 60.0 if number <= 15 else 0.0)
    request, name = resumable_request()
    result = tune(make_plan(request), store, ignore, resume=name)

    assert result.session == first.session
    assert result.verdict != "interrupted"
    assert result.trials_run == make_plan(asked).clock.search_trials
