"""A plan on its way to the process that runs it."""

import dataclasses
import json

import pytest
from tests.mcp_server.conftest import CACHE, QUICK, Person, converse, text

from sealtune.errors import InputError
from sealtune.mcp_server import handover
from sealtune.planning import make_plan


@pytest.fixture(scope="module")
def plan():
    wishes = dataclasses.replace(QUICK, description=CACHE, trials=6, dry_run=True)
    return make_plan(wishes)


def test_the_plan_that_arrives_is_the_one_that_was_sent(plan):
    """
    Values, ranges, starts, benchmark, time and seed survive the way; so does the description.
    """
    arrived = handover.unpack(json.loads(json.dumps(handover.pack(plan))))
    assert handover.terms(arrived) == handover.terms(plan)
    assert arrived.request.description == CACHE
    assert arrived.simulated


def test_a_seed_that_nobody_named_is_the_same_on_arrival():
    """
    What was drawn for the plan that was shown is what is run.
    """
    drawn = make_plan(dataclasses.replace(QUICK, seed=None, description=CACHE, dry_run=True))
    assert handover.unpack(handover.pack(drawn)).seed == drawn.seed


@pytest.mark.parametrize(
    ("what", "other"),
    [("values", {"vm.swappiness": "1"}), ("seed", 4), ("time", 1), ("simulated", False)],
)
def test_another_plan_than_the_one_agreed_to_is_refused(plan, what, other):
    """
    If anything that the yes was about comes out differently, nothing is run, and it is named.
    """
    packed = handover.pack(plan)
    packed["agreed"][what] = other
    with pytest.raises(InputError, match=f"has changed since the plan was shown: other {what}$"):
        handover.unpack(packed)


def test_a_command_of_ones_own_arrives_with_the_leave_for_exactly_it(plan):
    """
    What the person allowed is allowed there too, and nothing else is.
    """
    own = plan.config.model_copy(
        update={"benchmark_command": "/opt/measure.sh --fast", "reward_metric": "score"}
    )
    request = dataclasses.replace(plan.request, config=own)
    allowed = make_plan(request, lambda spec: True)
    packed = handover.pack(allowed)
    assert packed["request"]["approved_command"] == "/opt/measure.sh --fast"
    assert handover.unpack(packed).spec.approval is None
    assert handover.pack(plan)["request"]["approved_command"] is None


def test_a_session_that_cannot_begin_is_an_error_at_once(serving, history, monkeypatch):
    """
    What goes wrong in the process before the session has a name is the answer of start_tuning.
    """

    def changed(plan):
        packed = handover.pack(plan)
        packed["agreed"]["seed"] = -1
        return packed

    monkeypatch.setattr("sealtune.mcp_server.run.pack", changed)
    server = serving(allow_tuning=True)
    (planned,) = converse(server, ("plan_tuning", {"description": CACHE, "trials": 6}))
    plan = planned.structured_content["plan"]
    (answer,) = converse(server, ("start_tuning", {"plan": plan}), person=Person())
    assert answer.is_error
    assert "has changed since the plan was shown: other seed\nfix: Plan again" in text(answer)
    with history() as store:
        assert store.sessions() == ()
