"""The importance of parameters at the end of whole simulated sessions."""

import json

import pytest

from sealtune.planning import make_plan
from sealtune.report.events import PhaseStarted, RunFinished
from sealtune.request import Request
from sealtune.session import tune

CACHE = "low latency redis cache, one client at a time"


def plan(**wishes):
    given = {"dry_run": True, "tactician": "random", "seed": 1003, "description": CACHE}
    return make_plan(Request(**{**given, **wishes}))


def test_every_tuned_parameter_is_weighed_after_the_last_run(store):
    """
    The result has one row per parameter of the plan, computed when no benchmark runs any more.
    """
    events = []
    planned = plan(trials=24)
    result = tune(planned, store, events.append)

    rows = result.as_dict()["importance"]
    assert set(planned.built.space.names) == {row["param"] for row in rows}
    keys = {"param", "share", "low", "high", "most_important_probability", "told", "best"}
    assert all(keys == set(row) for row in rows)
    assert rows == tuple(sorted(rows, key=lambda row: -row["share"]))
    assert 24 == result.importance_basis["trials"]
    assert json.loads(json.dumps(rows)) == list(rows)
    names = [event.name for event in events if isinstance(event, PhaseStarted)]
    assert "explain" == names[-1]
    assert not any(isinstance(event, RunFinished) for event in events[-2:])


@pytest.mark.parametrize(("trials", "weighed"), [(5, False), (14, True)])
def test_an_interrupted_search_is_weighed_if_it_got_far_enough(store, trials, weighed):
    """
    Interrupted after 14 trials the parameters are still weighed, after 5 the reason is given.
    """
    seen = []

    def interrupt(event):
        if isinstance(event, RunFinished) and event.phase == "search":
            seen.append(event)
            if len(seen) == trials:
                raise KeyboardInterrupt

    result = tune(plan(trials=24), store, interrupt)

    assert "interrupted" == result.verdict
    assert weighed == bool(result.importance)
    assert weighed == (not result.importance_basis["reason"])


def test_a_second_ctrl_c_skips_the_weighing_and_keeps_the_verdict(store):
    """
    An impatient person loses the explanation, and nothing else.
    """

    def interrupt(event):
        if isinstance(event, PhaseStarted) and event.name == "explain":
            raise KeyboardInterrupt

    result = tune(plan(minutes=6), store, interrupt)

    assert result.success
    assert () == result.importance
    assert result.importance_basis["reason"]
    assert "finished" == store.session(result.session).status
