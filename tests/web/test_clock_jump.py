"""The page of a session during which the machine slept, or its date was set."""

import pytest

from sealtune.store import Moment, NewSession, SqliteStore, TrialRow
from sealtune.web.build import Present, Stored, build

HOUR = 3600.0


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["slept or set forward", "set back"])
def test_pairs_and_progress_are_counted_by_order_not_by_date(tmp_path, jump):
    """
    Runs are dated by the session's own clock, moments by the wall clock: when the two part, no
    pair of the confirmation vanishes, and none of an interrupted process comes back.
    """
    with SqliteStore(tmp_path / "sessions.db") as store:
        session = store.begin(NewSession("x"))

        def begin(number, wall):
            body = {"name": "confirm", "title": "confirming", "seconds": 60.0, "runs": 8}
            store.add_moments(session, [Moment("phase", body, wall)])
            for index in range(number, number + 4):
                setting = {"vm.swappiness": 10} if index % 2 else {}
                row = TrialRow("confirm", index, setting, value=100.0, started=1e9 + index)
                store.add_trial(session, row)
                body = {"phase": "confirm", "index": index, "live": {}}
                store.add_moments(session, [Moment("run", body, wall)])

        begin(0, 1e9 + jump)  # by a process that was interrupted
        begin(4, 1e9 + jump)
        stored = Stored(
            store.session(session), store.trials(session), store.moments(session), True
        )
        snapshot = build(stored, Present())

    assert 2 == len(snapshot.confirmation.pairs)
    assert 4 == snapshot.phase.done
