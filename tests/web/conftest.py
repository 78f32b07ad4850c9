"""One simulated session for all tests of the dashboard, seen while it ran and afterwards."""

import functools
import json
import shutil
from dataclasses import dataclass, replace

import pytest
from tests.web.client import request

from sealtune import session
from sealtune.planning import make_plan
from sealtune.report.events import PairFinished, PhaseStarted, RunFinished
from sealtune.store import SqliteStore
from sealtune.verdict import weigh_knobs
from sealtune.web.desk import Desk, Keeping
from sealtune.web.feed import Feed


@dataclass
class Seen:
    """What the dashboard showed of one session: at some moments of it, and after its end."""

    path: object
    id: str
    result: object
    during: dict
    ratios: list
    pairs: list


@pytest.fixture(scope="session")
def seen(tmp_path_factory):
    """One whole dry run, looked at from another connection as it went."""
    path = tmp_path_factory.mktemp("web") / "sessions.db"
    during, ratios, pairs = {}, [], []
    with SqliteStore(path) as store, SqliteStore(path) as other:
        feed = Feed(other, Desk(path, Keeping()))

        def notify(event):
            if isinstance(event, PhaseStarted):
                during[event.name] = feed.look(feed.full_id("last")).snapshot
            if isinstance(event, RunFinished) and event.phase == "search":
                ratios.append(event.ratio)
                if event.index % 6 == 0:
                    during[f"trial {event.index}"] = feed.look(feed.full_id("last")).snapshot
            if isinstance(event, PairFinished):
                pairs.append(event.ratio)
                during[f"pair {event.index}"] = feed.look(feed.full_id("last")).snapshot

        quick = functools.partial(weigh_knobs, resamples=4, shadow_fits=2)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(session, "weigh_knobs", quick)
            result = session.tune(make_plan(request()), store, notify)
    return Seen(path, result.session, result, during, ratios, pairs)


@pytest.fixture
def store(seen, tmp_path):
    """A store of its own with the finished session in it."""
    path = tmp_path / "sessions.db"
    shutil.copy(seen.path, path)
    with SqliteStore(path) as opened:
        yield opened


@pytest.fixture
def real(store, seen):
    """The finished session, dressed up as one of the real kernel with a confirmed gain."""
    knob = seen.result.knobs[0]
    result = {
        **seen.result.as_dict(),
        "verdict": "improved",
        "simulated": False,
        "best_config": {knob.name: 14},
    }
    store._connection.execute(
        "UPDATE session SET simulated = 0, result = ? WHERE id = ?", (json.dumps(result), seen.id)
    )
    return store.session(seen.id)


@pytest.fixture
def begun(store):
    """A session that this very process runs, with nothing measured yet."""
    row = store.session("last")
    return store.begin(_new(row))


def _new(row):
    from sealtune.store import NewSession

    given = {name: getattr(row, name) for name in NewSession.__dataclass_fields__}
    return replace(NewSession(**given), workload="<b>another</b>")
