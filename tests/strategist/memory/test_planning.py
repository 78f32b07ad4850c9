"""What a plan remembers: as its own strategist understood the description."""

from tests.strategist.memory.past import CACHE, config, param, past

from sealtune.machine import gather_facts
from sealtune.planning import default_workdir, make_plan
from sealtune.request import Request
from sealtune.space.config import load_config
from sealtune.strategist.reading import Reading
from sealtune.strategist.task import Strategy

VAGUE = "make it go faster"


def planned(reading, *, metric="requests_per_second"):
    """Return the notices of the plan that a strategist with this reading makes."""
    mine = config(reward_metric=metric, action_space=[param(CACHE, 10, 400)])
    found = past(
        description="quicker, please",
        traits=(),
        facts=gather_facts(default_workdir()).as_dict(),
        originals={},
        setting={CACHE: 77},
        effects={CACHE: {"kept": True, "effect": "x4.12", "best": "77"}},
    )
    plan = make_plan(
        Request(description=VAGUE, dry_run=True, minutes=10),
        strategist=lambda _task: (Strategy(load_config(mine), reading),),
        experiences=(found,),
    )
    return [notice for notice in plan.notices if notice.startswith("Memory:")]


def test_a_plan_recalls_by_the_reading_of_its_strategist():
    """A description that the machine settled meets the memory of its class, and no other's."""
    cache = Reading("memory_cache", (), 0.9, (), (), machine=("redis is running",))
    database = Reading("oltp_database", (), 0.9, (), (), machine=("postgres is running",))

    assert any("vfs_cache_pressure 77 gave x4.12" in notice for notice in planned(cache))
    assert [] == planned(database)
