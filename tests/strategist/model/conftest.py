"""A task for a model, a good answer to it, and no way out to real services."""

import pydantic_ai.models
import pytest
from tests.strategist.model.answers import DESCRIPTION

from sealtune.space.config import TuningConfig
from sealtune.strategist.task import Strategy, Task


@pytest.fixture(autouse=True)
def _no_requests(monkeypatch):
    """Let no test reach a model by mistake; those with a server of their own say so."""
    monkeypatch.setattr(pydantic_ai.models, "ALLOW_MODEL_REQUESTS", False)


@pytest.fixture
def requests_allowed():
    """Allow requests to a server that the test started itself."""
    with pydantic_ai.models.override_allow_model_requests(True):
        yield


@pytest.fixture
def task(facts, availability):
    """A database on a machine that has everything."""
    tools = ("pgbench", "sysbench", "redis", "ab", "sqlite")
    return Task(DESCRIPTION, facts, availability, installed=tools, seed=7)


EMBEDDED = TuningConfig(
    workload_name="embedded",
    reward_metric="throughput",
    benchmark_command="sealtune-sqlite",
    action_space=({"param": "vm.swappiness", "min": 1, "max": 60},),
    strategist="embedded",
)


@pytest.fixture
def fallback():
    """An embedded strategist that can be told from a model."""
    return lambda _task: Strategy(EMBEDDED, None, ("from the embedded strategist",))
